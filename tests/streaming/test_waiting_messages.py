"""What waits is judged in steps of a bounded size, and what is left has its turn at once."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from monitor.app.streaming import waiting_messages
from monitor.app.streaming.scoring_state import within
from monitor.app.streaming.waiting_messages import WAITING_MAX, WaitingMessages

FOREVER_SECONDS = 3_600.0


def messages(*sizes: int) -> list[Any]:
    return [SimpleNamespace(value=bytes(size), offset=number) for number, size in enumerate(sizes)]


@pytest.mark.parametrize(
    ("sizes", "bytes_max", "count"),
    [
        ((10, 10, 10), 30, 3),
        ((10, 10, 10), 29, 2),
        ((100, 10), 50, 1),  # One is always taken.
        ((0, 0, 100, 1), 50, 2),
        ((), 50, 0),
    ],
)
def test_a_step_holds_what_fits_and_at_least_one(sizes: tuple[int, ...], bytes_max: int, count: int):
    assert [each.offset for each in within(messages(*sizes), bytes_max)] == list(range(count))


async def first_wave(waiting: int, *, has_more: bool) -> bool:
    """Whether a wave comes without anything being read, where so many messages of a partition wait."""
    held: Any = SimpleNamespace(waiting=messages(*[1] * waiting))
    waves = WaitingMessages("legs", {0: held}).waves(lambda: False, lambda: has_more)
    asked = asyncio.ensure_future(anext(waves))
    for _ in range(20):
        await asyncio.sleep(0)
    if not asked.done():
        asked.cancel()
        return False
    assert asked.result() == []
    return True


@pytest.mark.parametrize("waiting", [1, WAITING_MAX])
def test_what_is_left_of_a_step_has_its_turn_at_once(monkeypatch: pytest.MonkeyPatch, waiting: int):
    monkeypatch.setattr(waiting_messages, "RETRY_SECONDS", FOREVER_SECONDS)
    assert asyncio.run(first_wave(waiting, has_more=True))
    assert not asyncio.run(first_wave(waiting, has_more=False))
