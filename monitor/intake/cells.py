"""Cells of a table to texts of fields, by column: words, times, amounts, natural types.

What a conversion cannot read stays as it is: the decoder then refuses the record with the reason that fits, so no
row disappears here. All functions take and give string arrays of length n, null where not known.
"""

from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.domain.money import CURRENCY_CODE, DECIMALS
from monitor.domain.time import DAY_US, SECOND_US, UNKNOWN, parse_duration_us, parse_time_us
from monitor.domain.transaction import Int64s
from monitor.intake.entities import offsets_us
from monitor.intake.mapping import FieldRule, Mapping

_ZONE_AT_END = r"[T ].*(Z|[+-]\d\d(:?\d\d)?)$"
_EPOCH = datetime(1970, 1, 1)
_DECIMAL_SCALE_MAX = 6
"""Decimals beyond it may be written with an exponent by Arrow."""


def field_texts(table: pa.Table, mapping: Mapping, *, first_record: int) -> dict[str, pa.Array]:
    """The texts of each field that the mapping makes of a table.

    Args:
        table: Columns of the source, of any type.
        mapping: Its columns are all in the table.
        first_record: Number of the table's first row in its file, from 1.
    """
    texts = {name: _source(table, rule, first_record) for name, rule in mapping.fields.items()}
    for name, rule in mapping.fields.items():
        if rule.words is not None:
            texts[name] = _worded(texts[name], rule.words, rule.otherwise)
    for name, rule in mapping.fields.items():
        if name in ("booked_at", "received_at"):
            texts[name] = _moments(texts[name], rule)
        elif name == "amount":
            texts[name] = _amounts(texts[name], rule, texts.get("currency"))
    return texts


def _source(table: pa.Table, rule: FieldRule, first_record: int) -> pa.Array:
    if rule.constant is not None:
        return pa.repeat(pa.scalar(rule.constant, pa.string()), len(table))
    if rule.row is not None:
        numbers = pa.array(np.arange(first_record, first_record + len(table))).cast(pa.string())
        return pc.binary_join_element_wise(rule.row, numbers, "")
    columns = [as_text(table.column(column)) for column in rule.source_columns]
    return columns[0] if len(columns) == 1 else pc.binary_join_element_wise(*columns, " ")


def as_text(column: pa.ChunkedArray) -> pa.Array:
    """A column of any type as texts: times as ISO 8601, decimals plain.

    >>> as_text(pa.chunked_array([pa.array([0], pa.timestamp("s", "UTC"))])).to_pylist()
    ['1970-01-01T00:00:00.000000Z']
    """
    column = column.combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_timestamp(kind):
        microseconds = column.cast(pa.timestamp("us", kind.tz), safe=False).cast(pa.int64())
        text = _iso(microseconds.fill_null(0).to_numpy(zero_copy_only=False), "Z" if kind.tz else "")
        return pc.if_else(microseconds.is_valid(), text, pa.scalar(None, pa.string()))
    if pa.types.is_decimal(kind) and kind.scale > _DECIMAL_SCALE_MAX:
        return pa.array([None if value is None else f"{value:f}" for value in column.to_pylist()], pa.string())
    if pa.types.is_nested(kind):
        return pa.array([None if value is None else str(value) for value in column.to_pylist()], pa.string())
    return column if pa.types.is_string(kind) else column.cast(pa.string())


def _iso(time_us: Int64s, zone: str) -> pa.Array:
    days = time_us.astype("datetime64[us]")
    return pa.array(np.char.add(np.datetime_as_string(days, unit="us"), zone), pa.string())


def _worded(texts: pa.Array, words: dict[str, str], otherwise: str | None) -> pa.Array:
    found = pc.index_in(texts, value_set=pa.array(list(words), pa.string()))
    meant = pa.array(list(words.values()), pa.string()).take(found)
    rest = texts if otherwise is None else pc.if_else(texts.is_valid(), otherwise, pa.scalar(None, pa.string()))
    return pc.coalesce(meant, rest)


def _moments(texts: pa.Array, rule: FieldRule) -> pa.Array:
    if rule.step is not None and rule.origin is not None:
        return _stepped(texts, parse_duration_us(rule.step), parse_time_us(rule.origin))
    if rule.format is None and rule.zone is None:
        return texts
    if rule.format is None and rule.zone == "UTC":
        has_zone = pc.match_substring_regex(texts, _ZONE_AT_END)
        return pc.if_else(has_zone, texts, pc.binary_join_element_wise(texts, "Z", ""))
    local_us = _local_us(texts, rule.format)
    is_read = local_us != UNKNOWN
    utc_us = to_utc_us(np.where(is_read, local_us, 0), rule.zone or "UTC")
    zone = "Z" if rule.zone else ""
    return pc.if_else(pa.array(is_read), _iso(utc_us, zone), texts)


def _stepped(texts: pa.Array, step_us: int, origin_us: int) -> pa.Array:
    is_number = pc.fill_null(pc.match_substring_regex(texts, r"^\d{1,9}$"), False)
    steps = pc.if_else(is_number, texts, "0").cast(pa.int64()).to_numpy()
    return pc.if_else(is_number, _iso(origin_us + steps * step_us, "Z"), texts)


def _local_us(texts: pa.Array, format: str | None) -> Int64s:
    """Wall-clock microseconds; ``UNKNOWN`` where the text is none or names its own zone."""
    if format is not None:
        return _formatted_us(texts, format)
    unique = pc.dictionary_encode(texts)
    values = np.array([_local_of(text) for text in unique.dictionary.to_pylist()] + [UNKNOWN], np.int64)
    return np.asarray(values[pc.fill_null(unique.indices, len(values) - 1).to_numpy(zero_copy_only=False)], np.int64)


def _formatted_us(texts: pa.Array, format: str) -> Int64s:
    # The C library reads 31 February as 3 March, so only what it writes back unchanged is taken from it.
    parsed = pc.strptime(texts, format=format, unit="s", error_is_null=True)
    is_same = pc.fill_null(pc.equal(pc.strftime(parsed, format=format), texts), False)
    seconds = pc.fill_null(parsed.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
    result = np.where(is_same.to_numpy(zero_copy_only=False), seconds * SECOND_US, UNKNOWN)
    for row in np.flatnonzero((result == UNKNOWN) & texts.is_valid().to_numpy(zero_copy_only=False)).tolist():
        result[row] = _strptime_us(texts[row], format)
    return np.asarray(result, np.int64)


def _strptime_us(cell: pa.Scalar, format: str) -> int:
    try:
        moment = datetime.strptime(cell.as_py(), format)
    except ValueError:
        return UNKNOWN
    return UNKNOWN if moment.tzinfo else (moment - _EPOCH) // timedelta(microseconds=1)


def _local_of(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return UNKNOWN
    is_wall_clock = moment.tzinfo is None and len(text) > len("2026-01-01")
    return (moment - _EPOCH) // timedelta(microseconds=1) if is_wall_clock else UNKNOWN


def to_utc_us(local_us: Int64s, zone: str) -> Int64s:
    """Wall-clock time of a zone to UTC, shape (n,).

    An hour that the clock shows twice is taken the first time; one that it skips is taken as if it had not been
    put forward yet.
    """
    before = local_us - offsets_us(zone, local_us - DAY_US)
    after = local_us - offsets_us(zone, local_us + DAY_US)
    is_before = before + offsets_us(zone, before) == local_us
    is_after = after + offsets_us(zone, after) == local_us
    return np.asarray(np.where(is_after & ~is_before, after, before), np.int64)


def _amounts(texts: pa.Array, rule: FieldRule, currency: pa.Array | None) -> pa.Array:
    if rule.thousands:
        texts = pc.replace_substring(texts, rule.thousands, "")
    if rule.decimal == ",":
        texts = pc.replace_substring(texts, ",", ".")
    return texts if rule.amount_decimals == "exact" or currency is None else rounded(texts, currency)


def rounded(texts: pa.Array, currency: pa.Array) -> pa.Array:
    """Amounts without the decimals that their currency does not have, half to even.

    >>> rounded(pa.array(["170.5", "12.345", "7"]), pa.array(["JPY", "USD", "USD"])).to_pylist()
    ['170', '12.34', '7']
    """
    names = pc.dictionary_encode(currency)
    places = np.array([_decimals(name) for name in names.dictionary.to_pylist()] + [99], np.int64)
    allowed = places[pc.fill_null(names.indices, len(places) - 1).to_numpy(zero_copy_only=False)]
    point = pc.fill_null(pc.find_substring(texts, "."), -1).to_numpy(zero_copy_only=False)
    length = pc.fill_null(pc.binary_length(texts), 0).to_numpy(zero_copy_only=False)
    has_exponent = pc.fill_null(pc.match_substring_regex(texts, "[eE]"), False).to_numpy(zero_copy_only=False)
    is_long = ((point >= 0) & (length - point - 1 > allowed)) | (has_exponent & (allowed < 99))
    rows = np.flatnonzero(is_long)
    if not len(rows):
        return texts
    values = texts.take(pa.array(rows)).to_pylist()
    short = [_round(value, places) for value, places in zip(values, allowed[rows].tolist(), strict=True)]
    return pc.replace_with_mask(texts, pa.array(is_long), pa.array(short, pa.string()))


def _round(text: str, decimals: int) -> str:
    try:
        value = Decimal(text)
        return f"{value.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN):f}" if value.is_finite() else text
    except InvalidOperation:
        return text


def _decimals(currency: Any) -> int:
    return DECIMALS[CURRENCY_CODE[currency]] if currency in CURRENCY_CODE else 99
