"""The breaker of a partition: days apart, its part of the limit, the same after it was saved."""

import json
import random

from hypothesis import given
from hypothesis import strategies as st

from monitor.casework.breaker import HELD, PASS, TRIP, Breaker, BreakerSettings
from monitor.casework.partition_breaker import DAYS_KEPT, PartitionBreaker, part_of
from monitor.domain.time import DAY_US
from tests.casework.alert_building import START_US, alert


def outcomes(breaker: PartitionBreaker, days: list[int]) -> list[str]:
    return [breaker.decide("R", version=day, is_new=True) for day in days]


def test_days_that_come_by_turns_are_counted_apart():
    breaker = PartitionBreaker(BreakerSettings(least=2))
    assert outcomes(breaker, [7, 8, 7, 8, 7, 8, 7]) == [PASS, PASS, PASS, PASS, TRIP, TRIP, HELD]


def test_a_day_long_gone_counts_to_the_oldest_that_is_kept():
    breaker = PartitionBreaker(BreakerSettings(least=1))
    assert outcomes(breaker, [100, 100 - DAYS_KEPT + 1, 3, 4]) == [PASS, PASS, TRIP, HELD]


def test_repeats_do_not_count_and_are_held_once_it_is_open():
    breaker = PartitionBreaker(BreakerSettings(least=1))
    decided = [breaker.decide("R", version=1, is_new=new) for new in (False, True, False, True, False)]
    assert decided == [PASS, PASS, PASS, TRIP, HELD]


def test_the_day_is_that_of_the_judged_time():
    breaker = PartitionBreaker(BreakerSettings())
    assert breaker.day_of(alert(3)) == alert(3).judged_at_us // DAY_US == breaker.day_of(alert(3, bank_snapshot=9))


def test_the_limit_follows_the_customers_of_the_bank():
    breaker = PartitionBreaker(BreakerSettings(share_ppm=10_000, least=10), partitions=1)
    assert breaker.limit("R", 5) == 10
    breaker.bank_customers = 5_000
    assert (breaker.limit("R", 5), breaker.customers_on(5)) == (50, 5_000)


@given(st.lists(st.tuples(st.sampled_from("RS"), st.booleans(), st.booleans()), max_size=40), st.integers(0, 4))
def test_one_partition_whose_days_follow_each_other_decides_as_the_embedded_one(
    stream: list[tuple[str, bool, bool]], least: int
):
    settings = BreakerSettings(least=least)
    embedded, partition, day = Breaker(settings), PartitionBreaker(settings), START_US // DAY_US
    for rule, is_new, is_next in stream:
        day += is_next
        embedded.see_bank(day, 0)
        assert partition.decide(rule, version=day, is_new=is_new) == embedded.decide(rule, version=day, is_new=is_new)


@given(st.lists(st.tuples(st.sampled_from("RS"), st.integers(0, 12), st.booleans()), max_size=40), st.integers(0, 40))
def test_saved_and_loaded_it_goes_on_as_it_would_have(stream: list[tuple[str, int, bool]], at: int):
    settings = BreakerSettings(least=2)
    whole, part = PartitionBreaker(settings), PartitionBreaker(settings)
    for number, (rule, day, is_new) in enumerate(stream):
        if number == at:
            saved = json.loads(json.dumps(part.save()))
            part = PartitionBreaker(settings)
            part.load(saved)
        part.bank_customers = whole.bank_customers = number
        assert part.decide(rule, version=day, is_new=is_new) == whole.decide(rule, version=day, is_new=is_new)


def test_a_rule_below_the_limit_of_the_bank_is_hardly_held_back_and_a_flood_in_all_partitions():
    rng = random.Random(3)
    limit, partitions, days = 1_000, 12, 2_000
    part = part_of(limit, partitions)
    held = 0
    for _ in range(days):
        counts = [0] * partitions
        for _ in range(limit * 9 // 10):
            counts[rng.randrange(partitions)] += 1
        held += sum(max(0, count - part) for count in counts)
    assert held / (days * limit) < 0.001
    assert limit < part * partitions < 1.4 * limit
