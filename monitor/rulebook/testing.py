"""Running the tables inside rule files against an engine, whichever it is.

A table is read into :class:`TableRow` values; an engine behind the port :class:`RuleEngine` gives a
verdict for each. The reference evaluator and the real engine both stand behind the port, and
both must agree with the last column.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from monitor.domain.fields import FIELDS
from monitor.domain.money import parse_amount_minor
from monitor.domain.time import parse_duration_us
from monitor.domain.units import Kind
from monitor.rulebook.rule import ANY, Place, Rule, TableTest
from monitor.rulebook.tables import DEFAULT_CURRENCY, UNKNOWN_CELL, field_of_column
from monitor.rulebook.windows import currency_of

CellValue = str | int | bool | tuple[int, str]
"""Words, counts, microseconds, truths, and money as (minor units, currency)."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """One payment of a table as its holder sees it, in the order of the log.

    ``fields`` holds what is known, by the names of :data:`monitor.domain.fields.FIELDS`; a name that is absent is
    unknown. ``jurisdiction`` is that of the booking entity.
    """

    transaction_id: str
    booked_at_us: int
    jurisdiction: str | None
    reverses: str | None
    fields: dict[str, CellValue]
    expect: str

    @property
    def amount_minor(self) -> int | None:
        """Minor units of the row's currency, ``None`` if the amount is unknown."""
        amount = self.fields.get("amount")
        return amount[0] if isinstance(amount, tuple) else None

    def word(self, name: str) -> str | None:
        """A field that is a word, ``None`` if it is unknown."""
        value = self.fields.get(name)
        return value if isinstance(value, str) else None


@dataclass(frozen=True, slots=True)
class Miss:
    """A row whose verdict is not the one expected; ``row`` counts from 0."""

    row: int
    expected: str
    given: str


@dataclass(frozen=True, slots=True)
class TestResult:
    """One test of one rule: how many rows it judged and which were wrong."""

    __test__ = False

    rule_id: str
    name: str
    place: Place
    rows: int
    misses: tuple[Miss, ...]

    @property
    def passed(self) -> bool:
        """Whether every row had the verdict that the table states."""
        return not self.misses


class RuleEngine(Protocol):
    """An engine that judges the table of one rule from a fresh start."""

    def verdicts(self, rule: Rule, test: TableTest) -> list[str]:
        """``.``, ``alert``, ``quiet`` or ``undecided`` for each row of the table, in its order."""
        ...


def jurisdiction_of(rule: Rule, test: TableTest) -> str | None:
    """Where a table plays: as it says, or else the first jurisdiction of the rule."""
    if test.jurisdiction is not None:
        return test.jurisdiction
    return None if rule.jurisdictions[0] == ANY else rule.jurisdictions[0]


def table_currency(rule: Rule) -> str:
    """The currency of cells without one: the window's or the parameters' single one."""
    windows = {window.currency for window in rule.windows.values() if window.currency}
    return currency_of(rule.parameters) or (windows.pop() if len(windows) == 1 else DEFAULT_CURRENCY)


def table_rows(rule: Rule, test: TableTest) -> tuple[TableRow, ...]:
    """The rows as typed values.

    An account that is not given is one account per customer; ``status`` is booked; ``id`` is ``row-1``, ``row-2``, …
    """
    currency = table_currency(rule)
    where = jurisdiction_of(rule, test)
    return tuple(_typed(number, row, test, currency, where) for number, row in enumerate(test.rows, 1))


def _typed(number: int, cells: dict[str, str], test: TableTest, currency: str, where: str | None) -> TableRow:
    known = {column: cell for column, cell in cells.items() if cell != UNKNOWN_CELL}
    row_currency = known.get("currency", currency)
    fields: dict[str, CellValue] = {"currency": row_currency, "status": "booked"}
    if "account" not in cells:
        fields["account"] = f"{cells['customer']}-account"
    for column, cell in known.items():
        name = field_of_column(column)
        if name is not None:
            fields[name] = _value(name, cell, row_currency)
    segment = fields.get("segment", fields.get("profile.segment"))
    if segment is not None:
        fields["segment"] = fields["profile.segment"] = segment
    return TableRow(
        transaction_id=known.get("id", f"row-{number}"),
        booked_at_us=test.start_us + parse_duration_us(cells["at"]),
        jurisdiction=known.get("jurisdiction", where),
        reverses=known.get("reverses"),
        fields=fields,
        expect=cells["expect"],
    )


def _value(name: str, cell: str, currency: str) -> CellValue:
    kind = FIELDS[name].unit.kind
    if kind is Kind.MONEY:
        return parse_amount_minor(cell, currency), currency
    if kind is Kind.DURATION:
        return parse_duration_us(cell)
    if kind is Kind.COUNT:
        return int(cell)
    return cell == "true" if kind is Kind.BOOLEAN else cell


def run_test(rule: Rule, test: TableTest, engine: RuleEngine) -> TestResult:
    """Judge one table and compare with its last column."""
    given = engine.verdicts(rule, test)
    assert len(given) == len(test.rows), f"{rule.id}: {len(given)} verdicts for {len(test.rows)} rows"
    misses = tuple(
        Miss(index, row["expect"], verdict)
        for index, (row, verdict) in enumerate(zip(test.rows, given, strict=True))
        if row["expect"] != verdict
    )
    return TestResult(rule.id, test.name, test.place, len(test.rows), misses)


def run_tests(rules: Sequence[Rule], engine: RuleEngine) -> list[TestResult]:
    """All tests of all rules, in their order."""
    return [run_test(rule, test, engine) for rule in rules for test in rule.tests]
