"""Messages of topic ``transactions`` become payments in columns and refused payments, and nothing else.

A message holds one payment as JSON, or several as lines of JSON; with the header ``content`` it holds messages of
ISO 20022 (the words of ``aml run --format``: ``iso20022``, ``iso20022-entries``). The decoders are those of every
other source, so a payment has the same columns, digest and reason of refusal as in a file.

Neighbouring messages of JSON are decoded together, about 1 MiB at a time. If a decoder itself fails, which would be a
mistake in it, the messages are decoded by ever smaller groups, and the one that it fails on is refused alone.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from monitor.adapters.kafka.payment_chunks import SourcedBatch
from monitor.adapters.kafka.refused_records import DECODER_FAILED, RefusedPayment
from monitor.domain.refusal import Reason
from monitor.domain.transaction import Int64s, TransactionBatch
from monitor.intake.identifiers import IdentifierTable
from monitor.intake.iso20022.decoding import MessageDecoder
from monitor.intake.iso20022.reading import MessageReader
from monitor.intake.json_scan import RECORD_BYTES_MAX
from monitor.intake.jsonl import JsonLinesDecoder
from monitor.intake.layouts import MESSAGE_LAYOUTS
from monitor.intake.lines import CHUNK_BYTES
from monitor.intake.records import RecordChunk, SourcePosition
from monitor.intake.sources import Decoder

JSON = "json"
_BLANK = b" \t\r"
_START = SourcePosition(0, 0)


class ArrivedMessage(NamedTuple):
    """A message as it came. ``content`` is the header of this name, empty for JSON."""

    partition: int
    offset: int
    value: bytes | None
    content: str = ""


@dataclass(frozen=True, slots=True)
class Arrived:
    """What became of some messages: payments in their order, and those that were refused."""

    payments: SourcedBatch
    refused: list[RefusedPayment]


@dataclass(slots=True)
class _Found:
    """Decoded so far: batches, the number of the message of each of their rows, refusals."""

    batches: list[TransactionBatch] = field(default_factory=list)
    owners: list[Int64s] = field(default_factory=list)
    refused: list[RefusedPayment] = field(default_factory=list)


class Arrivals:
    """Decodes messages under one table of identifiers.

    >>> arrivals = Arrivals("in", IdentifierTable(b"k" * 32), entities=None, default_entity="HQ")
    >>> line = (b'{"transaction_id":"T1","booked_at":"2026-05-04T09:00:00Z","amount":"12.5","currency":"EUR",'
    ...         b'"debtor_customer":"C1"}')
    >>> arrived = arrivals.decode([ArrivedMessage(3, 7, line), ArrivedMessage(3, 8, line + b"\\n[]")])
    >>> arrived.payments.batch.amount_minor.tolist(), arrived.payments.source_offset.tolist()
    ([1250, 1250], [7, 8])
    >>> [(each.place, each.reason, each.original) for each in arrived.refused]
    [('in:3:8:2', 'not_an_object', b'[]')]
    """

    def __init__(
        self,
        topic: str,
        identifiers: IdentifierTable,
        *,
        entities: frozenset[str] | None,
        default_entity: str | None,
        zone: str = "UTC",
        lines: Decoder | None = None,
    ) -> None:
        """Keep what messages are checked against.

        Args:
            topic: For places.
            identifiers: Codes of the accepted payments; new ones are added.
            entities: Booking entities that exist; ``None`` allows any.
            default_entity: The entity of payments that name none.
            zone: Of times in messages of ISO 20022 that name none.
            lines: Decoder of JSON lines, instead of :class:`JsonLinesDecoder`.

        Raises:
            ValueError: The default entity is not among the entities.
        """
        self._topic, self._zone = topic, zone
        self.identifiers = identifiers
        self._lines = lines or JsonLinesDecoder(identifiers, entities=entities, default_entity=default_entity)
        self._messages = MessageDecoder(identifiers, entities=entities, default_entity=default_entity)
        nothing = RecordChunk(topic, _START, _START, 1, lines=b"")
        self._none = self._lines.decode(nothing, first_position=0).batch

    def decode(self, messages: Sequence[ArrivedMessage]) -> Arrived:
        """What is in some messages; every payment is accepted or refused."""
        found = _Found()
        records: list[bytes] = []
        owners: list[int] = []
        size = 0
        for number, message in enumerate(messages):
            value = message.value
            if not value or value.isspace():
                self._refuse(found, message, Reason.NOT_JSON.value, "the message is empty", value or b"")
            elif message.content not in ("", JSON):
                self._decode_records(found, messages, records, owners)
                records, owners, size = [], [], 0
                self._decode_document(found, message, number, value)
            else:
                lines = [value]
                if b"\n" in value:
                    # Every line that the decoder takes for a record, no other: a record is known by its number.
                    lines = [each for each in value.split(b"\n") if each.strip(_BLANK) or len(each) > RECORD_BYTES_MAX]
                records += lines
                owners += [number] * len(lines)
                size += len(value)
                if size >= CHUNK_BYTES:
                    self._decode_records(found, messages, records, owners)
                    records, owners, size = [], [], 0
        self._decode_records(found, messages, records, owners)
        return Arrived(self._sourced(found, messages), found.refused)

    def _sourced(self, found: _Found, messages: Sequence[ArrivedMessage]) -> SourcedBatch:
        batch = found.batches[0] if len(found.batches) == 1 else _joined([self._none, *found.batches])
        owner = np.concatenate([np.zeros(0, np.int64), *found.owners])
        partitions = np.array([message.partition for message in messages], np.int32)
        offsets = np.array([message.offset for message in messages], np.int64)
        return SourcedBatch(batch, partitions[owner], offsets[owner])

    def _decode_records(
        self, found: _Found, messages: Sequence[ArrivedMessage], records: list[bytes], owners: list[int]
    ) -> None:
        if not records:
            return
        chunk = RecordChunk(self._topic, _START, _START, 1, lines=b"\n".join(records))
        try:
            decoded = self._lines.decode(chunk, first_position=0)
        except MemoryError:
            raise
        except Exception as error:
            if len(records) == 1:
                message = messages[owners[0]]
                self._refuse(found, message, DECODER_FAILED, _named(error), records[0])
                return
            half = len(records) // 2
            self._decode_records(found, messages, records[:half], owners[:half])
            self._decode_records(found, messages, records[half:], owners[half:])
            return
        assert decoded.records == len(records), f"{decoded.records} records in {len(records)} lines"
        found.batches.append(decoded.batch)
        found.owners.append(np.array(owners, np.int64)[decoded.batch.position])
        for refusal in decoded.refusals:
            owner = owners[refusal.position]
            first, stop = bisect_left(owners, owner), bisect_right(owners, owner)
            part = f":{1 + refusal.position - first}" if stop - first > 1 else ""
            self._refuse(found, messages[owner], refusal.reason.value, refusal.detail, records[refusal.position], part)

    def _decode_document(self, found: _Found, message: ArrivedMessage, number: int, value: bytes) -> None:
        books = MESSAGE_LAYOUTS.get(message.content)
        if books is None:
            detail = f"content {message.content!r}; known are {JSON}, {', '.join(MESSAGE_LAYOUTS)}"
            self._refuse(found, message, Reason.MESSAGE_UNKNOWN.value, detail, value)
            return
        records, batches, refusals = 0, [], []
        try:
            reader = MessageReader([value], self._place(message), zone=self._zone, books=books)
            for chunk in reader.chunks(_START):
                decoded = self._messages.decode(chunk, first_position=records)
                records += decoded.records
                batches.append(decoded.batch)
                refusals += decoded.refusals
        except MemoryError:
            raise
        except Exception as error:
            self._refuse(found, message, DECODER_FAILED, _named(error), value)
            return
        if not records:
            self._refuse(found, message, Reason.MESSAGE_UNKNOWN.value, "the message holds no payment", value)
        found.batches += batches
        found.owners += [np.full(len(batch), number, np.int64) for batch in batches]
        for refusal in refusals:
            part = refusal.place.removeprefix(self._place(message)) if records > 1 else ""
            original = refusal.original if records > 1 else value
            self._refuse(found, message, refusal.reason.value, refusal.detail, original, part)

    def _place(self, message: ArrivedMessage) -> str:
        return f"{self._topic}:{message.partition}:{message.offset}"

    def _refuse(
        self, found: _Found, message: ArrivedMessage, reason: str, detail: str, original: bytes, part: str = ""
    ) -> None:
        place = self._place(message) + part
        found.refused.append(
            RefusedPayment(message.partition, message.offset, place, reason, detail, original, message.content)
        )


def _joined(batches: Sequence[TransactionBatch]) -> TransactionBatch:
    return TransactionBatch(
        *(np.concatenate([getattr(batch, name) for batch in batches]) for name in TransactionBatch.__slots__)
    )


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
