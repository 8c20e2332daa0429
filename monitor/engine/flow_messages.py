"""Carried records between codes, which are of one process, and tokens, which all partitions share."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from monitor.domain.flow import (
    FIRST,
    HOPS,
    HOPS_MAX,
    N_ACCOUNT,
    R_AMOUNT,
    R_COUNT,
    R_CURRENCY,
    R_IS_HUB,
    R_PAYEE,
    R_PAYEE_OWNER,
    R_PAYER,
    R_PAYER_OWNER,
    R_POSITION,
    R_TRAILS,
    T_ENDS,
    TRAIL_HEAD,
    TRAILS_MAX,
    FlowMessage,
    Records,
)
from monitor.domain.transaction import Bytes16, Int32s, Int64s
from monitor.engine.compiled import kernel

_CODE_MAX = 2**31 - 1


class UnsoundMessage(ValueError):
    """The words of a message are not sound; the message of this error says what is wrong."""


CodeOf = Callable[[Bytes16], Int32s]
"""The codes of tokens, shape (n, 16), in this process; new ones where they are new."""


@kernel
def _places_of(starts: Int64s, words: Int64s, places: Int64s) -> int:
    """Where codes stand, counted in halves of words; returns how many, or -1 where a record is not sound."""
    found, at, before = 0, 0, -1
    for i in range(len(starts) - 1):
        if starts[i] != at or at + R_TRAILS > len(words):
            return -1
        trails = words[at + R_COUNT]
        is_sound = 0 <= trails <= TRAILS_MAX and words[at + R_PAYEE] >= 0 and words[at + R_PAYEE_OWNER] >= 0
        is_sound = is_sound and (words[at + R_PAYER] >= 0) == (words[at + R_PAYER_OWNER] >= 0)
        is_sound = is_sound and words[at + R_POSITION] > before and words[at + R_AMOUNT] > 0
        is_sound = is_sound and 0 <= words[at + R_CURRENCY] <= 0xFFFF and 0 <= words[at + R_IS_HUB] <= 1
        if not is_sound:
            return -1
        before = words[at + R_POSITION]
        for word in (R_PAYER, R_PAYER_OWNER, R_PAYEE, R_PAYEE_OWNER):
            if not -1 <= words[at + word] <= _CODE_MAX:
                return -1
            if words[at + word] >= 0:
                places[found] = 2 * (at + word)
                found += 1
        at += R_TRAILS
        for _ in range(trails):
            if at + TRAIL_HEAD > len(words) or not 2 <= words[at + FIRST] & HOPS <= HOPS_MAX:
                return -1
            places[found], places[found + 1] = 2 * (at + T_ENDS), 2 * (at + T_ENDS) + 1
            found += 2
            at += TRAIL_HEAD + (words[at + FIRST] & HOPS) - 2
        if starts[i + 1] != at:
            return -1
    return found if at == len(words) else -1


def to_message(records: Records, notes: Int64s, tokens: Bytes16) -> FlowMessage:
    """Records and notes for another partition; ``tokens`` are those of this process by code, shape (codes, 16)."""
    words, told = records.words.copy(), notes.copy()
    halves, places = words.view(np.int32), _places(records)
    codes, rows = np.unique(np.concatenate((halves[places], notes[:, N_ACCOUNT])), return_inverse=True)
    halves[places], told[:, N_ACCOUNT] = rows[: len(places)], rows[len(places) :]
    return FlowMessage(tokens[codes], Records(records.starts, words), told)


def from_message(message: FlowMessage, code_of: CodeOf) -> tuple[Records, Int64s]:
    """Records and notes with the codes of this process.

    Raises:
        UnsoundMessage: The words are not sound; nothing has been taken in.
    """
    words, notes = message.records.words.copy(), message.notes.copy()
    halves, places = words.view(np.int32), _places(message.records)
    rows = np.concatenate((halves[places], notes[:, N_ACCOUNT]))
    if len(rows) and not 0 <= rows.min() <= rows.max() < len(message.names):
        raise UnsoundMessage("a message of carried money names an account that it does not list")
    codes = code_of(message.names)
    halves[places], notes[:, N_ACCOUNT] = codes[halves[places]], codes[notes[:, N_ACCOUNT]]
    return Records(message.records.starts, words), notes


def _places(records: Records) -> npt.NDArray[np.int64]:
    places = np.empty(len(records.words), np.int64)
    found = _places_of(records.starts, records.words, places)
    if found < 0:
        raise UnsoundMessage("a message of carried money has a record whose words are not sound")
    return places[:found]
