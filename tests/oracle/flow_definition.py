"""What flow tracing means, written the slow way: plain Python, exact numbers, no limits but those of the definition.

A payment out takes the latest inflows first (one to a hub first those that came from hubs), and of each inflow its
trails in proportion, rounded down. :func:`paths_in_time` is a second opinion that knows nothing of amounts.
"""

from collections import defaultdict
from dataclasses import dataclass, field, replace

from monitor.domain.time import DAY_US

MILLION = 1_000_000
MONTH_US = 30 * DAY_US
_WORD = 2**64 - 1


@dataclass(frozen=True)
class Pay:
    """A payment between accounts; owners hold them."""

    position: int
    time_us: int
    payer: int
    payee: int
    amount: int
    currency: int = 0
    payer_owner: int = -1
    payee_owner: int = -1
    is_booked: bool = True
    takes_back: int | None = None


@dataclass(frozen=True)
class Trail:
    """Money of one earlier payment, and its way so far."""

    origin: int
    first_hop: int
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


@dataclass
class SlowTracer:
    """Traces one payment after the other."""

    horizon_us: int
    least: int
    hub_bits: int
    hops_max: int
    inflows: dict[int, list[Inflow]] = field(default_factory=lambda: defaultdict(list))
    met: dict[int, dict[tuple[int, str], set[int]]] = field(default_factory=lambda: defaultdict(dict))
    touched: dict[int, int] = field(default_factory=dict)
    hubs: set[int] = field(default_factory=set)
    clock_us: int = 0

    def trace(self, pay: Pay) -> Found:
        """What the payment shows."""
        self.clock_us = max(self.clock_us, pay.time_us)
        if pay.takes_back is not None:
            for inflow in self.inflows[pay.payer] + self.inflows[pay.payee]:
                if inflow.pay.position == pay.takes_back:
                    inflow.rest = 0
        found = Found()
        if not pay.is_booked or pay.amount <= 0 or pay.payer == pay.payee:
            return found
        from_hub = False
        if pay.payer >= 0:
            is_to_hub = pay.payee in self.hubs
            self._forget(pay.payer)
            self._meet(pay.payer, "payee", pay.payee)
            from_hub = pay.payer in self.hubs
            self._out(pay, found, is_to_hub, from_hub)
        self._chain(pay, found)
        if pay.payee >= 0:
            self._forget(pay.payee)
            self._meet(pay.payee, "payer", pay.payer)
            self._in(pay, found)
            home = [trail for trail in found.carried if trail.origin != pay.payee_owner]
            self.inflows[pay.payee].append(Inflow(pay, pay.amount, from_hub, home))
        return found

    def _forget(self, account: int) -> None:
        kept = self.inflows[account]
        while kept and self.clock_us - kept[0].pay.time_us > self.horizon_us:
            kept.pop(0)

    def _meet(self, account: int, side: str, other: int) -> None:
        month = self.clock_us // MONTH_US
        if month > self.touched.get(account, 0):
            last = self.touched.get(account, 0)
            widest = max(len(self.met[account].get((last, each), set())) for each in ("payer", "payee"))
            self.hubs.discard(account)
            if widest >= self.hub_bits and month == last + 1:
                self.hubs.add(account)
            self.touched[account] = month
        if other >= 0:
            seen = self.met[account].setdefault((self.touched.get(account, 0), side), set())
            seen.add(one_of_64(other))

    def _out(self, pay: Pay, found: Found, is_to_hub: bool, from_hub: bool) -> None:
        own = [inflow for inflow in self.inflows[pay.payer] if inflow.pay.currency == pay.currency]
        latest = list(reversed(own))
        order = [each for each in latest if each.from_hub] + latest if is_to_hub else latest
        need, stayed = pay.amount, 0
        parts: dict[int, list[Trail]] = {}
        for inflow in order:
            taken = min(inflow.rest, need)
            if taken == 0:
                continue
            inflow.rest -= taken
            need -= taken
            stayed += taken * max(pay.time_us - inflow.pay.time_us, 0)
            if not from_hub:
                for trail in self._carried(pay, inflow, taken):
                    parts.setdefault(trail.path[0], []).append(trail)
        passed = pay.amount - need
        for same in parts.values():
            # The way of the largest part stands for all; among equals the first found.
            largest = max(same, key=lambda trail: trail.amount)
            whole = replace(largest, amount=sum(trail.amount for trail in same))
            if whole.amount * self.least >= pay.amount:
                found.carried.append(whole)
        found.pass_through = passed * MILLION // pay.amount
        found.dwell_time = stayed // passed if passed else None
        received = sum(inflow.pay.amount for inflow in own)
        found.residual = sum(inflow.rest for inflow in own) * MILLION // received if received else None
        used = {inflow.pay.payer_owner for inflow in own if inflow.rest < inflow.pay.amount}
        found.gathered = len(used - {-1})

    def _carried(self, pay: Pay, inflow: Inflow, taken: int) -> list[Trail]:
        before, trails = inflow.pay, []
        if before.payer_owner not in (-1, pay.payer_owner) and not inflow.from_hub:
            trails.append(
                Trail(before.payer_owner, pay.payer_owner, (before.position,), taken, before.amount, before.time_us)
            )
        for trail in inflow.trails:
            amount = trail.amount * taken // before.amount
            if trail.hops < self.hops_max and amount > 0:
                trails.append(replace(trail, amount=amount, path=(*trail.path, before.position)))
        return trails

    def _in(self, pay: Pay, found: Found) -> None:
        home = [trail for trail in found.carried if trail.origin == pay.payee_owner]
        found.returned_share = sum(trail.amount for trail in home) * MILLION // pay.amount
        if home:
            largest = max(home, key=lambda trail: trail.amount)
            found.return_kept = largest.amount * MILLION // largest.sent
            found.return_hops, found.return_time = largest.hops, max(pay.time_us - largest.started_us, 0)
        found.middlemen = 0
        for origin in {trail.origin for trail in found.carried} - {pay.payee_owner}:
            sources = [(pay.payer_owner, found.carried)]
            sources += [(inflow.pay.payer_owner, inflow.trails) for inflow in self.inflows[pay.payee]]
            hops = {trail.first_hop for _, trails in sources for trail in trails if trail.origin == origin}
            last = {payer for payer, trails in sources if any(trail.origin == origin for trail in trails)}
            found.middlemen = max(found.middlemen, min(len(hops), len(last)))

    def _chain(self, pay: Pay, found: Found) -> None:
        found.chain_depth, found.chain_time, found.chain_kept = 1, 0, MILLION
        half = [trail for trail in found.carried if trail.amount * 2 >= pay.amount]
        if half:
            longest = max(half, key=lambda trail: (trail.hops, trail.amount))
            found.chain_depth, found.chain_time = longest.hops, max(pay.time_us - longest.started_us, 0)
            found.chain_kept = longest.amount * MILLION // longest.sent


def one_of_64(code: int) -> int:
    """The bit that stands for an account where others are counted: the finaliser of splitmix64."""
    x = code * 0x9E3779B97F4A7C15 & _WORD
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & _WORD
    x = (x ^ x >> 27) * 0x94D049BB133111EB & _WORD
    return (x ^ x >> 31) >> 1 & 63


def paths_in_time(pays: list[Pay], hops_max: int) -> set[tuple[int, ...]]:
    """All paths in time of two payments and more, by exhaustive search."""
    by_payer = defaultdict(list)
    for pay in pays:
        by_payer[pay.payer].append(pay)
    found: set[tuple[int, ...]] = set()

    def walk(path: tuple[int, ...], last: Pay) -> None:
        for later in by_payer[last.payee]:
            if later.position > last.position and len(path) < hops_max:
                found.add((*path, later.position))
                walk((*path, later.position), later)

    for pay in pays:
        walk((pay.position,), pay)
    return found
