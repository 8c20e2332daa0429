"""Every shipped rule on random streams, cut anywhere: the engine says of each leg what the slow evaluator says."""

import random
from collections import Counter

import pytest

from monitor.rulebook.load import load_rules, shipped_rules
from monitor.rulebook.reference import ReferenceEngine, Verdict
from monitor.rulebook.rule import Rule
from tests.oracle.agreement import said, said_slowly
from tests.oracle.stretch_run import StretchRun
from tests.strategies.rule_streams import RuleStream, rule_stream

RULES, _ = load_rules([shipped_rules()])
STREAMS, STREAMS_MAX = 6, 60


def compare(stream: RuleStream) -> Counter[str]:
    """Compare every payment; how often the rule said what."""
    rule, outcomes = stream.rule, Counter[str]()
    slowly: dict[int, list[Verdict]] = {}
    for verdict in ReferenceEngine().judge([rule], stream.payments, stream.inputs):
        slowly.setdefault(verdict.position, []).append(verdict)
    for stretch, (step, undecided) in zip(stream.stretches, StretchRun(stream).steps(), strict=True):
        for payment in stretch.payments:
            verdicts = slowly.get(payment.position, [])
            expected = [said_slowly(rule, each) for each in verdicts if each.status is not None]
            alerts = [said(rule, alert) for alert in step.alerts if alert.position == payment.position]
            assert alerts == expected, f"{rule.id}, position {payment.position} of {stream.test.name}: {payment}"
            outcomes.update(each.status or each.verdict for each in verdicts)
        unknown = [
            each for one in stretch.payments for each in slowly.get(one.position, []) if each.verdict == "unknown"
        ]
        assert undecided == len(unknown), f"{rule.id}, {stream.test.name}: {undecided} undecided, but {unknown}"
    return outcomes


def run(rule: Rule, seed: int, streams: int, streams_max: int = 0) -> Counter[str]:
    """Compare that many streams drawn from a seed; further ones, up to ``streams_max``, until the rule has alerted."""
    print(f"{rule.id}: seed {seed}")
    rng = random.Random(f"{rule.id} {seed}")
    outcomes: Counter[str] = Counter()
    while outcomes["streams"] < streams or (not outcomes["alert"] and outcomes["streams"] < streams_max):
        outcomes += compare(rule_stream(rule, rng)) + Counter(streams=1)
    return outcomes


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_engine_and_slow_evaluator_agree_on_random_streams(rule: Rule):
    outcomes = run(rule, seed=1, streams=STREAMS, streams_max=STREAMS_MAX)
    assert outcomes["alert"] >= 1, outcomes
    assert outcomes["false"] >= 1, outcomes


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_further_streams_agree_as_well(rule: Rule):
    run(rule, random.randrange(2**32), streams=30)
