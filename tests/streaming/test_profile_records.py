"""Announcements and stored profiles come back as they were, and bytes that are none are refused, never misread."""

import json
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.adapters.kafka import profile_records, refused_profiles
from monitor.adapters.kafka.profile_records import ANNOUNCEMENTS_MAX, Announcements, ProfileRecordError
from monitor.adapters.redis import stored_profile
from monitor.adapters.redis.stored_profile import ProfileDamaged, StoredProfile, columns_of, stored_profiles
from monitor.app.streaming.profile_batch import ProfileMessage, read_batch
from monitor.domain.refusal import Reason, Refusal
from monitor.domain.time import UNKNOWN
from monitor.intake.identifiers import IdentifierTable
from monitor.intake.profile_columns import ProfileColumns, profile_columns
from monitor.intake.profiles import ProfileRecord, profile_of
from tests.streaming.profile_versions import KEY, Codes

WHOLE = {
    "customer": "C-1001",
    "version": 2,
    "recorded_at": "2026-03-01T08:00:00Z",
    "kind": "person",
    "segment": "salaried",
    "identity": {"name": "Erika Beispiel", "birth_date": "1958-02-28"},
    "occupation": "nurse",
    "income_currency": "EUR",
    "declared_income": "41000",
    "expected": {"currency": "EUR", "monthly_in": "3400", "monthly_out": "3200", "monthly_cash": "0"},
    "residence": "DE",
    "nationality": "AT",
    "risk_rating": "low",
    "is_pep": False,
    "is_occasional": True,
    "screening": "possible",
    "customer_since": "2015-06-01",
    "credentials_changed_at": "2026-02-28T12:00:00Z",
    "report_exemption": {"granted_on": "2025-01-01"},
    "accounts": [
        {"account": "DE02120300000000202051", "opened_on": "2015-06-01", "holders": ["C-1002"]},
        {"account": "DE99", "kind": "savings", "closed_on": "2026-01-01"},
    ],
    "contact": {"email": "erika@example.org"},
}
BUSINESS = {"customer": "B", "version": 1, "recorded_at": "1970-01-01T00:00:00Z", "kind": "business", "industry": "bar"}

announced = st.lists(
    st.tuples(st.binary(min_size=16, max_size=16), st.integers(1, 2**63 - 1), st.integers(-(2**63), 2**63 - 1)),
    max_size=20,
)


@given(announced)
def test_announcements_come_back_as_they_were(rows: list[tuple[bytes, int, int]]):
    assert profile_records.decode(profile_records.encode(Announcements.of(rows))).rows() == rows


@given(st.binary(max_size=400))
def test_random_bytes_are_no_announcements(value: bytes):
    with pytest.raises(ProfileRecordError, match="record of kind profiles"):
        profile_records.decode(value)


@given(st.data())
def test_a_record_that_was_changed_is_refused_or_read_as_what_it_is_now(data: st.DataObject):
    value = bytearray(profile_records.encode(Announcements.of([(bytes([each] * 16), each, 7) for each in range(1, 9)])))
    for _ in range(data.draw(st.integers(1, 3))):
        value[data.draw(st.integers(0, len(value) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.just(len(value)), st.integers(0, len(value))))
    try:
        found = profile_records.decode(bytes(value[:cut]))
    except ProfileRecordError:
        return
    assert found.token.shape == (len(found), 16)
    assert len(found.recorded_at_us) == len(found)


def test_other_columns_and_rows_that_are_not_known_are_refused():
    batch = pa.record_batch({"token": pa.array([bytes(16)], pa.binary(16))})
    with pytest.raises(ProfileRecordError, match="has other columns"):
        profile_records.decode(ipc(batch))
    nothing = profile_records._SCHEMA.empty_table().schema
    columns = [pa.array([None], field.type) for field in nothing]
    with pytest.raises(ProfileRecordError, match=r"not known|damaged"):
        profile_records.decode(ipc(pa.RecordBatch.from_arrays(columns, schema=nothing)))
    with pytest.raises(ProfileRecordError, match="version below 1"):
        profile_records.decode(profile_records.encode(Announcements.of([(bytes(16), 0, 7)])))


def test_a_record_has_a_limit():
    many = Announcements(
        np.zeros((ANNOUNCEMENTS_MAX + 1, 16), np.uint8), np.ones(ANNOUNCEMENTS_MAX + 1, np.int64),
        np.zeros(ANNOUNCEMENTS_MAX + 1, np.int64),
    )  # fmt: skip
    with pytest.raises(ValueError, match="at most 65536 announcements, not 65537"):
        profile_records.encode(many)


def ipc(batch: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


# What Redis keeps --------------------------------------------------------------------------------------


def stored(*lines: dict[str, Any]) -> tuple[list[StoredProfile], ProfileColumns, IdentifierTable]:
    identifiers = IdentifierTable(KEY)
    records = [profile_of(json.dumps(line).encode(), place="x:1", position=0) for line in lines]
    columns = profile_columns([each for each in records if isinstance(each, ProfileRecord)], identifiers)
    assert len(columns.version) == len(lines)
    return stored_profiles(columns, identifiers.tokens, identifiers.text), columns, identifiers


def test_a_profile_comes_back_in_every_column():
    lines = (WHOLE, BUSINESS, WHOLE | {"version": 3, "accounts": []})
    profiles, columns, identifiers = stored(*lines)
    codes = Codes()
    again = columns_of([stored_profile.decode(stored_profile.encode(each)) for each in profiles], codes)
    token_of = np.array([*codes.tokens(), b""], object)
    known_of = np.array([*(token.tobytes() for token in identifiers.tokens), b""], object)
    for name in ProfileColumns.__slots__:
        one, other = getattr(columns, name), getattr(again, name)
        assert one.dtype == other.dtype, name
        if name in ("customer", "segment", "occupation", "industry", "account", "holder"):
            one, other = known_of[one], token_of[other]
        assert one.tolist() == other.tolist(), name
    assert set(filter(None, codes.texts)) == {"salaried", "nurse", "bar"}
    assert (columns.birth_day[0] < 0, columns.birth_day[1]) == (True, UNKNOWN)


def test_nothing_that_names_a_person_is_kept():
    [profile], _, _ = stored(WHOLE)
    value = stored_profile.encode(profile)
    assert b"nurse" in value
    for text in (b"Erika", b"Beispiel", b"C-1001", b"C-1002", b"DE0212", b"DE99", b"erika@"):
        assert text not in value


def test_a_profile_is_small():
    [profile], _, _ = stored(WHOLE)
    assert len(stored_profile.encode(profile)) == 223


@given(st.binary(max_size=300))
def test_random_bytes_are_no_profile(value: bytes):
    with pytest.raises(ProfileDamaged, match="no profile version"):
        stored_profile.decode(value)


@given(st.data())
def test_a_changed_profile_is_refused_or_has_the_shape_of_one(data: st.DataObject):
    [profile], _, _ = stored(WHOLE)
    value = bytearray(stored_profile.encode(profile))
    value[data.draw(st.integers(0, len(value) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = stored_profile.decode(bytes(value))
    except ProfileDamaged:
        return
    columns = columns_of([found], Codes())
    assert len(columns.account) == len(found.accounts)


def test_another_format_is_told():
    [profile], _, _ = stored(WHOLE)
    with pytest.raises(ProfileDamaged, match="of format 9; this release knows 1"):
        stored_profile.decode(stored_profile.encode(msgspec.structs.replace(profile, format=9)))


# A batch of the worker ---------------------------------------------------------------------------------


def test_refused_profiles_keep_reason_place_and_bytes():
    lines = [json.dumps(WHOLE).encode(), b"{}", b'{"customer":"\\u0000"}']
    batch = read_batch([ProfileMessage(3, 7 + at, line) for at, line in enumerate(lines)], key=KEY)
    assert [(m.place, r.reason, r.original) for m, r in batch.refused] == [
        ("profiles:3:8", Reason.FIELD_MISSING, b"{}"),
        ("profiles:3:9", Reason.FIELD_MISSING, lines[2]),
    ]
    assert len(batch.versions) == len(batch.sources) == 1
    assert {value[1:].decode() for value in batch.identities.values()} == {
        "C-1001", "C-1002", "DE02120300000000202051", "DE99", "salaried", "nurse",
    }  # fmt: skip


def test_a_refused_profile_that_is_longer_than_a_record_may_be_is_cut():
    refusal = Refusal(7, "profiles:3:7", Reason.TOO_LONG, "é" * 4_000, b"x" * 990_000)
    value, headers = refused_profiles.encode(refusal, partition=3, offset=7)
    said = dict(headers)
    assert value == b"x" * 980_000
    assert said["cut"] == b"990000"
    assert (said["kind"], said["reason"], said["source_offset"]) == (b"refused_profile", b"too_long", b"7")
    assert said["detail"].decode() == "é" * 2_000
