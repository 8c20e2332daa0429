"""Any division of a log into batches gives the same alerts, counts, snapshots and state; a prefix gives the prefix."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.engine import state
from tests.engine.engine_logs import new_log, state_of
from tests.strategies.plain_streams import stream
from tests.strategies.searching import further

SEEDS = st.integers(0, 2**32)


def some_cuts(seed: int, n: int) -> list[int]:
    rng = np.random.default_rng(seed)
    return np.flatnonzero(rng.random(n) < rng.choice([0.03, 0.3])).tolist()


@settings(max_examples=25, deadline=None, print_blob=True)
@given(seed=SEEDS, days=st.sampled_from([2, 30, 300]), joint=st.booleans())
def test_any_division_says_the_same_and_leaves_the_same_state(seed: int, days: int, joint: bool):
    records = stream(seed, 120, days=days, joint=joint)
    whole = new_log(joint=joint).feed(records)
    for cuts in (some_cuts(seed, len(records)), list(range(len(records)))):
        divided = new_log(joint=joint).feed(records, cuts)
        assert divided.said() == whole.said()
        assert state_of(divided.engine) == state_of(whole.engine)


def test_the_streams_say_something_of_everything():
    log = new_log(joint=True).feed(stream(5, 600, days=60, joint=True))
    assert {alert.source.id for alert in log.alerts} == {each.id for each in log.engine.program.rulebook.rules}
    assert {alert.status for alert in log.alerts} >= {"new", "quiet"}
    assert set(log.outcomes) == {0, 1, 2, 3, 4}
    assert any(log.late)
    assert log.found > 5
    assert log.without > 2
    assert log.snapshots
    assert {alert.leg_role for alert in log.alerts} >= {"debtor", "creditor", "debtor_joint", "creditor_joint"}


@settings(max_examples=20, deadline=None, print_blob=True)
@given(seed=SEEDS, cut=st.integers(1, 119))
def test_a_prefix_of_the_log_gives_the_prefix_of_the_alerts(seed: int, cut: int):
    records = stream(seed, 120, days=20, joint=True)
    whole, prefix = new_log(joint=True).feed(records), new_log(joint=True).feed(records[:cut])
    assert prefix.alerts == [alert for alert in whole.alerts if alert.position < cut]
    assert prefix.outcomes == whole.outcomes[:cut]


@settings(max_examples=20, deadline=None, print_blob=True)
@given(seed=SEEDS, cut=st.integers(1, 119), days=st.sampled_from([3, 200]))
def test_a_saved_state_goes_on_as_if_nothing_had_happened(seed: int, cut: int, days: int):
    records = stream(seed, 120, days=days, joint=True)
    whole = new_log(joint=True).feed(records)
    first = new_log(joint=True).feed(records[:cut], some_cuts(seed, cut))
    saved = {name: np.array(array) for name, array in state.save(first.engine).items()}
    second = new_log(joint=True)
    second.identifiers, second.engine.inputs = first.identifiers, first.engine.inputs
    second.profiles = first.profiles
    state.load(second.engine, saved)
    assert state_of(second.engine) == state_of(first.engine)
    second.feed(records[cut:])
    assert first.alerts + second.alerts == whole.alerts
    assert first.outcomes + second.outcomes == whole.outcomes
    assert first.snapshots + second.snapshots == whole.snapshots
    assert state_of(second.engine) == state_of(whole.engine)


@pytest.mark.slow
@settings(max_examples=further(12), deadline=None, print_blob=True)
@given(seed=SEEDS, days=st.sampled_from([2, 30, 300, 900]), n=st.integers(100, 900))
def test_any_division_of_long_logs_says_the_same(seed: int, days: int, n: int):
    records = stream(seed, n, days=days, customers=12, joint=True)
    whole = new_log(joint=True).feed(records)
    divided = new_log(joint=True).feed(records, some_cuts(seed, n))
    assert divided.said() == whole.said()
    assert state_of(divided.engine) == state_of(whole.engine)
