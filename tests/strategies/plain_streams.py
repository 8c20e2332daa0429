"""Random logs for the whole engine: few customers, ties, late and double records, reversals, all kinds of keys."""

from dataclasses import replace

import numpy as np

from monitor.domain.time import DAY_US, HOUR_US
from monitor.rulebook.reference import PlainSide, PlainTransaction
from tests.rulebook.small_rules import START_US

CHANNELS = ("cash", "wire", "card", "internal", None)
JOINT = "J1"
"""An account that C1 and C2 hold together."""


def stream(
    seed: int, n: int, *, days: int = 4, customers: int = 4, faults: float = 0.15, joint: bool = False
) -> list[PlainTransaction]:
    """A log of ``n`` records over about ``days`` days; ``faults`` is the share of records with something odd."""
    rng = np.random.default_rng(seed)
    step_us = days * DAY_US // max(n, 1)
    records: list[PlainTransaction] = []
    for position in range(n):
        now_us = START_US + position * step_us
        records.append(_record(rng, position, now_us, records, customers, faults, joint))
    return records


def _record(
    rng: np.random.Generator, position: int, now_us: int, before: list[PlainTransaction], customers: int, faults: float,
    joint: bool,
) -> PlainTransaction:  # fmt: skip
    booked_us = now_us // (HOUR_US // 2) * (HOUR_US // 2)
    if rng.random() < faults:
        booked_us -= int(rng.choice([HOUR_US, 5 * HOUR_US, DAY_US, 34 * DAY_US, 36 * DAY_US]))
    if before and rng.random() < faults / 3:
        # The same id again, with the same content or with another.
        original = before[int(rng.integers(0, len(before)))]
        more = int(rng.integers(0, 2))
        return replace(original, position=position, amount_minor=(original.amount_minor or 0) + more)
    debtor, creditor = _sides(rng, customers, joint)
    status = "booked"
    if rng.random() < faults:
        status = str(rng.choice(["attempted", "rejected", "reversed", "returned"]))
    takes_back = status in ("reversed", "returned") or rng.random() < faults / 5
    return PlainTransaction(
        position=position,
        transaction_id=f"T{position}",
        booked_at_us=max(booked_us, 0),
        amount_minor=int(rng.choice([100, 100, 250, 1_000, 9_999, 10_000, 500_000])),
        currency=str(rng.choice(["USD", "USD", "USD", "EUR", "GBP"])),
        debtor=debtor,
        creditor=creditor,
        channel=CHANNELS[int(rng.integers(0, len(CHANNELS)))],
        status=status,
        reverses=f"T{rng.integers(0, position + 2)}" if takes_back else None,
        conductor=_maybe(rng, str(rng.choice(["P", "C"])), 2),
        on_behalf_of=_maybe(rng, str(rng.choice(["P", "Q", "C"])), 2),
        device=_maybe(rng, "D", 2),
        link=_maybe(rng, "L", 2),
        instrument=str(rng.choice(["money_order", "voucher"])) if rng.random() < 0.3 else None,
        goods_country=str(rng.choice(["IR", "DE"])) if rng.random() < 0.3 else None,
        screening=str(rng.choice(["clear", "possible", "confirmed"])) if rng.random() < 0.3 else None,
    )


def _maybe(rng: np.random.Generator, letter: str, count: int) -> str | None:
    number = int(rng.integers(0, count + 1))
    return f"{letter}{number}" if number else None


def _sides(rng: np.random.Generator, customers: int, joint: bool) -> tuple[PlainSide, PlainSide]:
    ours = [_ours(rng, customers, joint) for _ in range(2)]
    outside = PlainSide(
        account=_maybe(rng, "X", 5),
        country=str(rng.choice(["IR", "DE", "US"])),
        agent=_maybe(rng, "BANK", 2),
        kind=str(rng.choice(["person", "bank"])) if rng.random() < 0.5 else None,
        given=frozenset(word for word in ("name", "address", "identification") if rng.random() < 0.5),
    )
    nobody = PlainSide()
    choice = rng.random()
    if choice < 0.35:
        return ours[0], outside
    if choice < 0.7:
        return outside, ours[0]
    if choice < 0.8:
        return nobody, ours[0]
    return ours[0], ours[1]


def _ours(rng: np.random.Generator, customers: int, joint: bool) -> PlainSide:
    who = f"C{rng.integers(1, customers + 1)}"
    if joint and who in ("C1", "C2") and rng.random() < 0.5:
        other = "C2" if who == "C1" else "C1"
        partner = PlainSide(other, JOINT, other, country="US")
        return PlainSide(who, JOINT, who, country="US", joint=(partner,))
    return PlainSide(who, f"{who}-{rng.integers(1, 3)}", who, country="US")
