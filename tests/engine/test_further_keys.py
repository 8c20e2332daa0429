"""Windows by person, pair, link and bank, and calendar dates: the engine says what the slow evaluator says."""

import random
from collections import Counter

import pytest

from monitor.rulebook.reference import PlainInputs, PlainSide, PlainTransaction, ReferenceEngine
from monitor.rulebook.rule import Rule
from tests.engine.engine_logs import batch, new_log
from tests.oracle.engine_run import rates_into
from tests.oracle.streams import EVERY_MEASURE, RATES, SMALL
from tests.rulebook.small_rules import START_US, parameter, rule, window
from tests.strategies.plain_streams import stream

TWO = parameter("two", "count", ("2",))
NUMBERS = (SMALL, TWO)
WORDS = {"new": "alert", "quiet": "quiet"}


def rules() -> list[Rule]:
    """By each of the new keys, over lengths and the new periods; conditions that hold often."""

    def made(number: int, by: str, over: str, when: str, where: str | None = None) -> Rule:
        one = window(over, EVERY_MEASURE, by=by, where=where, parameters=NUMBERS)
        subject = "customer" if by == "pair" else by
        return rule(when, one, parameters=NUMBERS, rule_id=f"AML-TST-{number:03}", subject=subject, quiet="3h")

    return [
        made(1, "person", "date", "w.total > small", 'direction == "credit"'),
        made(2, "person", "24h", "w.n >= two", 'direction == "debit"'),
        made(3, "pair", "48h", "w.n >= two"),
        made(4, "pair", "static_24h", 'w.n >= two and screening in ["possible", "confirmed"]'),
        made(5, "link", "month", "w.total > small"),
        made(6, "agent", "24h", "w.n >= two and not counterparty_name_given"),
        made(7, "customer", "date", 'w.n >= two and counterparty_kind == "bank"'),
        made(8, "customer", "24h", 'goods_country != counterparty_country and instrument == "voucher"'),
        made(9, "agent", "static_24h", "w.n >= two and counterparty_address_given and counterparty_account_given"),
    ]


def expected(payments: list[PlainTransaction]) -> Counter[tuple[object, ...]]:
    verdicts = ReferenceEngine().judge(rules(), payments, PlainInputs(rates=RATES))
    return Counter((v.position, v.rule_id, v.subject, v.status) for v in verdicts if v.status is not None)


def found(payments: list[PlainTransaction], cuts: list[int], *, is_joint: bool) -> Counter[tuple[object, ...]]:
    log = new_log(rules(), joint=is_joint, rates={"USD": rates_into(RATES, "USD")}).feed(payments, cuts)
    text = {log.identifiers.token(code): word for code, (_, word) in enumerate(log.identifiers.texts)}
    return Counter((a.position, a.source.id, text[a.subject.token], WORDS[a.status]) for a in log.alerts)


@pytest.mark.parametrize("is_joint", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_the_engine_and_the_slow_evaluator_agree(seed: int, is_joint: bool) -> None:
    payments = stream(seed, 220, joint=is_joint)
    cuts = random.Random(seed).sample(range(1, len(payments)), 12)
    wanted = expected(payments)
    assert {rule_id for _, rule_id, _, _ in wanted} == {each.id for each in rules()}
    assert found(payments, cuts, is_joint=is_joint) == wanted


@pytest.mark.parametrize("is_joint", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_pairs_are_kept_only_where_a_rule_can_be_about_them(seed: int, is_joint: bool) -> None:
    """And the others leave no trace: not in the windows, and not in the time at which a late payment is judged."""
    only = 'channel == "cash"'
    one = window("24h", EVERY_MEASURE, by="pair", where=only, parameters=NUMBERS)
    made = rule(f"{only} and w.n >= two", one, parameters=NUMBERS, rule_id="AML-TST-001", quiet="3h")
    payments = stream(seed, 400, joint=is_joint)
    log = new_log([made], joint=is_joint, rates={"USD": rates_into(RATES, "USD")}).feed(payments, [100, 101, 250])
    text = {log.identifiers.token(code): word for code, (_, word) in enumerate(log.identifiers.texts)}
    alerts = Counter((a.position, a.source.id, text[a.subject.token], WORDS[a.status]) for a in log.alerts)
    verdicts = ReferenceEngine().judge([made], payments, PlainInputs(rates=RATES))
    assert alerts == Counter((v.position, v.rule_id, v.subject, v.status) for v in verdicts if v.status is not None)
    assert alerts
    in_cash = [payment for payment in payments if payment.channel in ("cash", None)]
    sides = [(p.debtor, p.creditor) for p in in_cash] + [(p.creditor, p.debtor) for p in in_cash]
    known = {(a.holder, b.account or b.holder or b.customer) for a, b in sides if a.holder is not None}
    assert 0 < log.engine.admission.further.pairs_used <= len({pair for pair in known if pair[1] is not None})


def in_cash(position: int, amount: int, **more: object) -> PlainTransaction:
    return PlainTransaction(position, f"T{position}", START_US + position, amount, "USD", channel="cash", **more)  # type: ignore[arg-type]


def persons(payment: PlainTransaction) -> list[tuple[str, str]]:
    """Who has a leg as a person, and on which side."""
    log = new_log([rules()[0]])
    admitted = log.engine.admission.admit(batch([payment], log.identifiers), log.profiles.joint)
    spaces, legs = log.engine.admission.spaces, admitted.legs
    return [
        (log.identifiers.texts[spaces[6].code_of[legs.row[n]]][1], ("debit", "credit")[legs.side[n]])
        for n in range(len(legs))
        if legs.kind[n] == 6
    ]


def test_each_person_in_a_payment_in_cash_counts_once() -> None:
    own = PlainSide("C1", "A1", "C1")
    assert persons(in_cash(0, 100, creditor=own)) == [("C1", "credit")]
    assert persons(in_cash(0, 100, creditor=own, conductor="C1", on_behalf_of="C1")) == [("C1", "credit")]
    several = in_cash(0, 100, creditor=own, conductor="P1", on_behalf_of="Q1")
    assert persons(several) == [("C1", "credit"), ("P1", "credit"), ("Q1", "credit")]
    assert persons(in_cash(0, 100, creditor=own, conductor="P1", on_behalf_of="P1")) == [
        ("C1", "credit"),
        ("P1", "credit"),
    ]


def test_a_payment_that_is_not_in_cash_has_no_persons() -> None:
    wire = PlainTransaction(0, "T0", START_US, 100, "USD", creditor=PlainSide("C1", "A1", "C1"), channel="wire")
    assert persons(wire) == []
