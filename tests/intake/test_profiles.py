"""Profiles: the fast decoder and the published schema accept the same; the rest is refused with a reason."""

import gzip
import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from monitor.domain.profile import CustomerProfile
from monitor.domain.refusal import Reason, Refusal
from monitor.domain.time import DAY_US, UNKNOWN
from monitor.intake.identifiers import IdentifierTable
from monitor.intake.profile_columns import profile_columns
from monitor.intake.profiles import ProfileRecord, ProfileShape, profile_of, read_profiles

FULL: dict[str, Any] = {
    "customer": "C1", "version": 2, "recorded_at": "2026-01-01T00:00:00Z", "kind": "person", "segment": "retail",
    "identity": {"name": "Ann", "birth_date": "1969-12-31", "document_country": "NO"}, "occupation": "teacher",
    "industry": None, "income_currency": "KWD", "declared_income": "1200.125",
    "expected": {"currency": "USD", "monthly_in": "10.5", "monthly_out": "7", "monthly_cash": "3.25",
                 "countries": ["NO", "US"]},
    "residence": "NO", "nationality": "XK", "risk_rating": "high", "is_pep": True, "customer_since": "1970-01-03",
    "is_occasional": False, "screening": "possible", "credentials_changed_at": "1970-01-01T00:00:00.5Z",
    "report_exemption": {"granted_on": "1970-01-04", "reviewed_on": "1970-01-05"},
    "accounts": [{"account": "A1", "kind": "savings", "opened_on": "1970-01-02", "currency": "USD",
                  "holders": ["C1", "C2"]},
                 {"account": "A2"}],
    "related": [{"relation": "spouse", "name": "Bob", "share": 0.5}], "contact": {"email": "a@b.c", "country": "NO"},
    "sources": {"residence": {"source": "form", "on": "2026-01-01"}},
}  # fmt: skip

values = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.floats(-1, 2), st.just(""), st.just("x" * 129), st.just("é" * 128),
    st.sampled_from(["2026-01-01", "2026-01-01\n", "1.5", "1.123456789", "USD", "usd", "NO", "NOR", "person", "low",
                     "loan", "clear", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00"]),
    st.just([]), st.just({}), st.just(["C9"] * 17), st.just([{"account": "A"}] * 257), st.text(max_size=3),
)  # fmt: skip


def paths(node: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    keys = node.keys() if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else []
    return [path for key in keys for path in [(*at, key), *paths(node[key], (*at, key))]]


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(json.dumps(FULL))
    node: Any
    for path in draw(st.lists(st.sampled_from(paths(FULL)), max_size=3)):
        node = record
        try:
            for key in path[:-1]:
                node = node[key]
            change = draw(st.sampled_from(["replace", "remove", "add"]))
            if change == "replace":
                node[path[-1]] = json.loads(json.dumps(draw(values)))
            elif change == "remove":
                del node[path[-1]]
            else:
                node["surprise"] = 1
        except (KeyError, IndexError, TypeError):
            continue
    return record


def accepts(line: bytes) -> tuple[bool, bool]:
    results = []
    for read in (
        lambda: msgspec.json.decode(line, type=ProfileShape),
        lambda: CustomerProfile.model_validate_json(line),
    ):
        try:
            read()
            results.append(True)
        except (msgspec.ValidationError, ValidationError):
            results.append(False)
    return results[0], results[1]


@given(mutated())
@settings(print_blob=True, deadline=None, max_examples=400)
def test_the_fast_shape_accepts_what_the_published_schema_accepts(record: dict[str, Any]) -> None:
    line = json.dumps(record).encode()
    fast, published = accepts(line)
    assert fast == published
    result = profile_of(line, place="p:1", position=5)
    assert isinstance(result, ProfileRecord | Refusal)
    if not published:
        assert isinstance(result, Refusal)
        assert (result.position, result.place, result.original) == (5, "p:1", line)


@given(st.binary(max_size=40) | st.text(max_size=40).map(str.encode))
@settings(print_blob=True, deadline=None)
def test_random_bytes_are_refused_and_never_crash(line: bytes) -> None:
    assert isinstance(profile_of(line, place="p:1", position=0), Refusal)


def test_a_full_profile_becomes_columns() -> None:
    profile = profile_of(json.dumps(FULL).encode(), place="p:1", position=0)
    assert isinstance(profile, ProfileRecord)
    table = IdentifierTable(b"k" * 32)
    columns = profile_columns([profile], table)
    assert (columns.income_minor.tolist(), columns.expected_in_minor.tolist()) == ([1_200_125], [1050])
    assert (columns.birth_day.tolist(), columns.customer_since_us.tolist()) == ([-1], [2 * DAY_US])
    assert (columns.kind.tolist(), columns.risk_rating.tolist(), columns.is_pep.tolist()) == ([0], [2], [1])
    assert [table.text(code) for code in columns.account.tolist()] == ["A1", "A2"]
    assert columns.opened_us.tolist() == [DAY_US, UNKNOWN]
    assert (columns.accounts.tolist(), columns.holders.tolist()) == ([2], [2, 1])
    assert [table.text(code) for code in columns.holder.tolist()] == ["C1", "C2", "C1"]
    assert columns.industry.tolist() == [-1]
    assert (columns.is_occasional.tolist(), columns.screening.tolist()) == ([0], [1])
    assert columns.expected_cash_minor.tolist() == [325]
    assert (columns.credentials_changed_us.tolist(), columns.exemption_reviewed_us.tolist()) == (
        [500_000],
        [4 * DAY_US],
    )
    assert columns.account_kind.tolist() == [1, -1]
    assert len(np.unique(columns.version)) == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"kind": "robot"}, Reason.WORD_UNKNOWN),
        ({"customer": ""}, Reason.IDENTIFIER_EMPTY),
        ({"customer": "é" * 100}, Reason.IDENTIFIER_TOO_LONG),
        ({"residence": "QQ"}, Reason.COUNTRY_UNKNOWN),
        ({"income_currency": "QQQ"}, Reason.CURRENCY_UNKNOWN),
        ({"income_currency": None}, Reason.FIELD_MISSING),
        ({"declared_income": "1.1234"}, Reason.AMOUNT_TOO_PRECISE),
        ({"declared_income": "999999999999999"}, Reason.AMOUNT_TOO_LARGE),
        ({"customer_since": "2026-02-30"}, Reason.TIME_NOT_ISO),
        ({"recorded_at": "2026-01-01T00:00:00"}, Reason.TIME_WITHOUT_ZONE),
        ({"screening": "hit"}, Reason.WORD_UNKNOWN),
        ({"is_occasional": "no"}, Reason.WRONG_TYPE),
        ({"credentials_changed_at": "2026-01-01T00:00:00"}, Reason.TIME_WITHOUT_ZONE),
        ({"credentials_changed_at": "1.1.2026"}, Reason.TIME_NOT_ISO),
        ({"report_exemption": {}}, Reason.FIELD_MISSING),
        ({"report_exemption": {"granted_on": "2026-02-30"}}, Reason.TIME_NOT_ISO),
        ({"report_exemption": {"granted_on": "2026-02-01", "reviewed_on": "2026-02-30"}}, Reason.TIME_NOT_ISO),
        ({"expected": {"currency": "USD", "monthly_cash": "1.001"}}, Reason.AMOUNT_TOO_PRECISE),
        ({"accounts": [{"account": "A", "kind": "checking"}]}, Reason.WORD_UNKNOWN),
        ({"version": "1"}, Reason.WRONG_TYPE),
        ({"version": 2**63}, Reason.WRONG_TYPE),
        ({"customer": "C\0"}, Reason.CHARACTER_REFUSED),
        ({"occupation": "a\0"}, Reason.CHARACTER_REFUSED),
        ({"surprise": 1}, Reason.FIELD_UNKNOWN),
    ],
)
def test_each_mistake_has_its_reason(change: dict[str, Any], reason: Reason) -> None:
    result = profile_of(json.dumps(FULL | change).encode(), place="p:1", position=0)
    assert isinstance(result, Refusal)
    assert result.reason is reason


def test_bytes_that_are_no_text_inside_a_value_are_refused_as_such() -> None:
    line = json.dumps(FULL).encode().replace(b"teacher", b"te\xffcher")
    result = profile_of(line, place="p:1", position=0)
    assert isinstance(result, Refusal)
    assert result.reason is Reason.NOT_UTF8


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_gives_each_record_its_line_and_position(tmp_path: Path, packed: bool) -> None:
    body = json.dumps(FULL).encode() + b"\n\n{]\n[]\n" + json.dumps(FULL).encode()
    path = tmp_path / "profiles.jsonl"
    path.write_bytes(gzip.compress(body) if packed else body)
    read = list(read_profiles(path, first_position=10))
    kinds = [(r.position, r.place.rpartition(":")[2], r.reason.value) for r in read if isinstance(r, Refusal)]
    assert kinds == [(11, "3", "not_json"), (12, "4", "not_an_object")]
    assert [type(r) for r in read] == [ProfileRecord, Refusal, Refusal, ProfileRecord]


def test_a_newline_behind_a_date_a_code_or_an_amount_is_refused_by_both() -> None:
    for name in ("customer_since", "residence", "income_currency", "declared_income"):
        assert accepts(json.dumps(FULL | {name: FULL[name] + "\n"}).encode()) == (False, False)
