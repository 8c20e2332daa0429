"""Parts of bank snapshots between the codes of one partition, and records that every partition understands."""

from dataclasses import replace

import numpy as np

from monitor.adapters.kafka import bank_records
from monitor.adapters.kafka.bank_records import BankRecord
from monitor.app.streaming.token_table import TokenTable
from monitor.domain.bank_part import WHOLE_BANK, BankPart
from monitor.domain.identifiers import IdentifierKind


def records_of(part: BankPart, tokens: TokenTable, *, teller: int, began: int) -> list[bytes]:
    """The records that tell a part: its segments by token and word."""
    is_segment = part.segments != WHOLE_BANK
    codes = part.segments[is_segment]
    rows = np.where(is_segment, np.cumsum(is_segment) - 1, WHOLE_BANK).astype(np.int32)
    words = tuple(map(tokens.text, codes.tolist()))
    return bank_records.encode(BankRecord(teller, began, replace(part, segments=rows), tokens.tokens[codes], words))


def part_of(record: BankRecord, tokens: TokenTable) -> BankPart:
    """The part that a record tells, with codes of segments; new ones where they are new."""
    kinds = np.full(len(record.words), IdentifierKind.SEGMENT, np.int8)
    return record.part_with(tokens.add(record.tokens, kinds, record.words.__getitem__))
