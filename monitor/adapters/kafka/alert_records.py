"""Records of the topic ``alerts``: all alerts of one scoring step for one partition of the topic.

A value is four bytes that name the format, the CRC-32 of the rest (big-endian), and the alerts as MessagePack, each a
map by the names of :class:`monitor.domain.alert.Alert`. The checksum tells a damaged value from a sound one also where
the damage lies within a text. Reading checks what the store and casework rely on, so that a value that can be read can
be stored.

Besides ``kind`` and ``format`` a record can have the header :data:`BANK_CUSTOMERS`: how many customers the bank
snapshot in force counts, in digits. The breaker of casework measures its limits by it.
"""

from collections.abc import Sequence
from math import isfinite
from zlib import crc32

import msgspec

from monitor.domain.alert import MODEL, RULE, Alert, Duty
from monitor.domain.deadline import DEADLINE_DAYS_MAX, DEADLINE_KINDS
from monitor.domain.obligation import DIRECTIONS, PERIOD_KINDS, last_day_of
from monitor.domain.time import TIME_MAX_US
from monitor.domain.vocabulary import ALERT_STATUSES, SEVERITIES, SUBJECT_KINDS

KIND = "alerts"
"""Value of the header ``kind``."""
FORMAT = b"1"
"""Value of the header ``format``."""
BANK_CUSTOMERS = "bank_customers"
MAGIC = b"AAL1"
_HEAD_BYTES = len(MAGIC) + 4
_ID_MAX, _WORD_MAX, _CURRENCY_MAX = 32, 64, 3
_VERSION_END, _NUMBER_END = 2**31, 2**63
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Alert]).decode


class AlertsUnreadable(Exception):
    """The value is no record of alerts; the message says what is wrong with it."""


def encode(alerts: Sequence[Alert]) -> bytes:
    """The value of a record that holds these alerts, in their order."""
    body = _encode(alerts)
    return MAGIC + crc32(body).to_bytes(4, "big") + body


def decode(value: bytes) -> list[Alert]:
    """The alerts of a record's value, in their order.

    Raises:
        AlertsUnreadable: The value has another format, is damaged, or holds what no alert can hold.

    >>> decode(encode([]))
    []
    >>> decode(b"{}")
    Traceback (most recent call last):
    ...
    monitor.adapters.kafka.alert_records.AlertsUnreadable: it begins with b'{}' and not with b'AAL1': another format
    """
    if value[: len(MAGIC)] != MAGIC:
        raise AlertsUnreadable(f"it begins with {value[: len(MAGIC)]!r} and not with {MAGIC!r}: another format")
    body = value[_HEAD_BYTES:]
    if crc32(body).to_bytes(4, "big") != value[len(MAGIC) : _HEAD_BYTES]:
        raise AlertsUnreadable(f"its checksum does not fit its {len(body)} bytes: it is damaged")
    try:
        alerts = _decode(body)
    except msgspec.DecodeError as error:
        raise AlertsUnreadable(f"it holds no alerts as this release knows them: {error}") from None
    for number, alert in enumerate(alerts):
        fault = _fault(alert)
        if fault is not None:
            raise AlertsUnreadable(f"alert {number} of {len(alerts)} ({alert.alert_id[:_ID_MAX]!r}): {fault}")
    return alerts


def _fault(alert: Alert) -> str | None:
    """What keeps an alert from being stored; ``None`` for nothing."""
    source, subject, duty = alert.source, alert.subject, alert.duty
    if not 0 < len(alert.alert_id) <= _ID_MAX or len(alert.currency) > _CURRENCY_MAX:
        return "its id or its currency has an impossible length"
    if alert.status not in ALERT_STATUSES or alert.severity not in SEVERITIES:
        return f"its status is {alert.status!r} and its severity {alert.severity!r}"
    if subject.kind not in SUBJECT_KINDS or source.kind not in (RULE, MODEL):
        return f"its subject is of the kind {subject.kind!r} and its source of {source.kind!r}"
    words = (alert.leg_role, subject.token, source.id, source.digest, alert.typology, alert.rulebook_digest)
    if max(map(len, words)) > _WORD_MAX or not subject.token:
        return f"its subject is empty, or a word has more than {_WORD_MAX} characters"
    if "\x00" in "".join((alert.alert_id, alert.currency, alert.title, alert.text, *words)):
        return "a text holds the character NUL"
    if not isfinite(alert.score):
        return f"its score is {alert.score}"
    if not (0 <= alert.event_time_us < TIME_MAX_US and 0 <= alert.judged_at_us < TIME_MAX_US):
        return "a time lies outside the years 1970 to 2099"
    numbers = (alert.position, abs(alert.amount_minor), alert.transactions_total, source.version)
    ends = (_NUMBER_END, _NUMBER_END, _VERSION_END, _VERSION_END)
    if not all(0 <= number < end for number, end in zip(numbers, ends, strict=True)):
        return f"a number is out of its range: {', '.join(map(str, numbers))}"
    return None if duty is None else _fault_of_duty(duty)


def _fault_of_duty(duty: Duty) -> str | None:
    if duty.period_kind not in PERIOD_KINDS or duty.direction not in DIRECTIONS:
        return f"its obligation counts by {duty.period_kind!r} in the direction {duty.direction!r}"
    if duty.deadline.kind not in DEADLINE_KINDS or not 0 <= duty.deadline.days <= DEADLINE_DAYS_MAX:
        return f"its obligation is due after {duty.deadline.days} days of the kind {duty.deadline.kind!r}"
    try:
        last_day_of(duty.period_kind, duty.period)
    except ValueError:
        return f"its obligation is for the period {duty.period!r}"
    return None
