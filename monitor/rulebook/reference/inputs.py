"""What a verdict needs besides payments: rates, lists, booking entities, the bank snapshot."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from monitor.domain.money import convert_minor
from monitor.rulebook.reference.flow import Found
from monitor.rulebook.reference.values import Value


@dataclass(frozen=True, slots=True)
class PlainRate:
    """``rate`` units of ``target`` for one unit of ``source``, published at ``published_us``."""

    published_us: int
    source: str
    target: str
    rate: Fraction


@dataclass(frozen=True, slots=True)
class PlainEntity:
    """A booking entity: where it is and how its days run.

    ``cut_off`` is the local time from which a payment belongs to the next day; with ``rolls`` a day that is a
    holiday or a weekend counts as the next business day. The static 24 hours begin at ``static_24h_start``.
    """

    jurisdiction: str | None = None
    zone: str = "UTC"
    cut_off: time | None = None
    holidays: frozenset[date] = frozenset()
    rolls: bool = False
    weekend: tuple[int, ...] = (5, 6)
    static_24h_start: time = time(0)

    def period(self, calendar: str, time_us: int) -> date:
        """The first day of the calendar period, or the date that stands for it."""
        if calendar == "date":
            return self._local(time_us).date()
        if calendar == "static_24h":
            moment = self._local(time_us)
            return moment.date() - timedelta(days=1 if moment.time() < self.static_24h_start else 0)
        day = self.business_date(time_us)
        return day.replace(day=1) if calendar == "month" else day

    def time_of_day_us(self, time_us: int) -> int:
        """Microseconds on the wall clock since midnight."""
        moment = self._local(time_us)
        return ((moment.hour * 60 + moment.minute) * 60 + moment.second) * 1_000_000 + moment.microsecond

    def _local(self, time_us: int) -> datetime:
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us)).astimezone(ZoneInfo(self.zone))

    def business_date(self, time_us: int) -> date:
        """The date that a payment of this moment belongs to.

        >>> friday_evening = 1_777_667_400_000_000  # 2026-05-01 20:30 UTC
        >>> PlainEntity(cut_off=time(18), rolls=True).business_date(friday_evening).isoformat()
        '2026-05-04'
        """
        moment = self._local(time_us)
        day = moment.date()
        if self.cut_off is not None and moment.time() >= self.cut_off:
            day += timedelta(days=1)
        while self.rolls and (day.weekday() in self.weekend or day in self.holidays):
            day += timedelta(days=1)
        return day


@dataclass(frozen=True, slots=True)
class BankSnapshot:
    """What was published about the whole bank: quantiles by segment and name, and the hubs.

    ``quantiles`` is keyed by (segment, name), the name such as ``peer.received.senders.p99`` after the rule's id
    (``AML-X-001:peer...``) or without it; segment ``None`` stands for every segment. Values are in the measure's unit.
    """

    number: int
    quantiles: Mapping[tuple[str | None, str], Fraction | int] = field(default_factory=dict)
    hubs: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PlainInputs:
    """The inputs in force. Lists and snapshots are (first log position, content) in ascending order."""

    rates: tuple[PlainRate, ...] = ()
    lists: Mapping[str, tuple[tuple[int, frozenset[str]], ...]] = field(default_factory=dict)
    entities: Mapping[str, PlainEntity] = field(default_factory=dict)
    default_entity: PlainEntity = PlainEntity()
    snapshots: tuple[tuple[int, BankSnapshot], ...] = ()
    traced: Mapping[int, Found] | None = None
    """What tracing the money says by log position, where more payments were traced than those that are judged."""

    def entity(self, name: str | None) -> PlainEntity:
        """The booking entity of that name, or the default one where the payment names none."""
        return self.default_entity if name is None else self.entities.get(name, self.default_entity)

    def converted(self, amount_minor: int, source: str, target: str, at_us: int, missing: str) -> Value:
        """The amount in ``target`` at the last rate published before ``at_us``; unknown without one.

        A pair that is never published is read from the opposite pair.
        """
        if source == target:
            return Value(amount_minor)
        direct = [(r.published_us, r.rate) for r in self.rates if (r.source, r.target) == (source, target)]
        opposite = [(r.published_us, 1 / r.rate) for r in self.rates if (r.source, r.target) == (target, source)]
        published = [one for one in direct or opposite if one[0] < at_us]
        if not published:
            return Value.unknown(missing)
        return Value(convert_minor(amount_minor, max(published)[1], source, target))

    def list_at(self, name: str, position: int) -> frozenset[str] | None:
        """The words of a list at a log position; ``None`` before its first version."""
        versions = [words for first, words in self.lists.get(name, ()) if first <= position]
        return versions[-1] if versions else None

    def snapshot_at(self, position: int) -> BankSnapshot | None:
        """The bank snapshot in force at a log position; ``None`` before the first."""
        published = [snapshot for first, snapshot in self.snapshots if first <= position]
        return published[-1] if published else None
