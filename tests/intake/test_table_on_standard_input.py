"""Standard input has no name that tells what it is: a table there is told, not refused line by line."""

import os

import pytest

from monitor.intake.identifiers import IdentifierTable
from monitor.intake.mapping import MappingError
from monitor.intake.records import RecordChunk, SourcePosition
from monitor.intake.sources import open_source

RECORD = b'{"transaction_id":"T1","booked_at":"2026-05-04T09:00:00Z"}\n'


def chunks_of(data: bytes) -> list[RecordChunk]:
    read, write = os.pipe()
    os.write(write, data)
    os.close(write)
    source = open_source("-", identifiers=IdentifierTable(b"k" * 32), entities=None, default_entity=None,
                         standard_input=read)  # fmt: skip
    try:
        return list(source.chunks(SourcePosition(0, 0)))
    finally:
        os.close(read)


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (b"transaction_id,booked_at,amount\nT1,2026-05-04T09:00:00Z,1.00\n", "a header as CSV has one"),
        (b"PAR1\x15\x04\x15\x10\n", "Parquet cannot be read from standard input"),
    ],
)
def test_a_table_on_standard_input_is_told_at_its_beginning(data: bytes, answer: str):
    with pytest.raises(MappingError, match=answer):
        chunks_of(data)


@pytest.mark.parametrize("data", [RECORD, b"\n" + RECORD, b"not json\n" + RECORD, RECORD[1:] + RECORD])
def test_anything_else_is_lines(data: bytes):
    assert b"".join(chunk.lines or b"" for chunk in chunks_of(data)) == data
