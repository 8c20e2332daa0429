"""Booking entities and their business calendars: which business day a payment belongs to.

A law that adds up "one business day" means the day of the branch: its zone, its cut-off, its weekend and its
holidays. ``entities.yaml`` states them::

    default: BANK-US
    entities:
      BANK-US: {country: US, zone: America/New_York, cut_off: "17:00", weekend: [sat, sun], holidays: [2026-01-01]}

``default`` is the entity of records that name none. ``cut_off``, ``weekend`` and ``holidays`` may be left out: then
nothing rolls. A payment at or after the cut-off belongs to the next day; weekend and holidays roll on to the
next day that is neither. The month is that of the business day.

Other laws count otherwise. A *calendar date* is that of the entity's zone, whatever the cut-off and the holidays. A
*static 24 hours* begins every day at ``static_24h_start`` of the entity's zone (midnight where it is left out) and
bears the date on which it begins.

Offsets from UTC come from the time zone database, transitions found once per zone and then looked up by binary
search in a kernel.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from threading import Lock
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from monitor.domain.countries import COUNTRY_CODE
from monitor.domain.time import DAY_US, SECOND_US, TIME_MAX_US
from monitor.domain.transaction import Identifier, Int32s, Int64s
from monitor.intake.compiled import kernel
from monitor.intake.yaml_files import read_model

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAYS = TIME_MAX_US // DAY_US + 400
_MONTH_OF_DAY = np.arange(_DAYS).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) + 1970 * 12 + 1
_NONE = np.zeros(0, np.int64)
_FINDING = Lock()
_FIRST_WEEKDAY = 3
"""1970-01-01 was a Thursday."""


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is no time zone of the tz database; write for example Europe/Berlin") from error
    return name


def _country(code: str) -> str:
    if code not in COUNTRY_CODE:
        raise ValueError(f"{code!r} is no country of ISO 3166-1 alpha-2")
    return code


def _cut_off(text: str) -> str:
    try:
        return time.fromisoformat(text).isoformat()
    except ValueError as error:
        raise ValueError(f'{text!r} is no time of day; write for example "17:00", in quotes') from error


def _date(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise ValueError(f"{text!r} is no date; write for example 2026-12-25") from error


Zone = Annotated[str, AfterValidator(_zone)]


class Entity(BaseModel):
    """One booking entity of the bank."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    country: Annotated[str, AfterValidator(_country)]
    zone: Zone
    cut_off: Annotated[str, AfterValidator(_cut_off)] | None = None
    weekend: list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]] = Field(default=[], max_length=6)
    holidays: list[Annotated[str, AfterValidator(_date)]] = Field(default=[], max_length=10_000)
    static_24h_start: Annotated[str, AfterValidator(_cut_off)] | None = None


class Entities(BaseModel):
    """The booking entities by name, and the one of records that name none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    default: Identifier
    entities: dict[Identifier, Entity] = Field(min_length=1, max_length=10_000)

    @model_validator(mode="after")
    def _default_exists(self) -> "Entities":
        if self.default not in self.entities:
            raise ValueError(f"default: {self.default!r} is not among the entities; add it or name another")
        return self

    @property
    def digest(self) -> str:
        """A hash of the content, for the record of a run."""
        return blake2b(self.model_dump_json().encode(), digest_size=16).hexdigest()


def load_entities(path: Path) -> Entities:
    """Read ``entities.yaml``.

    Raises:
        YamlFileError: The file is wrong; the message names the line.
        OSError: The file cannot be read.
    """
    return read_model(path, Entities)


class BusinessCalendar:
    """Business days and months of entities, by the codes of the run.

    >>> bank = Entity(country="US", zone="America/New_York", cut_off="17:00", weekend=["sat", "sun"])
    >>> calendar = BusinessCalendar({"US": bank}, codes={"US": 0})
    >>> friday_2130_utc = 1_777_671_000 * 1_000_000  # 2026-05-01, 17:30 in New York
    >>> periods = calendar.periods(np.zeros(1, np.int32), np.array([friday_2130_utc]))
    >>> day, month, calendar_date, static, time_us = periods[0].tolist()
    >>> str(np.datetime64(day, "D")), month == 2026 * 12 + 5, str(np.datetime64(calendar_date, "D"))
    ('2026-05-04', True, '2026-05-01')
    """

    def __init__(self, entities: Mapping[str, Entity], codes: Mapping[str, int]) -> None:
        """``codes`` gives each entity the code that columns hold; entities without a code are left out."""
        names = [name for name in entities if name in codes]
        self._index = np.full(max([codes[name] for name in names], default=-1) + 1, -1, np.int64)
        for index, name in enumerate(names):
            self._index[codes[name]] = index
        zones = list(dict.fromkeys(entities[name].zone for name in names))
        changes = [_changes(zone) for zone in zones]
        # Entities with the same weekend and holidays share a calendar.
        calendars = {_free_days(entities[name]): entities[name] for name in names}
        self._zone = np.array([zones.index(entities[name].zone) for name in names], np.int64)
        self._first = np.cumsum([0, *(len(since) for since, _ in changes)]).astype(np.int64)
        self._since_us = np.concatenate([_NONE, *(since for since, _ in changes)])
        self._offset_us = np.concatenate([_NONE, *(offset for _, offset in changes)])
        self._roll_us = np.array([_roll_us(entities[name]) for name in names], np.int64)
        self._static_us = np.array([_of_day_us(entities[name].static_24h_start or "00:00") for name in names], np.int64)
        self._calendar = np.array([list(calendars).index(_free_days(entities[name])) for name in names], np.int64)
        next_days = [_next_business_days(entity) for entity in calendars.values()]
        self._next_day = np.stack(next_days) if next_days else np.zeros((0, _DAYS), np.int32)

    def periods(self, entity: Int32s, time_us: Int64s) -> npt.NDArray[np.int64]:
        """Business day (days since 1970-01-01), its month (``12 * year + month``, 1 to 12), calendar date, date of the
        static 24 hours, and the time since local midnight in microseconds; shape (n, 5).

        An unknown entity counts days of UTC.
        """
        found = np.empty((len(time_us), 5), np.int64)
        _write_periods(
            entity, time_us, self._index, self._zone, self._first, self._since_us, self._offset_us, self._roll_us,
            self._static_us, self._calendar, self._next_day, _MONTH_OF_DAY, found,
        )  # fmt: skip
        return found


@kernel
def _write_periods(  # type: ignore[no-untyped-def]
    entity, time_us, index_of, zone_of, first, since_us, offset_us, roll_us, static_us, calendar_of, next_day, month_of,
    found,
):  # fmt: skip
    last, low, from_us, until_us = -1, 0, 0, -1
    for i in range(len(time_us)):
        code = entity[i]
        index = index_of[code] if 0 <= code < len(index_of) else -1
        if index < 0:
            day = time_us[i] // DAY_US
            found[i, 0], found[i, 1], found[i, 2], found[i, 3] = day, month_of[day], day, day
            found[i, 4] = time_us[i] - day * DAY_US
            continue
        zone, at_us = zone_of[index], time_us[i]
        if zone != last or at_us < from_us or at_us >= until_us:
            low, high = first[zone], first[zone + 1]
            while high - low > 1:
                middle = (low + high) >> 1
                if since_us[middle] <= at_us:
                    low = middle
                else:
                    high = middle
            last, from_us = zone, since_us[low]
            until_us = int(since_us[low + 1]) if low + 1 < first[zone + 1] else 2**62
        local_us = at_us + offset_us[low]
        found[i, 2], found[i, 3] = local_us // DAY_US, (local_us - static_us[index]) // DAY_US
        found[i, 4] = local_us - found[i, 2] * DAY_US
        day = (local_us + roll_us[index]) // DAY_US
        day = next_day[calendar_of[index], min(max(day, 0), next_day.shape[1] - 1)]
        found[i, 0], found[i, 1] = day, month_of[day]


def offsets_us(zone: str, time_us: Int64s) -> Int64s:
    """The zone's offset from UTC at each time, shape (n,), microseconds, east positive."""
    since_us, offset_us = _changes(zone)
    return offset_us[np.searchsorted(since_us, time_us, side="right") - 1]


def _changes(zone: str) -> tuple[Int64s, Int64s]:
    """The transitions of a zone; of several threads that ask for them, one finds them and the others wait."""
    with _FINDING:
        return _transitions(zone)


@lru_cache(maxsize=512)
def _transitions(zone: str) -> tuple[Int64s, Int64s]:
    """When each offset begins, ascending, and the offset. The first begins before all times."""
    info = ZoneInfo(zone)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)

    def offset_at(second: int) -> int:
        moment = (epoch + timedelta(seconds=second)).astimezone(info).utcoffset()
        assert moment is not None
        return moment // timedelta(microseconds=1)

    # Since 1970 no zone changed its offset twice within six days (the nearest changes in tzdata 2025b are 6.96 days
    # apart): look at every third day, then halve the three days of a change.
    since, offsets = [-(2**62)], [offset_at(0)]
    step = 3 * DAY_US // SECOND_US
    for end in range(step, TIME_MAX_US // SECOND_US + step, step):
        after = offset_at(end)
        if after != offsets[-1]:
            low, high = end - step, end
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset_at(middle) == offsets[-1] else (low, middle)
            since.append(high * SECOND_US)
            offsets.append(after)
    return np.array(since, np.int64), np.array(offsets, np.int64)


def _roll_us(entity: Entity) -> int:
    """What is added to the local time so that a payment at or after the cut-off falls on the next day."""
    return 0 if entity.cut_off is None else DAY_US - _of_day_us(entity.cut_off)


def _free_days(entity: Entity) -> tuple[frozenset[str], frozenset[str]]:
    return frozenset(entity.weekend), frozenset(entity.holidays)


def _of_day_us(text: str) -> int:
    moment = time.fromisoformat(text)
    return ((moment.hour * 60 + moment.minute) * 60 + moment.second) * SECOND_US + moment.microsecond


def _next_business_days(entity: Entity) -> npt.NDArray[np.int32]:
    """For each day since 1970 the day itself or the next that is neither weekend nor holiday."""
    days = np.arange(_DAYS, dtype=np.int64)
    is_free = np.isin((days + _FIRST_WEEKDAY) % 7, [WEEKDAYS.index(day) for day in entity.weekend])
    holidays = np.array(entity.holidays, "datetime64[D]").astype(np.int64)
    is_free[holidays[(holidays >= 0) & (holidays < _DAYS)]] = True
    business = np.where(is_free, _DAYS - 1, days)
    return np.minimum.accumulate(business[::-1])[::-1].astype(np.int32)
