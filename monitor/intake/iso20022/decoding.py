"""Chunks of messages to batches, through the one decoder of records.

The fields of a payment are written as the JSON record that a sender would have sent, so a payment has the same id,
digest, checks and reasons of refusal as in every other format. The accounts are the bank's own where no
customer is named: messages carry account numbers.
"""

from dataclasses import replace

from monitor.domain.refusal import Reason, Refusal
from monitor.intake.identifiers import IdentifierTable
from monitor.intake.json_write import json_lines
from monitor.intake.jsonl import JsonLinesDecoder
from monitor.intake.records import DecodedChunk, RecordChunk
from monitor.intake.tabular import records_at


class MessageDecoder:
    """Turns chunks of :class:`monitor.intake.iso20022.reading.MessageReader` into batches."""

    def __init__(
        self, identifiers: IdentifierTable, *, entities: frozenset[str] | None, default_entity: str | None
    ) -> None:
        """As :class:`JsonLinesDecoder`.

        Raises:
            ValueError: The default entity is not among the entities.
        """
        self._lines = JsonLinesDecoder(
            identifiers, entities=entities, default_entity=default_entity, accounts_are_ours=True
        )

    def decode(self, chunk: RecordChunk, *, first_position: int) -> DecodedChunk:
        """The records of a chunk with ``table`` set; every row is accepted or refused."""
        if chunk.table is None:
            raise ValueError(f"{chunk.name}: a table of messages is expected, this chunk has lines")
        columns = {name: chunk.table.column(name) for name in chunk.table.column_names}
        lines = json_lines(columns)
        if chunk.faults:
            # A row with a fault has no meaning of its own, whatever could be read of it.
            rows = lines.split(b"\n")
            for row in chunk.faults:
                rows[row] = b"{}"
            lines = b"\n".join(rows)
        as_lines = replace(chunk, lines=lines, table=None, originals=None, faults={})
        decoded = self._lines.decode(as_lines, first_position=first_position)
        refusals = [self._refusal(chunk, refusal, first_position) for refusal in decoded.refusals]
        return replace(decoded, refusals=refusals)

    def _refusal(self, chunk: RecordChunk, refusal: Refusal, first_position: int) -> Refusal:
        row = refusal.position - first_position
        ((place, original, header),) = records_at(chunk, [row])
        if row in chunk.faults:
            reason, _, detail = chunk.faults[row].partition(": ")
            refusal = replace(refusal, reason=Reason(reason), detail=detail)
        return replace(refusal, place=place, original=original, header=header)
