"""Partitions that tell each other of money raise the alerts of one engine for rules about its flow.

Compared as in ``test_keys_over_partitions``, with the payments on the way of the money. What is told comes before the
next payment: in the same logs once before the payment comes to the payee's partition, once after. Not compared is what
docs/adr/0035 says: accounts with two homes, rules by keys that are no party of the payment, what the payee knows in
filters of windows, and records that are booked and take another back at once.
"""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from monitor.domain.alert import Alert
from monitor.domain.partitions import Partition
from monitor.engine import awaited, following, state
from monitor.engine.following import Following
from monitor.rulebook.load import load_lists, load_rules, shipped_rules
from monitor.rulebook.reference import PlainSide, PlainTransaction
from monitor.rulebook.rule import Rule
from tests.oracle.partitioned_run import Comparison, Part
from tests.oracle.streams import EVERY_MEASURE
from tests.oracle.test_keys_over_partitions import INPUTS, NUMBERS, SEEDS, bank_of, remembered
from tests.rulebook.small_rules import rule, window
from tests.strategies.plain_streams import stream
from tests.strategies.rule_streams import Stretch, rule_stream

DRAFTS = {"AML-CYC-002": (1, 2, 5), "AML-LAY-002": (3, 4, 5), "AML-LAY-003": (2, 3)}
"""With seeds whose streams meet them, and one whose does not."""


def made(number: int, when: str, over: str = "48h", by: str = "customer", where: str | None = None) -> Rule:
    one = window(over, EVERY_MEASURE, by=by, where=where, parameters=NUMBERS)
    return rule(when, one, parameters=NUMBERS, rule_id=f"AML-TST-{number:03}", quiet="3h")


def rules() -> list[Rule]:
    """What the payee knows, what the payer knows, what both know, with windows and without, and rules without money."""
    return [
        made(1, "flow.chain_depth >= two"),
        made(2, "flow.returned_share > half and w.n >= two"),
        made(3, 'flow.residual < half or direction == "credit" and w.total > small'),
        made(4, "flow.middlemen >= two or flow.pass_through > half", "month"),
        made(5, "flow.return_hops >= two and flow.return_time >= hour", by="pair"),
        made(6, "w.n >= two", where="flow.pass_through >= half"),
        made(7, "not (flow.chain_depth >= two) and amount > small", "24h"),
        made(8, "w.n >= two", "24h"),
    ]  # fmt: skip


def moving(seed: int, n: int, days: int, faults: float) -> list[PlainTransaction]:
    """A stream without joint accounts, of which nothing that takes back is itself booked."""
    records = remembered(stream(seed, n, days=days, customers=6, faults=faults))
    return [replace(each, status="returned") if each.reverses and each.status == "booked" else each for each in records]


def compare(done: Comparison) -> Counter[str]:
    """Everything is the same, but for payments that stand at two places, or that only the payee's partition finds."""

    def shown(alert: Alert) -> Alert:
        transactions = () if alert.leg_role.startswith("debtor") else tuple(dict.fromkeys(alert.transactions))
        return structs.replace(alert, transactions=transactions, transactions_total=0)

    found, expected = done.found(), done.expected()
    assert list(map(shown, found)) == list(map(shown, expected))
    for one, other in zip(found, expected, strict=True):
        assert set(one.transactions) <= set(other.transactions)
    assert done.undecided()[0] == done.undecided()[1]
    done.seen["alerts"] += len(expected)
    done.seen["evidence that is equal"] += sum(one == other for one, other in zip(found, expected, strict=True))
    return done.seen


def without_joint(stretches: Sequence[Stretch]) -> list[Stretch]:
    """Each account with one holder, who is always named; nothing booked takes back."""
    first = {name: held.holders[:1] for each in stretches for name, held in each.accounts.items() if held.holders}
    for record in (record for each in stretches for record in each.payments):
        for one in (record.debtor, record.creditor):
            if one.account is not None and one.holder is not None:
                first.setdefault(one.account, (one.holder,))

    def side(one: PlainSide) -> PlainSide:
        named = first.get(one.account or "", ())
        return replace(one, holder=named[0] if named else one.holder, joint=())

    def alone(record: PlainTransaction) -> PlainTransaction:
        status = "returned" if record.reverses and record.status == "booked" else record.status
        return replace(record, debtor=side(record.debtor), creditor=side(record.creditor), status=status)

    return [
        replace(
            each, payments=[alone(record) for record in each.payments],
            accounts={name: replace(held, holders=()) for name, held in each.accounts.items()},
        )
        for each in stretches
    ]  # fmt: skip


@given(seed=SEEDS, count=st.integers(1, 4), days=st.sampled_from([2, 30, 300]), is_told_first=st.booleans())
@settings(max_examples=12, deadline=None, print_blob=True)
def test_any_number_of_partitions_raises_the_alerts_of_one_engine(
    seed: int, count: int, days: int, is_told_first: bool
) -> None:
    records = moving(seed, 80, days, 0.2)
    compare(Comparison(rules(), INPUTS, count, is_told_first=is_told_first).run(bank_of(records)))


@pytest.mark.parametrize("name", DRAFTS)
@pytest.mark.parametrize("is_told_first", [False, True])
def test_the_drafts_about_money_raise_the_alerts_of_one_engine(name: str, is_told_first: bool) -> None:
    lists, _ = load_lists([shipped_rules()])
    drafts, _ = load_rules([shipped_rules()], lists)
    one = next(each for each in drafts if each.id == name)
    seen = Counter[str]()
    for seed in DRAFTS[name]:
        made = rule_stream(one, random.Random(seed))
        done = Comparison([one], made.inputs, 2 + seed % 3, is_told_first=is_told_first).run(
            without_joint(made.stretches)
        )
        seen += compare(done)
    assert seen["alerts"] >= 2, seen
    assert seen["alerts of what waited"] >= (0 if is_told_first else 2), seen
    assert seen["told"] > 10, seen


def test_the_streams_hold_what_can_go_wrong() -> None:
    """And what is told late makes other alerts wait, of every rule that the payee's money decides."""
    seen = Counter[str]()
    for seed in range(3):
        done = Comparison(rules(), INPUTS, 3).run(bank_of(moving(seed, 120, 30, 0.2)))
        seen += compare(done)
        for part in done.parts:
            seen.update(f"{alert.source.id} {alert.leg_role}" for alert in part.alerts)
    wanted = ["told", "alerts of what waited", *(f"AML-TST-{n:03} creditor" for n in (1, 2, 3, 4, 7))]
    wanted += ["AML-TST-003 debtor", "AML-TST-005 creditor_pair", "AML-TST-006 debtor"]
    assert [name for name in wanted if seen[name] < 2] == [], seen
    assert seen["evidence that is equal"] > 0.8 * seen["alerts"], seen


def test_without_what_is_told_alerts_are_missing() -> None:
    """The comparison can fail."""
    records = moving(1, 120, 30, 0.1)
    broken = Comparison(rules(), INPUTS, 3, tells=False).run(bank_of(records))
    found, expected = ({alert.alert_id for alert in each} for each in (broken.found(), broken.expected()))
    assert len(expected - found) >= 5


@given(seed=SEEDS, count=st.integers(2, 4), is_told_first=st.booleans())
@settings(max_examples=4, deadline=None, print_blob=True)
def test_cuts_of_a_log_saved_states_and_repeated_messages_change_nothing(
    seed: int, count: int, is_told_first: bool
) -> None:
    records, rng = moving(seed, 80, 60, 0.2), random.Random(seed)
    done = Comparison(rules(), INPUTS, count, is_told_first=is_told_first).run(bank_of(records))
    for part in done.parts:
        again, waiting = Part(rules(), INPUTS, Partition(part.number, count)), list[PlainTransaction]()
        again.beside = {**part.beside, part.number: again}
        for entry in part.log:
            if isinstance(entry, PlainTransaction) and rng.random() < 0.7:
                waiting.append(entry)
                continue
            if waiting:
                again.take(waiting)
                waiting = []
            if isinstance(entry, Stretch):
                again.learn(entry)
            elif isinstance(entry, PlainTransaction):
                again.take([entry])
            else:
                again.hear(entry)
            saved = {name: np.array(array) for name, array in state.save(again.engine).items()}
            state.load(again.engine, saved)
        if waiting:
            again.take(waiting)
        assert again.alerts == part.alerts
        assert again.outcomes == part.outcomes


def test_legs_that_are_too_many_to_wait_are_decided_without_the_money_and_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    records = moving(1, 120, 30, 0.0)
    whole = Comparison(rules()[:1], INPUTS, 3).run(bank_of(records))
    assert whole.undecided()[0] == whole.undecided()[1]
    monkeypatch.setattr(awaited, "LEGS_MAX", 0)
    none_waits = Comparison(rules()[:1], INPUTS, 3).run(bank_of(records))
    assert [len(part.engine.awaited) for part in none_waits.parts] == [0, 0, 0]
    lost = len(none_waits.expected()) - len(none_waits.found())
    undecided = none_waits.undecided()
    assert 0 < lost <= undecided[1][0] - undecided[0][0]


def test_early_payments_that_are_too_many_to_keep_are_forgotten_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "EARLY_MAX", 2)
    done = Comparison(rules()[:1], INPUTS, 2).run(bank_of(moving(1, 120, 30, 0.0)))
    part, kept = Part(rules()[:1], INPUTS, Partition(0, 2)), list[tuple[int, int]]()
    part.beside = {**done.parts[0].beside, 0: part}
    for entry in done.parts[0].log:
        if isinstance(entry, tuple):
            kept += [each for each in entry[1] if each[0] > 0]
            part.hear(entry)
    money = part.engine.flow
    assert isinstance(money, Following)
    assert len(kept) > 5
    assert list(money.early) == kept[-2:]
