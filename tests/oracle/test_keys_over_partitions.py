"""Partitions that own their keys raise the alerts of one engine, whatever their number.

Compared is everything that an alert says, evidence included, with positions as the whole log counts them, and how many
legs each rule left undecided. Left out is what needs the whole bank or the flow of money: rules about peers, hubs and
``flow.*``, and models. Not compared is what a partition cannot know (docs/adr, "Keys over partitions"): records that
one engine refuses by what only others know, quiet periods of accounts that customers of several partitions use, late
payments over joint accounts where a rule has windows by account, and ids that come again after they are forgotten.
"""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.domain.partitions import Partition
from monitor.engine import state
from monitor.engine.admitting import DIFFERS, DUPLICATE, JUDGED, TAKEN_BACK, TOO_LATE
from monitor.engine.further_keys import HOLDER
from monitor.engine.remembered import empty
from monitor.rulebook.load import load_lists, load_rules, shipped_rules
from monitor.rulebook.reference import PlainEntity, PlainInputs, PlainSide, PlainTransaction
from monitor.rulebook.rule import Name, Rule
from monitor.rulebook.walk import nodes
from tests.oracle.partitioned_run import Comparison, Part, home
from tests.oracle.streams import EVERY_MEASURE, RATES, SMALL
from tests.rulebook.small_rules import paid_in, parameter, rule, window
from tests.strategies.disturbed_tables import REMEMBERED_US
from tests.strategies.plain_streams import JOINT, stream
from tests.strategies.rule_streams import HeldAccount, HeldProfile, Stretch, rule_stream

TWO, HALF, HOUR = parameter("two", "count", ("2",)), parameter("half", "share", ("0.5",)), parameter(
    "hour", "duration", ("1h",)
)  # fmt: skip
NUMBERS = (SMALL, TWO, HALF, HOUR)
INPUTS = PlainInputs(rates=RATES, entities={"entity-US": PlainEntity("US")})
LISTS, _ = load_lists([shipped_rules()])
SHIPPED, _ = load_rules([shipped_rules()], LISTS)
SEEDS = st.integers(0, 2**32)


def made(number: int, by: str, over: str, when: str, where: str | None = None, subject: str | None = None) -> Rule:
    one = window(over, EVERY_MEASURE, by=by, where=where, parameters=NUMBERS)
    subject = subject or ("customer" if by == "pair" else by)
    return rule(when, one, parameters=NUMBERS, rule_id=f"AML-TST-{number:03}", subject=subject, quiet="3h")


def rules(*, accounts: bool = False) -> list[Rule]:
    """By every kind of key, with conditions that hold often; windows by account only on demand."""
    kept = [
        made(1, "customer", "24h", "w.n >= two", 'channel == "cash"'),
        made(2, "customer", "month", "w.middle < w.mean or w.partners >= two"),
        made(3, "customer", "48h", "w.total > small", subject="account"),
        made(4, "customer", "3h", "first_seen(counterparty) and since_last() >= hour"),
        made(5, "conductor", "48h", "w.n >= two"),
        made(6, "on_behalf_of", "24h", "share(w.least, w.total) <= half"),
        made(7, "device", "24h", 'w.n >= two or status == "rejected" or first_seen(counterparty)'),
        made(8, "counterparty", "24h", "w.total > small", "amount > small"),
        made(9, "agent", "24h", "w.n >= two and not counterparty_name_given"),
        made(10, "link", "month", "w.total > small"),
        made(11, "pair", "48h", "w.n >= two"),
        made(12, "person", "month", "w.n >= two", 'direction == "debit"'),
        made(13, "person", "date", "w.total > small", 'direction == "credit"'),
    ]
    return kept + ([made(14, "account", "month", "w.most > small and w.n >= two")] if accounts else [])


def bank_of(records: Sequence[PlainTransaction]) -> list[Stretch]:
    """The records as a bank would have them that shares one account between two customers and knows their segments."""
    profiles = {f"C{n}": HeldProfile({"segment": "retail" if n % 2 else "private"}, {}, None) for n in range(1, 4)}
    return [Stretch(profiles, {JOINT: HeldAccount(holders=("C1", "C2"))}, list(records))]


def remembered(records: Sequence[PlainTransaction]) -> list[PlainTransaction]:
    """The records without those that name an id again which may have been forgotten."""
    first_us: dict[str, int] = {}
    clock_us, kept = 0, []
    for record in records:
        clock_us = max(clock_us, record.booked_at_us)
        known = {name for name, at_us in first_us.items() if clock_us - at_us <= REMEMBERED_US}
        if record.transaction_id in first_us and record.transaction_id not in known:
            continue
        is_lost = record.reverses in first_us and record.reverses not in known
        first_us.setdefault(record.transaction_id, record.booked_at_us)
        kept.append(replace(record, reverses=None) if is_lost else record)
    return kept


def in_time(records: Sequence[PlainTransaction]) -> list[PlainTransaction]:
    """The records, those over the joint account as late as the latest of all before them."""
    clock_us, kept = 0, []
    for record in records:
        clock_us = max(clock_us, record.booked_at_us)
        is_joint = JOINT in (record.debtor.account, record.creditor.account)
        kept.append(replace(record, booked_at_us=clock_us) if is_joint else record)
    return kept


def compare(done: Comparison) -> Counter[str]:
    expected = done.expected()
    assert done.found() == expected
    assert len({alert.alert_id for alert in expected}) == len(expected)
    assert done.undecided()[0] == done.undecided()[1]
    done.seen["alerts"] += len(expected)
    return done.seen


@given(seed=SEEDS, count=st.integers(1, 4), days=st.sampled_from([2, 30, 300]), only_holders=st.booleans())
@settings(max_examples=12, deadline=None, print_blob=True)
def test_any_number_of_partitions_raises_the_alerts_of_one_engine(
    seed: int, count: int, days: int, only_holders: bool
) -> None:
    records = remembered(stream(seed, 70, days=days, joint=True, faults=0.3))
    compare(Comparison(rules()[:4] if only_holders else rules(), INPUTS, count).run(bank_of(records)))


@given(seed=SEEDS, count=st.integers(2, 4), days=st.sampled_from([2, 30]))
@settings(max_examples=8, deadline=None, print_blob=True)
def test_and_with_windows_by_account_where_joint_accounts_are_paid_over_in_time(
    seed: int, count: int, days: int
) -> None:
    records = in_time(remembered(stream(seed, 70, days=days, joint=True, faults=0.2)))
    compare(Comparison(rules(accounts=True), INPUTS, count).run(bank_of(records)))


@pytest.mark.slow
@given(
    seed=SEEDS, count=st.integers(2, 5), days=st.sampled_from([2, 30, 300]), faults=st.sampled_from([0.1, 0.3, 0.6]),
    by_account=st.booleans(),
)  # fmt: skip
@settings(max_examples=60, deadline=None, print_blob=True)
def test_many_longer_logs_raise_the_alerts_of_one_engine(
    seed: int, count: int, days: int, faults: float, by_account: bool
) -> None:
    records = remembered(stream(seed, 150, days=days, joint=True, faults=faults))
    records = in_time(records) if by_account else records
    compare(Comparison(rules(accounts=by_account), INPUTS, count).run(bank_of(records)))


def asks_for_the_bank(one: Rule) -> bool:
    """Whether a rule is about peers, hubs or the flow of money, or has windows by account."""
    names = {each.name for each in nodes(one) if isinstance(each, Name)}
    by_account = any(each.by == "account" for each in one.windows.values())
    return by_account or any(name.startswith(("peer.", "flow.")) for name in names)


@pytest.mark.parametrize("seed", range(3))
def test_shipped_rules_raise_the_alerts_of_one_engine_too(seed: int) -> None:
    """Each around another rule and under some more, with profiles and holders that change."""
    chosen = [one for one in SHIPPED if not asks_for_the_bank(one)]
    assert len(chosen) >= 50
    rng, seen = random.Random(seed), Counter[str]()
    shipped = {name: ((0, frozenset(each.words)),) for name, each in LISTS.items()}
    for one in rng.sample(chosen, 5):
        made = rule_stream(one, rng)
        more = [each for each in rng.sample(chosen, 12) if each.id != one.id]
        inputs = replace(made.inputs, lists=shipped | dict(made.inputs.lists))
        seen += compare(Comparison([one, *more], inputs, rng.randint(2, 4)).run(made.stretches))
    assert seen["alerts"] >= 5, seen
    assert seen["sent"] > seen["records"], seen


@pytest.mark.parametrize("kept", rules(), ids=lambda one: f"{one.id}-{next(iter(one.windows.values())).by}")
def test_a_rule_alone_is_given_what_it_needs(kept: Rule) -> None:
    """No other rule brings its payments to where it is judged."""
    records = remembered(stream(7, 90, days=10, joint=True, faults=0.2))
    seen = compare(Comparison([kept], INPUTS, 3).run(bank_of(records)))
    assert seen["alerts"] >= 2, seen


def test_the_streams_hold_what_can_go_wrong() -> None:
    seen = Counter[str]()
    for seed in range(4):
        records = remembered(stream(seed, 120, days=60, joint=True, faults=0.3))
        # Where only holders are keys, a partition more often knows why a record is refused.
        seen += compare(Comparison(rules()[:4], INPUTS, 2).run(bank_of(records)))
        done = Comparison(rules(), INPUTS, 4).run(bank_of(records))
        seen += compare(done)
        alerts = done.expected()
        seen.update(f"by {alert.leg_role}" for alert in alerts)
        seen.update(alert.source.id for alert in alerts)
        seen.update(mark for alert in alerts for mark in alert.marks)
        for part in done.parts:
            seen[f"alerts of {part.number}"] += len(part.alerts)
    wanted = [f"outcome {each}" for each in (JUDGED, DUPLICATE, DIFFERS, TOO_LATE, TAKEN_BACK)]
    wanted += [f"outcome {TOO_LATE}, which they cannot know", "went on", "by creditor_joint", "by debtor_joint", "late"]
    wanted += [each.id for each in rules()] + [f"alerts of {number}" for number in range(4)]
    assert [name for name in wanted if seen[name] < 2] == [], seen
    assert seen["sent"] > 1.5 * seen["records"]


def test_engines_that_own_every_key_raise_other_alerts() -> None:
    """The comparison can fail."""
    records = remembered(stream(1, 70, joint=True))
    broken = Comparison(rules(), INPUTS, 3, owns_all=True).run(bank_of(records))
    assert len(broken.found()) > len(broken.expected())


def test_without_what_goes_on_alerts_of_further_holders_are_missing() -> None:
    """The comparison can fail."""
    assert home("C1", 2) != home("C2", 2)
    records = remembered(stream(1, 120, joint=True))
    broken = Comparison(rules(), INPUTS, 2, forwards=False).run(bank_of(records))
    found, expected = broken.found(), broken.expected()
    missing = [alert for alert in expected if alert.alert_id not in {each.alert_id for each in found}]
    assert len(missing) >= 1
    assert any(alert.leg_role.endswith("_joint") for alert in missing)


@given(seed=SEEDS, count=st.integers(2, 4))
@example(seed=746, count=2)  # a saved table without a key
@settings(max_examples=6, deadline=None, print_blob=True)
def test_cuts_of_a_log_and_saved_states_change_nothing(seed: int, count: int) -> None:
    records = remembered(stream(seed, 70, days=200, joint=True, faults=0.3))
    done, rng = Comparison(rules(accounts=True), INPUTS, count).run(bank_of(records)), random.Random(seed)
    for part in done.parts:
        again = Part(rules(accounts=True), INPUTS, Partition(part.number, count))
        waiting: list[PlainTransaction] = []
        for entry in part.log:
            if isinstance(entry, Stretch):
                again.learn(entry)
                continue
            assert isinstance(entry, PlainTransaction)
            waiting.append(entry)
            if rng.random() < 0.2:
                again.take(waiting)
                waiting = []
                saved = {name: np.array(array) for name, array in state.save(again.engine).items()}
                state.load(again.engine, saved)
        if waiting:
            again.take(waiting)
        assert again.alerts == part.alerts
        assert again.outcomes == part.outcomes
        assert again.forwards == part.forwards


def test_a_state_belongs_to_one_partition_of_as_many() -> None:
    places = [Partition(), Partition(0, 2), Partition(1, 2), Partition(1, 3)]
    keys = [state.layout_key(Part(rules(), INPUTS, place).engine) for place in places]
    assert len(set(keys)) == len(places)


# One thing at a time -----------------------------------------------------------------------------------------

C1, C2 = "C1", "C2"
"""Customers of different partitions of two."""


def over_joint(position: int, at: str, holder: str) -> PlainTransaction:
    return replace(paid_in(position, at), creditor=PlainSide(holder, JOINT, holder))


def counting(by: str, subject: str | None = None) -> Rule:
    return made(1, by, "30d", "w.n >= two", subject=subject)


def roles(done: Comparison, number: int) -> list[tuple[int, str]]:
    return [(alert.position, alert.leg_role) for alert in done.parts[number].alerts]


def test_a_payment_over_a_joint_account_goes_on_to_the_further_holder_and_its_reversal_reaches_both() -> None:
    back = replace(over_joint(2, "2h", C1), transaction_id="R", status="reversed", reverses="T0")
    log = [over_joint(0, "0h", C1), over_joint(1, "1h", C1), back, over_joint(3, "3h", C2), over_joint(4, "4h", C1)]
    done = Comparison([counting("customer")], INPUTS, 2).run(bank_of(log))
    compare(done)
    # Both have two after positions 1, 3 and 4; without the reversal there would be one more at each.
    assert roles(done, home(C1, 2)) == [(1, "creditor"), (3, "creditor_joint"), (4, "creditor")]
    assert roles(done, home(C2, 2)) == [(1, "creditor_joint"), (3, "creditor"), (4, "creditor_joint")]
    assert {alert.measures["w.n"].value for part in done.parts for alert in part.alerts} == {"2", "3"}
    assert done.seen["went on"] == 4


def test_an_account_counts_what_holders_of_other_partitions_pay_over_it() -> None:
    log = [over_joint(0, "0h", C1), over_joint(1, "1h", C2), over_joint(2, "2h", C1)]
    back = replace(over_joint(3, "3h", C1), transaction_id="R", status="reversed", reverses="T1")
    done = Comparison([counting("account")], INPUTS, 2).run(bank_of([*log, back, over_joint(4, "4h", C2)]))
    compare(done)
    assert [alert.measures["w.n"].value for alert in done.found()] == ["2", "3", "3"]


def test_a_return_that_names_other_parties_reaches_the_original_wherever_it_is() -> None:
    paid = replace(paid_in(0, "0h"), device="D1")
    back = replace(
        paid_in(1, "1h"), creditor=PlainSide("C9", "C9-1", "C9"), status="returned", reverses="T0", transaction_id="R"
    )
    for count in (2, 3, 4):
        done = Comparison([counting("customer"), replace(counting("device"), id="AML-TST-002")], INPUTS, count).run(
            bank_of([paid, back, replace(paid_in(2, "2h"), device="D1"), replace(paid_in(3, "3h"), device="D1")])
        )
        compare(done)
        assert [alert.position for alert in done.found()] == [3, 3]


def test_a_partition_refuses_by_the_clocks_of_its_own_holders() -> None:
    """What one engine refuses by another's clock is judged: stated in the ADR."""
    ahead, late = paid_in(0, "40d", customer=C1), replace(paid_in(1, "1h", customer=C1), debtor=PlainSide(C2, "A", C2))
    parts = [Part([counting("customer")], INPUTS, Partition(number, 2)) for number in range(2)]
    own, other = parts[home(C1, 2)], parts[home(C2, 2)]
    assert own.take([ahead, late]).outcome.tolist() == [JUDGED, TOO_LATE]
    assert other.take([late]).outcome.tolist() == [JUDGED]
    assert Part([counting("customer")], INPUTS).take([ahead, late]).outcome.tolist() == [JUDGED, TOO_LATE]


def test_ids_are_forgotten_by_what_a_partition_has_seen_of_the_first_holder() -> None:
    """So the filter of the partition of a device stays bounded, though no holder lives there."""
    part = Part([counting("device")], INPUTS, Partition(1 - home(C1, 2), 2))
    admission = part.engine.admission
    admission.remembered = empty(admission.remembered.rows.shape[1], 1)
    paid = [replace(paid_in(n, f"{6 * n}h", customer=C1), device="D1") for n in range(6_000)]
    for first in range(0, len(paid), 100):
        part.take(paid[first : first + 100])
    assert admission.spaces[HOLDER].count == 0
    # 4 a day for 35 days and the window of a month; an eighth of the rows and a quarter more may lie idle.
    assert len(admission.remembered.rows) <= (4 * (35 + 30 + 2) + 100) * 10 // 7
    assert part.take([paid[-1], paid[-4 * 60], paid[0]]).outcome.tolist() == [DUPLICATE, DUPLICATE, JUDGED]
