"""Every shipped rule on random streams, cut anywhere: the engine says of each leg what the slow evaluator says."""

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

import pytest

from monitor.domain.alert import Alert
from monitor.rulebook.load import load_lists, load_rules, shipped_rules
from monitor.rulebook.reference import ReferenceEngine, Verdict
from monitor.rulebook.rule import Rule
from tests.oracle.agreement import said, said_slowly
from tests.oracle.stretch_run import StretchRun
from tests.strategies.rule_streams import NOWHERE, RuleStream, rule_stream
from tests.strategies.searching import further

LISTS, _ = load_lists([shipped_rules()])
RULES, _ = load_rules([shipped_rules()], LISTS)
STREAMS, STREAMS_MAX = 6, 60


def compare(stream: RuleStream, rules: Sequence[Rule]) -> Counter[str]:
    """Compare every payment under every rule; how often they said what."""
    outcomes: Counter[str] = Counter()
    slowly: dict[tuple[str, int], list[Verdict]] = defaultdict(list)
    for verdict in ReferenceEngine().judge(rules, stream.payments, stream.inputs):
        slowly[verdict.rule_id, verdict.position].append(verdict)
        outcomes[verdict.status or verdict.verdict] += 1
    for stretch, (step, undecided) in zip(stream.stretches, StretchRun(stream, rules).steps(), strict=True):
        raised: dict[tuple[str, int], list[Alert]] = defaultdict(list)
        for alert in step.alerts:
            raised[alert.source.id, alert.position].append(alert)
            outcomes["of a further holder"] += alert.leg_role.endswith("_joint")
        for rule, count in zip(rules, undecided, strict=True):
            unknown = 0
            for payment in stretch.payments:
                key = rule.id, payment.position
                unknown += sum(each.verdict == "unknown" for each in slowly[key])
                expected = [said_slowly(rule, each) for each in slowly[key] if each.status is not None]
                alerts = [said(rule, alert) for alert in raised.pop(key, [])]
                assert alerts == expected, f"{rule.id}, position {key[1]} of {stream.test.name}: {payment}"
            assert count == unknown, (
                f"{rule.id}, {stream.test.name}: {count} undecided in {stretch}, should be {unknown}"
            )
        assert not raised, f"alerts about no payment of the batch: {raised}"
    return outcomes


def run(rule: Rule, seed: int, streams: int, streams_max: int = 0) -> Counter[str]:
    """Compare that many streams drawn from a seed; further ones, up to ``streams_max``, until the rule has alerted."""
    print(f"{rule.id}: seed {seed}")
    rng = random.Random(f"{rule.id} {seed}")
    outcomes: Counter[str] = Counter()
    while outcomes["streams"] < streams or (not outcomes["alert"] and outcomes["streams"] < streams_max):
        outcomes += compare(rule_stream(rule, rng), [rule]) + Counter(streams=1)
    return outcomes


def run_all(seed: int, streams: int) -> Counter[str]:
    """Compare that many streams, each around another rule, under all shipped rules at once, as the monitor runs."""
    print(f"seed {seed}")
    rng = random.Random(seed)
    outcomes: Counter[str] = Counter()
    shipped = {name: ((0, frozenset(each.words)),) for name, each in LISTS.items()}
    for rule in rng.sample([rule for rule in RULES if not any(test.peers for test in rule.tests)], streams):
        stream = rule_stream(rule, rng)
        inputs = replace(stream.inputs, lists=shipped | dict(stream.inputs.lists))
        outcomes += compare(replace(stream, inputs=inputs), RULES)
    return outcomes


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_engine_and_slow_evaluator_agree_on_random_streams(rule: Rule):
    outcomes = run(rule, seed=1, streams=STREAMS, streams_max=STREAMS_MAX)
    assert outcomes["alert"] >= 1, outcomes
    assert outcomes["false"] >= 1, outcomes


def test_they_agree_under_all_rules_at_once():
    outcomes = run_all(seed=1, streams=12)
    assert outcomes["alert"] >= 10, outcomes
    assert outcomes["of a further holder"] >= 3, outcomes


def test_the_streams_hold_what_can_go_wrong():
    found: Counter[str] = Counter()
    rng = random.Random(1)
    for rule in RULES:
        stream, clock_us, names = rule_stream(rule, rng), 0, set[str]()
        for stretch in stream.stretches:
            found["several payments in a batch"] += len(stretch.payments) > 1
            found["a profile that changed"] += bool(stretch.profiles)
            found["other holders"] += any(held.holders for held in stretch.accounts.values())
        for payment in stream.payments:
            sides = payment.debtor, payment.creditor
            found["a joint account"] += any(side.joint for side in sides)
            found["customers on both sides"] += all(side.holder for side in sides)
            found["a conductor"] += payment.conductor is not None
            found["someone else's money"] += payment.on_behalf_of is not None
            found["late"] += payment.booked_at_us < clock_us
            found["the same again"] += payment.transaction_id in names
            found["taken back"] += payment.reverses in names
            found["a correction"] += payment.reverses in names and payment.status == "booked"
            found["nobody knows where"] += payment.booking_entity == NOWHERE
            clock_us = max(clock_us, payment.booked_at_us)
            names.add(payment.transaction_id)
        found["local days"] += any(each.cut_off is not None for each in stream.inputs.entities.values())
    assert len(found) == 13, found
    assert min(found.values()) >= 15, found


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_further_streams_agree_as_well(rule: Rule):
    run(rule, random.randrange(2**32), streams=further(6))


@pytest.mark.slow
def test_further_streams_agree_under_all_rules_at_once():
    run_all(random.randrange(2**32), streams=further(8))
