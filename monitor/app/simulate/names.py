"""The text of every code: account numbers, customer numbers, banks, devices, branches.

Texts of one sort lie in one table of bytes; the writers copy from it. Accounts have 16 characters, customers 9.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from monitor.app.simulate.draws import Int64s, mixed, remainder
from monitor.app.simulate.dress import BRANCHES_PER_ENTITY
from monitor.app.simulate.population import BANKS_PER_COUNTRY, Population
from monitor.app.simulate.world import COUNTRY_NAMES, CURRENCY_OF_ROW, ENTITIES, PURPOSES, TEXTS
from monitor.domain.vocabulary import CHANNELS, STATUSES

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Table:
    """Texts one after the other: text ``i`` is ``data[start[i]:start[i + 1]]``."""

    data: Bytes
    start: Int64s

    def __len__(self) -> int:
        return len(self.start) - 1

    def text(self, code: int) -> str:
        return bytes(self.data[self.start[code] : self.start[code + 1]]).decode()


def table_of(texts: list[str]) -> Table:
    """A table of a few texts.

    >>> table_of(["a", "bc"]).text(1)
    'bc'
    """
    parts = [text.encode() for text in texts]
    start = np.concatenate([np.zeros(1, np.int64), np.cumsum([len(part) for part in parts])]).astype(np.int64)
    return Table(np.frombuffer(b"".join(parts), np.uint8).copy(), start)


def digits(values: Int64s, width: int) -> Bytes:
    """Decimal digits with leading zeros, shape (n, width).

    >>> bytes(digits(np.array([42]), 4)[0])
    b'0042'
    """
    powers = 10 ** np.arange(width - 1, -1, -1, dtype=np.int64)
    return ((values[:, None] // powers) % 10 + 48).astype(np.uint8)


def _fixed(parts: list[Bytes]) -> Table:
    whole = np.concatenate(parts, axis=1)
    return Table(np.ascontiguousarray(whole).reshape(-1), np.arange(len(whole) + 1, dtype=np.int64) * whole.shape[1])


def _letters(texts: list[str], codes: npt.NDArray[np.integer]) -> Bytes:
    letters: Bytes = np.array([list(text.encode()) for text in texts], np.uint8)[codes]
    return letters


def accounts(population: Population) -> Table:
    """Account numbers: country, two check digits, four letters of the bank, eight digits."""
    code = np.arange(population.accounts)
    banks = [*(entity.agent[:4] for entity in ENTITIES),
             *(f"BNK{'ABCD'[bank]}" for _ in COUNTRY_NAMES for bank in range(BANKS_PER_COUNTRY))]  # fmt: skip
    check = 2 + remainder(mixed(code, 201), 97)
    return _fixed([_letters(list(COUNTRY_NAMES), population.country), digits(check, 2),
                   _letters(banks, population.agent), digits(code + 10_000_019, 8)])  # fmt: skip


def customers(population: Population) -> Table:
    """Customer numbers: C and eight digits."""
    code = np.arange(population.customers)
    return _fixed([np.full((len(code), 1), ord("C"), np.uint8), digits(code + 10_000_000, 8)])


def devices(population: Population) -> Table:
    """One device per customer: DEV and nine digits."""
    code = np.arange(population.customers)
    return _fixed([np.tile(np.frombuffer(b"DEV", np.uint8), (len(code), 1)), digits(code * 13 + 100_000_007, 9)])


def agents() -> Table:
    """BICs of the entities, then of the banks of every country."""
    return table_of([*(entity.agent for entity in ENTITIES),
                     *(f"BNK{'ABCD'[bank]}{country}2X" for country in COUNTRY_NAMES
                       for bank in range(BANKS_PER_COUNTRY))])  # fmt: skip


@dataclass(frozen=True, slots=True)
class Names:
    """All tables of one simulation."""

    account: Table
    customer: Table
    device: Table
    agent: Table
    branch: Table
    country: Table
    currency: Table
    channel: Table
    purpose: Table
    text: Table
    entity: Table
    status: Table


def names_of(population: Population) -> Names:
    """The texts of a population."""
    return Names(
        account=accounts(population), customer=customers(population), device=devices(population), agent=agents(),
        branch=table_of([f"{entity.country}-{number:03d}" for entity in ENTITIES
                         for number in range(1, BRANCHES_PER_ENTITY + 1)]),
        country=table_of(list(COUNTRY_NAMES)), currency=table_of(list(CURRENCY_OF_ROW)),
        channel=table_of(list(CHANNELS)), purpose=table_of(list(PURPOSES)), text=table_of(list(TEXTS)),
        entity=table_of([entity.name for entity in ENTITIES]), status=table_of(list(STATUSES)),
    )  # fmt: skip
