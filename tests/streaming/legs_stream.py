"""A bank's payments as records of one partition of the log of legs, and what an embedded engine makes of them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from monitor.adapters.kafka.payment_chunks import KIND, ChunkEncoder, SourcedBatch
from monitor.app.inputs import LoadedInputs, engine_inputs
from monitor.app.profiles import ProfileTimeline
from monitor.app.streaming.partition import LogRecord
from monitor.domain.alert import Alert
from monitor.domain.time import UNKNOWN
from monitor.domain.transaction import TransactionBatch
from monitor.engine.engine import Engine
from monitor.intake.identifiers import IdentifierTable
from monitor.intake.jsonl import JsonLinesDecoder
from monitor.intake.lines import read_lines
from monitor.intake.records import SourcePosition

KEY = bytes(range(32))


@dataclass(frozen=True)
class LegsStream:
    """Payments as columns, with their identifiers, and the same as chunks."""

    identifiers: IdentifierTable
    batch: TransactionBatch

    @classmethod
    def of(cls, path: Path, loaded: LoadedInputs) -> "LegsStream":
        """The payments of a file of JSON lines."""
        identifiers = IdentifierTable(KEY)
        engine_inputs(loaded, identifiers)
        entities = loaded.entities
        decoder = JsonLinesDecoder(
            identifiers, entities=frozenset(entities.entities), default_entity=entities.default
        )  # fmt: skip
        batches, position = [], 0
        for chunk in read_lines(str(path), start=SourcePosition(0, 0)):
            decoded = decoder.decode(chunk, first_position=position)
            position += decoded.records
            batches.append(decoded.batch)
        names = TransactionBatch.__slots__
        columns = {name: np.concatenate([getattr(each, name) for each in batches]) for name in names}
        columns["position"] = np.arange(len(columns["position"]))
        return cls(identifiers, TransactionBatch(**columns))

    def records(self, *, rows: int) -> list[LogRecord]:
        """The payments as records of at most so many payments each."""
        count = len(self.batch)
        sourced = SourcedBatch(self.batch, np.zeros(count, np.int32), np.arange(count, dtype=np.int64))
        stops = [*range(rows, count, rows), count]
        values = ChunkEncoder(self.identifiers).encode(sourced, np.arange(count), stops)
        return [LogRecord(offset, KIND, value) for offset, value in enumerate(values)]

    def alerts(self, loaded: LoadedInputs) -> list[Alert]:
        """What an engine raises over all payments at once, without profiles."""
        engine = Engine(loaded.program, engine_inputs(loaded, self.identifiers))
        timeline, clock_us, found = ProfileTimeline(), UNKNOWN, []
        for run, clock in timeline.runs(self.batch, clock_us):
            found += engine.step(run, timeline.table).alerts
            clock_us = clock
        return found
