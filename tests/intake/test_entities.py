"""Business days: zone, cut-off, weekend and holidays, as a clerk would count them."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from threading import Barrier
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.domain.time import HOUR_US, TIME_MAX_US, parse_time_us
from monitor.intake.entities import WEEKDAYS, BusinessCalendar, Entity, _transitions, load_entities, offsets_us
from monitor.intake.yaml_files import YamlFileError

ZONES = ["UTC", "America/New_York", "Europe/Dublin", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Casablanca",
         "Pacific/Apia", "America/Sao_Paulo"]  # fmt: skip
TEXT = """\
default: BANK-US
entities:
  BANK-US: {country: US, zone: America/New_York, cut_off: "17:00", weekend: [sat, sun], holidays: [2026-01-01]}
  BANK-NO: {country: NO, zone: Europe/Oslo}
"""

entities = st.builds(
    Entity,
    country=st.just("US"),
    zone=st.sampled_from(ZONES),
    cut_off=st.none() | st.times().map(lambda cut_off: cut_off.isoformat()),
    weekend=st.lists(st.sampled_from(WEEKDAYS), max_size=3, unique=True),
    holidays=st.lists(st.dates(datetime(2025, 12, 20).date(), datetime(2026, 1, 20).date()).map(str), max_size=12),
)


def by_the_clerk(entity: Entity, time_us: int) -> datetime:
    moment = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us)).astimezone(ZoneInfo(entity.zone))
    day = datetime(moment.year, moment.month, moment.day)
    if entity.cut_off is not None and moment.time() >= time.fromisoformat(entity.cut_off):
        day += timedelta(days=1)
    while WEEKDAYS[day.weekday()] in entity.weekend or day.date().isoformat() in entity.holidays:
        day += timedelta(days=1)
    return day


around_new_year = st.integers(parse_time_us("2025-12-15T00:00:00Z"), parse_time_us("2026-01-25T00:00:00Z"))


@given(entities, st.lists(st.integers(86_400_000_000, TIME_MAX_US - 1) | around_new_year, min_size=1, max_size=20))
@settings(print_blob=True, deadline=None, max_examples=200)
def test_every_business_day_is_the_one_the_clerk_counts(entity: Entity, times: list[int]) -> None:
    calendar = BusinessCalendar({"other": Entity(country="US", zone="UTC"), "own": entity}, {"own": 7, "other": 3})
    got, months, *_ = calendar.periods(np.full(len(times), 7, np.int32), np.array(times)).T
    expected = [by_the_clerk(entity, each) for each in times]
    assert [str(np.datetime64(day, "D")) for day in got.tolist()] == [f"{day:%Y-%m-%d}" for day in expected]
    assert months.tolist() == [day.year * 12 + day.month for day in expected]


@given(entities, st.times(), st.lists(around_new_year, min_size=1, max_size=20))
@settings(print_blob=True, deadline=None, max_examples=200)
def test_a_date_and_a_static_day_know_no_cut_off_and_no_holiday(entity: Entity, start: time, times: list[int]) -> None:
    own = entity.model_copy(update={"static_24h_start": start.isoformat()})
    periods = BusinessCalendar({"own": own}, {"own": 0}).periods(np.zeros(len(times), np.int32), np.array(times))
    for row, time_us in zip(periods.tolist(), times, strict=True):
        clock = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us)).astimezone(ZoneInfo(entity.zone))
        static = clock.date() if clock.time() >= start else clock.date() - timedelta(days=1)
        assert [str(np.datetime64(day, "D")) for day in row[2:4]] == [clock.date().isoformat(), static.isoformat()]
        midnight = datetime.combine(clock.date(), time())
        assert row[4] == (clock.replace(tzinfo=None) - midnight) // timedelta(microseconds=1)


def test_an_unknown_entity_counts_days_of_utc() -> None:
    calendar = BusinessCalendar({"own": Entity(country="US", zone="America/New_York")}, {"own": 1})
    noon, midnight = parse_time_us("2026-02-01T12:00:00Z"), parse_time_us("2026-02-01T00:00:00Z")
    got = calendar.periods(np.array([-1, 0, 1, 1, 2, 99], np.int32), np.array([midnight, noon, noon, midnight] * 2)[:6])
    days = [str(np.datetime64(day, "D")) for day in got[:, 0].tolist()]
    assert days == ["2026-02-01", "2026-02-01", "2026-02-01", "2026-01-31", "2026-02-01", "2026-02-01"]
    assert got[:, 1].tolist() == [
        2026 * 12 + 2,
        2026 * 12 + 2,
        2026 * 12 + 2,
        2026 * 12 + 1,
        2026 * 12 + 2,
        2026 * 12 + 2,
    ]


def test_a_file_is_read_and_norway_stays_norway(tmp_path: Path) -> None:
    (tmp_path / "entities.yaml").write_text(TEXT)
    read = load_entities(tmp_path / "entities.yaml")
    assert (read.default, read.entities["BANK-NO"].country) == ("BANK-US", "NO")
    assert read.entities["BANK-US"].holidays == ["2026-01-01"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Europe/Oslo", "Europe/Olso", r"entities.yaml:4: entities.BANK-NO.zone: 'Europe/Olso' is no time zone"),
        ("country: NO", "country: QQ", r"entities.yaml:4: entities.BANK-NO.country: 'QQ' is no country"),
        ('"17:00"', '"5 pm"', r"entities.yaml:3: entities.BANK-US.cut_off: '5 pm' is no time of day"),
        ("default: BANK-US", "default: BANK-DE", r"default: 'BANK-DE' is not among the entities"),
        ("cut_off", "cutoff", r"entities.yaml:3: entities.BANK-US.cutoff: there is no such setting"),
        ("2026-01-01", "2026-13-01", r"entities.yaml:3: entities.BANK-US.holidays.0: '2026-13-01' is no date"),
        ("BANK-NO:", "BANK-US:", r"entities.yaml:4: no valid YAML: found duplicate key"),
    ],
)
def test_a_mistake_is_reported_with_its_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    (tmp_path / "entities.yaml").write_text(TEXT.replace(old, new))
    with pytest.raises(YamlFileError, match=message):
        load_entities(tmp_path / "entities.yaml")


def test_an_offset_changes_at_its_microsecond() -> None:
    change = parse_time_us("2026-03-08T07:00:00Z")
    hours = offsets_us("America/New_York", np.array([change - 1, change])) // HOUR_US
    assert hours.tolist() == [-5, -4]


@pytest.mark.parametrize("zone", ["America/Recife", "Asia/Hebron", "Africa/El_Aaiun"])
def test_zones_whose_changes_are_nearest_to_each_other_have_their_offset_on_each_day(zone: str):
    days = np.arange(0, 25_000)
    moments = [datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=int(day)) for day in days]
    wanted = [moment.astimezone(ZoneInfo(zone)).utcoffset() for moment in moments]
    found = offsets_us(zone, days * 24 * HOUR_US)
    assert [timedelta(microseconds=int(each)) for each in found] == wanted


def test_of_two_threads_that_begin_together_one_finds_the_transitions_of_a_zone():
    _transitions.cache_clear()
    begin, time_us = Barrier(2), np.array([0], np.int64)

    def ask(_: int) -> list[int]:
        begin.wait()
        return offsets_us("America/New_York", time_us).tolist()

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(ask, range(2))) == [[-5 * 3600 * 1_000_000]] * 2
    assert _transitions.cache_info().misses == 1
