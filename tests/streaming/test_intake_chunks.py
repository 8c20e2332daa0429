"""Chunks of payments: what was written is read, damaged bytes give a clear error, personal texts never travel."""

from dataclasses import fields

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.adapters.kafka import payment_chunks
from monitor.adapters.kafka.payment_chunks import (
    COLUMNS,
    IDENTIFIERS,
    ChunkEncoder,
    ChunkError,
    PaymentChunk,
    SourcedBatch,
    decode,
    encode,
)
from monitor.domain.identifiers import PERSONAL_KINDS, IdentifierKind
from monitor.domain.transaction import TransactionBatch
from monitor.intake.identifiers import IdentifierTable
from tests.intake.json_records import KEY, plain, transactions, written
from tests.intake.json_records import decode as decode_lines

Payments = tuple[SourcedBatch, IdentifierTable]


def sourced(lines: bytes, table: IdentifierTable | None = None) -> Payments:
    table = IdentifierTable(KEY) if table is None else table
    batch = decode_lines(lines, table).batch
    n = len(batch)
    return SourcedBatch(batch, np.arange(n, dtype=np.int32) % 3, np.arange(n) + 2**40), table


@st.composite
def payments(draw: st.DrawFn) -> Payments:
    lines = [draw(written(draw(transactions()))) for _ in range(draw(st.integers(1, 6)))]
    return sourced(b"\n".join(lines))


def values(chunk: PaymentChunk) -> list[object]:
    columns = {name: column.tolist() for name, column in chunk.columns.items()}
    sources = chunk.source_partition.tolist(), chunk.source_offset.tolist()
    return [chunk.tokens.tobytes(), chunk.kinds.tolist(), chunk.texts.to_pylist(), columns, sources]


A_CHUNK = encode(*sourced(plain() + plain(debtor_agent="BANK", creditor_account="A1")), np.arange(2))


@given(payments(), st.randoms())
def test_what_was_written_is_read(given_payments: Payments, chance):
    batch, table = given_payments
    rows = np.array([row for row in range(len(batch)) for _ in range(chance.randint(0, 2))], np.int64)
    chunk = decode(encode(batch, table, rows))
    assert chunk.source_partition.tolist() == batch.source_partition[rows].tolist()
    assert chunk.source_offset.tolist() == batch.source_offset[rows].tolist()
    for name, dtype in COLUMNS.items():
        column, expected = chunk.columns[name], getattr(batch.batch, name)[rows]
        assert column.dtype == dtype
        if name in IDENTIFIERS:
            assert [chunk.tokens[row].tobytes() if row >= 0 else b"" for row in column] == [
                table.tokens[code].tobytes() if code >= 0 else b"" for code in expected
            ]
        else:
            assert column.tolist() == expected.tolist()
    for token, kind, text in zip(chunk.tokens, chunk.kinds, chunk.texts.to_pylist(), strict=True):
        code = table.code_of_token(token.tobytes())
        assert kind == table.kind(code)
        assert text == (None if kind in PERSONAL_KINDS else table.text(code))


@given(payments())
def test_read_under_the_codes_of_the_table_it_is_the_batch_that_was_written(given_payments: Payments):
    batch, table = given_payments
    chunk = decode(encode(batch, table, np.arange(len(batch))))
    codes = np.array([table.code_of_token(token.tobytes()) for token in chunk.tokens], np.int32)
    read = chunk.batch(codes, first_position=70)
    for field in fields(TransactionBatch):
        expected = getattr(batch.batch, field.name) + (70 if field.name == "position" else 0)
        assert getattr(read, field.name).tolist() == expected.tolist(), field.name
        assert getattr(read, field.name).flags.writeable


def test_no_personal_text_is_in_the_bytes():
    names = {"debtor_customer": "CUST-7", "debtor_account": "ACCT-7", "device": "DEVICE-7", "link": "LINK-7"}
    value = encode(*sourced(plain(**names, debtor_agent="AGENT-7")), np.arange(1))
    assert b"AGENT-7" in value
    assert [text for text in names.values() if text.encode() in value] == []


def test_several_chunks_at_once_are_those_made_one_by_one_and_the_table_may_grow_between():
    table = IdentifierTable(KEY)
    encoder = ChunkEncoder(table)
    for first in (0, 400):
        lines = [plain(transaction_id=f"T{n}", debtor_customer=f"C{n % 90}", debtor_agent=f"B{n % 7}") for n in
                 range(first, first + 400)]  # fmt: skip
        batch, _ = sourced(b"".join(lines), table)
        rows = np.array([*range(0, 400, 3), *range(0, 400, 5), 399])
        chunks = encoder.encode(batch, rows, [134, 214, 215])
        for chunk, part in zip(chunks, np.split(rows, [134, 214]), strict=True):
            assert values(decode(chunk)) == values(decode(encode(batch, table, part)))


@given(st.binary(max_size=200))
@example(b"")
@example(A_CHUNK + b"x")
def test_any_other_bytes_are_refused(value: bytes):
    with pytest.raises(ChunkError, match="is no chunk of payments: "):
        decode(value)


@given(st.data())
def test_damaged_bytes_are_refused_or_read_as_a_sound_chunk(data: st.DataObject):
    value = bytearray(A_CHUNK)
    for _ in range(data.draw(st.integers(1, 4))):
        value[data.draw(st.integers(0, len(value) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, 30))
    try:
        chunk = decode(bytes(value[: len(value) - cut]))
    except ChunkError:
        return
    assert chunk.tokens.shape == (len(chunk.kinds), 16)
    assert {IdentifierKind(kind) for kind in chunk.kinds.tolist()} <= set(IdentifierKind)
    assert {len(column) for column in chunk.columns.values()} == {len(chunk)}
    chunk.batch(np.arange(len(chunk.tokens), dtype=np.int32), first_position=0)
    chunk.texts.to_pylist()


@pytest.mark.parametrize("cut", range(1, 40))
def test_a_chunk_that_was_cut_is_refused(cut: int):
    with pytest.raises(ChunkError):
        decode(A_CHUNK[: len(A_CHUNK) * cut // 40])


def test_a_chunk_of_another_format_is_refused_and_the_format_is_named():
    later = A_CHUNK.replace(b"\x01\x00\x00\x001", b"\x01\x00\x00\x002")
    assert later != A_CHUNK
    with pytest.raises(ChunkError, match="kind 'payments' in format '2', but 'payments' in format '1' is read here"):
        decode(later)


def test_an_identifier_that_is_not_there_is_refused():
    batch, table = sourced(plain())
    value = encode(batch, table, np.arange(1))
    source = pa.BufferReader(value)
    pa.ipc.open_stream(source).read_all()
    end = source.tell()
    read = pa.ipc.open_stream(source).read_all()
    place = read.schema.get_field_index("debtor_holder")
    for wrong in (1 + read.num_columns, -2):
        changed = read.set_column(place, read.schema.field(place), pa.array([wrong], pa.int32()))
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, read.schema) as writer:
            writer.write_table(changed)
        with pytest.raises(ChunkError, match=f"debtor_holder names the identifiers from {wrong} to {wrong} of"):
            decode(value[:end] + sink.getvalue().to_pybytes())


def test_identifiers_stand_in_the_order_of_their_first_occurrence():
    lines = [plain(debtor_customer=customer, debtor_agent=agent) for customer, agent in ("BX", "AY", "BY", "CX")]
    batch, table = sourced(b"".join(lines))
    chunk = decode(encode(batch, table, np.array([1, 0, 2, 1, 3])))
    names = [table.text(table.code_of_token(token.tobytes())) for token in chunk.tokens]
    assert [name for name in names if name != "HQ"] == ["A", "Y", "B", "X", "C"]


def test_columns_that_say_nothing_do_not_travel():
    (one, table), (two, other) = sourced(plain()), sourced(plain(device="D1", reverses="T0"))
    assert b"reverses_hi" not in encode(one, table, np.arange(1))
    assert b"reverses_hi" in encode(two, other, np.arange(1))
    assert payment_chunks.FORMAT == 1
