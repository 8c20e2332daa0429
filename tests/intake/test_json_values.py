"""The kernels' values are those of the definition, or they decline; plain spellings they do not decline."""

from datetime import UTC, datetime, timedelta
from itertools import product

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.domain.countries import COUNTRIES
from monitor.domain.money import CURRENCIES
from monitor.domain.time import UNKNOWN
from monitor.domain.vocabulary import CHANNELS
from monitor.intake.fast_values import amount_at, country_at, currency_at, is_utf8, time_at
from monitor.intake.record_fields import FIELDS
from monitor.intake.slow_decode import Expectations, RecordRefused, check_record, time_us
from monitor.intake.words import word_finder, word_table

prints_seeds = settings(print_blob=True, deadline=None)


def span(text: bytes) -> tuple[np.ndarray, int, int]:
    """The bytes in a padded buffer, which must be held, their address and their number."""
    buffer = np.frombuffer(b"9" * 8 + text + b"9" * 64, np.uint8).copy()
    return buffer, buffer.ctypes.data + 8, len(text)


def fast_time(text: str) -> int:
    held, at, length = span(text.encode())
    value = int(time_at(at, length))
    assert len(held)
    return value


def fast_amount(text: str, currency: str) -> int:
    held, at, length = span(text.encode())
    value = int(amount_at(at, length, CURRENCIES.index(currency)))
    assert len(held)
    return value


def test_every_day_is_counted_as_the_calendar_does() -> None:
    start = datetime(1970, 1, 1, tzinfo=UTC)
    for day in range(47_482):
        assert fast_time(f"{start + timedelta(days=day):%Y-%m-%dT%H:%M:%SZ}") == day * 86_400_000_000
    assert fast_time("2100-01-01T00:00:00Z") == UNKNOWN


pieces = st.tuples(
    st.sampled_from(["2000", "2023", "2024", "2099", "1970", "1969", "2100", "0000", "20 4"]),
    st.sampled_from("----/"), st.sampled_from(["01", "02", "02", "12", "11", "00", "13"]),
    st.sampled_from("----."), st.sampled_from(["01", "09", "28", "29", "29", "30", "31", "00", "32", "1a"]),
    st.sampled_from("TTTTT t"), st.sampled_from(["00", "09", "10", "23", "24"]),
    st.sampled_from("::::;"), st.sampled_from(["00", "01", "59", "60"]),
    st.sampled_from("::::9"), st.sampled_from(["00", "01", "59", "60", "/9"]),
    st.sampled_from(["", "", ".", ".5", ".123456", ".1234560", ".1234567", ".0000000", ",5"]),
    st.sampled_from(["Z", "Z", "Z", "+00:00", "-00:00", "+02:00", "-23:59"])
    | st.sampled_from(["", "z", "+24:00", "+0200", "+02", "+2:00", "+02;00", "+02:60"]),
)  # fmt: skip


@given(pieces.map("".join))
@prints_seeds
@example("2026-05-04T09:00:00.Z")
@example("1970-01-01T00:00:00+00:01")
@example("2099-12-31T23:59:59.999999-00:01")
def test_a_time_is_that_of_the_definition_or_declined(text: str) -> None:
    fast = fast_time(text)
    try:
        slow = time_us("booked_at", text)
    except RecordRefused:
        assert fast == UNKNOWN
    else:
        assert fast in (slow, UNKNOWN)


@given(
    st.text("0123456789", max_size=20),
    st.sampled_from(["", ".", ",", "e", "-", " "]),
    st.text("0123456789", max_size=10),
    st.sampled_from(["JPY", "EUR", "KWD", "XBT"]),
)
@prints_seeds
@example("1000000000000000", ".", "00", "EUR")
@example("1000000000000000", ".", "01", "EUR")
@example("0", ".", "00", "EUR")
@example("", ".", "5", "EUR")
@example("9" * 19, "", "", "JPY")
def test_an_amount_is_that_of_the_definition_or_declined(whole: str, point: str, part: str, currency: str) -> None:
    text = whole + point + part
    fast = fast_amount(text, currency)
    fields = {"transaction_id": "T", "booked_at": "2026-05-04T09:00:00Z", "debtor_customer": "C"}
    try:
        record = check_record({**fields, "amount": text, "currency": currency}, Expectations(None, False))
    except RecordRefused:
        assert fast == -1
    else:
        assert fast in (record.values[2], -1)


@pytest.mark.parametrize(
    ("text", "minor"), [("0.01", 1), ("12", 1200), ("12.5", 1250), ("999999999999999.99", 10**17 - 1)]
)
def test_plain_amounts_are_not_declined(text: str, minor: int) -> None:
    assert fast_amount(text, "EUR") == minor


EDGES = bytes([0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED])
EDGES += bytes([0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF])


def test_utf8_is_told_as_python_tells_it() -> None:
    texts = [bytes(text) for size in range(4) for text in product(EDGES, repeat=size)]
    texts += [bytes([lead, second, 0x80, last]) for lead in EDGES[-6:] for second in EDGES for last in EDGES]
    wrong = []
    for text in texts:
        held, at, length = span(text)
        try:
            text.decode()
            expected = True
        except UnicodeDecodeError:
            expected = False
        if bool(is_utf8(at, length)) != expected or not len(held):
            wrong.append(text)
    assert wrong == []
    assert len(texts) > 16_000


@pytest.mark.parametrize(("kernel", "codes", "length"), [(country_at, COUNTRIES, 2), (currency_at, CURRENCIES, 3)])
def test_codes_of_letters_are_found_and_no_others(kernel: object, codes: tuple[str, ...], length: int) -> None:
    for letters in product("AEZ@[a", repeat=length):
        text = "".join(letters)
        held, at, size = span(text.encode())
        found = int(kernel(at, size))  # type: ignore[operator]
        assert (codes[found] if found >= 0 else None) == (text if text in codes else None)
        assert len(held)
    for number, code in enumerate(codes):
        held, at, size = span(code.encode())
        assert (int(kernel(at, size)), len(held) > 0) == (number, True)  # type: ignore[operator]
        assert int(kernel(at, size - 1)) < 0  # type: ignore[operator]
        assert int(kernel(at, size + 1)) < 0  # type: ignore[operator]


@pytest.mark.parametrize("words", [FIELDS, CHANNELS])
def test_words_are_found_whole_and_no_others(words: tuple[str, ...]) -> None:
    find = word_finder(word_table(words))
    for code, word in enumerate(words):
        for text in (word, word[:-1], word + "x", word.upper(), word[1:], word + "\0"):
            held, at, length = span(text.encode())
            assert find(at, length) == (code if text == word else -1), text
            assert len(held)
