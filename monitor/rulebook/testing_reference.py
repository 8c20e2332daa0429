"""The reference evaluator behind the port of the table tests."""

from decimal import Decimal
from fractions import Fraction

from monitor.domain.money import parse_amount_minor
from monitor.domain.time import DAY_US, parse_duration_us
from monitor.domain.units import Kind, Unit
from monitor.rulebook.reference import (
    BankSnapshot,
    PlainEntity,
    PlainInputs,
    PlainRate,
    PlainSide,
    PlainTransaction,
    ReferenceEngine,
    Verdict,
)
from monitor.rulebook.rule import Rule, TableTest
from monitor.rulebook.testing import TableRow, table_currency, table_rows

_PROFILE = "profile."
_FURTHER_WORDS = ("instrument", "merchant_category", "instructing_agent", "reason", "goods_country", "wallet",
                  "screening", "screening_list", "link")  # fmt: skip


class ReferenceTables:
    """Judges tables with :class:`~monitor.rulebook.reference.ReferenceEngine`."""

    def verdicts(self, rule: Rule, test: TableTest) -> list[str]:
        """``.``, ``alert``, ``quiet`` or ``undecided`` for each row."""
        rows = table_rows(rule, test)
        by_leg = {(verdict.position, verdict.leg_role): verdict for verdict in self.judged(rule, test)}
        return [_word(by_leg.get((position, row.word("direction") or ""))) for position, row in enumerate(rows)]

    def judged(self, rule: Rule, test: TableTest) -> list[Verdict]:
        """Every verdict with the numbers behind it."""
        rows = table_rows(rule, test)
        transactions = [plain_payment(position, row) for position, row in enumerate(rows)]
        return ReferenceEngine().judge([rule], transactions, plain_inputs(rule, test, rows))


def _word(verdict: Verdict | None) -> str:
    if verdict is None or verdict.verdict == "false":
        return "."
    return "undecided" if verdict.verdict == "unknown" else str(verdict.status)


def plain_payment(position: int, row: TableRow) -> PlainTransaction:
    """A row as the slow evaluator reads payments: its customer on one side, nobody of ours on the other."""
    own = PlainSide(
        holder=row.word("customer"),
        account=row.word("account"),
        customer=row.word("customer"),
        country=row.word("country"),
        given=_given(row, ""),
        profile={name.removeprefix(_PROFILE): v for name, v in row.fields.items() if name.startswith(_PROFILE)},
    )
    other = PlainSide(
        account=row.word("counterparty"),
        country=row.word("counterparty_country"),
        agent=row.word("counterparty_agent"),
        kind=row.word("counterparty_kind"),
        given=_given(row, "counterparty_"),
    )
    is_credit = row.word("direction") == "credit"
    return PlainTransaction(
        position=position,
        transaction_id=row.transaction_id,
        booked_at_us=row.booked_at_us,
        amount_minor=row.amount_minor,
        currency=row.word("currency") or "",
        debtor=other if is_credit else own,
        creditor=own if is_credit else other,
        channel=row.word("channel"),
        purpose=row.word("purpose"),
        status=row.word("status") or "booked",
        reverses=row.reverses,
        booking_entity=entity_of(row),
        conductor=row.word("conductor"),
        on_behalf_of=row.word("on_behalf_of"),
        device=row.word("device"),
        branch=row.word("branch"),
        **{name: row.word(name) for name in _FURTHER_WORDS},
    )


def _given(row: TableRow, prefix: str) -> frozenset[str]:
    words = ("name", "address", "identification")
    return frozenset(word for word in words if row.fields.get(f"{prefix}{word}_given") is True)


def entity_of(row: TableRow) -> str:
    """The booking entity of a row: as given, or one that stands for the jurisdiction."""
    return row.word("booking_entity") or f"entity-{row.jurisdiction or 'any'}"


def plain_inputs(rule: Rule, test: TableTest, rows: tuple[TableRow, ...]) -> PlainInputs:
    """What a table says besides its payments: lists, rates, booking entities and the bank snapshot."""
    snapshots: tuple[tuple[int, BankSnapshot], ...] = ()
    if test.peers or test.hubs:
        quantiles: dict[tuple[str | None, str], Fraction | int] = {
            (None, f"peer.{name}"): peer_value(rule, name, text) for name, text in test.peers.items()
        }
        snapshots = ((0, BankSnapshot(1, quantiles, frozenset(test.hubs))),)
    return PlainInputs(
        lists={name: ((0, frozenset(words)),) for name, words in test.lists.items()},
        entities={entity_of(row): PlainEntity(jurisdiction=row.jurisdiction) for row in rows},
        snapshots=snapshots,
        rates=tuple(
            PlainRate(test.start_us - DAY_US, currency, table_currency(rule), Fraction(Decimal(rate)))
            for currency, rate in test.rates.items()
        ),
    )


def peer_value(rule: Rule, name: str, text: str) -> Fraction | int:
    """A peer value of a table in the unit of its measure: minor units, microseconds, or the number itself."""
    window, measure, _ = name.split(".")
    unit = next(each.unit for each in rule.windows[window].measures if each.name == measure)
    return _in_unit(text, unit)


def _in_unit(text: str, unit: Unit) -> Fraction | int:
    if unit.kind is Kind.MONEY and unit.detail:
        return parse_amount_minor(text, unit.detail)
    if unit.kind is Kind.DURATION:
        return parse_duration_us(text)
    return Fraction(Decimal(text))
