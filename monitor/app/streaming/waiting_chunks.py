"""Chunks of payments that were read and wait to be judged as one batch."""

from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from monitor.adapters.kafka.payment_chunks import COLUMNS, IDENTIFIERS, UNKNOWN_OF, PaymentChunk
from monitor.app.streaming.token_table import TokenTable
from monitor.domain.feed import FeedRows
from monitor.domain.transaction import Int32s, Int64s, TransactionBatch

_NUMBERS = {name: dtype for name, dtype in COLUMNS.items() if name not in IDENTIFIERS}


@dataclass(slots=True)
class WaitingChunks:
    """Chunks and how many payments they have. They are put together column by column: most chunks are small."""

    chunks: list[PaymentChunk] = field(default_factory=list)
    rows: int = 0

    def add(self, chunk: PaymentChunk) -> None:
        """One more."""
        self.chunks.append(chunk)
        self.rows += len(chunk)

    def clear(self) -> None:
        """None waits."""
        self.chunks, self.rows = [], 0

    def batch(self, table: TokenTable, first: int) -> tuple[TransactionBatch, Int64s]:
        """The payments with the codes of a table, and their sources (partition, offset), shape (n, 2).

        Args:
            table: Learns the identifiers that it does not know.
            first: Position of the first payment; the others follow.
        """
        spans = [(start, stop, each) for (start, stop), each in zip(self._spans(), self.chunks, strict=True)]
        columns: dict[str, npt.NDArray[Any]] = dict(zip(IDENTIFIERS, self._codes(table), strict=True))
        for name, dtype in _NUMBERS.items():
            column = columns[name] = np.full(self.rows, UNKNOWN_OF[dtype], dtype)
            for start, stop, each in spans:
                if (part := each.given.get(name)) is not None:
                    column[start:stop] = part
        sources = np.empty((self.rows, 2), np.int64)
        for start, stop, each in spans:
            sources[start:stop, 0], sources[start:stop, 1] = each.source_partition, each.source_offset
        position = np.arange(first, first + self.rows, dtype=np.int64)
        return TransactionBatch(position=position, **columns), sources

    def feeds(self) -> FeedRows:
        """The feeds of the payments, numbered over all chunks."""
        names = {
            name: number for number, name in enumerate(dict.fromkeys(n for c in self.chunks for n in c.feeds.feeds))
        }
        feed = []
        for each in self.chunks:
            own = [names[name] for name in each.feeds.feeds]
            feed.append(
                each.feeds.feed if own == [*range(len(own))] else np.array([*own, -1], np.int16)[each.feeds.feed]
            )
        return FeedRows(tuple(names), np.concatenate(feed), np.concatenate([each.feeds.part for each in self.chunks]))

    def _spans(self) -> list[tuple[int, int]]:
        return list(pairwise(np.cumsum([0, *map(len, self.chunks)]).tolist()))

    def _codes(self, table: TokenTable) -> npt.NDArray[np.int32]:
        """The codes of :data:`IDENTIFIERS`, shape (columns, n).

        The identifiers of all chunks are looked up at once. Before those of each chunk stands a place for none, so that
        row ``-1`` of a chunk finds it there.
        """
        begins = np.cumsum([0, *(len(each.kinds) for each in self.chunks)]).tolist()

        def text_of(row: int) -> str | None:
            number = bisect_right(begins, row) - 1
            text: str | None = self.chunks[number].texts[row - begins[number]].as_py()
            return text

        tokens = np.concatenate([each.tokens for each in self.chunks])
        codes = table.add(tokens, np.concatenate([each.kinds for each in self.chunks]), text_of)
        known: Int32s = np.full(len(codes) + len(self.chunks), -1, np.int32)
        rows = np.full((len(IDENTIFIERS), self.rows), -1, np.int32)
        for number, ((start, stop), each) in enumerate(zip(self._spans(), self.chunks, strict=True)):
            first = begins[number] + number + 1
            known[first : begins[number + 1] + number + 1] = codes[begins[number] : begins[number + 1]]
            for column, name in enumerate(IDENTIFIERS):
                if (part := each.given.get(name)) is not None:
                    rows[column, start:stop] = part
            rows[:, start:stop] += first
        return known[rows]
