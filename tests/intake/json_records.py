"""Random transactions as JSON, in every spelling that senders use, and the decoder's whole result as plain values."""

import json
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
from hypothesis import strategies as st

from monitor.domain.countries import COUNTRIES
from monitor.domain.money import CURRENCIES, DECIMALS
from monitor.domain.transaction import FILLERS, GIVEN, TransactionBatch
from monitor.domain.vocabulary import CHANNELS, CLOSED, PARTY_KINDS, STATUSES
from monitor.intake.identifiers import IdentifierTable
from monitor.intake.jsonl import JsonLinesDecoder
from monitor.intake.record_fields import FIELD_NUMBER, FIELDS, FIRST_FURTHER
from monitor.intake.records import DecodedChunk, RecordChunk, SourcePosition, TextColumns

KEY = b"a key of the tests, 32 bytes long"
PLAIN: dict[str, object] = {
    "transaction_id": "T1",
    "booked_at": "2026-05-04T09:00:00Z",
    "amount": "12.50",
    "currency": "EUR",
    "debtor_customer": "C1",
}

characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
any_identifiers = st.sampled_from(["A", "B", "DE02120300000000202051"]) | st.text(characters, min_size=1, max_size=32)
any_texts = st.text(characters, max_size=60)
letters = st.text("abcXYZ 019-/", min_size=1, max_size=20)
"""Texts without escapes: of many fields with any text one nearly always makes the record a slow one."""
fillers = st.builds(
    lambda before, text, after: before + text + after,
    st.sampled_from(["", " ", "\t"]),
    st.sampled_from([*FILLERS, *map(str.lower, FILLERS), "", "X", "xX", "- -", "éé", "无无", "NONES", "Ann"]),
    st.sampled_from(["", " ", "\n "]),
)


@dataclass(frozen=True)
class Raw:
    """A JSON text to be written as it stands, such as a number."""

    text: str


@st.composite
def amounts(draw: st.DrawFn, currency: str) -> object:
    decimals = DECIMALS[CURRENCIES.index(currency)]
    whole, places = draw(st.integers(0, 10**6)), draw(st.integers(0, decimals))
    part = "".join(str(draw(st.integers(0, 9))) for _ in range(places)) + "0" * draw(st.sampled_from([0, 0, 0, 1, 4]))
    text = f"{whole or 1}" + (f".{part}" if part else "")
    exponent = Raw(f"{whole + 1}e{draw(st.integers(0, 3))}")
    return draw(st.sampled_from([text, text, "00" + text, Raw(text), Raw(text), exponent]))


@st.composite
def moments(draw: st.DrawFn, moment: datetime) -> str:
    offset = draw(st.sampled_from([0, 0, 60, -330, 840, -1]))
    local = moment.astimezone(timezone(timedelta(minutes=offset)))
    text = local.strftime(draw(st.sampled_from(["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"])))
    if local.microsecond:
        text += f".{local.microsecond:06d}".rstrip("0") + "0" * draw(st.sampled_from([0, 0, 5]))
    elif draw(st.booleans()):
        text += draw(st.sampled_from([".0", ".000", ".000000", ".000000000"]))
    sign, size = "-" if offset < 0 else "+", abs(offset)
    zones = [f"{sign}{size // 60:02d}:{size % 60:02d}", f"{sign}{size // 60:02d}{size % 60:02d}"]
    return text + draw(st.sampled_from(["Z", *zones] if offset == 0 else zones))


@st.composite
def transactions(draw: st.DrawFn) -> dict[str, object]:
    """A valid transaction; half of them have plain texts only, which the kernel reads."""
    is_plain = draw(st.booleans())
    identifiers = letters if is_plain else any_identifiers
    texts = letters if is_plain else any_texts
    booked = draw(
        st.datetimes(datetime(1971, 1, 1), datetime(2098, 1, 1), timezones=st.just(UTC))
        | st.builds(lambda s: datetime(2026, 5, 4, tzinfo=UTC) + timedelta(seconds=s), st.integers(0, 10**6))
    )
    currency = draw(st.sampled_from(["EUR", "JPY", "KWD", "XBT", *CURRENCIES]))
    found: dict[str, object] = {
        "transaction_id": draw(identifiers),
        "booked_at": f"{booked:%Y-%m-%dT%H:%M:%S}.{booked.microsecond:06}Z" if is_plain else draw(moments(booked)),
        "amount": str(draw(st.integers(1, 10**6))) if is_plain else draw(amounts(currency)),
        "currency": currency,
        draw(st.sampled_from(["debtor_customer", "creditor_customer"])): draw(identifiers),
    }
    optional: dict[str, st.SearchStrategy[Any]] = {
        "received_at": moments(booked + timedelta(seconds=draw(st.integers(-3600, 10**6)))),
        "status": st.sampled_from(STATUSES),
        "channel": st.sampled_from(CHANNELS),
        "debtor_country": st.sampled_from(COUNTRIES),
        "creditor_country": st.sampled_from(COUNTRIES),
        "remittance": texts,
        **dict.fromkeys(
            GIVEN, texts | st.sampled_from(["N/A", "unknown", "xX", " - "]) if is_plain else texts | fillers
        ),
        **dict.fromkeys(("debtor_kind", "creditor_kind"), st.sampled_from(PARTY_KINDS)),
        **{name: st.sampled_from(CLOSED[name]) for name in ("instrument", "wallet", "screening")},
        "goods_country": st.sampled_from(COUNTRIES),
        "merchant_category": st.integers(0, 9999).map(lambda number: f"{number:04d}"),
        "booking_entity": st.sampled_from(["HQ", "FR-01"]),
    }
    names = FIELDS if draw(st.booleans()) else FIELDS[:FIRST_FURTHER]
    if draw(st.integers(0, 3)) == 0:
        names = (*FIELDS[:FIRST_FURTHER], draw(st.sampled_from(FIELDS[FIRST_FURTHER:])))
    for name in names:
        if name not in found and (draw(st.booleans()) or len(names) == FIRST_FURTHER + 1 == FIELD_NUMBER[name]):
            found[name] = draw(optional.get(name, identifiers))
        elif name not in found and draw(st.integers(0, 5)) == 0:
            found[name] = None
    if found.get("status") in ("reversed", "returned") and found.get("reverses") is None:
        found["reverses"] = draw(identifiers)
    return found


@st.composite
def written(draw: st.DrawFn, record: dict[str, object]) -> bytes:
    """One line of JSON: any order of keys, any white space, escapes or none."""
    space = st.sampled_from(["", "", "", "", " ", "  ", "\t", "\r "])
    is_tight, is_ascii = draw(st.booleans()), draw(st.booleans())

    def gap() -> str:
        return "" if is_tight else draw(space)

    names = draw(st.permutations(list(record))) if draw(st.booleans()) else list(record)
    parts = []
    for name in names:
        value = record[name]
        text = value.text if isinstance(value, Raw) else json.dumps(value, ensure_ascii=is_ascii)
        parts.append(f'{gap()}"{name}"{gap()}:{gap()}{text}{gap()}')
    return f"{gap()}{{{','.join(parts)}}}{gap()}".encode()


def decoder(table: IdentifierTable, **changes: Any) -> JsonLinesDecoder:
    settings: dict[str, Any] = {"entities": frozenset({"HQ", "FR-01"}), "default_entity": "HQ"} | changes
    return JsonLinesDecoder(table, **settings)


def decode(lines: bytes, table: IdentifierTable, first_position: int = 0, **changes: Any) -> DecodedChunk:
    place = SourcePosition(0, 0)
    chunk = RecordChunk("in.jsonl", place, place, first_record=1, lines=lines)
    return decoder(table, **changes).decode(chunk, first_position=first_position)


def as_line(record: dict[str, object]) -> bytes:
    return json.dumps(record).encode() + b"\n"


def plain(**changes: object) -> bytes:
    """A valid line with some fields changed; ``...`` leaves a field out."""
    return as_line({name: value for name, value in (PLAIN | changes).items() if value is not ...})


def columns_of(chunks: list[DecodedChunk]) -> dict[str, list[Any]]:
    """All columns of several chunks, joined."""
    found: dict[str, list[Any]] = {}
    for column in fields(TransactionBatch):
        found[column.name] = np.concatenate([getattr(chunk.batch, column.name) for chunk in chunks]).tolist()
    for column in fields(TextColumns):
        found["text " + column.name] = [v for chunk in chunks for v in getattr(chunk.texts, column.name).to_pylist()]
    found["refused"] = [refusal for chunk in chunks for refusal in chunk.refusals]
    return found


def table_of(table: IdentifierTable) -> tuple[list[int], list[int], bytes]:
    kinds, offsets, texts = table.export(0)
    return kinds.tolist(), offsets.tolist(), texts
