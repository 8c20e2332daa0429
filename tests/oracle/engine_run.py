"""Plain transactions through the real engine: for comparisons with the slow evaluator and with SQL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np

from monitor.app.table_engine import PlainIdentifiers, UtcEntities
from monitor.domain.alert import Alert
from monitor.domain.countries import COUNTRY_CODE
from monitor.domain.identifiers import IdentifierKind
from monitor.domain.money import CURRENCIES, CURRENCY_CODE, DECIMALS
from monitor.domain.time import UNKNOWN
from monitor.domain.transaction import TransactionBatch
from monitor.domain.vocabulary import CHANNELS, CLOSED, STATUSES
from monitor.engine.conversion import Rates
from monitor.engine.engine import Engine, EngineInputs
from monitor.engine.profiles import ProfileTable
from monitor.rulebook.plan import plan
from monitor.rulebook.reference import PlainRate, PlainSide, PlainTransaction
from monitor.rulebook.rule import Rule, Rulebook

ENTITY = "entity-US"
CODES_MAX = 4_096
_SMALL = {"currency", "channel", "status", "debtor_country", "creditor_country", "instrument", "wallet", "screening",
          "debtor_kind", "creditor_kind", "goods_country", "given"}  # fmt: skip
_WIDE = {"position", "booked_at_us", "received_at_us", "id_hi", "id_lo", "digest", "amount_minor", "reverses_hi",
         "reverses_lo"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class EngineRun:
    """What the engine said of a stream."""

    alerts: list[Alert]
    undecided: dict[str, int]
    subjects: dict[str, str]
    """Texts by token."""


def run_engine(
    rules: Sequence[Rule],
    payments: Sequence[PlainTransaction],
    *,
    rates: Sequence[PlainRate] = (),
    cuts: Sequence[int] = (),
) -> EngineRun:
    """Judge the payments, divided into batches before each of ``cuts``."""
    identifiers = PlainIdentifiers()
    program = plan(Rulebook(tuple(rules), "".join(rule.digest for rule in rules)))
    targets = {use.currency for use in program.fields if use.currency is not None}
    inputs = EngineInputs(
        identifiers, UtcEntities(identifiers), rates={target: rates_into(rates, target) for target in targets},
        live=frozenset(rule.id for rule in rules),
    )  # fmt: skip
    engine = Engine(program, inputs)
    edges = [0, *sorted(set(cuts) & set(range(1, len(payments)))), len(payments)]
    alerts: list[Alert] = []
    # Joint holders by account code, none of them: long enough for every code of the stream.
    profiles = ProfileTable()
    for start, stop in pairwise(edges):
        batch = batch_of(payments[start:stop], identifiers)
        alerts += engine.step(batch, profiles).alerts
    undecided = {rule.id: int(engine.undecided[n].sum()) for n, rule in enumerate(rules)}
    texts = {identifiers.token(code): text for code, (_, text) in enumerate(identifiers.texts)}
    return EngineRun(alerts, undecided, texts)


def rates_into(rates: Sequence[PlainRate], target: str) -> Rates:
    """The rates into a currency as the engine takes them."""
    start, published, above, below = [0], [], [], []
    for number, source in enumerate(CURRENCIES):
        scale = Fraction(10) ** (DECIMALS[CURRENCY_CODE[target]] - DECIMALS[number])
        for published_us, rate in _of_pair(rates, source, target):
            published.append(published_us)
            above.append((rate * scale).numerator)
            below.append((rate * scale).denominator)
        start.append(len(published))
    columns = [np.array(values, np.int64) for values in (start, published, above, below)]
    return Rates(CURRENCY_CODE[target], *columns)


def _of_pair(rates: Sequence[PlainRate], source: str, target: str) -> list[tuple[int, Fraction]]:
    """When each rate of a pair was published, ascending; from the opposite pair where it never was."""
    direct = [(each.published_us, each.rate) for each in rates if (each.source, each.target) == (source, target)]
    opposite = [(each.published_us, 1 / each.rate) for each in rates if (each.source, each.target) == (target, source)]
    return sorted(direct or opposite)


def batch_of(payments: Sequence[PlainTransaction], identifiers: PlainIdentifiers) -> TransactionBatch:
    """The payments as columns."""
    rows = [_row(payment, identifiers) for payment in payments]

    def column(name: str) -> np.ndarray:
        width = np.int64 if name in _WIDE else np.int16 if name in _SMALL else np.int32
        return np.array([row[name] for row in rows], width)

    return TransactionBatch(**{name: column(name) for name in TransactionBatch.__slots__})


def _row(payment: PlainTransaction, identifiers: PlainIdentifiers) -> Mapping[str, int]:
    def code(kind: IdentifierKind, text: str | None) -> int:
        return -1 if text is None else identifiers.code(kind, text)

    def closed(vocabulary: str, word: str | None) -> int:
        return -1 if word is None else CLOSED[vocabulary].index(word)

    def number(identifier: str) -> int:
        return identifiers.code(IdentifierKind.PURPOSE, f"id {identifier}") + 1

    def side(name: str, given: PlainSide) -> dict[str, int]:
        return {
            f"{name}_holder": code(IdentifierKind.CUSTOMER, given.holder),
            f"{name}_account": code(IdentifierKind.ACCOUNT, given.account),
            f"{name}_country": -1 if given.country is None else COUNTRY_CODE[given.country],
            f"{name}_agent": code(IdentifierKind.AGENT, given.agent),
            f"{name}_kind": closed("party_kind", given.kind),
        }

    return side("debtor", payment.debtor) | side("creditor", payment.creditor) | {
        "position": payment.position,
        "booked_at_us": payment.booked_at_us,
        "received_at_us": UNKNOWN,
        "id_hi": 1,
        "id_lo": number(payment.transaction_id),
        "digest": payment.position,
        "amount_minor": UNKNOWN if payment.amount_minor is None else payment.amount_minor,
        "currency": CURRENCY_CODE[payment.currency],
        "channel": -1 if payment.channel is None else CHANNELS.index(payment.channel),
        "status": STATUSES.index(payment.status),
        "purpose": code(IdentifierKind.PURPOSE, payment.purpose),
        "booking_entity": code(IdentifierKind.ENTITY, payment.booking_entity or ENTITY),
        "reverses_hi": UNKNOWN if payment.reverses is None else 1,
        "reverses_lo": UNKNOWN if payment.reverses is None else number(payment.reverses),
        "conductor": code(IdentifierKind.CUSTOMER, payment.conductor),
        "on_behalf_of": code(IdentifierKind.CUSTOMER, payment.on_behalf_of),
        "device": code(IdentifierKind.DEVICE, payment.device),
        "branch": code(IdentifierKind.BRANCH, payment.branch),
        "goods_country": -1 if payment.goods_country is None else COUNTRY_CODE[payment.goods_country],
        "given": sum(
            1 << (3 * number + bit)
            for number, given in enumerate((payment.debtor, payment.creditor))
            for bit, what in enumerate(("name", "address", "identification"))
            if what in given.given
        ),
        "merchant_category": code(IdentifierKind.MERCHANT_CATEGORY, payment.merchant_category),
        "instructing_agent": code(IdentifierKind.AGENT, payment.instructing_agent),
        "reason": code(IdentifierKind.REASON, payment.reason),
        "screening_list": code(IdentifierKind.SCREENING_LIST, payment.screening_list),
        "link": code(IdentifierKind.LINK, payment.link),
        **{name: closed(name, getattr(payment, name)) for name in ("instrument", "wallet", "screening")},
    }  # fmt: skip
