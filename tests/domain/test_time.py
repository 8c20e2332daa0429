"""Times are microseconds UTC; a text without a zone is no time, and lengths read back as written."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.time import (
    DAY_US,
    SECOND_US,
    TIME_MAX_US,
    TIME_MIN_US,
    format_duration,
    format_time,
    parse_duration_us,
    parse_time_us,
)

moments = st.integers(TIME_MIN_US, TIME_MAX_US - 1)


@given(moments)
def test_a_time_written_out_is_read_back_to_the_microsecond(time_us: int) -> None:
    text = format_time(time_us)
    assert text.endswith("Z")
    assert parse_time_us(text) == time_us


@given(moments, st.integers(-14 * 60, 14 * 60))
def test_an_offset_changes_the_text_and_not_the_time(time_us: int, minutes: int) -> None:
    there = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us)).astimezone(
        timezone(timedelta(minutes=minutes))
    )
    assert parse_time_us(there.isoformat()) == time_us


def test_a_time_without_a_zone_is_refused_with_a_remedy() -> None:
    with pytest.raises(ValueError, match=r"without a zone.*add 'Z'"):
        parse_time_us("2026-05-04T12:00:00")


def test_the_limits_are_1970_and_2100() -> None:
    assert (format_time(TIME_MIN_US), format_time(TIME_MAX_US)) == ("1970-01-01T00:00:00Z", "2100-01-01T00:00:00Z")


@given(st.integers(0, 1100 * 86_400).map(lambda seconds: seconds * SECOND_US))
def test_a_length_of_whole_seconds_is_read_back_as_written(length_us: int) -> None:
    assert parse_duration_us(format_duration(length_us)) == length_us


def test_a_length_of_whole_hours_below_three_days_is_given_in_hours() -> None:
    assert [format_duration(days * DAY_US) for days in (1, 2, 3)] == ["24h", "48h", "3d"]


@pytest.mark.parametrize("text", ["", "24", "h", "1h1d", "1h1h", "-1h", "1.5h", "1 h", "1w", "٣h"])
def test_what_is_no_length_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a length of time"):
        parse_duration_us(text)
