"""From the log to legs: who sees which payment, at which judged time, and when it was taken back."""

from collections.abc import Iterable
from dataclasses import dataclass

from monitor.rulebook.reference.transactions import PlainSide, PlainTransaction

KEYS = ("customer", "account", "conductor", "on_behalf_of", "counterparty", "device")
"""What windows can be kept by."""
TAKEN_BACK = ("reversed", "returned")
"""Statuses of records that only take an original back: they are not judged and enter no window."""


@dataclass(frozen=True, slots=True)
class PlainLeg:
    """One payment as one of its holders sees it.

    ``judged_us`` has, for each key the leg has, the later of the payment's own time and the clock of that key.
    ``gone_at`` is the log position of the record that took the payment back, ``None`` while it stands.
    """

    transaction: PlainTransaction
    role: str
    judged_us: dict[str, int]
    gone_at: int | None = None

    @property
    def position(self) -> int:
        return self.transaction.position

    @property
    def order(self) -> tuple[int, int]:
        """Place in the log: of one payment between two holders, the debit comes first."""
        return self.position, 0 if self.role == "debit" else 1

    @property
    def own(self) -> PlainSide:
        """The holder's side."""
        return self.transaction.debtor if self.role == "debit" else self.transaction.creditor

    @property
    def other(self) -> PlainSide:
        """The side across."""
        return self.transaction.creditor if self.role == "debit" else self.transaction.debtor

    @property
    def counterparty(self) -> str | None:
        """The other side's account, or its customer where no account is given."""
        return self.other.account or self.other.customer

    def key(self, by: str) -> str | None:
        """The leg's key of a kind; ``None`` where the payment does not name it."""
        return key_of(self.transaction, self.role, by)

    def stands_at(self, position: int) -> bool:
        """Whether no record up to ``position`` has taken the payment back."""
        return self.gone_at is None or self.gone_at > position


def key_of(transaction: PlainTransaction, role: str, by: str) -> str | None:
    """The key of one side of a payment. Keys of different kinds never meet."""
    own, other = transaction.debtor, transaction.creditor
    if role == "credit":
        own, other = other, own
    keys = {
        "customer": own.holder,
        "account": own.account,
        "conductor": transaction.conductor,
        "on_behalf_of": transaction.on_behalf_of,
        "counterparty": other.account or other.customer,
        "device": transaction.device,
    }
    return keys[by]


def legs_of(transactions: Iterable[PlainTransaction]) -> list[PlainLeg]:
    """All legs in log order. A record that only takes another back has none and moves no clock.

    Three payments of one customer; the second comes an hour late and is judged at the time of the first:

    >>> side = PlainSide(holder="C1")
    >>> payments = [PlainTransaction(n, f"T{n}", t, 100, "USD", creditor=side) for n, t in enumerate([7, 6, 8])]
    >>> [leg.judged_us["customer"] for leg in legs_of(payments)]
    [7, 7, 8]
    """
    log = sorted(transactions, key=lambda transaction: transaction.position)
    gone_at = _taken_back_at(log)
    clocks: dict[tuple[str, str], int] = {}
    legs = []
    for transaction in log:
        if transaction.status in TAKEN_BACK:
            continue
        for role, side in (("debit", transaction.debtor), ("credit", transaction.creditor)):
            if side.holder is None:
                continue
            judged = {}
            for by in KEYS:
                key = key_of(transaction, role, by)
                if key is not None:
                    clock = max(transaction.booked_at_us, clocks.get((by, key), transaction.booked_at_us))
                    judged[by] = clocks[by, key] = clock
            legs.append(PlainLeg(transaction, role, judged, gone_at.get(transaction.position)))
    return legs


def _taken_back_at(log: list[PlainTransaction]) -> dict[int, int]:
    """Position of each taken-back record, and the position of the first record that takes it back."""
    position_of: dict[str, int] = {}
    gone: dict[int, int] = {}
    for transaction in log:
        if transaction.reverses is not None and transaction.reverses in position_of:
            gone.setdefault(position_of[transaction.reverses], transaction.position)
        position_of.setdefault(transaction.transaction_id, transaction.position)
    return gone
