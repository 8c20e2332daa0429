"""Chunks that wait, as one batch: the same payments as each chunk read by itself, whatever columns each of them has."""

from dataclasses import fields

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitor.adapters.kafka.payment_chunks import IDENTIFIERS, ChunkEncoder, PaymentChunk, SourcedBatch, decode
from monitor.app.streaming.token_table import TokenTable
from monitor.app.streaming.waiting_chunks import WaitingChunks
from monitor.domain.feed import FeedRows
from monitor.domain.transaction import TransactionBatch
from monitor.intake.identifiers import IdentifierTable
from tests.intake.json_records import KEY, transactions, written
from tests.intake.json_records import decode as decode_lines

FEEDS = ("cards", "core", "wires")


@st.composite
def some_chunks(draw: st.DrawFn) -> list[PaymentChunk]:
    table, made, first = IdentifierTable(KEY), [], 0
    encoder = ChunkEncoder(table)
    for _ in range(draw(st.integers(1, 4))):
        lines = [draw(written(draw(transactions()))) for _ in range(draw(st.integers(1, 4)))]
        batch = decode_lines(b"\n".join(lines), table).batch
        n = len(batch)
        if not n:
            continue
        names = tuple(draw(st.lists(st.sampled_from(FEEDS), unique=True)))
        feed = np.array([draw(st.integers(-1, len(names) - 1)) for _ in range(n)], np.int16)
        feeds = FeedRows(names, feed, np.arange(n, dtype=np.int32))
        sourced = SourcedBatch(batch, np.arange(n, dtype=np.int32) % 3, np.arange(first, first + n))
        made.append(decode(encoder.encode(sourced, np.arange(n), [n], feeds)[0]))
        first += n
    return made


def named(batch: TransactionBatch, tokens: TokenTable) -> list[dict[str, object]]:
    """Each payment with the tokens of its identifiers."""
    columns = {}
    for field in fields(batch):
        values = getattr(batch, field.name).tolist()
        columns[field.name] = (
            [tokens.tokens[code].tobytes() if code >= 0 else None for code in values]
            if field.name in IDENTIFIERS
            else values
        )
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


@given(some_chunks())
def test_together_they_are_what_each_is_by_itself(chunks: list[PaymentChunk]):
    if not chunks:
        return
    waiting, together, apart = WaitingChunks(), TokenTable(KEY), TokenTable(KEY)
    for each in chunks:
        waiting.add(each)
    batch, sources = waiting.batch(together, 70)
    expected, places, feeds, first = [], [], [], 70
    for each in chunks:
        codes = apart.add_texts(each.tokens, each.kinds, each.texts)
        expected += named(each.batch(codes, first_position=first), apart)
        places += list(zip(each.source_partition.tolist(), each.source_offset.tolist(), strict=True))
        feeds += [each.feeds.feeds[feed] if feed >= 0 else None for feed in each.feeds.feed.tolist()]
        first += len(each)
    assert named(batch, together) == expected
    assert [tuple(row) for row in sources.tolist()] == places
    read = waiting.feeds()
    assert [read.feeds[feed] if feed >= 0 else None for feed in read.feed.tolist()] == feeds
    assert read.part.tolist() == [part for each in chunks for part in each.feeds.part.tolist()]
    assert [together.text(code) for code in range(len(together))] == [apart.text(code) for code in range(len(apart))]
    for field in fields(batch):
        column = getattr(batch, field.name)
        assert column.flags.carray, field.name
