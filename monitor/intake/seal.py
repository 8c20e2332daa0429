"""From checked rows to a batch: codes, ids, digests and columns, by kernels, one definition for every source.

Only accepted rows come here, in their order, so codes never depend on refused rows or on how the stream was cut.

**Transaction id.** 128 bits: SipHash-2-4-128 of the id's UTF-8 bytes, keyed from the bank's secret. ``reverses`` is
hashed alike, so that a reversal finds its original. Absent ``reverses`` is ``UNKNOWN`` in both halves.

**Content digest.** 64 bits: SipHash-1-3 over the values of all fields but ``received_at``, because a redelivery may be
received later and is still the same record. It covers values, not spelling: the order of fields, white space, escapes,
``1.5`` or ``"1.50"`` and another offset of the same instant do not change it; an absent status is ``booked`` and
an absent booking entity is the default one. The words that are hashed: ``booked_at`` in microseconds; the amount in
minor units; the codes of currency, channel and status; the codes of both countries and one bit for each text that is
present; the two halves of ``reverses`` if present; the keyed hash of each identifier that is present; each name
and remittance text that is present as its length and its bytes. Then, of the further fields, which most records lack:
the keyed hash of each identifier that is present; the codes of instrument, wallet, screening, both kinds and goods
country in one word, if any is known; and each address and identification as its length and its bytes. So
every field of the record is covered, and ``given`` with the texts that it is made of. ``transaction_id`` is what the
digest is filed under.

**Further fields cost records nothing that lack them.** Their columns are filled before, and the kernel goes to
them only where the row names one; where no row of a chunk does, their texts are not gathered either.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from monitor.domain.time import UNKNOWN
from monitor.domain.transaction import TEXT_BYTES_MAX, Int64s, TransactionBatch
from monitor.intake.compiled import (
    PADDING_BYTES,
    address_of,
    copy_block,
    kernel,
    load_i64,
    load_u64,
    store_i64,
    store_u64,
)
from monitor.intake.identifiers import (
    IdentifierTable,
    Uint8s,
    ask_for_entry,
    ask_for_slot,
    ask_for_text,
    hash_identifier,
    intern_hashed,
)
from monitor.intake.record_fields import (
    BOOKED_US,
    BOOKING_ENTITY,
    CHANNEL_CODE,
    CREDITOR_COUNTRY_CODE,
    CREDITOR_KIND_CODE,
    CURRENCY_CODE,
    DEBTOR_COUNTRY_CODE,
    DEBTOR_KIND_CODE,
    FIRST_FURTHER,
    FURTHER,
    GIVEN_BITS,
    GOODS_COUNTRY_CODE,
    INSTRUMENT_CODE,
    INTERNED,
    MINOR,
    RECEIVED_US,
    REFUSED,
    REVERSES,
    SCREENING_CODE,
    STATUS_CODE,
    TEXTS,
    TRANSACTION_ID,
    VALUES,
    WALLET_CODE,
    length_of,
    start_of,
)
from monitor.intake.records import TextColumns
from monitor.intake.siphash import Keys, hash_128, hash_words, keys_for
from monitor.intake.words import word_at

_FIELDS = np.array([field for field, _ in INTERNED], np.int64)
_KINDS = np.array([int(kind) for _, kind in INTERNED], np.int64)
_CODES = len(INTERNED)
_FIRST_CODES = sum(field < FIRST_FURTHER for field, _ in INTERNED)
_FIRST_TEXTS = sum(field < FIRST_FURTHER for field in TEXTS)
_TEXT_FIELDS = np.array(TEXTS, np.int64)
_REVERSES_BIT = _FIRST_CODES + _FIRST_TEXTS - 1
_SMALL_BIT = _CODES + len(TEXTS)
"""The bits of the digest's word of presence: a record without further fields has the digest that it had before them."""
_DIGEST_WORDS_MAX = 7 + _CODES + len(TEXTS) * (2 + TEXT_BYTES_MAX // 8)
_BLOCK_ROWS = 24
"""Rows whose identifiers are hashed before the first of them is looked up: some 200 cache lines asked for at once."""
_CODE_BITS, _WORD_BITS = np.uint64(0xFFFF), np.uint64(0xFF)
_S8, _S16, _S32 = np.uint64(8), np.uint64(16), np.uint64(32)
_U0 = np.uint64(0)
(
    _DEBTOR_ACCOUNT,
    _DEBTOR_CUSTOMER,
    _DEBTOR_AGENT,
    _CREDITOR_ACCOUNT,
    _CREDITOR_CUSTOMER,
    _CREDITOR_AGENT,
    _PURPOSE,
    _ENTITY,
    _CONDUCTOR,
    _ON_BEHALF_OF,
    _DEVICE,
    _BRANCH,
    _MERCHANT_CATEGORY,
    _INSTRUCTING_AGENT,
    _REASON,
    _SCREENING_LIST,
    _LINK,
) = range(_CODES)
_SMALL = np.array(
    [INSTRUMENT_CODE, WALLET_CODE, SCREENING_CODE, DEBTOR_KIND_CODE, CREDITOR_KIND_CODE, GOODS_COUNTRY_CODE], np.int64
)
"""Further values that columns of 16 bits hold, in their order in ``narrow``; the country, the widest, last."""
_GIVEN, _FIRST_SMALL, _NARROW = 5, 6, 6 + len(_SMALL)


class Columns(NamedTuple):
    """Columns of a batch grouped by width, as the kernel writes them: shapes (8, n), (12, n), (19, n)."""

    wide: npt.NDArray[np.int64]
    narrow: npt.NDArray[np.int16]
    codes: npt.NDArray[np.int32]
    text_offsets: npt.NDArray[np.int32]
    text_present: npt.NDArray[np.uint8]


def seal_keys(secret: bytes) -> Keys:
    """Two keys for transaction ids and two for digests, derived from the bank's secret, shape (4,)."""
    return np.concatenate([keys_for(secret, "transaction id"), keys_for(secret, "content digest")])


def sealed(
    buffer: Uint8s,
    rows: tuple[npt.NDArray[np.int32], npt.NDArray[np.int64], npt.NDArray[np.uint8]],
    identifiers: IdentifierTable,
    keys: Keys,
    *,
    positions: Int64s,
    default_entity: tuple[int, int],
    accounts_are_ours: bool,
) -> tuple[TransactionBatch, TextColumns]:
    """The batch and the texts of the rows whose state is not ``REFUSED``.

    Args:
        buffer: Bytes that the spans point into, padded.
        rows: ``spans`` (n, 2 * fields), ``values`` (n, 16) and ``state`` (n,).
        identifiers: Where codes come from; new ones are added.
        keys: Keys of ids and digests.
        positions: Log position of each row, shape (n,).
        default_entity: Span of the default entity's name in ``buffer``; ``(-1, 0)`` where there is none.
        accounts_are_ours: Whether an account without a customer is a holder.
    """
    spans, values, state = rows
    accepted = np.flatnonzero(state != REFUSED)
    n = len(accepted)
    texts = len(TEXTS) if n and values[accepted, FURTHER].any() else _FIRST_TEXTS
    columns = Columns(
        wide=np.empty((8, n), np.int64),
        narrow=np.empty((_NARROW, n), np.int16),
        codes=np.empty((_CODES + 2, n), np.int32),
        text_offsets=np.empty((texts, n + 1), np.int32),
        text_present=np.zeros((texts, (n + 7) // 8), np.uint8),
    )
    columns.narrow[_FIRST_SMALL:] = -1
    columns.codes[_FIRST_CODES:_CODES] = -1
    words, hashes = np.empty(_DIGEST_WORDS_MAX, np.uint64), np.empty(_BLOCK_ROWS * _CODES, np.uint64)
    header = identifiers.room(n * _CODES, len(buffer))
    _seal(buffer, accepted, spans, values, header, keys, default_entity, accounts_are_ours, words, hashes, columns)
    return _batch(positions[accepted], columns), _texts(buffer, accepted, spans, columns)


def _batch(positions: Int64s, columns: Columns) -> TransactionBatch:
    wide, narrow, codes = columns.wide, columns.narrow, columns.codes
    return TransactionBatch(
        position=positions,
        booked_at_us=wide[0],
        received_at_us=wide[1],
        id_hi=wide[2],
        id_lo=wide[3],
        digest=wide[4],
        amount_minor=wide[5],
        currency=narrow[0],
        channel=narrow[1],
        status=narrow[2],
        purpose=codes[_PURPOSE],
        debtor_holder=codes[_CODES],
        debtor_account=codes[_DEBTOR_ACCOUNT],
        debtor_country=narrow[3],
        debtor_agent=codes[_DEBTOR_AGENT],
        creditor_holder=codes[_CODES + 1],
        creditor_account=codes[_CREDITOR_ACCOUNT],
        creditor_country=narrow[4],
        creditor_agent=codes[_CREDITOR_AGENT],
        booking_entity=codes[_ENTITY],
        reverses_hi=wide[6],
        reverses_lo=wide[7],
        conductor=codes[_CONDUCTOR],
        on_behalf_of=codes[_ON_BEHALF_OF],
        device=codes[_DEVICE],
        branch=codes[_BRANCH],
        instrument=narrow[_FIRST_SMALL],
        wallet=narrow[_FIRST_SMALL + 1],
        screening=narrow[_FIRST_SMALL + 2],
        debtor_kind=narrow[_FIRST_SMALL + 3],
        creditor_kind=narrow[_FIRST_SMALL + 4],
        goods_country=narrow[_FIRST_SMALL + 5],
        given=narrow[_GIVEN],
        merchant_category=codes[_MERCHANT_CATEGORY],
        instructing_agent=codes[_INSTRUCTING_AGENT],
        reason=codes[_REASON],
        screening_list=codes[_SCREENING_LIST],
        link=codes[_LINK],
    )


def _texts(buffer: Uint8s, accepted: Int64s, spans: npt.NDArray[np.int32], columns: Columns) -> TextColumns:
    n, arrays = len(accepted), list[pa.Array]()
    for index, field in enumerate(TEXTS[: len(columns.text_offsets)]):
        offsets = columns.text_offsets[index]
        data = np.empty(int(offsets[n]) + PADDING_BYTES, np.uint8)
        _gather(buffer, accepted, spans, field, offsets, data)
        present = None if field == TRANSACTION_ID else pa.py_buffer(columns.text_present[index])
        buffers = [present, pa.py_buffer(offsets), pa.py_buffer(data)]
        arrays.append(pa.Array.from_buffers(pa.string(), n, buffers))
    arrays += [pa.nulls(n, pa.string())] * (len(TEXTS) - len(arrays))
    return TextColumns(*arrays)


@kernel
def _gather(buffer, accepted, spans, field, offsets, data):  # type: ignore[no-untyped-def]
    base, spans_at, to = address_of(buffer), address_of(spans), address_of(data)
    for index in range(len(accepted)):
        start = base + start_of(spans_at + 4 * accepted[index] * spans.shape[1], field)
        for step in range(0, offsets[index + 1] - offsets[index], 32):
            copy_block(to + offsets[index] + step, start + step)


@kernel
def _packed(one, two, three):  # type: ignore[no-untyped-def]
    high = np.uint64(three) << _S32
    return (np.uint64(one) & _CODE_BITS) | ((np.uint64(two) & _CODE_BITS) << _S16) | high


@kernel
def _identifier_span(spans, place, default_start, default_length):  # type: ignore[no-untyped-def]
    """Where the identifier of a place begins, -1 where absent, and its length."""
    field = _FIELDS[place]
    start, length = start_of(spans, field), length_of(spans, field)
    if field == BOOKING_ENTITY and start < 0:
        start, length = default_start, default_length
    return start, length


@kernel
def _hash_ahead(base, first, stop, accepted, spans, values, table, default_start, default_length, hashes):  # type: ignore[no-untyped-def]
    """Hash the identifiers of some rows into ``hashes`` and ask for everything their look-ups will touch."""
    count, at = 0, address_of(hashes)
    for index in range(first, stop):
        row = address_of(spans) + 4 * accepted[index] * spans.shape[1]
        for place in range(_CODES if values[accepted[index], FURTHER] else _FIRST_CODES):
            start, length = _identifier_span(row, place, default_start, default_length)
            if start >= 0:
                hashed = hash_identifier(table, _KINDS[place], base + start, length)
                store_u64(at + 8 * count, hashed)
                ask_for_slot(table, hashed)
                count += 1
    for k in range(count):
        ask_for_entry(table, load_u64(at + 8 * k))
    for k in range(count):
        ask_for_text(table, load_u64(at + 8 * k))


def _codes_sealer(first: int, stop: int, first_bit: int) -> Any:
    """A kernel for the codes ``first`` to ``stop``; its loop is over constants."""

    @kernel
    def seal_codes(base, spans, table, codes, index, words, default_start, default_length, hashes):  # type: ignore[no-untyped-def]
        """Codes of one row from the hashes at ``hashes``, which also go to ``words``.

        The place behind the words, that behind the hashes, and a bit per field.
        """
        present = np.int64(0)
        for place in range(first, stop):
            start, length = _identifier_span(spans, place, default_start, default_length)
            code = np.int64(-1)
            if start >= 0:
                hashed = load_u64(hashes)
                hashes += 8
                code = intern_hashed(table, hashed, _KINDS[place], base + start, length)
                store_u64(words, hashed)
                words += 8
                present |= np.int64(1) << (first_bit + place - first)
            codes[place, index] = code
        return words, hashes, present

    return seal_codes


def _texts_digester(first: int, stop: int, first_bit: int) -> Any:
    """A kernel for the texts ``first`` to ``stop``; its loop is over constants."""

    @kernel
    def digest_texts(base, spans, words):  # type: ignore[no-untyped-def]
        """Put texts into ``words``; the place behind, and a bit per field."""
        present = np.int64(0)
        for place in range(first, stop):
            start, length = start_of(spans, _TEXT_FIELDS[place]), length_of(spans, _TEXT_FIELDS[place])
            if start >= 0:
                present |= np.int64(1) << (first_bit + place - first)
                store_i64(words, length)
                words += 8
                for step in range(0, length, 8):
                    store_u64(words, word_at(base + start + step, length - step))
                    words += 8
        return words, present

    return digest_texts


_seal_first_codes = _codes_sealer(0, _FIRST_CODES, 0)
_seal_further_codes = _codes_sealer(_FIRST_CODES, _CODES, _FIRST_CODES + _FIRST_TEXTS)
_digest_first_texts = _texts_digester(1, _FIRST_TEXTS, _FIRST_CODES)
_digest_further_texts = _texts_digester(_FIRST_TEXTS, len(TEXTS), _CODES + _FIRST_TEXTS)


@kernel
def _seal_texts(spans, has_further, offsets, present, index):  # type: ignore[no-untyped-def]
    for place in range(len(offsets)):
        is_present = (place < _FIRST_TEXTS or has_further) and start_of(spans, _TEXT_FIELDS[place]) >= 0
        length = length_of(spans, _TEXT_FIELDS[place]) if is_present else np.int64(0)
        offsets[place, index + 1] = offsets[place, index] + length
        if is_present:
            present[place, index >> 3] |= np.uint8(1 << (index & 7))


@kernel
def _seal_small(values, narrow, index, words):  # type: ignore[no-untyped-def]
    """Further codes of a row; those known go to ``words`` together. The place behind, and a bit."""
    together, is_any = _U0, False
    for place in range(len(_SMALL)):
        code = load_i64(values + 8 * _SMALL[place])
        narrow[_FIRST_SMALL + place, index] = code
        together |= (np.uint64(code) & (_CODE_BITS if place + 1 == len(_SMALL) else _WORD_BITS)) << (
            _S8 * np.uint64(place)
        )
        is_any = is_any or code >= 0
    if not is_any:
        return words, np.int64(0)
    store_u64(words, together)
    return words + 8, np.int64(1) << _SMALL_BIT


@kernel
def _seal_values(values, wide, narrow, index, words, present):  # type: ignore[no-untyped-def]
    booked, minor = load_i64(values + 8 * BOOKED_US), load_i64(values + 8 * MINOR)
    currency, channel = load_i64(values + 8 * CURRENCY_CODE), load_i64(values + 8 * CHANNEL_CODE)
    status, debtor = load_i64(values + 8 * STATUS_CODE), load_i64(values + 8 * DEBTOR_COUNTRY_CODE)
    creditor = load_i64(values + 8 * CREDITOR_COUNTRY_CODE)
    wide[0, index], wide[1, index], wide[5, index] = booked, load_i64(values + 8 * RECEIVED_US), minor
    narrow[0, index], narrow[1, index], narrow[2, index] = currency, channel, status
    narrow[3, index], narrow[4, index] = debtor, creditor
    narrow[_GIVEN, index] = load_i64(values + 8 * GIVEN_BITS)
    store_i64(words, booked)
    store_i64(words + 8, minor)
    store_u64(words + 16, _packed(currency, channel, status & 0xFFFF))
    store_u64(words + 24, _packed(debtor, creditor, present))


@kernel
def _seal_ids(base, spans, key_0, key_1, wide, index, words):  # type: ignore[no-untyped-def]
    """Both ids of a row; ``reverses`` goes to ``words``. The place behind, and a bit for it."""
    at = base + start_of(spans, TRANSACTION_ID)
    high, low = hash_128(key_0, key_1, at, length_of(spans, TRANSACTION_ID))
    wide[2, index], wide[3, index] = np.int64(high), np.int64(low)
    wide[6, index], wide[7, index] = UNKNOWN, UNKNOWN
    if start_of(spans, REVERSES) < 0:
        return words, np.int64(0)
    high, low = hash_128(key_0, key_1, base + start_of(spans, REVERSES), length_of(spans, REVERSES))
    wide[6, index], wide[7, index] = np.int64(high), np.int64(low)
    store_u64(words, high)
    store_u64(words + 8, low)
    return words + 16, np.int64(1 << _REVERSES_BIT)


@kernel
def _seal(  # type: ignore[no-untyped-def]
    buffer, accepted, spans, values, header, keys, default_entity, accounts_are_ours, word_space, hashes, columns
):
    wide, narrow, codes, offsets, present = columns
    default_start, default_length = default_entity
    hash_at = np.int64(0)
    base, table, words = address_of(buffer), address_of(header), address_of(word_space)
    offsets[:, 0] = 0
    for index in range(len(accepted)):
        if index % _BLOCK_ROWS == 0:
            stop = min(index + _BLOCK_ROWS, len(accepted))
            _hash_ahead(base, index, stop, accepted, spans, values, table, default_start, default_length, hashes)
            hash_at = address_of(hashes)
        span = address_of(spans) + 4 * accepted[index] * spans.shape[1]
        value = address_of(values) + 8 * accepted[index] * VALUES
        has_further = load_i64(value + 8 * FURTHER) != 0
        end, named = _seal_ids(base, span, keys[0], keys[1], wide, index, words + 32)
        end, hash_at, found = _seal_first_codes(
            base, span, table, codes, index, end, default_start, default_length, hash_at
        )
        named |= found
        end, found = _digest_first_texts(base, span, end)
        named |= found
        if has_further:
            end, hash_at, found = _seal_further_codes(
                base, span, table, codes, index, end, default_start, default_length, hash_at
            )
            end, small = _seal_small(value, narrow, index, end)
            named |= found | small
            end, found = _digest_further_texts(base, span, end)
            named |= found
        _seal_values(value, wide, narrow, index, words, named)
        _seal_texts(span, has_further, offsets, present, index)
        wide[4, index] = np.int64(hash_words(keys[2], keys[3], words, (end - words) >> 3))
        debtor, creditor = codes[_DEBTOR_CUSTOMER, index], codes[_CREDITOR_CUSTOMER, index]
        if accounts_are_ours:
            debtor = debtor if debtor >= 0 else codes[_DEBTOR_ACCOUNT, index]
            creditor = creditor if creditor >= 0 else codes[_CREDITOR_ACCOUNT, index]
        codes[_CODES, index], codes[_CODES + 1, index] = debtor, creditor
