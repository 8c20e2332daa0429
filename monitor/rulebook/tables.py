"""The inline tests of a rule: tables over time, one payment a row, the verdict in the last column.

A cell ``-`` means "not known". A column that is absent is not known either, but for ``account`` (one account
per customer), ``status`` (booked) and ``currency`` (that of the rule). Rows stand in the order of the log;
``at`` counts from the test's ``start`` at 00:00 UTC.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache

from monitor.domain.countries import COUNTRY_CODE
from monitor.domain.fields import FIELDS, PEER_QUANTILES
from monitor.domain.flow import FLOW_NAMES
from monitor.domain.money import CURRENCY_CODE, parse_amount_minor
from monitor.domain.time import parse_duration_us
from monitor.domain.units import Kind
from monitor.rulebook import entries
from monitor.rulebook.document import Keyed, Scalar, Tree
from monitor.rulebook.lists import word_problem
from monitor.rulebook.names import did_you_mean
from monitor.rulebook.rule import Place, TableTest, Window
from monitor.rulebook.rule_error import RuleError

TESTS_MAX = 64
ROWS_MAX = 512
"""Most payments of one test."""
VERDICTS = (".", "alert", "quiet", "undecided")
UNKNOWN_CELL = "-"
DEFAULT_CURRENCY = "USD"
"""The currency of a table whose rule names none."""
_KEYS = ("name", "start", "table", "lists", "peers", "hubs", "jurisdiction", "rates")
_EXTRA = ("at", "expect", "id", "reverses", "jurisdiction")
_NOT_COLUMNS = ("peer.is_hub", "time_of_day", "counterparty_account_given", *FLOW_NAMES)


def field_of_column(column: str) -> str | None:
    """The field that a column gives, ``None`` for a column of the table itself.

    >>> field_of_column("account_age"), field_of_column("amount"), field_of_column("at")
    ('profile.account_age', 'amount', None)
    """
    if column in _EXTRA:
        return None
    if column in FIELDS:
        return column
    return f"profile.{column}" if f"profile.{column}" in FIELDS else None


def read_tests(
    tree: Keyed,
    windows: Mapping[str, Window],
    lists: Mapping[str, tuple[str, ...]],
    *,
    currency: str | None,
    used_lists: frozenset[str],
) -> tuple[TableTest, ...]:
    """All tests of a rule; together they must hold an alert and a silent row.

    ``lists`` are the words of the lists loaded; a test that names no words of its own for a list that
    the rule uses is given those.
    """
    remedy = "Write tests with name, start and table; see docs/rule-format.md."
    read: list[TableTest] = []
    for item in entries.items(tree, "tests", "the rule", remedy, most=TESTS_MAX):
        test = _test(entries.keyed(item, "a test", "name, start and table"), windows, lists, currency, used_lists)
        if any(test.name == other.name for other in read):
            raise RuleError(test.place, f"two tests are named '{test.name[:60]}'", "A failure is found by the name.",
                            "Give each test its own claim.")  # fmt: skip
        read.append(test)
    verdicts = [row["expect"] for test in read for row in test.rows]
    for wanted, what in (("alert", "no row expects an alert"), (".", "no row expects silence")):
        if wanted not in verdicts:
            raise RuleError(tree.items["tests"].place, what, "A rule that is only seen on one side is not tested.",
                            f"Add a row whose verdict is '{wanted}'.")  # fmt: skip
    return tuple(read)


def _test(tree: Keyed, windows: Mapping[str, Window], lists: Mapping[str, tuple[str, ...]], currency: str | None,
          used_lists: frozenset[str]) -> TableTest:  # fmt: skip
    entries.only_keys(tree, _KEYS, "a test")
    name = entries.text(tree, "name", "a test", "Write what the test claims, as a sentence.")
    start = datetime.fromisoformat(entries.day(tree, "start", "a test")).replace(tzinfo=UTC)
    node = entries.need(tree, "table", "a test", "Write table: | and the rows below it.")
    if not isinstance(node, Scalar) or "\n" not in node.source:
        raise RuleError(node.place, "'table' holds no rows", "The first line names the columns.",
                        "Write table: | and the rows below it.")  # fmt: skip
    columns, rows = _rows(node, currency or DEFAULT_CURRENCY)
    country = entries.text(tree, "jurisdiction", "a test", "Name a country.") if "jurisdiction" in tree.items else None
    if country is not None and country not in COUNTRY_CODE:
        raise RuleError(tree.items["jurisdiction"].place, f"the jurisdiction '{country[:40]}'",
                        "It is no country of ISO 3166-1 alpha-2.", "Write for example US.")  # fmt: skip
    own = _lists(tree)
    return TableTest(
        name=name,
        start_us=int(start.timestamp()) * 1_000_000,
        columns=columns,
        rows=rows,
        lists={each: own.get(each, lists.get(each, ())) for each in sorted(used_lists | set(own))},
        peers=_peers(tree, windows, currency),
        hubs=entries.texts(tree, "hubs", "a test", "Write for example hubs: [H1].") if "hubs" in tree.items else (),
        jurisdiction=country,
        place=tree.place,
        rates=_rates(tree),
    )


def _rows(node: Scalar, currency: str) -> tuple[tuple[str, ...], tuple[dict[str, str], ...]]:
    lines = [
        (Place(node.place.file, node.source_line + shift), line)
        for shift, line in enumerate(node.source.split("\n"))
        if line.strip()
    ]
    if not 2 <= len(lines) <= ROWS_MAX + 1:
        raise RuleError(node.place, f"a table of {len(lines) - 1} rows", f"A table has 1 to {ROWS_MAX} payments.",
                        "Split the test.")  # fmt: skip
    columns = _columns(*lines[0])
    rows = []
    for place, line in lines[1:]:
        cells = line.split()
        if len(cells) != len(columns):
            raise RuleError(place, f"a row of {len(cells)} cells under {len(columns)} columns",
                            "Each cell belongs to one column.", "Write - where a value is not known.")  # fmt: skip
        row = dict(zip(columns, cells, strict=True))
        for column, cell in row.items():
            _check_cell(column, cell, row.get("currency", currency), place)
        rows.append(row)
    return columns, tuple(rows)


def _columns(place: Place, line: str) -> tuple[str, ...]:
    columns = tuple(line.split())
    known = [*_EXTRA, *(name.removeprefix("profile.") for name in FIELDS if name not in _NOT_COLUMNS)]
    for column in columns:
        if (column not in _EXTRA and field_of_column(column) is None) or column in _NOT_COLUMNS:
            raise RuleError(place, f"the column '{column[:60]}' is unknown", "A column is a field of the payment or "
                            "of its profile.", did_you_mean(column, known))  # fmt: skip
    if len(set(columns)) < len(columns) or columns[-1] != "expect":
        raise RuleError(place, "columns that repeat, or no expect at the end", "The verdict stands last.",
                        "Write each column once and expect at the end.")  # fmt: skip
    missing = [each for each in ("at", "customer", "direction", "amount") if each not in columns]
    if missing:
        raise RuleError(place, f"the column '{missing[0]}' is missing", "Every payment has it.",
                        f"Add {missing[0]}.")  # fmt: skip
    return columns


def _check_cell(column: str, cell: str, currency: str, place: Place) -> None:
    problem = _cell_problem(column, cell, currency)
    if problem:
        raise RuleError(place, f"'{cell[:40]}' under {column}", problem[0].upper() + problem[1:] + ".",
                        "Correct the cell.")  # fmt: skip


@lru_cache(maxsize=16_384)  # Cells repeat from row to row and from rule to rule.
def _cell_problem(column: str, cell: str, currency: str) -> str | None:
    if column == "expect":
        return None if cell in VERDICTS else f"the verdicts are {' '.join(VERDICTS)}"
    name = field_of_column(column)
    if cell == UNKNOWN_CELL:
        is_needed = column == "at" or (name is not None and not FIELDS[name].may_be_missing)
        return "this column must be given in every row" if is_needed else None
    if column == "at":
        return _length_problem(cell)
    if column == "jurisdiction":
        return word_problem("country", cell)
    if name is None:
        return None
    unit = FIELDS[name].unit
    if unit.kind is Kind.DURATION:
        return _length_problem(cell)
    if unit.kind is Kind.BOOLEAN:
        return None if cell in ("true", "false") else "it is true or false"
    if unit.kind is Kind.COUNT:
        return None if cell.isascii() and cell.isdigit() and len(cell) <= 9 else "it is a whole number"
    if unit.kind is Kind.MONEY:
        return _amount_problem(cell, currency)
    return word_problem(unit.detail or "", cell)


def _length_problem(cell: str) -> str | None:
    try:
        parse_duration_us(cell[:40])
    except ValueError:
        return "it is no length of time such as 3h or 2d1h30m"
    return None if parse_duration_us(cell[:40]) <= 20 * entries.DURATION_US_MAX else "it is too long"


def _amount_problem(cell: str, currency: str) -> str | None:
    if currency not in CURRENCY_CODE:
        return "the currency of the row is none of ISO 4217"
    try:
        amount = parse_amount_minor(cell[:40], currency)
    except ValueError as error:
        return str(error)
    return None if 0 <= amount < 10**17 and len(cell) <= 40 else "amounts are positive and below 10^17 minor units"


def _lists(tree: Keyed) -> dict[str, tuple[str, ...]]:
    if "lists" not in tree.items:
        return {}
    entry = entries.keyed(tree.items["lists"], "'lists' of a test", "for example {high_risk_countries: [IR]}")
    return {name: entries.texts(entry, name, "a test", "Write the words.", most=ROWS_MAX) for name in entry.items}


def _peers(tree: Keyed, windows: Mapping[str, Window], currency: str | None) -> dict[str, str]:
    """Peer values by ``window.measure.p99``, as written: the same for every segment."""
    if "peers" not in tree.items:
        return {}
    form = "for example {received.payers.p99: 12}"
    entry = entries.keyed(tree.items["peers"], "'peers' of a test", form)
    known = [
        f"{window.name}.{measure.name}.{quantile}"
        for window in windows.values()
        for measure in window.measures
        for quantile in PEER_QUANTILES
    ]
    read = {}
    for name, node in entry.items.items():
        if name not in known:
            raise RuleError(entry.key_places[name], f"the peer value '{name[:60]}' of a test is unknown",
                            "It is the quantile of one of this rule's measures.",
                            did_you_mean(name, known))  # fmt: skip
        read[name] = _peer_value(node)
    return read


def _peer_value(node: Tree) -> str:
    try:
        if not isinstance(node, Scalar) or not Decimal(node.text).is_finite() or len(node.text) > 30:
            raise InvalidOperation
    except InvalidOperation:
        raise RuleError(node.place, "a peer value that is no number", "It is a quantile.",
                        "Write for example {received.payers.p99: 12}.") from None  # fmt: skip
    return node.text


def _rates(tree: Keyed) -> dict[str, str]:
    """Units of the rule's currency for one unit of another."""
    if "rates" not in tree.items:
        return {}
    entry = entries.keyed(tree.items["rates"], "'rates' of a test", "for example {EUR: 1.0950}")
    for currency, node in entry.items.items():
        value = node.value if isinstance(node, Scalar) else None
        is_rate = isinstance(value, int | Decimal) and not isinstance(value, bool) and value > 0
        if currency not in CURRENCY_CODE or not is_rate:
            raise RuleError(entry.key_places[currency], f"the rate of '{currency[:20]}' in a test",
                            "A rate is a number above zero for a currency of ISO 4217.",
                            "Write for example {EUR: 1.0950}.")  # fmt: skip
    return {currency: node.text for currency, node in entry.items.items() if isinstance(node, Scalar)}
