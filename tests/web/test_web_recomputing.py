"""How much is computed at once, what is kept, and what those are told who find no place."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from monitor.web.recomputing import KEPT_MAX, Busy, Recomputing


def test_never_more_are_computed_at_once_than_may():
    places, guard, running, most = Recomputing(at_once=2, wait_seconds=30), threading.Lock(), 0, 0

    def compute() -> int:
        nonlocal running, most
        with guard:
            running += 1
            most = max(most, running)
        time.sleep(0.02)
        with guard:
            running -= 1
        return 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: places.once(number, compute), range(16)))
    assert most == 2


def test_who_finds_no_place_in_time_is_told_and_a_place_is_given_back_also_after_an_error():
    places = Recomputing(at_once=1, wait_seconds=0.02)
    with places.turn(), pytest.raises(Busy):
        places.once("other", lambda: 1)
    with pytest.raises(ZeroDivisionError):
        places.once("wrong", lambda: 1 // 0)
    assert places.once("other", lambda: 2) == 2


def test_who_asks_for_the_same_meanwhile_waits_for_it():
    places, made = Recomputing(at_once=4, wait_seconds=30), []

    def compute() -> int:
        time.sleep(0.05)
        made.append(1)
        return len(made)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: places.once("same", compute), range(4))) == [1, 1, 1, 1]


def test_what_does_not_hold_for_later_is_not_kept():
    places = Recomputing()
    assert [places.once("lost", lambda each=each: each, keep=lambda found: found != 1) for each in (1, 2, 3)] == [
        1,
        2,
        2,
    ]


def test_the_results_that_nobody_asked_for_longest_go_first():
    places = Recomputing()
    for number in range(KEPT_MAX):
        places.once(number, lambda: "first")
    places.once(0, lambda: "again")
    places.once("new", lambda: "first")
    assert places.once(0, lambda: "again") == "first"
    assert places.once(1, lambda: "again") == "again"
