"""Tables: a record means the same as CSV, as Parquet and as JSON, however the file is cut."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.domain.refusal import Reason
from monitor.domain.transaction import TransactionBatch
from monitor.intake import table_readers
from monitor.intake.cells import as_text
from monitor.intake.identifiers import IdentifierTable
from monitor.intake.json_write import json_lines
from monitor.intake.jsonl import JsonLinesDecoder
from monitor.intake.mapping import MappingError
from monitor.intake.record_fields import FIELDS
from monitor.intake.records import DecodedChunk, RecordChunk, SourcePosition, TextColumns
from monitor.intake.table_readers import CsvReader, ParquetReader
from monitor.intake.tabular import TableDecoder, record_bytes

START = SourcePosition(0, 0)
GOOD = {
    "transaction_id": "T1", "booked_at": "2026-05-04T09:00:00Z", "amount": "12.50", "currency": "EUR",
    "debtor_customer": "C1", "debtor_account": "A1", "creditor_account": "A2", "channel": "wire",
}  # fmt: skip

no_surrogates = st.characters(exclude_categories=["Cs"])
anything = st.text(no_surrogates, max_size=8)
cells = st.sampled_from(
    ['"', "a,b", "x\ny", "é", "", "0", "-1.5", "USD", "wire", "2026-05-04", "NO", "\\", "\t", "x" * 200]
)
records = st.lists(
    st.fixed_dictionaries({name: st.just(text) for name, text in GOOD.items()}).flatmap(
        lambda good: st.dictionaries(st.sampled_from(FIELDS), cells | anything | st.just(None), max_size=3).map(
            lambda changes: {**good, **changes}
        )
    ),
    min_size=1,
    max_size=12,
)


def decode_all(decoder: Any, chunks: Iterator[RecordChunk]) -> list[DecodedChunk]:
    decoded, position = [], 0
    for chunk in chunks:
        decoded.append(decoder.decode(chunk, first_position=position))
        position += decoded[-1].records
    return decoded


def outcome(chunks: list[DecodedChunk]) -> tuple[dict[str, list[int]], list[Any], list[tuple[int, Reason]]]:
    columns = {
        name: np.concatenate([getattr(chunk.batch, name) for chunk in chunks]).tolist()
        for name in TransactionBatch.__slots__
    }
    texts = [
        [text for chunk in chunks for text in getattr(chunk.texts, name).to_pylist()] for name in TextColumns.__slots__
    ]
    return columns, texts, [(r.position, r.reason) for chunk in chunks for r in chunk.refusals]


def first_column(chunk: RecordChunk) -> list[Any]:
    assert chunk.table is not None
    return list(chunk.table.column(0).to_pylist())


def decoder_of(kind: Callable[..., Any]) -> Any:
    return kind(IdentifierTable(b"k" * 32), entities=None, default_entity="HQ")


def as_json(rows: list[dict[str, Any]]) -> list[DecodedChunk]:
    lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
    return decode_all(decoder_of(JsonLinesDecoder), iter([RecordChunk("x", START, START, 1, lines=lines)]))


def csv_bytes(rows: list[dict[str, Any]]) -> bytes:
    file = io.StringIO()
    writer = csv.DictWriter(file, FIELDS, quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue().encode()


def pieces_of(body: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    return [body[start:stop] for start, stop in pairwise(edges) if stop > start]


@given(records, st.lists(st.integers(0, 10_000), max_size=6))
@settings(print_blob=True, deadline=None, max_examples=100)
def test_csv_means_what_json_means_however_it_is_cut(rows: list[dict[str, Any]], cuts: list[int]) -> None:
    # In CSV an empty cell is the absent field.
    rows = [{name: text if text else None for name, text in row.items()} for row in rows]
    body = csv_bytes(rows)
    got = decode_all(decoder_of(TableDecoder), CsvReader(pieces_of(body, cuts), "x.csv").chunks(START))
    assert sum(chunk.records for chunk in got) == len(rows)
    assert outcome(got) == outcome(as_json(rows))


@given(records)
@settings(print_blob=True, deadline=None, max_examples=60)
def test_parquet_means_what_json_means(rows: list[dict[str, Any]]) -> None:
    table = pa.table({name: pa.array([row.get(name) for row in rows], pa.string()) for name in FIELDS})
    got = decode_all(decoder_of(TableDecoder), iter([RecordChunk("x", START, START, 1, table=table)]))
    assert outcome(got) == outcome(as_json(rows))


def test_natural_types_mean_what_their_texts_mean() -> None:
    moment = pa.array([1_777_885_200_000_000], pa.timestamp("us", "Europe/Berlin"))
    texts = {name: pa.array([text]) for name, text in GOOD.items()}
    plain = outcome(
        decode_all(decoder_of(TableDecoder), iter([RecordChunk("x", START, START, 1, table=pa.table(texts))]))
    )
    typed = pa.table(
        texts
        | {
            "booked_at": moment,
            "amount": pa.array([Decimal("12.50")]),
            "channel": pa.array(["wire"]).dictionary_encode(),
        }
    )
    assert (
        outcome(decode_all(decoder_of(TableDecoder), iter([RecordChunk("x", START, START, 1, table=typed)]))) == plain
    )
    assert len(plain[0]["position"]) == 1


@pytest.mark.parametrize(
    ("array", "texts"),
    [
        (pa.array([1.5, None]), ["1.5", None]),
        (pa.array([7, None]), ["7", None]),
        (pa.array([Decimal("0.00000001"), None]), ["0.00000001", None]),
        (pa.array([0, None], pa.timestamp("ms")), ["1970-01-01T00:00:00.000000", None]),
        (pa.array([0, None], pa.timestamp("ns", "UTC")), ["1970-01-01T00:00:00.000000Z", None]),
        (pa.array([[1], None]), ["[1]", None]),
    ],
)
def test_each_type_has_a_plain_text(array: pa.Array, texts: list[str | None]) -> None:
    assert as_text(pa.chunked_array([array])).to_pylist() == texts


@given(st.lists(st.tuples(st.none() | st.text(no_surrogates), st.none() | anything), min_size=1))
@settings(print_blob=True, deadline=None)
def test_written_json_is_read_back_as_it_was(rows: list[tuple[str | None, str | None]]) -> None:
    lines = json_lines(
        {"a": pa.array([a for a, _ in rows], pa.string()), "é": pa.array([b for _, b in rows], pa.string())}
    )
    expected = [{name: text for name, text in (("a", a), ("é", b)) if text is not None} for a, b in rows]
    assert [json.loads(line) for line in lines.split(b"\n")[:-1]] == expected


@given(
    st.binary(max_size=300) | st.text('",\na', max_size=60).map(str.encode),
    st.lists(st.integers(0, 10_000), max_size=4),
)
@example(b'\x00"\n"\n"",\n', [27])
@settings(print_blob=True, deadline=None, max_examples=200)
def test_random_bytes_are_refused_and_every_byte_is_kept(body: bytes, cuts: list[int]) -> None:
    whole = b"transaction_id,amount\n" + body
    outcomes = []
    for parts in (pieces_of(whole, cuts), [whole]):
        decoded = decode_all(decoder_of(TableDecoder), CsvReader(parts, "x.csv").chunks(START))
        refusals = [refusal for chunk in decoded for refusal in chunk.refusals]
        assert sum(chunk.records for chunk in decoded) == len(refusals)
        kept = b"".join(refusal.original for refusal in refusals)
        assert sorted(kept.replace(b"\n", b"").replace(b"\r", b"")) == sorted(
            body.replace(b"\n", b"").replace(b"\r", b"")
        )
        assert all(refusal.header == b"transaction_id,amount" for refusal in refusals)
        outcomes.append([(r.position, r.reason, r.original) for r in refusals])
    assert outcomes[0] == outcomes[1]


def test_a_row_with_another_number_of_cells_is_refused_with_its_bytes() -> None:
    body = csv_bytes([GOOD, GOOD]).replace(b"\r\n", b"\n") + b'"T2",extra,"a\nb"\n'
    (chunk,) = CsvReader([body], "x.csv").chunks(START)
    decoded = decoder_of(TableDecoder).decode(chunk, first_position=10)
    assert decoded.batch.position.tolist() == [10, 11]
    (refusal,) = decoded.refusals
    assert (refusal.position, refusal.place, refusal.reason) == (12, "x.csv row 3", Reason.CELLS_DIFFER)
    assert refusal.detail == f"3 cells, the header has {len(FIELDS)}"
    assert refusal.original == b'"T2",extra,"a\nb"'
    # Run again from the quarantine, it is the same record.
    (again,) = CsvReader([refusal.header + b"\n" + refusal.original + b"\n"], "again.csv").chunks(START)
    assert record_bytes(again, 0)[0] == refusal.original


def test_a_quote_that_is_never_closed_spoils_its_own_line_only() -> None:
    good = [json.dumps(text) for text in GOOD.values()]
    lines = [",".join(GOOD), ",".join(good), 'T2,"never closed,1', *[",".join(good)] * 2_000]
    body = "\n".join(lines).encode()
    decoded = decode_all(decoder_of(TableDecoder), CsvReader([body], "x.csv").chunks(START))
    assert sum(chunk.records for chunk in decoded) == 2_002
    assert sum(len(chunk.batch) for chunk in decoded) == 2_001
    assert [r.original for chunk in decoded for r in chunk.refusals] == [b'T2,"never closed,1']


@given(st.integers(0, 30), st.lists(st.integers(0, 10_000), max_size=6))
@settings(print_blob=True, deadline=None, max_examples=40)
def test_reading_from_a_row_goes_on_exactly_there(row: int, cuts: list[int]) -> None:
    body = b"a,b\n" + b"".join(b'%d,"x\ny"\n\n' % number for number in range(20))
    chunks = list(CsvReader(pieces_of(body, cuts), "x.csv").chunks(SourcePosition(3, row)))
    values = [cell for chunk in chunks for cell in first_column(chunk)]
    assert values == [str(number) for number in range(row, 20)]
    for chunk in chunks:
        assert chunk.first_record == int(first_column(chunk)[0]) + 1
        assert chunk.after.offset - chunk.start.offset == len(first_column(chunk))


def test_parquet_goes_on_at_any_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_readers, "PARQUET_ROWS", 3)
    pq.write_table(pa.table({"a": list(range(20))}), tmp_path / "x.parquet", row_group_size=7)
    for row in range(22):
        chunks = list(ParquetReader(tmp_path / "x.parquet").chunks(SourcePosition(0, row)))
        assert [cell for chunk in chunks for cell in first_column(chunk)] == list(range(row, 20))
        assert all(chunk.start.offset == first_column(chunk)[0] for chunk in chunks)


def test_a_column_that_nobody_reads_is_an_error_and_a_known_layout_is_named() -> None:
    decoder = decoder_of(TableDecoder)
    strange = pa.table({"transaction_id": ["T"], "colour": ["red"]})
    with pytest.raises(MappingError, match="does not say what the column 'colour' is"):
        decoder.decode(RecordChunk("x.csv", START, START, 1, table=strange), first_position=0)
    public = pa.table({name: ["1"] for name in ("tx_id", "ts", "src", "dst", "amount", "currency", "tx_type")})
    with pytest.raises(MappingError, match="Add --format canonical"):
        decoder.decode(RecordChunk("x.csv", START, START, 1, table=public), first_position=0)
