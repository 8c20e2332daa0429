"""However payments lie in messages, each is accepted as in a file or refused with its bytes; a decoder may fail."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.adapters.kafka.payment_chunks import COLUMNS
from monitor.app.streaming.arriving import Arrivals, ArrivedMessage
from monitor.intake.identifiers import IdentifierTable
from monitor.intake.jsonl import JsonLinesDecoder
from monitor.intake.records import DecodedChunk, RecordChunk
from tests.intake.iso20022.messages import Payment, settlement
from tests.intake.json_records import KEY, decode, plain, transactions, written

lines = st.one_of(
    transactions().flatmap(written),
    st.sampled_from([b"{", b"[]", b"\xff", b"{}", b'{"remittance":"' + b"x" * 66_000, b"\x0b", plain().strip()]),
)
blanks = st.sampled_from([b"", b" ", b"\t\r"])
messages = st.lists(st.lists(lines | blanks, max_size=4), max_size=6)


def arrivals(**changes: object) -> Arrivals:
    settings = {"entities": frozenset({"HQ", "FR-01"}), "default_entity": "HQ"} | changes
    return Arrivals("in", IdentifierTable(KEY), **settings)  # type: ignore[arg-type]


def as_messages(values: Sequence[bytes | None], content: str = "") -> list[ArrivedMessage]:
    return [ArrivedMessage(2, 100 + number, value, content) for number, value in enumerate(values)]


@given(messages)
def test_payments_in_messages_are_those_of_the_same_lines_in_a_file(given_lines: list[list[bytes]]):
    reader, table = arrivals(), IdentifierTable(KEY)
    arrived = reader.decode(as_messages([b"\n".join(each) for each in given_lines]))
    known = [(100 + number, line) for number, each in enumerate(given_lines) for line in each if line.strip(b" \t\r")]
    expected = decode(b"\n".join(line for _, line in known), table)
    for name in COLUMNS:
        assert getattr(arrived.payments.batch, name).tolist() == getattr(expected.batch, name).tolist(), name
    assert reader.identifiers.tokens.tobytes() == table.tokens.tobytes()
    offsets = [offset for offset, _ in known]
    assert arrived.payments.source_offset.tolist() == [offsets[row] for row in expected.batch.position]
    assert set(arrived.payments.source_partition.tolist()) <= {2}
    empty = [100 + number for number, each in enumerate(given_lines) if not b"".join(each).strip()]
    refused = [(offsets[each.position], each.reason.value, known[each.position][1]) for each in expected.refusals]
    found = [(each.source_offset, each.reason, each.original) for each in arrived.refused if each.original.strip()]
    blank = [each.source_offset for each in arrived.refused if not each.original.strip()]
    assert found == [each for each in refused if each[2].strip()]
    assert sorted(blank) == sorted(
        [*empty, *(each[0] for each in refused if not each[2].strip() and each[0] not in empty)]
    )


def test_a_line_among_several_is_named_and_a_message_without_bytes_is_refused():
    arrived = arrivals().decode(as_messages([plain() + b"\n[]\n{}", None, b"[]"]))
    assert [each.place for each in arrived.refused] == ["in:2:101", "in:2:100:2", "in:2:100:3", "in:2:102"]
    assert arrived.refused[0].detail == "the message is empty"


def test_nothing_gives_nothing():
    arrived = arrivals().decode([])
    assert (len(arrived.payments), arrived.refused) == (0, [])


def test_a_document_has_the_payments_that_the_file_has_and_each_refused_one_by_itself():
    document = settlement(Payment(), Payment(uetr=None, amount="0"), Payment(uetr=None, tx_id="T3"))
    arrived = arrivals(entities=None).decode([ArrivedMessage(2, 101, document, "iso20022")])
    assert arrived.payments.source_offset.tolist() == [101, 101]
    (refused,) = arrived.refused
    assert (refused.reason, refused.place, refused.content) == ("amount_not_positive", "in:2:101 row 2", "iso20022")
    again = arrivals(entities=None).decode([ArrivedMessage(0, 0, refused.original, refused.content)])
    assert ([each.reason for each in again.refused], len(again.payments)) == (["amount_not_positive"], 0)


def test_json_and_documents_keep_their_order():
    values = [plain(transaction_id="A"), settlement(Payment()), plain(transaction_id="B")]
    mixed = [ArrivedMessage(0, n, value, "iso20022" if n == 1 else "json") for n, value in enumerate(values)]
    payments = arrivals(entities=None).decode(mixed).payments
    assert payments.source_offset.tolist() == [0, 1, 2]
    assert payments.batch.amount_minor.tolist() == [1250, 980_000, 1250]


@pytest.mark.parametrize("content", ["morse", "iso20022-"])
def test_bytes_of_an_unknown_kind_are_refused_whole(content: str):
    (refused,) = arrivals().decode(as_messages([plain()], content)).refused
    assert (refused.reason, refused.original) == ("message_unknown", plain())
    assert f"content '{content}'" in refused.detail


def test_a_message_on_which_the_decoder_fails_is_refused_alone():
    class Failing(JsonLinesDecoder):
        def decode(self, chunk: RecordChunk, *, first_position: int) -> DecodedChunk:
            if b"boom" in (chunk.lines or b""):
                raise ZeroDivisionError("by boom")
            return super().decode(chunk, first_position=first_position)

    reader = arrivals()
    reader = arrivals(lines=Failing(reader.identifiers, entities=None, default_entity="HQ"))
    values = [plain(transaction_id="boom" if n in (17, 30) else f"T{n}") for n in range(50)]
    arrived = reader.decode(as_messages(values))
    assert [(each.source_offset, each.reason) for each in arrived.refused] == [
        (117, "decoder_failed"),
        (130, "decoder_failed"),
    ]
    assert arrived.refused[0].detail == "ZeroDivisionError: by boom"
    assert arrived.payments.source_offset.tolist() == [100 + n for n in range(50) if n not in (17, 30)]


def test_memory_that_is_gone_is_no_fault_of_a_message():
    class Failing(JsonLinesDecoder):
        def decode(self, chunk: RecordChunk, *, first_position: int) -> DecodedChunk:
            if chunk.lines:
                raise MemoryError
            return super().decode(chunk, first_position=first_position)

    table = IdentifierTable(KEY)
    with pytest.raises(MemoryError):
        arrivals(lines=Failing(table, entities=None, default_entity="HQ")).decode(as_messages([plain()]))
