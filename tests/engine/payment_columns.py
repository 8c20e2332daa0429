"""Payments between customers of one bank as columns: habits, a segment for each payer, and a planted burst."""

from dataclasses import dataclass

import numpy as np

from monitor.app.table_engine import PlainIdentifiers
from monitor.domain.identifiers import IdentifierKind
from monitor.domain.money import CURRENCY_CODE
from monitor.domain.time import DAY_US, UNKNOWN
from monitor.domain.transaction import TransactionBatch
from monitor.domain.vocabulary import CHANNELS, STATUSES
from monitor.engine.profiles import COLUMN, PROFILE_COLUMNS, ProfileTable

START_US = 1_767_225_600_000_000
SEGMENTS = ("retail", "corporate")
DAYS, ROWS, CUSTOMERS = 60, 6_000, 200
BURST_DAY = 50
INFLOWS, OUTFLOWS = 5, 4
"""Payments of the burst: so many payers pay the mule, which a day later pays 97 % of each on to so many payees."""


@dataclass(frozen=True)
class Payments:
    """A stream, who is in it, and where the burst lies."""

    batch: TransactionBatch
    identifiers: PlainIdentifiers
    profiles: ProfileTable
    mule: int
    burst: tuple[int, ...]


def payments(
    seed: int, *, rows: int = ROWS, days: int = DAYS, customers: int = CUSTOMERS, burst: bool = True,
    strangers: float = 0.0,
) -> Payments:  # fmt: skip
    """A stream in which everyone pays the same three others, or strangers, and one mule that does not."""
    rng = np.random.default_rng(seed)
    payer = rng.integers(0, customers, rows)
    payee = (payer * 7 + 3 * rng.integers(1, 4, rows) + 1) % customers
    if strangers:
        payee = np.where(rng.random(rows) < strangers, rng.integers(0, customers, rows), payee)
    payee = np.where(payee == payer, (payee + 1) % customers, payee)
    time_us = START_US + np.sort(rng.integers(0, days * DAY_US, rows))
    amount = np.rint(np.exp(rng.normal(9.0, 0.6, rows))).astype(np.int64)
    planted: list[tuple[int, int, int, int]] = []
    mule = customers
    if burst:
        at_us = START_US + BURST_DAY * DAY_US
        planted += [(at_us + n * 3_600_000_000, 2 * n, mule, 400_000 + n) for n in range(INFLOWS)]
        planted += [(at_us + DAY_US + n * 3_600_000_000, mule, 100 + 2 * n, 388_000 + n) for n in range(OUTFLOWS)]
    rows_of = np.array(planted, np.int64).reshape(-1, 4)
    time_us, payer, payee, amount = (
        np.concatenate([own, rows_of[:, k]]) for k, own in enumerate((time_us, payer, payee, amount))
    )
    order = np.argsort(time_us, kind="stable")
    burst_at = tuple(np.flatnonzero(order >= rows).tolist())
    identifiers, profiles = PlainIdentifiers(), ProfileTable()
    holders = np.array([identifiers.code(IdentifierKind.CUSTOMER, f"C{n}") for n in range(customers + 1)], np.int32)
    accounts = np.array([identifiers.code(IdentifierKind.ACCOUNT, f"A{n}") for n in range(customers + 1)], np.int32)
    segments = np.array([identifiers.code(IdentifierKind.SEGMENT, name) for name in SEGMENTS], np.int64)
    values = np.full((customers + 1, len(PROFILE_COLUMNS)), UNKNOWN, np.int64)
    values[:, COLUMN["version"]] = 1
    values[:, COLUMN["segment"]] = segments[np.arange(customers + 1) % len(SEGMENTS)]
    profiles.put(holders, values)
    entity = identifiers.code(IdentifierKind.ENTITY, "entity-US")
    given = {
        "position": np.arange(len(order)), "booked_at_us": time_us[order], "id_hi": np.ones(len(order)),
        "id_lo": np.arange(len(order)) + 1, "digest": np.arange(len(order)), "amount_minor": amount[order],
        "currency": np.full(len(order), CURRENCY_CODE["USD"]),
        "channel": np.full(len(order), CHANNELS.index("transfer")),
        "status": np.full(len(order), STATUSES.index("booked")),
        "debtor_holder": holders[payer[order]], "debtor_account": accounts[payer[order]],
        "creditor_holder": holders[payee[order]], "creditor_account": accounts[payee[order]],
        "booking_entity": np.full(len(order), entity), "given": np.zeros(len(order)),
    }  # fmt: skip
    batch = TransactionBatch(
        **{name: _column(name, given.get(name), len(order)) for name in TransactionBatch.__slots__}
    )
    return Payments(batch, identifiers, profiles, int(holders[mule]), burst_at)


def _column(name: str, values: "np.ndarray | None", rows: int) -> "np.ndarray":
    kind = str(TransactionBatch.__annotations__[name])
    dtype = next(each for word, each in (("int64", np.int64), ("int32", np.int32), ("int16", np.int16)) if word in kind)
    missing = UNKNOWN if dtype is np.int64 else -1
    return (np.full(rows, missing) if values is None else values).astype(dtype)
