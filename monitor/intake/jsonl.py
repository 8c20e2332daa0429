"""JSON lines to columns: a kernel for the plain records, Python for the rest, one result.

A chunk goes three steps. :func:`monitor.intake.json_scan.scan_lines` finds the fields and converts the numbers of
every plain record. Records it declines are read by :mod:`monitor.intake.slow_decode`, which accepts them, and then
their texts join the others in the chunk's buffer, or refuses them. :func:`monitor.intake.seal.sealed` makes
codes, ids, digests and columns of all accepted records, in the order of the lines.

Whether a record went the fast or the slow way cannot be seen in the result; ``tests/intake/test_jsonl.py`` checks
that with random records.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from monitor.domain.identifiers import IdentifierKind
from monitor.domain.refusal import Refusal
from monitor.intake.compiled import PADDING_BYTES
from monitor.intake.identifiers import IdentifierTable, Uint8s
from monitor.intake.json_scan import RECORD_BYTES_MAX, count_lines, scan_lines
from monitor.intake.record_fields import FIELD_NUMBER, FIELDS, MENDED, REFUSED, SLOW, VALUES
from monitor.intake.records import DecodedChunk, RecordChunk
from monitor.intake.seal import seal_keys, sealed
from monitor.intake.slow_decode import Expectations, Record, RecordRefused, check_record, read_json

_NEWLINE = 10


class _Rows(NamedTuple):
    """Work space for the rows of a chunk, used again for the next: fresh memory costs as much as the scan."""

    lines: npt.NDArray[np.int64]
    spans: npt.NDArray[np.int32]
    values: npt.NDArray[np.int64]
    state: Uint8s


def _rows(rows: int) -> _Rows:
    return _Rows(
        np.empty((rows, 3), np.int64),
        np.empty((rows, 2 * len(FIELDS)), np.int32),
        np.empty((rows, VALUES), np.int64),
        np.empty(rows, np.uint8),
    )


class JsonLinesDecoder:
    """Turns chunks of JSON lines into batches.

    >>> from monitor.intake.records import SourcePosition
    >>> decoder = JsonLinesDecoder(IdentifierTable(b"k" * 32), entities=None, default_entity="HQ")
    >>> line = (
    ...     b'{"transaction_id":"T1","booked_at":"2026-05-04T09:00:00Z",'
    ...     b'"amount":"12.5","currency":"EUR","debtor_customer":"C1"}'
    ... )
    >>> start = SourcePosition(0, 0)
    >>> chunk = RecordChunk("a.jsonl", start, start, first_record=1, lines=line + b"\\n[]\\n")
    >>> decoded = decoder.decode(chunk, first_position=0)
    >>> decoded.batch.amount_minor.tolist(), decoded.refusals[0].place, decoded.refusals[0].reason.value
    ([1250], 'a.jsonl:2', 'not_an_object')
    """

    def __init__(
        self,
        identifiers: IdentifierTable,
        *,
        entities: frozenset[str] | None,
        default_entity: str | None,
        accounts_are_ours: bool = False,
        by_definition: bool = False,
    ) -> None:
        """Keep what records are checked against.

        Args:
            identifiers: Codes of the run; accepted records add to it.
            entities: Booking entities that exist; ``None`` allows any.
            default_entity: The entity of records that name none; ``None`` leaves it unknown.
            accounts_are_ours: Whether a side with an account and no customer is the bank's own, for sources that
                name no customers.
            by_definition: Read every record slowly, by the definition. The result is the same.

        Raises:
            ValueError: The default entity is not among the entities.
        """
        if entities is not None and default_entity is not None and default_entity not in entities:
            raise ValueError(f"the default entity {default_entity!r} is not in entities.yaml; add it there")
        self._known_entities = IdentifierTable(identifiers.key)
        if entities is not None:
            self._known_entities.encode(IdentifierKind.ENTITY, sorted(entities))
        self._entity_header = self._known_entities.room(0, 0)[: 0 if entities is None else None]
        self._identifiers = identifiers
        self._expected = Expectations(entities, accounts_are_ours)
        self._by_definition = by_definition
        self.read_slowly = 0
        """Records so far that the kernel declined, for metrics: many of them cost speed, nothing else."""
        self._keys = seal_keys(identifiers.key)
        self._default_entity = None if default_entity is None else default_entity.encode()
        self._buffer = np.zeros(0, np.uint8)
        self._rows = _rows(0)

    def decode(self, chunk: RecordChunk, *, first_position: int) -> DecodedChunk:
        """The records of a chunk of whole lines.

        Args:
            chunk: With ``lines`` set; the last line may lack its newline.
            first_position: Log position of the first record. Lines of white space are no records.

        Returns:
            Accepted rows and refusals; their numbers add up to ``records``.
        """
        if chunk.lines is None:
            raise ValueError(f"{chunk.name}: a chunk of lines is expected, this one is a table")
        buffer, default_entity, used = self._filled(chunk.lines)
        size = len(chunk.lines)
        rows_max = int(count_lines(buffer, size)) + 1
        if rows_max > len(self._rows.state):
            self._rows = _rows(2 * rows_max)
        lines, spans, values, state = self._rows
        ours = self._expected.accounts_are_ours
        records = int(scan_lines(buffer, size, self._entity_header, ours, lines, spans, values, state))
        lines, spans, values, state = lines[:records], spans[:records], values[:records], state[:records]
        if self._by_definition:
            state[:] = SLOW
        positions = np.arange(first_position, first_position + records)
        buffer, refusals = self._mend(chunk, buffer, used, lines, spans, values, state, first_position)
        batch, texts = sealed(
            buffer,
            (spans, values, state),
            self._identifiers,
            self._keys,
            positions=positions,
            default_entity=default_entity,
            accounts_are_ours=ours,
        )
        return DecodedChunk(records, batch, texts, refusals)

    def _filled(self, lines: bytes) -> tuple[Uint8s, tuple[int, int], int]:
        """The buffer with a chunk, a newline, padding and the default entity; its span; bytes used."""
        size, entity = len(lines), self._default_entity or b""
        entity_start = size + 1 + PADDING_BYTES
        used = entity_start + len(entity)
        if len(self._buffer) < used + PADDING_BYTES:
            self._buffer = np.zeros(2 * (used + PADDING_BYTES), np.uint8)
        buffer = self._buffer
        buffer[:size] = np.frombuffer(lines, np.uint8)
        buffer[size:entity_start] = 0
        buffer[size] = _NEWLINE
        buffer[entity_start:used] = np.frombuffer(entity, np.uint8)
        return buffer, (entity_start if entity else -1, len(entity)), used

    def _mend(
        self,
        chunk: RecordChunk,
        buffer: Uint8s,
        used: int,
        lines: npt.NDArray[np.int64],
        spans: npt.NDArray[np.int32],
        values: npt.NDArray[np.int64],
        state: Uint8s,
        first_position: int,
    ) -> tuple[Uint8s, list[Refusal]]:
        """Read the declined rows slowly: mended rows get their spans and values, refused rows their refusal."""
        assert chunk.lines is not None
        refusals: list[Refusal] = []
        pieces: list[bytes] = []
        at = used
        declined = np.flatnonzero(state == SLOW).tolist()
        self.read_slowly += len(declined)
        for row in declined:
            start, end, line = lines[row].tolist()
            original = chunk.lines[start:end]
            try:
                record = check_record(read_json(original), self._expected)
            except RecordRefused as refused:
                state[row] = REFUSED
                place = f"{chunk.name}:{chunk.first_record + line}"
                kept = original[:RECORD_BYTES_MAX]
                refusals.append(Refusal(first_position + row, place, refused.reason, refused.detail, kept))
            else:
                state[row] = MENDED
                values[row] = record.values
                at = _note_spans(spans[row], record, pieces, at)
        if not pieces:
            return buffer, refusals
        return np.concatenate([buffer[:used], np.frombuffer(b"".join(pieces), np.uint8), _PADDING]), refusals


_PADDING = np.zeros(PADDING_BYTES, np.uint8)


def _note_spans(spans: npt.NDArray[np.int32], record: Record, pieces: list[bytes], at: int) -> int:
    """Spans of a mended row's texts, which are put behind byte ``at``; the place behind them."""
    spans[:] = -1
    for name, text in record.texts.items():
        field = FIELD_NUMBER[name]
        spans[2 * field : 2 * field + 2] = at, len(text)
        pieces.append(text)
        at += len(text)
    return at
