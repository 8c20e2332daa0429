"""The fast way from profile lines to columns and the definition agree on every line; nothing is lost or let through."""

import gzip
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.domain.refusal import REMEDIES, Refusal
from monitor.domain.vocabulary import ACCOUNT_KINDS
from monitor.intake import profile_fast
from monitor.intake.identifiers import IdentifierTable
from monitor.intake.lines import SourceDamaged
from monitor.intake.profile_columns import ProfileColumns, ProfileRows, profile_columns
from monitor.intake.profile_fast import add_line, read_profile_columns
from monitor.intake.profiles import PROFILE_BYTES_MAX, ProfileRecord, profile_of, read_profiles
from tests.intake.test_profiles import FULL, mutated, paths

KEY = b"k" * 32
WHOLE: dict[str, Any] = FULL | {
    "accounts": [{"account": "A1", "kind": "loan", "opened_on": "1970-01-02", "closed_on": "2001-01-02",
                  "currency": "USD", "holders": ["C1", "C2"]}],
}  # fmt: skip
TEXTS = ("", "é" * 64, "é" * 65, "x" * 128, "x" * 129, "a\0b", "\ud800", "USD", "usd", "NO", "QQ", "XX", "1", "1.",
         ".5", "1.50", "1.123456789", "0000000000000001", "000000000000001", "999999999999999", "٣", "²", "1e3", "-1",
         "2026-02-30", "2026-01-01", "20260101", "2026-W01-1", "٢٠٢٦-01-01", "2026-01-01T00:00:00Z",
         "2026-01-01T00:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "person", "low",
         "loan", "clear",
         "USD\n")  # fmt: skip
NUMBERS = (0, -1, 1, 2**63 - 1, 2**63, 2**70, -(2**70), 1.0, 1e400, 0.5, True, None)


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """A profile with some values replaced by hostile ones, its text sometimes damaged."""
    record = draw(mutated())
    for path in draw(st.lists(st.sampled_from(paths(record) or [()]), max_size=2)):
        node: Any = record
        try:
            for key in path[:-1]:
                node = node[key]
            node[path[-1]] = draw(st.sampled_from(TEXTS) | st.sampled_from(NUMBERS))
        except (KeyError, IndexError, TypeError):
            continue
    line = bytearray(json.dumps(record, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass"))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 3]))):
        at = draw(st.integers(0, len(line)))
        line[at : at + draw(st.integers(0, 2))] = draw(st.binary(max_size=3))
    return bytes(line)


def columns_of(found: ProfileColumns) -> dict[str, list[int]]:
    return {name: getattr(found, name).tolist() for name in found.__slots__}


def by_definition(path: Path) -> tuple[list[ProfileRecord], list[Refusal]]:
    read = list(read_profiles(path))
    return [r for r in read if isinstance(r, ProfileRecord)], [r for r in read if isinstance(r, Refusal)]


@given(lines())
@settings(print_blob=True, deadline=None, max_examples=300)
def test_what_the_fast_way_accepts_is_what_the_definition_makes_of_it(line: bytes) -> None:
    compare(line)


def test_each_value_replaced_by_each_hostile_one_is_judged_alike() -> None:
    accepted = 0
    for path in paths(WHOLE):
        for value in (*TEXTS, *NUMBERS):
            record: Any = json.loads(json.dumps(WHOLE))
            node = record
            for key in path[:-1]:
                node = node[key]
            node[path[-1]] = value
            accepted += compare(json.dumps(record).encode())
    assert accepted > 100


def compare(line: bytes) -> bool:
    """Both ways on one line; whether the fast one took it."""
    rows, defined = ProfileRows(), profile_of(line, place="p:1", position=0)
    if add_line(rows, line):
        assert isinstance(defined, ProfileRecord)
        fast, slow = IdentifierTable(KEY), IdentifierTable(KEY)
        assert columns_of(rows.columns(fast)) == columns_of(profile_columns([defined], slow))
        assert fast.export(0)[2] == slow.export(0)[2]
    return len(rows) > 0


def test_the_fast_way_accepts_what_is_usual() -> None:
    usual = [
        FULL, FULL | {"income_currency": None, "declared_income": None, "expected": None}, FULL | {"accounts": []},
        FULL | {"occupation": "сантехник", "segment": None, "sources": {}, "contact": None, "related": []},
    ]  # fmt: skip
    for each in usual:
        assert add_line(ProfileRows(), json.dumps(each, ensure_ascii=False).encode() + b"\r\n")


@given(st.lists(lines() | st.binary(max_size=30) | st.just(b" "), max_size=12), st.booleans(), st.integers(1, 5))
@settings(print_blob=True, deadline=None, max_examples=150)
def test_a_file_of_anything_is_read_to_its_end_and_nothing_is_lost(
    tmp_path_factory: pytest.TempPathFactory, given_lines: list[bytes], packed: bool, at_once: int
) -> None:
    path = tmp_path_factory.mktemp("any") / "profiles.jsonl"
    body = b"\n".join(given_lines)
    if body[:2] == b"\x1f\x8b":
        body = b" \n" + body
    path.write_bytes(gzip.compress(body) if packed else body)
    records, refused = by_definition(path)
    before, profile_fast.COLUMNS_ROWS = profile_fast.COLUMNS_ROWS, at_once
    try:
        found = list(read_profile_columns(path, IdentifierTable(KEY)))
    finally:
        profile_fast.COLUMNS_ROWS = before
    refusals = [refusal for _, part in found for refusal in part]
    assert refusals == refused
    versions = np.concatenate([columns.version for columns, _ in found]).tolist()
    assert versions == [record.version for record in records]
    # Read = taken + refused, and every refusal says where, why, and what to do.
    numbers = [number for number, line in enumerate(body.split(b"\n"), 1) if line.strip()]
    assert len(versions) + len(refusals) == len(numbers)
    assert [refusal.place for refusal in refusals] == [f"{path}:{numbers[r.position]}" for r in refusals]
    assert all(refusal.reason in REMEDIES and refusal.detail for refusal in refusals)


def test_many_profiles_come_out_as_by_definition(tmp_path: Path) -> None:
    rng = random.Random(20)
    kinds: list[str | None] = [None, *ACCOUNT_KINDS]
    path = tmp_path / "profiles.jsonl"
    body = []
    for number in range(2_000):
        accounts = [{"account": f"A{rng.randrange(999)}", "holders": [f"C{rng.randrange(999)}"] * rng.randrange(2),
                     "kind": rng.choice(kinds)}
                    for _ in range(rng.randrange(3))]  # fmt: skip
        body.append(FULL | {"customer": f"C{number}", "version": 1 + number % 3, "accounts": accounts})
        if number % 50 == 7:
            body[-1]["residence"] = "QQ"
    path.write_text("\n".join(map(json.dumps, body)))
    records, refused = by_definition(path)
    fast, slow = IdentifierTable(KEY), IdentifierTable(KEY)
    ((columns, refusals),) = read_profile_columns(path, fast)
    assert columns_of(columns) == columns_of(profile_columns(records, slow))
    assert fast.export(0)[2] == slow.export(0)[2]
    assert (len(records), refusals) == (1_960, refused)


@pytest.mark.parametrize("more", [-1, 0, 1, 2, 3, 2_000_000])
def test_a_line_beyond_the_limit_is_cut_refused_and_passed_over(tmp_path: Path, more: int) -> None:
    path, end = tmp_path / "profiles.jsonl", json.dumps(FULL).encode()
    path.write_bytes(end + b"\r\n" + end + b" " * (PROFILE_BYTES_MAX + more - len(end)) + b"\r\n" + end)
    ((columns, refusals),) = read_profile_columns(path, IdentifierTable(KEY))
    assert len(columns.version) == (3 if more <= 0 else 2)
    assert [(r.place, r.reason.value, len(r.original)) for r in refusals] == [
        (f"{path}:2", "too_long", PROFILE_BYTES_MAX)
    ] * (more > 0)


def test_a_line_beyond_the_limit_is_not_taken_for_what_stands_before_its_carriage_returns(tmp_path: Path) -> None:
    path, record = tmp_path / "profiles.jsonl", json.dumps(FULL).encode()
    path.write_bytes(record + b" " * (PROFILE_BYTES_MAX - len(record)) + b"\r\r\r\r and more\n")
    ((columns, refusals),) = read_profile_columns(path, IdentifierTable(KEY))
    assert len(columns.version) == 0
    assert [refusal.reason.value for refusal in refusals] == ["too_long"]


def test_a_cut_or_damaged_gzip_file_is_said_so(tmp_path: Path) -> None:
    path, packed = tmp_path / "profiles.jsonl.gz", gzip.compress(json.dumps(FULL).encode() * 50)
    for damaged in (packed[:-12], packed[:40] + b"\xff\xff\xff" + packed[43:], b"\x1f\x8b" + b"x" * 50):
        path.write_bytes(damaged)
        with pytest.raises(SourceDamaged, match="gzip data are damaged"):
            list(read_profile_columns(path, IdentifierTable(KEY)))
