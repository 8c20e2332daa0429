"""Booking entities and their business calendars: which business day a payment belongs to.

A law that adds up "one business day" means the day of the branch: its zone, its cut-off, its weekend and its
holidays. ``entities.yaml`` states them::

    default: BANK-US
    entities:
      BANK-US: {country: US, zone: America/New_York, cut_off: "17:00", weekend: [sat, sun], holidays: [2026-01-01]}

``default`` is the entity of records that name none. ``cut_off``, ``weekend`` and ``holidays`` may be left out: then
nothing rolls. A payment at or after the cut-off belongs to the next day; weekend and holidays roll on to the
next day that is neither. The month is that of the business day.

Offsets from UTC come from the time zone database, transitions found once per zone and then looked up by binary
search, so a million payments cost a few array operations.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from monitor.domain.countries import COUNTRY_CODE
from monitor.domain.time import DAY_US, SECOND_US, TIME_MAX_US
from monitor.domain.transaction import Identifier, Int32s, Int64s
from monitor.intake.yaml_files import read_model

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAYS = TIME_MAX_US // DAY_US + 400
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
    >>> day = calendar.business_day(np.array([0]), np.array([friday_2130_utc]))
    >>> str(np.datetime64(int(day[0]), "D")), calendar.month(day).tolist() == [2026 * 12 + 5]
    ('2026-05-04', True)
    """

    def __init__(self, entities: Mapping[str, Entity], codes: Mapping[str, int]) -> None:
        """``codes`` gives each entity the code that columns hold; entities without a code are left out."""
        names = [name for name in entities if name in codes]
        self._index = np.full(max([codes[name] for name in names], default=-1) + 2, -1, np.int64)
        self._entities = [entities[name] for name in names]
        for index, name in enumerate(names):
            self._index[codes[name]] = index
        self._next_day = [_next_business_days(entity) for entity in self._entities]

    def business_day(self, entity: Int32s, time_us: Int64s) -> Int32s:
        """The business day of each payment, shape (n,), days since 1970-01-01; ``-1`` for an unknown entity."""
        days = np.full(len(time_us), -1, np.int32)
        is_known = (entity >= 0) & (entity < len(self._index))
        indexes = np.where(is_known, self._index[np.where(is_known, entity, 0)], -1)
        for index in np.unique(indexes[indexes >= 0]).tolist():
            rows = np.flatnonzero(indexes == index)
            local_us = time_us[rows] + offsets_us(self._entities[index].zone, time_us[rows])
            cut_off = self._entities[index].cut_off
            if cut_off is not None:
                local_us = local_us + (DAY_US - _of_day_us(cut_off))
            days[rows] = self._next_day[index][np.clip(local_us // DAY_US, 0, _DAYS - 1)]
        return days

    def month(self, business_day: Int32s) -> Int32s:
        """``year * 12 + month`` (1 to 12) of each business day, shape (n,); ``-1`` where the day is ``-1``."""
        months = business_day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) + 1970 * 12 + 1
        return np.where(business_day < 0, -1, months).astype(np.int32)


def offsets_us(zone: str, time_us: Int64s) -> Int64s:
    """The zone's offset from UTC at each time, shape (n,), microseconds, east positive."""
    since_us, offset_us = _transitions(zone)
    return offset_us[np.searchsorted(since_us, time_us, side="right") - 1]


@lru_cache(maxsize=512)
def _transitions(zone: str) -> tuple[Int64s, Int64s]:
    """When each offset begins, ascending, and the offset. The first begins before all times."""
    info = ZoneInfo(zone)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)

    def offset_at(second: int) -> int:
        moment = (epoch + timedelta(seconds=second)).astimezone(info).utcoffset()
        assert moment is not None
        return moment // timedelta(microseconds=1)

    # No zone changes its offset twice within a day: look at each day, then halve the day of a change.
    since, offsets = [-(2**62)], [offset_at(0)]
    day_seconds = DAY_US // SECOND_US
    for end in range(day_seconds, TIME_MAX_US // SECOND_US + day_seconds, day_seconds):
        after = offset_at(end)
        if after != offsets[-1]:
            low, high = end - day_seconds, end
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset_at(middle) == offsets[-1] else (low, middle)
            since.append(high * SECOND_US)
            offsets.append(after)
    return np.array(since, np.int64), np.array(offsets, np.int64)


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
