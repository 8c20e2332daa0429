"""The rows of an inline test as payments, and what surrounds them as inputs.

A row is one payment of one of our customers with someone outside. The table stands in a bank that has
published a snapshot: a peer value that is not given is unknown, a customer who is not under ``hubs`` is none.
"""

from fractions import Fraction

from monitor.domain.fields import FIELDS
from monitor.domain.money import parse_amount_minor
from monitor.domain.time import parse_duration_us
from monitor.domain.units import Kind
from monitor.rulebook.reference.inputs import BankSnapshot, PlainEntity, PlainInputs
from monitor.rulebook.reference.transactions import PlainSide, PlainTransaction, ProfileValue
from monitor.rulebook.rule import ANY, Measure, Rule, TableTest
from monitor.rulebook.tables import DEFAULT_CURRENCY, UNKNOWN_CELL, field_of_column

Row = dict[str, str]


def payments_of(rule: Rule, test: TableTest) -> list[PlainTransaction]:
    """One payment per row, at log positions from 0."""
    return [_payment(rule, test, position, row) for position, row in enumerate(test.rows)]


def inputs_of(rule: Rule, test: TableTest) -> PlainInputs:
    """The lists, peers, hubs and booking entities of the table, in force from its first row."""
    entities = {_entity(rule, test, row): PlainEntity(jurisdiction=_jurisdiction(rule, test, row)) for row in test.rows}
    quantiles: dict[tuple[str | None, str], Fraction | int] = {
        (None, f"peer.{name}"): _peer(rule, name, text) for name, text in test.peers.items()
    }
    return PlainInputs(
        lists={name: ((0, frozenset(words)),) for name, words in test.lists.items()},
        entities={name: entity for name, entity in entities.items() if name is not None},
        default_entity=entities.get(None, PlainEntity()),
        snapshots=((0, BankSnapshot(1, quantiles, frozenset(test.hubs))),),
    )


def _payment(rule: Rule, test: TableTest, position: int, row: Row) -> PlainTransaction:
    currency = row.get("currency") or _currency_of(rule)
    cells = {column: _cell(column, text, currency) for column, text in row.items() if text != UNKNOWN_CELL}
    profile = {
        name.removeprefix("profile."): cells[column]
        for column in cells
        if (name := "profile.segment" if column == "segment" else field_of_column(column) or "").startswith("profile.")
    }
    customer = row["customer"]
    account = _text(row, "account") if "account" in row else customer
    own = PlainSide(customer, account, customer, _text(row, "country"), None, profile)
    other = PlainSide(
        account=_text(row, "counterparty"),
        country=_text(row, "counterparty_country"),
        agent=_text(row, "counterparty_agent"),
    )
    amount = row["amount"]
    return PlainTransaction(
        position=position,
        transaction_id=_text(row, "id") or f"row {position + 1}",
        booked_at_us=test.start_us + parse_duration_us(row["at"]),
        amount_minor=None if amount == UNKNOWN_CELL else parse_amount_minor(amount, currency),
        currency=currency,
        debtor=own if row["direction"] == "debit" else other,
        creditor=other if row["direction"] == "debit" else own,
        channel=_text(row, "channel"),
        purpose=_text(row, "purpose"),
        status=row.get("status", "booked"),
        reverses=_text(row, "reverses"),
        booking_entity=_entity(rule, test, row),
        conductor=_text(row, "conductor"),
        on_behalf_of=_text(row, "on_behalf_of"),
        device=_text(row, "device"),
        branch=_text(row, "branch"),
    )


def _text(row: Row, column: str) -> str | None:
    text = row.get(column, UNKNOWN_CELL)
    return None if text == UNKNOWN_CELL else text


def _cell(column: str, text: str, currency: str) -> ProfileValue:
    name = field_of_column(column)
    unit = FIELDS[name].unit if name is not None else None
    match unit.kind if unit is not None else Kind.CATEGORY:
        case Kind.DURATION:
            return parse_duration_us(text)
        case Kind.BOOLEAN:
            return text == "true"
        case Kind.COUNT:
            return int(text)
        case Kind.MONEY:
            return parse_amount_minor(text, currency), currency
    return text


def _currency_of(rule: Rule) -> str:
    """The single currency of the rule's money parameters; the table's default where there is not one."""
    found = {one.unit.detail for one in rule.parameters.values() if one.unit.kind is Kind.MONEY}
    only = found.pop() if len(found) == 1 else None
    return only or DEFAULT_CURRENCY


def _jurisdiction(rule: Rule, test: TableTest, row: Row) -> str | None:
    """Of the row, of the test, or the first of the rule."""
    first = rule.jurisdictions[0] if rule.jurisdictions else ANY
    return _text(row, "jurisdiction") or test.jurisdiction or (None if first == ANY else first)


def _entity(rule: Rule, test: TableTest, row: Row) -> str | None:
    """The booking entity that the row names, or else one for its jurisdiction."""
    return _text(row, "booking_entity") or _jurisdiction(rule, test, row)


def _peer(rule: Rule, name: str, text: str) -> Fraction | int:
    """A peer value in the unit of its measure: minor units for money."""
    window, measure_name, _ = name.split(".")
    measure: Measure = next(one for one in rule.windows[window].measures if one.name == measure_name)
    currency = measure.unit.detail if measure.unit.kind is Kind.MONEY else None
    return Fraction(text) if currency is None else parse_amount_minor(text, currency)
