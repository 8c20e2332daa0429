"""What flow tracing means, written the slow way: plain Python, whole numbers.

A payment out takes the latest inflows first (one to a hub first those that came from hubs), and of each inflow its
trails in proportion, rounded down. An account keeps its latest inflows, a payment the trails with most money; without
these two limits (``None``) the same definition says what they lose.

What happens at the payer and what happens at the payee may be at different places of the log (:func:`SlowTracer.pay`,
:func:`SlowTracer.receive`): a payment that is carried to another partition is received there when its record comes.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256

from monitor.domain.flow import HOPS_MAX, LIMITS, MILLION, MONTH_US
from monitor.domain.identifiers import TOKEN_BYTES
from monitor.rulebook.reference.transactions import PlainSide, PlainTransaction

_WORD = 2**64 - 1
Account = int | str
_RETURN, _MIDDLEMEN, _CHAIN = range(3)


@dataclass(frozen=True)
class Pay:
    """A payment between accounts; owners hold them."""

    position: int
    time_us: int
    payer: Account | None
    payee: Account | None
    amount: int
    currency: Account = 0
    payer_owner: Account | None = None
    payee_owner: Account | None = None
    is_booked: bool = True
    takes_back: int | None = None


@dataclass(frozen=True)
class Trail:
    """Money of one earlier payment, and its way so far."""

    origin: Account | None
    first_hop: Account | None
    path: tuple[int, ...]
    amount: int
    sent: int
    started_us: int

    @property
    def hops(self) -> int:
        return len(self.path) + 1


@dataclass
class Inflow:
    """A payment received."""

    pay: Pay
    rest: int
    from_hub: bool
    trails: list[Trail]


@dataclass
class _Carried:
    """All that a payment carries of one first payment."""

    largest: Trail
    amount: int


@dataclass
class Found:
    """The measures of one payment; None where there is none."""

    returned_share: int | None = None
    return_kept: int | None = None
    return_hops: int | None = None
    return_time: int | None = None
    middlemen: int | None = None
    chain_depth: int | None = None
    chain_time: int | None = None
    chain_kept: int | None = None
    pass_through: int | None = None
    dwell_time: int | None = None
    residual: int | None = None
    gathered: int | None = None
    carried: list[Trail] = field(default_factory=list)
    paths: dict[int, tuple[int, ...]] = field(default_factory=dict)
    """By finding the log positions of the payments on its way, but for the last."""
    from_hub: bool = False

    def named(self, name: str) -> int | None:
        """A measure by its name in rules."""
        value: int | None = getattr(self, name.removeprefix("flow."))
        return value


@dataclass
class SlowTracer:
    """Traces one payment after the other.

    ``inflows_max`` and ``trails_max`` are the limits of an account and of a payment.
    """

    horizon_us: int = LIMITS.horizon_us
    least: int = LIMITS.least
    hub_bits: int = LIMITS.hub_bits
    inflows_max: int | None = LIMITS.inflows
    trails_max: int | None = LIMITS.trails
    hops_max: int = HOPS_MAX
    late_us: int = LIMITS.late_us
    inflows: dict[Account, list[Inflow]] = field(default_factory=lambda: defaultdict(list))
    met: dict[Account, dict[tuple[int, str], set[int]]] = field(default_factory=lambda: defaultdict(dict))
    clocks: dict[Account, int] = field(default_factory=lambda: defaultdict(int))
    hubs: set[Account] = field(default_factory=set)
    clock_us: int = 0

    def trace(self, pay: Pay) -> Found:
        """What the payment shows."""
        self.clock_us = max(self.clock_us, pay.time_us)
        if pay.takes_back is not None:
            self.take_back(pay.takes_back)
        if not pay.is_booked or pay.amount <= 0 or pay.payer == pay.payee:
            return Found()
        found = self.pay(pay)
        self.receive(pay, found)
        return found

    def pay(self, pay: Pay) -> Found:
        """What happens where the payer is."""
        self.clock_us, found = max(self.clock_us, pay.time_us), Found()
        if pay.payer is not None:
            is_to_hub = pay.payee in self.hubs
            self._meet(pay, pay.payer, "payee", pay.payee)
            found.from_hub = pay.payer in self.hubs
            self._out(pay, found, is_to_hub)
        self._chain(pay, found)
        return found

    def receive(self, pay: Pay, found: Found) -> None:
        """What happens where the payee is, with what the payment was found to carry."""
        self.clock_us = max(self.clock_us, pay.time_us)
        if pay.payee is not None:
            self._meet(pay, pay.payee, "payer", pay.payer)
            self._in(pay, found)
            home = [trail for trail in found.carried if trail.origin != pay.payee_owner]
            kept = self.inflows[pay.payee]
            kept.append(Inflow(pay, pay.amount, found.from_hub, home))
            if self.inflows_max is not None and len(kept) > self.inflows_max:
                kept.pop(0)

    def take_back(self, position: int) -> None:
        """Take what is left of a payment out of the inflows of the account that received it."""
        for inflows in self.inflows.values():
            for inflow in inflows:
                if inflow.pay.position == position:
                    inflow.rest = 0

    def _meet(self, pay: Pay, account: Account, side: str, other: Account | None) -> None:
        """Set the account's clock, forget what is too old, and count the other side."""
        last = self.clocks[account] // MONTH_US
        now_us = max(self.clocks[account], pay.time_us, self.clock_us - self.late_us)
        self.clocks[account], month = now_us, now_us // MONTH_US
        kept = self.inflows[account]
        while kept and now_us - kept[0].pay.time_us > self.horizon_us:
            kept.pop(0)
        if month > last:
            widest = max(len(self.met[account].get((last, each), set[int]())) for each in ("payer", "payee"))
            self.hubs.discard(account)
            if widest >= self.hub_bits and month == last + 1:
                self.hubs.add(account)
        if other is not None:
            seen = self.met[account].setdefault((month, side), set())
            seen.add(one_of_64(other if isinstance(other, int) else _number(other)))

    def _out(self, pay: Pay, found: Found, is_to_hub: bool) -> None:
        assert pay.payer is not None
        own = [inflow for inflow in self.inflows[pay.payer] if inflow.pay.currency == pay.currency]
        latest = list(reversed(own))
        order = [each for each in latest if each.from_hub] + latest if is_to_hub else latest
        need, stayed = pay.amount, 0
        carried: list[_Carried] = []
        for inflow in order:
            taken = min(inflow.rest, need)
            if taken == 0:
                continue
            inflow.rest -= taken
            need -= taken
            stayed += taken * max(pay.time_us - inflow.pay.time_us, 0)
            if not found.from_hub:
                for trail in self._carried(pay, inflow, taken):
                    self._put(carried, trail)
        passed = pay.amount - need
        for one in carried:
            if one.amount * self.least >= pay.amount:
                found.carried.append(replace(one.largest, amount=one.amount))
        found.pass_through = passed * MILLION // pay.amount
        found.dwell_time = stayed // passed if passed else None
        received = sum(inflow.pay.amount for inflow in own)
        found.residual = sum(inflow.rest for inflow in own) * MILLION // received if received else None
        used = {inflow.pay.payer_owner for inflow in own if inflow.rest < inflow.pay.amount}
        found.gathered = len(used - {None})

    def _put(self, carried: "list[_Carried]", trail: Trail) -> None:
        """Join a trail with those of the same first payment; the way of the largest part stands for all."""
        for one in carried:
            if one.largest.path[0] == trail.path[0]:
                one.amount += trail.amount
                if trail.amount > one.largest.amount:
                    one.largest = trail
                return
        if self.trails_max is None or len(carried) < self.trails_max:
            carried.append(_Carried(trail, trail.amount))
            return
        least = min(carried, key=lambda one: one.amount)
        if trail.amount > least.amount:
            carried[carried.index(least)] = _Carried(trail, trail.amount)

    def _carried(self, pay: Pay, inflow: Inflow, taken: int) -> list[Trail]:
        before, trails = inflow.pay, []
        if before.payer_owner not in (None, pay.payer_owner) and not inflow.from_hub:
            trails.append(
                Trail(before.payer_owner, pay.payer_owner, (before.position,), taken, before.amount, before.time_us)
            )
        for trail in inflow.trails:
            amount = trail.amount * taken // before.amount
            if trail.hops < self.hops_max and amount > 0:
                trails.append(replace(trail, amount=amount, path=(*trail.path, before.position)))
        return trails

    def _in(self, pay: Pay, found: Found) -> None:
        if pay.payer is None:
            return
        home = [trail for trail in found.carried if trail.origin == pay.payee_owner]
        found.returned_share = sum(trail.amount for trail in home) * MILLION // pay.amount
        if home:
            largest = max(home, key=lambda trail: trail.amount)
            found.return_kept = largest.amount * MILLION // largest.sent
            found.return_hops, found.return_time = largest.hops, max(pay.time_us - largest.started_us, 0)
            found.paths[_RETURN] = largest.path
        found.middlemen = 0
        assert pay.payee is not None
        for origin in dict.fromkeys(trail.origin for trail in found.carried if trail.origin != pay.payee_owner):
            sources = [(pay.payer_owner, found.carried)]
            sources += [(inflow.pay.payer_owner, inflow.trails) for inflow in self.inflows[pay.payee]]
            hops = {trail.first_hop for _, trails in sources for trail in trails if trail.origin == origin}
            last = {payer for payer, trails in sources if any(trail.origin == origin for trail in trails)}
            if min(len(hops), len(last)) > found.middlemen:
                found.middlemen = min(len(hops), len(last))
                found.paths[_MIDDLEMEN] = next(trail.path for trail in found.carried if trail.origin == origin)

    def _chain(self, pay: Pay, found: Found) -> None:
        if pay.payer is None:
            return
        found.chain_depth, found.chain_time, found.chain_kept = 1, 0, MILLION
        half = [trail for trail in found.carried if trail.amount * 2 >= pay.amount]
        if half:
            longest = max(half, key=lambda trail: (trail.hops, trail.amount))
            found.chain_depth, found.chain_time = longest.hops, max(pay.time_us - longest.started_us, 0)
            found.chain_kept = longest.amount * MILLION // longest.sent
            found.paths[_CHAIN] = longest.path


def _number(word: str) -> int:
    """The first half of a token in hex; of another word that of its hash."""
    token = word if len(word) == 2 * TOKEN_BYTES else sha256(word.encode()).hexdigest()
    return int.from_bytes(bytes.fromhex(token)[: TOKEN_BYTES // 2], "little")


def one_of_64(code: int) -> int:
    """The bit that stands for an account where others are counted: the finaliser of splitmix64."""
    x = code * 0x9E3779B97F4A7C15 & _WORD
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & _WORD
    x = (x ^ x >> 27) * 0x94D049BB133111EB & _WORD
    return (x ^ x >> 31) >> 1 & 63


def trace(
    transactions: Iterable[PlainTransaction], tracer: SlowTracer | None = None, gone: Mapping[int, int] | None = None
) -> dict[int, Found]:
    """What each payment of a log shows, by log position.

    ``gone`` names the payments that are taken back, by the position of the record that does it; without it that is read
    from the records, which are then among the transactions.

    >>> a, b = (PlainSide(holder=name, account=f"{name}-1") for name in ("A", "B"))
    >>> there = PlainTransaction(0, "T0", 0, 10_000, "USD", a, b)
    >>> back = PlainTransaction(1, "T1", 1, 9_500, "USD", b, a)
    >>> found = trace([there, back])[1]
    >>> found.returned_share, found.return_kept, found.return_hops
    (1000000, 950000, 2)
    """
    tracer = SlowTracer() if tracer is None else tracer
    payments = {one.position: one for one in transactions}
    position_of = {one.transaction_id: position for position, one in sorted(payments.items(), reverse=True)}
    if gone is None:
        gone = {one.position: position_of[one.reverses] for one in payments.values() if one.reverses in position_of}
    found = {}
    for position in sorted({*payments, *gone}):
        if position in gone:
            tracer.take_back(gone[position])
        if position in payments:
            one = payments[position]
            found[position] = tracer.trace(
                Pay(
                    position, one.booked_at_us, _account(one.debtor), _account(one.creditor), one.amount_minor or 0,
                    one.currency, _owner(one.debtor), _owner(one.creditor), one.status == "booked",
                )
            )  # fmt: skip
    return found


def _account(side: PlainSide) -> str | None:
    return side.account or side.holder


def _owner(side: PlainSide) -> str | None:
    return side.holder or side.account
