"""Who there is: customers with accounts, and the outside accounts that they pay and are paid by.

Account codes: ``0..n-1`` are the customers' current accounts (the customer's code is the account's), then the
savings accounts, then the outside accounts in blocks, one block per sort of party and entity.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from monitor.app.simulate.draws import Int64s, Part, UInt64s, mixed, remainder, share_table, spread_table, stream
from monitor.app.simulate.world import (
    AGENT,
    COUNTRY_NAMES,
    ENTITIES,
    FOREIGN,
    SEGMENTS,
    SELF_EMPLOYED,
    STUDENT,
)

PERSON_SEGMENTS = SELF_EMPLOYED
"""Segments up to this code are persons."""
INCOME_SPREAD = spread_table(0.45, tail_share=0.02)
OUTSIDE = ("merchant", "person", "business", "hub")
"""Sorts of domestic outside parties; each entity's country has a block of each."""
HUBS = ("utility", "telecom", "insurer", "acquirer", "tax", "pension", "exchange", "marketplace", "employer")
_HUB_SIZE = 12
FOREIGN_SHARES = share_table({code + len(ENTITIES): float(w) for code, w in enumerate(FOREIGN.values())}, size=4096)


@dataclass(frozen=True)
class Population:
    """Customers and accounts as columns.

    ``opened_day`` counts from the first day of the stream, negative before it; shape (own accounts,).
    ``income`` is the monthly income in dollars. ``is_quiet`` marks customers without everyday activity, whose
    accounts sleep until ``wakes_day`` if that is not negative. ``savings`` is the code of the savings account, or
    ``-1`` without one.
    """

    seed: int
    days: int
    customers: int
    segment: npt.NDArray[np.int8]
    entity: npt.NDArray[np.int8]
    income: Int64s
    is_quiet: npt.NDArray[np.bool_]
    wakes_day: npt.NDArray[np.int32]
    savings: npt.NDArray[np.int32]
    owner: npt.NDArray[np.int32]
    opened_day: npt.NDArray[np.int32]
    country: npt.NDArray[np.int8]
    agent: npt.NDArray[np.int16]
    blocks: dict[tuple[str, int], tuple[int, int]]

    @property
    def own_accounts(self) -> int:
        return len(self.owner)

    @property
    def accounts(self) -> int:
        return len(self.country)

    def outside(self, sort: str, entity: npt.NDArray[np.integer], scrambled: UInt64s) -> Int64s:
        """An outside account of ``sort`` in the country of each entity, chosen by scrambled values."""
        start = np.array([self.blocks[sort, code][0] for code in range(len(ENTITIES))], np.int64)
        size = np.array([self.blocks[sort, code][1] for code in range(len(ENTITIES))], np.uint64)
        chosen = ((scrambled >> np.uint64(33)) % size[entity]).astype(np.int64)
        account: Int64s = start[entity] + chosen
        return account

    def hub(self, name: str, entity: npt.NDArray[np.integer], scrambled: UInt64s) -> Int64s:
        """An outside hub, such as a utility, in the country of each entity; the first ones are the largest."""
        start = np.array([self.blocks["hub", code][0] for code in range(len(ENTITIES))], np.int64)
        skewed = (remainder(scrambled, 1 << 20) * remainder(mixed(scrambled.astype(np.int64), 3), 1 << 20)) >> 20
        account: Int64s = start[entity] + HUBS.index(name) * _HUB_SIZE + ((skewed * _HUB_SIZE) >> 20)
        return account

    def foreign(self, scrambled: UInt64s) -> Int64s:
        """A foreign outside account; the country follows the corridors' weights."""
        country = FOREIGN_SHARES[remainder(scrambled, 4096)].astype(np.int64)
        start, size = self.blocks["foreign", 0]
        countries = len(FOREIGN)
        within = remainder(mixed(scrambled.astype(np.int64), 11), size // countries)
        return start + (country - len(ENTITIES)) * (size // countries) + within

    def members(self, *segments: int, quiet: bool = False) -> Int64s:
        """Customers of the segments, ascending; quiet ones only if asked for."""
        return np.flatnonzero(np.isin(self.segment, segments) & (self.is_quiet == quiet))

    @cached_property
    def is_person(self) -> npt.NDArray[np.bool_]:
        return self.segment <= PERSON_SEGMENTS

    @cached_property
    def people(self) -> Int64s:
        """Customers who are persons."""
        return np.flatnonzero(self.is_person)


def _segments(rng: np.random.Generator, customers: int) -> npt.NDArray[np.int8]:
    table = share_table({code: segment.share for code, segment in enumerate(SEGMENTS)}, size=4096)
    drawn = table[rng.integers(0, 4096, customers)].astype(np.int8)
    # Even a village bank has a payroll agent, a marketplace and a property manager per entity.
    drawn[: min(customers // 20, 3 * len(ENTITIES))] = AGENT
    return drawn


def populate(customers: int, days: int, seed: int) -> Population:
    """Draw the customers, their accounts and everybody else.

    >>> populate(500, 30, 1).accounts > 500
    True
    """
    rng = stream(seed, Part.POPULATION)
    segment = _segments(rng, customers)
    entity = share_table({i: e.customer_share for i, e in enumerate(ENTITIES)}, size=1000)[
        rng.integers(0, 1000, customers)
    ].astype(np.int8)
    agents = np.flatnonzero(segment == AGENT)
    entity[agents] = np.arange(len(agents)) % len(ENTITIES)
    median = np.array([s.monthly_income for s in SEGMENTS], np.int64)[segment]
    income = (median * INCOME_SPREAD[rng.integers(0, 1 << 16, customers)]) >> 16
    is_person = segment <= PERSON_SEGMENTS
    is_quiet = is_person & (rng.integers(0, 1000, customers) < 25)
    relationship_days = 40 + (rng.integers(0, 1 << 16, customers) * 7000 >> 16)
    is_new = (rng.integers(0, 1000, customers) < 40) & ~is_quiet & (segment != AGENT)
    opened = np.where(is_new, rng.integers(0, max(days, 1), customers), -relationship_days)
    opened[is_quiet] = np.minimum(opened[is_quiet], -400)
    wakes = np.where(
        is_quiet & (rng.integers(0, 100, customers) < 35), days // 2 + rng.integers(0, days, customers) // 2, -1
    )
    savers = np.flatnonzero(is_person & (segment != STUDENT) & ~is_quiet & (rng.integers(0, 100, customers) < 40))
    savings = np.full(customers, -1, np.int32)
    savings[savers] = customers + np.arange(len(savers))
    owner = np.concatenate([np.arange(customers), savers]).astype(np.int32)
    country, agent, blocks = _outside(customers, len(owner))
    own_entity = entity[owner]
    return Population(
        seed=seed, days=days, customers=customers, segment=segment, entity=entity, income=income,
        is_quiet=is_quiet, wakes_day=wakes.astype(np.int32), savings=savings, owner=owner,
        opened_day=np.concatenate([opened, opened[savers]]).astype(np.int32),
        country=np.concatenate([own_entity, country]).astype(np.int8),
        agent=np.concatenate([own_entity.astype(np.int16), agent]), blocks=blocks,
    )  # fmt: skip


BANKS_PER_COUNTRY = 4


def _outside(
    customers: int, start: int
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int16], dict[tuple[str, int], tuple[int, int]]]:
    """Countries and banks of the outside accounts, and where each block starts and how long it is."""
    blocks: dict[tuple[str, int], tuple[int, int]] = {}
    countries: list[npt.NDArray[np.int8]] = []
    for code, entity in enumerate(ENTITIES):
        share = entity.customer_share
        sizes = (60 + int(0.3 * share * customers), 100 + int(1.2 * share * customers),
                 100 + int(0.5 * share * customers), _HUB_SIZE * len(HUBS))  # fmt: skip
        for sort, size in zip(OUTSIDE, sizes, strict=True):
            blocks[sort, code] = (start, size)
            countries.append(np.full(size, code, np.int8))
            start += size
    per_country = 10 + customers // 60
    blocks["foreign", 0] = (start, per_country * len(FOREIGN))
    countries.append(np.repeat(np.arange(len(ENTITIES), len(COUNTRY_NAMES)), per_country).astype(np.int8))
    country = np.concatenate(countries)
    bank = remainder(mixed(np.arange(len(country)), 5), BANKS_PER_COUNTRY)
    agent = len(ENTITIES) + country.astype(np.int64) * BANKS_PER_COUNTRY + bank
    return country, agent.astype(np.int16), blocks
