"""Dressing: everything of a row beyond its parties and its amount's size, drawn alike for licit and injected rows.

Because one function dresses both, and it does not see which is which, no hour, channel, text, purpose,
cents, device or branch can give an injected row away. What may give it away is the company it keeps.
"""

import numpy as np
import numpy.typing as npt

from monitor.app.simulate.cast import ROUND_THOUSANDS
from monitor.app.simulate.draws import Int64s, mixed, remainder, share_table, spread_table
from monitor.app.simulate.population import Population
from monitor.app.simulate.rhythm import Day, times_of_day_us
from monitor.app.simulate.rows import Rows, Skeleton
from monitor.app.simulate.world import ENTITIES, EURO, KIND, KINDS, SCALE_PERCENT
from monitor.domain.time import SECOND_US

SPREADS = {
    "steady": spread_table(0.02),
    "narrow": spread_table(0.30),
    "medium": spread_table(0.55),
    "wide": spread_table(0.75, tail_share=0.005),
    "heavy": spread_table(1.15, tail_share=0.01, tail_index=1.5),
}
ROUNDINGS = {
    "price": {1: 82.0, 100: 12.0, 1000: 6.0},
    "invoice": {1: 52.0, 100: 12.0, 1000: 12.0, 10_000: 14.0, 100_000: 10.0},
    "round": {1: 20.0, 100: 15.0, 1000: 35.0, 10_000: 20.0, 100_000: 10.0},
    "notes": {1: 12.0, 500: 30.0, 1000: 30.0, 2000: 18.0, 10_000: 10.0},
}
"""Steps in minor units that amounts are rounded down to, with weights. A step applies from 20 of it upwards."""
_STEP = np.stack([share_table(ROUNDINGS[k.rounding], size=256) for k in KINDS]).astype(np.int64)
_CHANNEL = np.stack([share_table(kind.channels, size=256) for kind in KINDS]).astype(np.int8)
_PURPOSE = np.stack([share_table(kind.purposes, size=256) for kind in KINDS]).astype(np.int8)
_TEXT = np.stack([share_table(kind.texts, size=256) for kind in KINDS]).astype(np.int8)
_SPREAD = np.stack([SPREADS[kind.spread] for kind in KINDS])
_DEVICE, _BRANCH, _CONDUCTOR = (
    np.array([int(getattr(kind, name) * 256) for kind in KINDS])
    for name in ("device_share", "branch_share", "conductor_share")
)
BRANCHES_PER_ENTITY = 40
_SCALE = np.array(SCALE_PERCENT, np.int64)
_UNIT = np.array([10 if percent >= 1000 else 1 for percent in SCALE_PERCENT], np.int64)
"""Rounding steps grow with the price level of the currency."""


def _bits(drawn: npt.NDArray[np.uint64], shift: int, width: int) -> Int64s:
    return ((drawn >> np.uint64(shift)) & np.uint64((1 << width) - 1)).astype(np.int64)


def local_amounts(skeleton: Skeleton, currency: npt.NDArray[np.int8], spread: Int64s, step: Int64s) -> Int64s:
    """Minor units in local money: spread, scaled, rounded down to a step; at least one unit.

    A step is drawn for every row. It applies from twice its size, or from 20 times where the amount is part of a
    plan, so that rounding takes away at most a twentieth of what a case passes on.
    """
    factor = _SPREAD.reshape(-1)[skeleton.kind.astype(np.int64) * (1 << 16) + spread]
    is_planned = skeleton.form > 0
    amount = np.where(is_planned, skeleton.amount, (skeleton.amount * factor) >> 16)
    amount = amount * _SCALE[currency] // 100
    unit = _UNIT[currency]
    chosen = (
        np.where(
            skeleton.form == ROUND_THOUSANDS, 100_000, _STEP.reshape(-1)[skeleton.kind.astype(np.int64) * 256 + step]
        )
        * unit
    )
    applies = amount >= np.where(is_planned & (skeleton.form != ROUND_THOUSANDS), 20, 2) * chosen
    chosen = np.where(applies, chosen, np.where(chosen > unit, 100, 1))
    return np.maximum(amount - amount % chosen, 100)


def dressed(skeleton: Skeleton, day: Day, population: Population, rng: np.random.Generator) -> Rows:
    """The rows of one day in order of booking, numbered from 0 within the day; received at once."""
    n, own = len(skeleton), population.own_accounts
    one, two, three = rng.integers(0, 2**64, (3, n), dtype=np.uint64)
    kind = skeleton.kind.astype(np.int64)
    debtor_ours = (skeleton.debtor >= 0) & (skeleton.debtor < own)
    ours = population.owner[np.where(debtor_ours, skeleton.debtor, skeleton.creditor)]
    entity = population.entity[ours]
    in_euro = (kind == KIND["abroad"]) & (_bits(one, 0, 8) < 64)
    currency = np.where(in_euro, EURO, entity).astype(np.int8)
    amount = local_amounts(skeleton, currency, _bits(one, 8, 16), _bits(one, 24, 8))
    channel = _CHANNEL.reshape(-1)[kind * 256 + _bits(one, 32, 8)]
    midnight = np.array(day.midnight_us, np.int64)[entity]
    booked = midnight + times_of_day_us(skeleton.kind, _bits(two, 0, 10), _bits(two, 10, 32))
    received = booked + SECOND_US // 2 + _bits(two, 42, 12) * 1_000
    device = np.where(debtor_ours & (_bits(three, 0, 8) < _DEVICE[kind]), ours, -1)
    home = remainder(mixed(ours.astype(np.int64), 3), BRANCHES_PER_ENTITY)
    away = _bits(three, 24, 16) % BRANCHES_PER_ENTITY
    branch = entity * BRANCHES_PER_ENTITY + np.where(_bits(three, 16, 8) < 200, home, away)
    branch = np.where(_bits(three, 8, 8) < _BRANCH[kind], branch, -1)
    employee = population.people[remainder(mixed(ours * 4 + _bits(three, 48, 2), 7), len(population.people))]
    person = np.where(population.is_person[ours], ours, employee)
    conductor = np.where(_bits(three, 40, 8) < _CONDUCTOR[kind], person, -1)
    order = np.argsort(booked, kind="stable")
    rows = Rows(
        number=np.zeros(n, np.int64), booked_us=booked, received_us=received, delivered_us=received,
        debtor=skeleton.debtor, creditor=skeleton.creditor, amount=amount, currency=currency, channel=channel,
        purpose=_PURPOSE.reshape(-1)[kind * 256 + _bits(one, 40, 8)],
        text=_TEXT.reshape(-1)[kind * 256 + _bits(one, 48, 8)], entity=entity, status=np.zeros(n, np.int8),
        reverses=np.full(n, -1, np.int64), conductor=conductor.astype(np.int32), device=device.astype(np.int32),
        branch=branch.astype(np.int16), case=skeleton.case,
    ).map(lambda column: column[order])  # fmt: skip
    rows.number[:] = np.arange(n) + day.number * ROWS_PER_DAY_MAX
    return rows


ROWS_PER_DAY_MAX = 10**9
assert len(ENTITIES) == len(SCALE_PERCENT) - 1
