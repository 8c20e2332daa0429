"""By when an obligation has to be filed: the law's deadline on the calendar of the booking entity."""

from dataclasses import dataclass, field
from datetime import date

from monitor.domain.alert import Alert
from monitor.domain.deadline import Deadline
from monitor.domain.obligation import last_day_of
from monitor.intake.entities import WEEKDAYS, Entities


@dataclass(slots=True)
class FilingDays:
    """Weekends and holidays of the booking entities; of a payment that names none, those of the default one."""

    entities: Entities
    _free: dict[str, tuple[frozenset[int], frozenset[date]]] = field(default_factory=dict)

    def due_on(self, entity: str | None, period_kind: str, period: str, deadline: Deadline) -> str:
        """The last day for filing, ISO 8601."""
        weekend, holidays = self._free_days(entity)
        return deadline.due_on(last_day_of(period_kind, period), weekend=weekend, holidays=holidays).isoformat()

    def due_of(self, alert: Alert) -> str | None:
        """The last day for filing a match of an obligation; ``None`` for other alerts."""
        duty = alert.duty
        if duty is None:
            return None
        return self.due_on(alert.booking_entity, duty.period_kind, duty.period, duty.deadline)

    def _free_days(self, name: str | None) -> tuple[frozenset[int], frozenset[date]]:
        known = name if name in self.entities.entities else self.entities.default
        assert known is not None
        if known not in self._free:
            entity = self.entities.entities[known]
            weekend = frozenset(WEEKDAYS.index(day) for day in entity.weekend)
            self._free[known] = weekend, frozenset(date.fromisoformat(day) for day in entity.holidays)
        return self._free[known]
