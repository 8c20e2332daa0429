"""Mappings: a bank's own columns become fields; what cannot be read is refused, never guessed."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.domain.refusal import Reason
from monitor.domain.time import format_time
from monitor.domain.vocabulary import CHANNELS
from monitor.intake.cells import rounded, to_utc_us
from monitor.intake.identifiers import IdentifierTable
from monitor.intake.mapping import Mapping, MappingError, load_mapping
from monitor.intake.records import SourcePosition
from monitor.intake.sources import open_source
from monitor.intake.yaml_files import YamlFileError, model_of

DOCUMENT = Path(__file__).parents[2] / "docs" / "mapping.md"
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", DOCUMENT.read_text(), re.S)
MAP = next(text for kind, text in BLOCKS if kind == "yaml")
CSV = next(text for kind, text in BLOCKS if kind == "csv")


def read(tmp_path: Path, mapping: str, body: str) -> Any:
    (tmp_path / "map.yaml").write_text(mapping)
    (tmp_path / "bank.csv").write_text(body)
    source = open_source(
        tmp_path / "bank.csv",
        identifiers=IdentifierTable(b"k" * 32),
        entities=None,
        default_entity=None,
        mapping=load_mapping(tmp_path / "map.yaml"),
    )
    (chunk,) = source.chunks(SourcePosition(0, 0))
    return source.decoder.decode(chunk, first_position=0)


def test_the_documented_example_reads_its_file(tmp_path: Path) -> None:
    decoded = read(tmp_path, MAP, CSV)
    batch = decoded.batch
    assert decoded.texts.transaction_id.to_pylist() == ["2026-0001", "2026-0002"]
    assert [format_time(time) for time in batch.booked_at_us] == ["2026-05-04T07:15:00Z", "2026-12-04T08:15:30Z"]
    assert batch.amount_minor.tolist() == [1_234_550, 99]
    assert [CHANNELS[code] for code in batch.channel] == ["cash", "other"]
    (refusal,) = decoded.refusals
    assert (refusal.reason, refusal.header.decode()) == (Reason.TIME_NOT_ISO, CSV.splitlines()[0])
    assert refusal.original.decode() == CSV.splitlines()[3]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Europe/Berlin", "Berlin", r"map.yaml:\d+: fields.booked_at.zone: 'Berlin' is no time zone"),
        ("delimiter:", "delimeter:", r"map.yaml:\d+: delimeter: there is no such setting"),
        ("  currency:", "  curency:", r"'curency' is no field of a transaction"),
        ("drop: [FILIALE_TEXT]", "drop: [BETRAG]", r"drop: BETRAG is used by a field as well"),
        ("{column: BETRAG,", "{column: BETRAG, row: T,", r"fields.amount: name exactly one of column"),
        ('thousands: "."', 'thousands: ","', r"decimal and thousands are the same"),
        ("otherwise: other", "otherwise: other, zone: UTC", r"channel: format, zone and step belong to booked_at"),
    ],
)
def test_a_mistake_is_reported_with_its_line(old: str, new: str, message: str) -> None:
    assert old in MAP
    with pytest.raises(YamlFileError, match=message):
        model_of(MAP.replace(old, new), Mapping, "map.yaml")


def test_no_column_is_left_out_silently(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="does not say what the column 'FILIALE_TEXT' is"):
        read(tmp_path, MAP.replace("drop: [FILIALE_TEXT]", "drop: []"), CSV)
    with pytest.raises(MappingError, match="the column 'BETRAG' is missing"):
        read(tmp_path, MAP, CSV.replace("BETRAG", "SUMME"))


zones = st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"])


@given(zones, st.lists(st.datetimes(datetime(1971, 1, 1), datetime(2037, 1, 1)), min_size=1, max_size=20))
@settings(print_blob=True, deadline=None)
def test_wall_clock_time_becomes_utc_as_zoneinfo_says(zone: str, moments: list[datetime]) -> None:
    epoch = datetime(1970, 1, 1)
    local = np.array([(moment - epoch) // timedelta(microseconds=1) for moment in moments])
    expected = [
        (moment.replace(tzinfo=ZoneInfo(zone)) - datetime(1970, 1, 1, tzinfo=ZoneInfo("UTC")))
        // timedelta(microseconds=1)
        for moment in moments
    ]
    assert to_utc_us(local, zone).tolist() == expected


def test_an_hour_that_comes_twice_is_the_first_and_one_that_is_skipped_is_not_put_forward() -> None:
    twice, skipped = np.datetime64("2026-10-25T02:30", "us"), np.datetime64("2026-03-29T02:30", "us")
    utc = to_utc_us(np.array([twice, skipped]).astype(np.int64), "Europe/Berlin")
    assert [format_time(time) for time in utc] == ["2026-10-25T00:30:00Z", "2026-03-29T01:30:00Z"]


def test_rounding_touches_only_what_is_too_long_and_leaves_nonsense_alone() -> None:
    amounts = ["0.005", "0.015", "1.5", "1e2", "x.123", None, "9.999", "2.50", "0.30000000000000004"]
    currencies = ["USD", "USD", "JPY", "USD", "USD", "USD", "QQQ", "USD", "USD"]
    assert rounded(pa.array(amounts), pa.array(currencies)).to_pylist() == [
        "0.00", "0.02", "2", "100.00", "x.123", None, "9.999", "2.50", "0.30",
    ]  # fmt: skip
