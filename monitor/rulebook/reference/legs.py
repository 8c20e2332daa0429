"""From the log to legs: who sees which payment, at which judged time, and when it was taken back."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from monitor.domain.time import DAY_US
from monitor.rulebook.reference.transactions import PlainSide, PlainTransaction

HOLDER = "customer"
"""The kind of the legs that holders see; windows by account are kept over them too."""
FURTHER_KINDS = ("conductor", "on_behalf_of", "counterparty", "device", "link", "agent")
"""Kinds of legs that exist only where a rule keeps windows by them: one per payment."""
PAIR, PERSON = "pair", "person"
"""Kinds with several legs per payment: one for each of our holders with the other side, and in payments in cash one for
each person who takes part."""
CASH = ("cash", "atm")
TAKEN_BACK = ("reversed", "returned")
"""Statuses of records that only take an original back: they are not judged and enter no window."""
LATENESS_MAX_US = 35 * DAY_US
"""A record further behind the clock of one of its holders is refused."""
ROLE_ORDER = ("debit", "credit")
"""Of a payment between two of ours, the payer's leg comes first."""


@dataclass(frozen=True, slots=True)
class PlainLeg:
    """One payment as one party sees it: a holder, or another party (:data:`FURTHER_KINDS` and beyond).

    ``keys`` maps each kind of key that the leg is kept by to its value. ``judged_us`` is the latest of the payment's
    own time and the clocks of those keys; that of a pair is its holder's. ``gone_at`` is the log position of the record
    that took the payment back, ``None`` while it stands. ``number`` orders the legs of one payment.
    """

    transaction: PlainTransaction
    role: str
    kind: str
    keys: dict[str, str]
    own: PlainSide
    judged_us: int
    number: int
    gone_at: int | None = None

    @property
    def position(self) -> int:
        return self.transaction.position

    @property
    def order(self) -> tuple[int, int]:
        """Place in the log."""
        return self.position, self.number

    @property
    def other(self) -> PlainSide:
        """The side across."""
        return self.transaction.creditor if self.role == "debit" else self.transaction.debtor

    @property
    def first_holder(self) -> str | None:
        """Who holds the account on this side before those who hold it with him."""
        side = self.transaction.debtor if self.role == "debit" else self.transaction.creditor
        return side.holder

    @property
    def counterparty(self) -> str | None:
        """The other side's account, or its customer where no account is given."""
        return self.other.account or self.other.holder or self.other.customer

    def subject(self, kind: str) -> str | None:
        """Whom an alert about a subject of this kind would name."""
        if kind == "account":
            return self.own.account
        if kind == HOLDER:
            return self.own.holder
        return self.keys[kind]

    def stands_at(self, position: int) -> bool:
        """Whether no record up to ``position`` has taken the payment back."""
        return self.gone_at is None or self.gone_at > position


@dataclass(slots=True)
class _Log:
    """Clocks by key, and what was accepted so far."""

    kinds: tuple[str, ...]
    with_accounts: bool
    with_pairs: bool
    with_persons: bool
    is_owned: Callable[[str], bool] | None = None
    clocks: dict[tuple[str, str], int] = field(default_factory=dict)
    position_of: dict[str, int] = field(default_factory=dict)
    gone_at: dict[int, int] = field(default_factory=dict)
    legs: list[PlainLeg] = field(default_factory=list)

    def accept(self, transaction: PlainTransaction) -> None:
        if transaction.transaction_id in self.position_of or self._is_too_late(transaction):
            return
        self.position_of[transaction.transaction_id] = transaction.position
        original = self.position_of.get(transaction.reverses) if transaction.reverses is not None else None
        if original is not None and original != transaction.position:
            self.gone_at.setdefault(original, transaction.position)
        if transaction.status in TAKEN_BACK:
            return
        holders_judged: dict[str, int] = {}
        for number, (role, kind, keys, own) in enumerate(self._parties(transaction)):
            if kind == PAIR:
                judged = holders_judged[role]
            else:
                judged = max(self.clocks.get(key, transaction.booked_at_us) for key in keys.items())
                judged = max(judged, transaction.booked_at_us)
                self.clocks.update((key, judged) for key in keys.items())
            if kind == HOLDER:
                holders_judged.setdefault(role, judged)
            self.legs.append(PlainLeg(transaction, role, kind, keys, own, judged, number))

    def _is_too_late(self, transaction: PlainTransaction) -> bool:
        sides = (transaction.debtor, transaction.creditor)
        holders = [side.holder for side in sides if side.holder is not None and self._owns(side.holder)]
        clocks = [self.clocks.get((HOLDER, holder), transaction.booked_at_us) for holder in holders]
        return any(clock - transaction.booked_at_us > LATENESS_MAX_US for clock in clocks)

    def _parties(self, transaction: PlainTransaction) -> Iterator[tuple[str, str, dict[str, str], PlainSide]]:
        """Role, kind, keys and own side of each leg, in order."""
        sides = list(zip(ROLE_ORDER, (transaction.debtor, transaction.creditor), strict=True))
        for role, side in sides:
            if side.holder is None:
                continue
            keys = {HOLDER: side.holder}
            if self.with_accounts and side.account is not None:
                keys["account"] = side.account
            joints = [each for each in side.joint if each.holder != side.holder and self._owns(each.holder)]
            if self._owns(side.holder):
                yield role, HOLDER, keys, side
            elif joints and "account" in keys:
                # The home of a further holder counts the account too; no rule is asked there.
                yield role, "account", {"account": keys["account"]}, side
            for joint in joints:
                assert joint.holder is not None
                yield role, HOLDER, {HOLDER: joint.holder}, joint
        seen_from = next((pair for pair in sides if pair[1].holder is not None), sides[1])
        outside = next((side for _, side in sides if side.holder is None and side.account), None)
        across = transaction.creditor if seen_from[0] == "debit" else transaction.debtor
        for kind in self.kinds:
            key = getattr(transaction, kind, None)
            if kind == "counterparty":
                key = outside.account if outside is not None else None
            if kind == "agent":
                key = across.agent
            if key is not None:
                yield seen_from[0], kind, {kind: key}, seen_from[1]
        if self.with_pairs:
            yield from self._pairs(sides)
        if self.with_persons and transaction.channel in CASH:
            yield from self._persons(transaction, sides, seen_from)

    def _owns(self, holder: str | None) -> bool:
        return holder is not None and (self.is_owned is None or self.is_owned(holder))

    def _pairs(self, sides: list[tuple[str, PlainSide]]) -> Iterator[tuple[str, str, dict[str, str], PlainSide]]:
        """Each of our holders together with the account, or else the customer, across."""
        for (role, side), (_, other) in (sides, sides[::-1]):
            across = other.account or other.holder or other.customer
            if self._owns(side.holder) and across is not None:
                yield role, PAIR, {PAIR: f"{side.holder}\x1f{across}"}, side

    def _persons(
        self, transaction: PlainTransaction, sides: list[tuple[str, PlainSide]], seen_from: tuple[str, PlainSide]
    ) -> Iterator[tuple[str, str, dict[str, str], PlainSide]]:
        """Everyone who takes part on a side, once: its holders, and with the first side of ours the others."""
        others = [one for one in (transaction.conductor, transaction.on_behalf_of) if one is not None]
        for role, side in sides:
            holders = [side.holder, *(joint.holder for joint in side.joint)]
            if side.holder is not None:
                # Who also carries the payment out, or has it carried out, counts as such; the holder as the holder.
                told = [one for one in others if one != side.holder] if role == seen_from[0] else []
                for person in dict.fromkeys(one for one in holders if one is not None and one not in told):
                    yield role, PERSON, {PERSON: person}, side
        role, side = seen_from
        if side.holder is not None:
            for person in dict.fromkeys(one for one in others if one != side.holder):
                yield role, PERSON, {PERSON: person}, side


def legs_of(
    transactions: Iterable[PlainTransaction],
    keys: Iterable[str] = (HOLDER, "account"),
    *,
    is_owned: Callable[[str], bool] | None = None,
) -> list[PlainLeg]:
    """All legs in log order, kept by ``keys`` (the holder always).

    Where the log is one of several partitions, ``is_owned`` says which holders are at home there: others have no legs
    and no clocks in it.

    A record that only takes another back has no leg and moves no clock; nor has a repeated ``transaction_id`` or a
    record that comes too late.

    Three payments of one customer; the second comes late and is judged at the time of the first:

    >>> side = PlainSide(holder="C1")
    >>> payments = [PlainTransaction(n, f"T{n}", t, 100, "USD", creditor=side) for n, t in enumerate([7, 6, 8])]
    >>> [leg.judged_us for leg in legs_of(payments)]
    [7, 7, 8]
    """
    wanted = set(keys)
    kinds = tuple(kind for kind in FURTHER_KINDS if kind in wanted)
    log = _Log(kinds, "account" in wanted, PAIR in wanted, PERSON in wanted, is_owned)
    for transaction in sorted(transactions, key=lambda one: one.position):
        log.accept(transaction)
    return [replace(leg, gone_at=log.gone_at.get(leg.position)) for leg in log.legs]
