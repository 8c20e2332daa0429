"""A feed that breaks freezes the models and not the rules; they go on when it is mended, or when it stays so."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.ensemble import FROZEN_DAYS
from monitor.domain.alert import Alert
from monitor.domain.time import DAY_US
from monitor.domain.vocabulary import MODELS_OFF
from monitor.engine import state
from tests.engine.payment_columns import START_US, Payments, payments
from tests.engine.test_anomalies import engine, fed, of_models, saved

ROWS, DAYS, BREAKS, MENDED = 32_000, 160, 110, 117
"""Days since the first; between the last two all counterparties look new."""


def bank(breaks: int = BREAKS, mended: int = MENDED) -> Payments:
    """A bank whose feed names other counterparties for some days."""
    made = payments(5, rows=ROWS, days=DAYS, customers=500, burst=False, strangers=0.02)
    day = (made.batch.booked_at_us - START_US) // DAY_US
    broken = np.flatnonzero((day >= breaks) & (day < mended))
    other = np.random.default_rng(1).permutation(broken)
    sides = {name: getattr(made.batch, name).copy() for name in ("creditor_account", "creditor_holder")}
    for values in sides.values():
        values[broken] = values[other]
    return replace(made, batch=replace(made.batch, **sides))


@pytest.fixture(scope="module")
def stream() -> Payments:
    return bank()


@pytest.fixture(scope="module")
def whole(stream: Payments) -> tuple[list[Alert], Any, dict[str, Any]]:
    made = engine(stream)
    alerts = fed(made, stream)
    assert made.anomalies is not None
    return alerts, made.anomalies.take_freezings(), saved(made)


def days_of(alerts: list[Alert]) -> np.ndarray:
    return np.array([(each.event_time_us - START_US) // DAY_US for each in of_models(alerts)])


def first_day() -> int:
    return START_US // DAY_US


def test_the_models_are_frozen_while_the_feed_is_broken_and_go_on_when_it_is_mended(whole: Any):
    alerts, freezings, _ = whole
    assert [(each.model, each.is_frozen) for each in freezings] == [("new-edges", True), ("new-edges", False)]
    frozen, on = freezings[0].day - first_day(), freezings[1].day - first_day()
    assert BREAKS <= frozen < MENDED <= on <= frozen + FROZEN_DAYS
    assert "population stability" in freezings[0].fact
    days = days_of(alerts)
    assert ((days >= BREAKS) & (days <= frozen)).any()
    assert not ((days > frozen) & (days <= on)).any()


def test_the_rules_go_on_as_without_models(stream: Payments, whole: Any):
    off = fed(engine(stream, MODELS_OFF), stream)
    assert off == [each for each in whole[0] if each.source.kind == "rule"]


def test_a_sound_feed_freezes_nothing_and_has_the_same_alerts_before(whole: Any):
    sound_stream = bank(DAYS, DAYS)
    made = engine(sound_stream)
    sound = fed(made, sound_stream)
    assert made.anomalies is not None
    assert made.anomalies.take_freezings() == []
    until_us = START_US + BREAKS * DAY_US
    before = [each.alert_id for each in of_models(whole[0]) if each.event_time_us < until_us]
    assert before == [each.alert_id for each in of_models(sound) if each.event_time_us < until_us]
    assert before


def test_cuts_and_a_saved_state_change_nothing_while_frozen(stream: Payments, whole: Any):
    day = (stream.batch.booked_at_us - START_US) // DAY_US
    inside = int(np.searchsorted(day, whole[1][0].day - first_day() + 1)) + 20
    first, second = engine(stream), engine(stream)
    before = fed(first, stream, range(0, inside, 1_777), stop=inside)
    assert first.anomalies is not None
    assert second.anomalies is not None
    assert list(first.anomalies.flags) == ["new-edges"]
    state.load(second, {name: np.array(array) for name, array in state.save(first).items()})
    assert second.anomalies.flags == first.anomalies.flags
    assert before + fed(second, stream, range(inside, ROWS, 3_333), start=inside) == whole[0]
    assert saved(second) == whole[2]
    assert second.anomalies.flags == {}


def test_what_lasts_is_the_new_normal():
    stream = bank(mended=DAYS)
    made = engine(stream)
    alerts = fed(made, stream)
    assert made.anomalies is not None
    frozen, on = made.anomalies.take_freezings()
    assert (frozen.is_frozen, on.is_frozen) == (True, False)
    assert on.day - frozen.day == FROZEN_DAYS
    assert "new normal" in on.fact
    after = (days_of(alerts) > on.day - first_day()).sum()
    # A tenth of a percent of 500 account-days a day is raised, and not everything that was unusual before.
    assert after <= 2 * (DAYS - (on.day - first_day())) + 5


def test_how_far_each_signal_moved_is_told(stream: Payments):
    made = engine(stream)
    fed(made, stream, stop=int(np.searchsorted(stream.batch.booked_at_us, START_US + 100 * DAY_US)))
    assert made.anomalies is not None
    drift = made.anomalies.drift
    assert [each.name for each in drift][-1] == "combined score"
    assert len(drift) == 7
    assert max(each.stability for each in drift[:-1]) < 0.25
