"""A record of alerts gives back what was put in, and says what is wrong where it cannot."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from monitor.adapters.kafka.alert_records import AlertsUnreadable, decode, encode
from monitor.casework.evidence import stored_alert
from monitor.domain.alert import Alert, Duty, ParameterInForce, Quantity, Source, Subject
from monitor.domain.deadline import DEADLINE_DAYS_MAX, DEADLINE_KINDS, Deadline
from monitor.domain.obligation import DIRECTIONS
from monitor.domain.time import TIME_MAX_US
from monitor.domain.vocabulary import ALERT_STATUSES, SEVERITIES, SUBJECT_KINDS
from tests.casework.alert_building import alert, alert_streams

TEXTS = st.text(st.characters(blacklist_characters="\x00", blacklist_categories=["Cs"]), max_size=20)
WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=0x24F), min_size=1, max_size=64)
SUBJECTS = st.builds(Subject, st.sampled_from(SUBJECT_KINDS), WORDS)
TIMES = st.integers(0, TIME_MAX_US - 1)
PERIODS = st.one_of(
    st.tuples(st.just("day"), st.dates().map(str)),
    st.tuples(st.just("month"), st.dates().map(lambda day: str(day)[:7])),
)
NUMBERS = st.integers(0, 2**63 - 1)


@st.composite
def duties(draw: st.DrawFn) -> Duty:
    kind, period = draw(PERIODS)
    deadline = Deadline(draw(st.integers(0, DEADLINE_DAYS_MAX)), draw(st.sampled_from(DEADLINE_KINDS)), draw(TEXTS))
    return Duty(
        draw(st.sampled_from(DIRECTIONS)), kind, period, draw(st.none() | TEXTS), draw(st.none() | TEXTS),
        draw(st.dictionaries(TEXTS, st.lists(TEXTS, max_size=3).map(tuple), max_size=3)), deadline,
        draw(st.lists(TEXTS, max_size=2).map(tuple)), draw(st.none() | SUBJECTS),
    )  # fmt: skip


ALERTS = st.builds(
    Alert, alert_id=st.text("ABC-", min_size=1, max_size=32), event_time_us=TIMES, judged_at_us=TIMES, position=NUMBERS,
    leg_role=WORDS, subject=SUBJECTS, title=TEXTS, typology=WORDS, severity=st.sampled_from(SEVERITIES),
    source=st.builds(Source, st.sampled_from(["rule", "model"]), WORDS, st.integers(0, 2**31 - 1), WORDS),
    score=st.floats(allow_nan=False, allow_infinity=False), status=st.sampled_from(ALERT_STATUSES), text=TEXTS,
    measures=st.dictionaries(TEXTS, st.builds(Quantity, st.none() | TEXTS, TEXTS, TEXTS), max_size=3),
    parameters=st.dictionaries(
        TEXTS, st.builds(ParameterInForce, TEXTS, TEXTS, TEXTS, TEXTS, st.none() | TEXTS, st.none() | TEXTS), max_size=2
    ),
    transactions=st.lists(st.integers(-(2**63), 2**64 - 1), max_size=5).map(tuple),
    transactions_total=st.integers(0, 2**31 - 1), customer_segment=st.none() | TEXTS,
    customer_risk_rating=st.none() | TEXTS, profile_version=st.none() | NUMBERS, booking_entity=st.none() | TEXTS,
    jurisdiction=st.none() | TEXTS, amount_minor=st.integers(1 - 2**63, 2**63 - 1),
    currency=st.text("USDEUR", max_size=3),
    rulebook_digest=WORDS, bank_snapshot=st.none() | NUMBERS, marks=st.lists(TEXTS, max_size=3).map(tuple),
    inputs=st.dictionaries(TEXTS, TEXTS, max_size=3), duty=st.none() | duties(),
)  # fmt: skip


@given(st.lists(ALERTS, max_size=3))
def test_alerts_come_back_as_they_were(alerts: list[Alert]):
    again = decode(encode(alerts))
    assert again == alerts
    assert repr(again) == repr(alerts)  # -0.0 equals 0.0, and a list would be no tuple


@given(alert_streams(alerts_max=4))
def test_what_comes_back_has_the_same_evidence(stream: list[Any]):
    again = decode(encode([each.alert for each in stream]))
    assert [stored_alert(each) for each in again] == stream


@given(alert_streams(alerts_max=2), st.data())
def test_one_changed_byte_anywhere_is_noticed(stream: list[Any], data: st.DataObject):
    value = bytearray(encode([each.alert for each in stream]))
    value[data.draw(st.integers(0, len(value) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(AlertsUnreadable, match=r"another format|is damaged"):
        decode(bytes(value))


@given(alert_streams(alerts_max=2), st.data())
def test_a_value_that_was_cut_is_noticed(stream: list[Any], data: st.DataObject):
    value = encode([each.alert for each in stream])
    with pytest.raises(AlertsUnreadable, match=r"another format|is damaged"):
        decode(value[: data.draw(st.integers(0, len(value) - 1))])


def test_a_value_of_another_release_is_no_record_of_alerts():
    class Other(msgspec.Struct):
        alert_id: str

    with pytest.raises(AlertsUnreadable, match=r"no alerts as this release knows them: .*missing required field"):
        decode(encode([Other("A-1")]))  # type: ignore[list-item]


def duty(**changes: Any) -> Duty:
    return replace(Duty("in", "day", "2026-05-04", None, None, {}, Deadline(15, "calendar", "A law")), **changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"status": "gone"}, "its status is 'gone' and its severity 'medium'"),
        ({"severity": "grave"}, "its severity 'grave'"),
        ({"subject": Subject("bank", "t")}, "of the kind 'bank'"),
        ({"subject": Subject("customer", "")}, "its subject is empty"),
        ({"source": Source("guess", "AML-STR-001", 1, "d")}, "its source of 'guess'"),
        ({"typology": "t" * 65}, "more than 64 characters"),
        ({"alert_id": "A" * 33}, "an impossible length"),
        ({"currency": "USDT"}, "an impossible length"),
        ({"text": "a\x00b"}, "the character NUL"),
        ({"score": float("nan")}, "its score is nan"),
        ({"judged_at_us": -1}, "outside the years"),
        ({"position": 2**63}, "out of its range"),
        ({"transactions_total": -1}, "out of its range"),
        ({"duty": duty(period="2026-13-01")}, "the period '2026-13-01'"),
        ({"duty": duty(period_kind="month")}, "the period '2026-05-04'"),
        ({"duty": duty(direction="up")}, "the direction 'up'"),
        ({"duty": duty(deadline=Deadline(-1, "business", "A law"))}, "due after -1 days"),
    ],
)
def test_what_cannot_be_stored_is_refused_in_words(changes: dict[str, Any], said: str):
    good, bad = alert(1, duty=duty()), alert(2, **changes)
    with pytest.raises(AlertsUnreadable, match=said) as refused:
        decode(encode([good, bad]))
    assert str(refused.value).startswith("alert 1 of 2 ('A")
    assert decode(encode([good])) == [good]
