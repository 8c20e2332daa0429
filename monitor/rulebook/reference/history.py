"""The legs of each key in log order, and which of them a window holds.

The definition of a window, and nothing faster: of the key's legs up to the present one, those that still stand,
whose judged time lies in ``(t - over, t]`` or whose business date falls into the same period, and that pass the filter.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from monitor.domain.time import DAY_US
from monitor.rulebook.reference.flow import Found, SlowTracer, trace
from monitor.rulebook.reference.inputs import PlainInputs
from monitor.rulebook.reference.legs import LATENESS_MAX_US, PlainLeg
from monitor.rulebook.rule import Window

FIRST_SEEN_OVER_US = 730 * DAY_US
"""How far back ``first_seen`` remembers."""


@dataclass
class History:
    """All legs given, by key, and the inputs in force."""

    legs: list[PlainLeg]
    inputs: PlainInputs
    of_key: dict[tuple[str, str], list[PlainLeg]]

    @classmethod
    def of(cls, legs: Iterable[PlainLeg], inputs: PlainInputs) -> "History":
        """Group the legs by every key they have."""
        ordered = sorted(legs, key=lambda leg: leg.order)
        of_key: dict[tuple[str, str], list[PlainLeg]] = defaultdict(list)
        for leg in ordered:
            for key in leg.keys.items():
                of_key[key].append(leg)
        return cls(ordered, inputs, of_key)

    @cached_property
    def traced(self) -> Mapping[int, Found]:
        """What tracing the money says, by log position: as given, or of the payments behind the legs."""
        if self.inputs.traced is not None:
            return self.inputs.traced
        payments = {leg.position: leg.transaction for leg in self.legs}
        gone = {leg.gone_at: leg.position for leg in self.legs if leg.gone_at is not None}
        return trace(payments.values(), SlowTracer(), gone)

    def before(self, leg: PlainLeg, by: str) -> Iterator[PlainLeg]:
        """The key's legs that came earlier in the log, standing or not."""
        if by not in leg.keys:
            return
        for earlier in self.of_key[by, leg.keys[by]]:
            if earlier.order >= leg.order:
                break
            yield earlier

    def inside(self, window: Window, leg: PlainLeg) -> list[PlainLeg] | None:
        """The legs that are inside the window at ``leg``, before the filter.

        ``None`` where the leg has no such key, and for a calendar window of a leg that is more than the accepted
        lateness behind its clock: a key keeps no period so long.
        """
        if window.by not in leg.keys:
            return None
        if window.calendar is not None and leg.judged_us - leg.transaction.booked_at_us > LATENESS_MAX_US:
            return None
        candidates = [*self.before(leg, window.by), leg]
        standing = [one for one in candidates if one.stands_at(leg.position)]
        if window.calendar is not None:
            return [one for one in standing if self._same_period(window.calendar, one, leg)]
        assert window.over_us is not None
        now = leg.judged_us
        return [one for one in standing if now - window.over_us < one.judged_us <= now]

    def _same_period(self, calendar: str, one: PlainLeg, leg: PlainLeg) -> bool:
        """Same booking entity, and the same period of it."""
        if one.transaction.booking_entity != leg.transaction.booking_entity:
            return False
        entity = self.inputs.entity(leg.transaction.booking_entity)
        theirs, ours = (entity.period(calendar, each.transaction.booked_at_us) for each in (one, leg))
        return theirs == ours
