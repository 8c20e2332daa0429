"""From the spans of a row's fields to its numbers, by a kernel: the part that all sources share.

:func:`convert_row` sees the places of a row's texts, whatever format they came from, and either accepts the row and
writes its numbers, or declines. What it declines is read by :mod:`monitor.intake.slow_decode`.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from monitor.domain.identifiers import IdentifierKind
from monitor.domain.time import HOUR_US, UNKNOWN
from monitor.domain.transaction import GIVEN, IDENTIFIER_BYTES_MAX, TEXT_BYTES_MAX
from monitor.domain.vocabulary import CHANNELS, INSTRUMENTS, PARTY_KINDS, SCREENINGS, STATUSES, WALLETS
from monitor.intake.compiled import kernel, load_i64, load_u8, store_i64
from monitor.intake.fast_values import amount_at, country_at, currency_at, time_at
from monitor.intake.given import says_something_at
from monitor.intake.identifiers import find
from monitor.intake.record_fields import (
    AMOUNT,
    BOOKED_AT,
    BOOKED_US,
    BOOKING_ENTITY,
    CHANNEL,
    CHANNEL_CODE,
    CREDITOR_ACCOUNT,
    CREDITOR_COUNTRY,
    CREDITOR_COUNTRY_CODE,
    CREDITOR_CUSTOMER,
    CREDITOR_KIND,
    CREDITOR_KIND_CODE,
    CREDITOR_NAME,
    CURRENCY,
    CURRENCY_CODE,
    DEBTOR_ACCOUNT,
    DEBTOR_COUNTRY,
    DEBTOR_COUNTRY_CODE,
    DEBTOR_CUSTOMER,
    DEBTOR_KIND,
    DEBTOR_KIND_CODE,
    DEBTOR_NAME,
    FIELD_NUMBER,
    FIRST_FURTHER,
    FURTHER,
    GIVEN_BITS,
    GOODS_COUNTRY,
    GOODS_COUNTRY_CODE,
    IDENTIFIERS,
    INSTRUMENT,
    INSTRUMENT_CODE,
    MERCHANT_CATEGORY,
    MINOR,
    RECEIVED_AT,
    RECEIVED_US,
    REVERSES,
    SCREENING,
    SCREENING_CODE,
    STATUS,
    STATUS_CODE,
    TEXTS,
    TRANSACTION_ID,
    WALLET,
    WALLET_CODE,
    length_of,
    start_of,
)
from monitor.intake.words import word_finder, word_table

_FIRST_IDENTIFIERS = np.array(sorted(field for field in IDENTIFIERS if field < FIRST_FURTHER), np.int64)
_FURTHER_IDENTIFIERS = np.array(sorted(field for field in IDENTIFIERS if field >= FIRST_FURTHER), np.int64)
_FIRST_TEXTS = np.array([field for field in TEXTS[1:] if field < FIRST_FURTHER], np.int64)
_FURTHER_TEXTS = np.array([field for field in TEXTS if field >= FIRST_FURTHER], np.int64)
_DEBTOR_NAME_BIT, _CREDITOR_NAME_BIT = GIVEN.index("debtor_name"), GIVEN.index("creditor_name")
_FURTHER_BITS = np.array([bit for bit, name in enumerate(GIVEN) if FIELD_NUMBER[name] >= FIRST_FURTHER], np.int64)
_FURTHER_GIVEN = np.array([FIELD_NUMBER[GIVEN[bit]] for bit in _FURTHER_BITS], np.int64)
_ENTITY_KIND = int(IdentifierKind.ENTITY)
_REVERSED, _RETURNED = STATUSES.index("reversed"), STATUSES.index("returned")
_BOOKED = STATUSES.index("booked")
_find_channel = word_finder(word_table(CHANNELS))
_find_status = word_finder(word_table(STATUSES))
_find_instrument = word_finder(word_table(INSTRUMENTS))
_find_wallet = word_finder(word_table(WALLETS))
_find_screening = word_finder(word_table(SCREENINGS))
_find_party_kind = word_finder(word_table(PARTY_KINDS))

ANY_ENTITY = 0
"""In place of the address of the table of known entities: every name is accepted."""


def _length_check(identifiers: npt.NDArray[np.int64], texts: npt.NDArray[np.int64]) -> Any:
    """A kernel that says whether some fields are as long as they may be; its loops are over constants."""

    @kernel
    def fit(spans):  # type: ignore[no-untyped-def]
        for index in range(len(identifiers)):
            field = identifiers[index]
            if start_of(spans, field) >= 0 and not 1 <= length_of(spans, field) <= IDENTIFIER_BYTES_MAX:
                return False
        for index in range(len(texts)):
            if start_of(spans, texts[index]) >= 0 and length_of(spans, texts[index]) > TEXT_BYTES_MAX:
                return False
        return True

    return fit


_first_fit = _length_check(_FIRST_IDENTIFIERS, _FIRST_TEXTS)
_further_fit = _length_check(_FURTHER_IDENTIFIERS, _FURTHER_TEXTS)


@kernel
def _lengths_fit(spans):  # type: ignore[no-untyped-def]
    return start_of(spans, TRANSACTION_ID) >= 0 and _first_fit(spans)


@kernel
def _country(base, spans, values, field, column):  # type: ignore[no-untyped-def]
    start, code = start_of(spans, field), np.int64(-1)
    if start >= 0:
        code = country_at(base + start, length_of(spans, field))
        if code < 0:
            return False
    store_i64(values + 8 * column, code)
    return True


@kernel
def _countries(base, spans, values):  # type: ignore[no-untyped-def]
    return _country(base, spans, values, DEBTOR_COUNTRY, DEBTOR_COUNTRY_CODE) and _country(
        base, spans, values, CREDITOR_COUNTRY, CREDITOR_COUNTRY_CODE
    )


@kernel
def _words(base, spans, values):  # type: ignore[no-untyped-def]
    start, code = start_of(spans, CHANNEL), np.int64(-1)
    if start >= 0:
        code = _find_channel(base + start, length_of(spans, CHANNEL))
        if code < 0:
            return False
    store_i64(values + 8 * CHANNEL_CODE, code)
    start, code = start_of(spans, STATUS), np.int64(_BOOKED)
    if start >= 0:
        code = _find_status(base + start, length_of(spans, STATUS))
        if code < 0 or (code in (_REVERSED, _RETURNED) and start_of(spans, REVERSES) < 0):
            return False
    store_i64(values + 8 * STATUS_CODE, code)
    return True


@kernel
def _money(base, spans, values):  # type: ignore[no-untyped-def]
    currency_start, amount_start = start_of(spans, CURRENCY), start_of(spans, AMOUNT)
    if currency_start < 0 or amount_start < 0:
        return False
    currency = currency_at(base + currency_start, length_of(spans, CURRENCY))
    if currency < 0:
        return False
    minor = amount_at(base + amount_start, length_of(spans, AMOUNT), currency)
    store_i64(values + 8 * CURRENCY_CODE, currency)
    store_i64(values + 8 * MINOR, minor)
    return minor > 0


@kernel
def _times(base, spans, values):  # type: ignore[no-untyped-def]
    booked_start, received_start = start_of(spans, BOOKED_AT), start_of(spans, RECEIVED_AT)
    if booked_start < 0:
        return False
    booked, received = time_at(base + booked_start, length_of(spans, BOOKED_AT)), np.int64(UNKNOWN)
    if received_start >= 0:
        received = time_at(base + received_start, length_of(spans, RECEIVED_AT))
        if received == UNKNOWN or booked > received + HOUR_US:
            return False
    store_i64(values + 8 * BOOKED_US, booked)
    store_i64(values + 8 * RECEIVED_US, received)
    return booked != UNKNOWN


@kernel
def _parties(base, spans, entities, accounts_are_ours):  # type: ignore[no-untyped-def]
    start = start_of(spans, BOOKING_ENTITY)
    is_checked = start >= 0 and entities != ANY_ENTITY
    if is_checked and find(entities, _ENTITY_KIND, base + start, length_of(spans, BOOKING_ENTITY)) < 0:
        return False
    if start_of(spans, DEBTOR_CUSTOMER) >= 0 or start_of(spans, CREDITOR_CUSTOMER) >= 0:
        return True
    return accounts_are_ours and (start_of(spans, DEBTOR_ACCOUNT) >= 0 or start_of(spans, CREDITOR_ACCOUNT) >= 0)


def _word_reader(find_word: Any, field: int, column: int) -> Any:
    """A kernel that writes the code of a field's word, -1 where absent; false where there is no such word."""

    @kernel
    def read(base, spans, values):  # type: ignore[no-untyped-def]
        start, code = start_of(spans, field), np.int64(-1)
        if start >= 0:
            code = find_word(base + start, length_of(spans, field))
            if code < 0:
                return False
        store_i64(values + 8 * column, code)
        return True

    return read


_instrument = _word_reader(_find_instrument, INSTRUMENT, INSTRUMENT_CODE)
_wallet = _word_reader(_find_wallet, WALLET, WALLET_CODE)
_screening = _word_reader(_find_screening, SCREENING, SCREENING_CODE)
_debtor_kind = _word_reader(_find_party_kind, DEBTOR_KIND, DEBTOR_KIND_CODE)
_creditor_kind = _word_reader(_find_party_kind, CREDITOR_KIND, CREDITOR_KIND_CODE)


@kernel
def _is_merchant_category(base, spans):  # type: ignore[no-untyped-def]
    start = start_of(spans, MERCHANT_CATEGORY)
    if start < 0:
        return True
    for place in range(4):
        if not 48 <= load_u8(base + start + place) <= 57:
            return False
    return length_of(spans, MERCHANT_CATEGORY) == 4


@kernel
def _further(base, spans, values):  # type: ignore[no-untyped-def]
    """The fields that most records lack."""
    return (
        _further_fit(spans)
        and _is_merchant_category(base, spans)
        and _country(base, spans, values, GOODS_COUNTRY, GOODS_COUNTRY_CODE)
        and _instrument(base, spans, values)
        and _wallet(base, spans, values)
        and _screening(base, spans, values)
        and _debtor_kind(base, spans, values)
        and _creditor_kind(base, spans, values)
    )


@kernel
def _says(base, spans, field, bit):  # type: ignore[no-untyped-def]
    start = start_of(spans, field)
    return np.int64(start >= 0 and says_something_at(base + start, length_of(spans, field))) << bit


@kernel
def _given(base, spans, values):  # type: ignore[no-untyped-def]
    """Note which names, addresses and identifications say something."""
    bits = _says(base, spans, DEBTOR_NAME, _DEBTOR_NAME_BIT) | _says(base, spans, CREDITOR_NAME, _CREDITOR_NAME_BIT)
    if load_i64(values + 8 * FURTHER) != 0:
        for place in range(len(_FURTHER_GIVEN)):
            bits |= _says(base, spans, _FURTHER_GIVEN[place], _FURTHER_BITS[place])
    store_i64(values + 8 * GIVEN_BITS, bits)
    return True


@kernel
def convert_row(base, spans, values, entities, accounts_are_ours):  # type: ignore[no-untyped-def]
    """Write the numbers of one row; false where the row is not plainly right.

    Args:
        base: Address that the spans count from.
        spans: Address of the row's spans.
        values: Address of the row's values, where the numbers go; ``FURTHER`` is set.
        entities: Address of the table header of known booking entities, or ``ANY_ENTITY``.
        accounts_are_ours: Whether an account makes a side the bank's own.
    """
    return (
        _lengths_fit(spans)
        and _times(base, spans, values)
        and _money(base, spans, values)
        and _countries(base, spans, values)
        and _words(base, spans, values)
        and _parties(base, spans, entities, accounts_are_ours)
        and (load_i64(values + 8 * FURTHER) == 0 or _further(base, spans, values))
        and _given(base, spans, values)
    )
