"""Bank snapshots of several partitions are those of one, where all has been told, whoever is killed meanwhile."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.app.streaming.partition import BANK
from monitor.domain.identifiers import IdentifierKind, token_of
from monitor.domain.time import DAY_US
from tests.streaming.bank_logs import HUB, START_US, BankLogs, loaded_rules, of_random, rules
from tests.streaming.legs_stream import KEY

FIRST_DAY = START_US // DAY_US
SEEDS = st.integers(0, 10_000)
Bank = Callable[..., BankLogs]
"""Seed and number of partitions of a bank that has been judged."""


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Bank:
    folder = tmp_path_factory.mktemp("bank")
    loaded = loaded_rules(folder, rules())
    return lambda seed, count, **more: of_random(loaded, folder, seed, count, **more).run()


def of_payments(snapshots: dict[tuple[int, int], dict[str, Any]]) -> dict[tuple[int, int], dict[str, Any]]:
    """The snapshots by which payments of customers are judged: those of each second day."""
    return {key: each for key, each in snapshots.items() if (key[1] - FIRST_DAY) % 2 == 0}


def without_hubs(snapshot: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in snapshot.items() if name != "hubs"}


def judged(run: BankLogs) -> dict[str, tuple[Any, ...]]:
    return {name: (each.status, each.bank_snapshot, str(each.measures)) for name, each in run.alerts.items()}


@given(seed=SEEDS, count=st.integers(2, 6))
@settings(max_examples=12, deadline=None, print_blob=True)
def test_the_snapshots_of_any_number_of_partitions_are_those_of_one(bank: Bank, seed: int, count: int) -> None:
    one, some = bank(seed, 1), bank(seed, count)
    wanted, found = of_payments(one.snapshots), of_payments(some.snapshots)
    assert len(wanted) == 3
    assert found.keys() == {(number, day) for number in range(count) for _, day in wanted}
    for (_, day), each in found.items():
        assert without_hubs(each) == without_hubs(wanted[0, day])
    assert judged(some) == judged(one)
    assert len(one.alerts) > 20


def test_a_segment_of_the_bank_is_one_although_no_partition_has_enough_customers_of_it(bank: Bank) -> None:
    one, some = bank(3, 1), bank(3, 6)
    last = max(day for _, day in of_payments(one.snapshots))
    wanted = one.snapshots[0, last]["quantiles"]
    assert len({str(wanted[segment]) for segment in ("", "retail", "agent", "student")}) > 1
    assert [some.snapshots[number, last]["quantiles"] for number in range(6)] == [wanted] * 6
    customers = {some.snapshots[number, last]["customers"] for number in range(6)}
    assert customers == {one.snapshots[0, last]["customers"]}
    # What one partition has by itself shows on the first day, when nothing was told before.
    first = [some.snapshots[number, FIRST_DAY + 1] for number in range(6)]
    assert max(each["customers"] for each in first) < one.snapshots[0, FIRST_DAY + 1]["customers"] / 2


def test_hubs_are_those_of_one_engine_each_where_it_lives(bank: Bank) -> None:
    one, some = bank(5, 1, days=18), bank(5, 3, days=18)
    last = max(day for _, day in one.snapshots)
    hubs = [hub for number in range(3) for hub in some.snapshots[number, last]["hubs"]]
    assert sorted(hubs) == one.snapshots[0, last]["hubs"]
    hub = token_of(KEY, IdentifierKind.CUSTOMER, HUB).hex()
    assert hub in hubs
    assert hub in {each.subject.token for each in one.alerts.values() if each.source.id == "AML-TST-003"}
    assert judged(some) == judged(one)


def test_without_what_is_told_the_snapshots_are_others(bank: Bank) -> None:
    """The comparison can fail."""
    one, alone = bank(1, 1), bank(1, 4, is_told=False)
    wanted = of_payments(one.snapshots)
    differs = [without_hubs(each) != without_hubs(wanted[0, day]) for (_, day), each in
               of_payments(alone.snapshots).items()]  # fmt: skip
    assert all(differs)
    assert judged(alone) != judged(one)


@given(seed=SEEDS, count=st.integers(2, 5))
@settings(max_examples=4, deadline=None, print_blob=True)
def test_workers_that_are_killed_tell_again_and_change_nothing(bank: Bank, seed: int, count: int) -> None:
    calm, rough = bank(seed, count), bank(seed, count, kills=random.Random(seed))
    assert rough.snapshots == calm.snapshots
    assert judged(rough) == judged(calm)
    assert rough.again > count
    told = [sum(each.kind == BANK for log in run.logs for each in log) for run in (calm, rough)]
    assert told[1] > told[0] > 0


@given(seed=SEEDS, count=st.integers(2, 4))
@settings(max_examples=4, deadline=None, print_blob=True)
def test_a_log_that_is_read_again_gives_the_same_snapshots_however_it_is_cut(bank: Bank, seed: int, count: int) -> None:
    run, rng = bank(seed, count, kills=random.Random(seed)), random.Random(seed)
    before = run.again
    for number, log in enumerate(run.logs):
        part = run.new(number)
        while part.offset < len(log):
            run.see(part, part.step(log[max(part.offset - 3, 0) : part.offset + rng.randrange(1, 30)]))
            arrays = {name: np.array(values) for name, values in part.save().items()}
            again = run.new(number)
            again.load(arrays, offset=part.offset, clock_us=part.clock_us)
            part = again
    assert run.again - before == len(run.snapshots)
