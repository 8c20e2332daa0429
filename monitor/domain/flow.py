"""What rules may ask of the flow of money, the limits that belong to its meaning, and the record that carries it on.

A payment's money is followed from account to account for 30 days. Some names are known to the one who receives the
payment, some to the one who pays, some to both; seen from another leg they are unknown.
"""

import struct
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from monitor.domain.identifiers import TOKEN_BYTES
from monitor.domain.time import DAY_US
from monitor.domain.transaction import Bytes16, Int64s

MONTH_US = 30 * DAY_US
MILLION = 1_000_000
"""Shares are millionths, rounded down."""
HOPS_MAX = 8
"""A trail that has gone through so many payments goes no further."""
INFLOWS_MAX = 10
TRAILS_MAX = HOPS_MAX - 1
"""One chain of payments, whose every payer is an origin, fits."""

RECEIVED = ("flow.returned_share", "flow.return_kept", "flow.return_hops", "flow.return_time", "flow.middlemen")
MOVED = ("flow.chain_depth", "flow.chain_time", "flow.chain_kept")
PAID = ("flow.pass_through", "flow.dwell_time", "flow.residual", "flow.gathered")
FLOW_NAMES = (*RECEIVED, *MOVED, *PAID)
"""In the order of the columns of ``engine/trails.py``."""
FINDINGS = ("return", "middlemen", "chain")
"""Findings that have a path, in the order in which ``engine/trails.py`` marks them."""


def finding_of(name: str) -> int:
    """Which finding a name is about; -1 for those that have no path.

    >>> finding_of("flow.returned_share"), finding_of("flow.chain_time"), finding_of("flow.residual")
    (0, 2, -1)
    """
    word = name.removeprefix("flow.")
    return next((number for number, finding in enumerate(FINDINGS) if word.startswith(finding)), -1)


class Limits(NamedTuple):
    """How much is kept of an account, and for how long."""

    inflows: int
    trails: int
    least: int
    """A trail with less than one part in ``least`` of the payment is let go."""
    horizon_us: int
    """How long money is followed at an account, by the account's own clock: its latest payment."""
    hub_bits: int
    """So many of 64 bits, one for each other side by its hash, make a hub."""
    late_us: int
    """An account's clock is never further behind that of the log, so that silent accounts are forgotten too."""


LIMITS = Limits(inflows=INFLOWS_MAX, trails=TRAILS_MAX, least=20, horizon_us=MONTH_US, hub_bits=35, late_us=35 * DAY_US)
"""35 of 64 bits are about 50 different others within a month."""

OFFSET_BITS = 40
"""A position is the partition times 2**40 plus the offset in its log; a way keeps 55 bits of it."""

# A carried record: what the payee's side must know of a payment. Accounts and owners are codes, -1 where not known.
(
    R_POSITION, R_TIME, R_PAYER, R_PAYER_OWNER, R_PAYEE, R_PAYEE_OWNER, R_AMOUNT, R_CURRENCY, R_IS_HUB, R_COUNT,
) = range(10)  # fmt: skip
R_TRAILS = 10
"""Words before the first trail."""
# A trail of a record: origin times 2**32 and first hop; position of the first payment times 256 and the number of
# payments; its money in here and what was sent, in minor units; when. Behind it the positions of the payments between.
T_ENDS, FIRST, MONEY, SENT, STARTED = range(5)
TRAIL_HEAD = 5
HOPS_BITS = 8
HOPS = (1 << HOPS_BITS) - 1

# A note: position, what it says, about which account, and the value.
N_POSITION, N_KIND, N_ACCOUNT, N_VALUE = range(4)
NOTE_WORDS = 4
HUB_MARK, TAKE_BACK = range(2)
"""The account is a hub from here on (1) or no longer (0); the payment at a position is taken back from the account."""


@dataclass(frozen=True, slots=True)
class Path:
    """The way of a trail: log positions of its payments, the first and the last included, and its money."""

    positions: tuple[int, ...]
    origin: int
    amount_minor: int
    sent_minor: int


@dataclass(frozen=True, slots=True)
class Records:
    """Carried records without gaps: record ``i`` is ``words[starts[i]:starts[i + 1]]``, ten words and its trails."""

    starts: Int64s
    words: Int64s

    def __len__(self) -> int:
        return len(self.starts) - 1

    def head(self, word: int) -> Int64s:
        """One of the ten first words of every record, shape (n,)."""
        values: Int64s = self.words[self.starts[:-1] + word]
        return values

    def amount(self, row: int) -> int:
        """The amount of a payment, in minor units."""
        return int(self.words[self.starts[row] + R_AMOUNT])

    def trails(self, row: int) -> int:
        """How many trails a payment carries on."""
        return int(self.words[self.starts[row] + R_COUNT])

    def path(self, row: int, number: int) -> Path:
        """The way of one trail of a payment."""
        at = int(self.starts[row])
        position, at = int(self.words[at]), at + R_TRAILS
        for _ in range(number):
            at += TRAIL_HEAD + (int(self.words[at + FIRST]) & HOPS) - 2
        first, hops = divmod(int(self.words[at + FIRST]), 1 << HOPS_BITS)
        between = self.words[at + TRAIL_HEAD : at + TRAIL_HEAD + hops - 2].tolist()
        origin, money, sent = (int(self.words[at + word]) for word in (T_ENDS, MONEY, SENT))
        return Path((first, *between, position), origin >> 32, money, sent)

    def rows(self, chosen: Int64s) -> "Records":
        """The chosen records, in the order given."""
        lengths = np.diff(self.starts)[chosen]
        starts = np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths)))
        words = np.arange(starts[-1]) + np.repeat(self.starts[chosen] - starts[:-1], lengths)
        return Records(starts, self.words[words])


_MAGIC = b"AMLF"
_VERSION = 1
_HEADER = struct.Struct("<4sHHIIII")


@dataclass(frozen=True, slots=True)
class FlowMessage:
    """What one partition tells another of a batch: carried records and notes, with tokens instead of codes.

    ``names`` are the tokens, shape (n, 16); where ``records`` and ``notes`` (shape (m, 4)) have a code of an account or
    owner, a message has the row of its token. Positions rise in both, and all that a position tells a partition is
    in one message.
    """

    names: Bytes16
    records: Records
    notes: Int64s

    def to_bytes(self) -> bytes:
        """Version 1: 24 bytes of header (``AMLF``, version, zero, the numbers of names, records, words and notes), then
        names, starts, words and notes; little-endian."""
        records, words = len(self.records), len(self.records.words)
        header = _HEADER.pack(_MAGIC, _VERSION, 0, len(self.names), records, words, len(self.notes))
        columns = (each.astype("<i8", copy=False) for each in (self.records.starts, self.records.words, self.notes))
        return b"".join((header, self.names.tobytes(), *(each.tobytes() for each in columns)))

    @classmethod
    def from_bytes(cls, content: bytes) -> "FlowMessage":
        """Read a message. That the words are sound is checked where they are taken in.

        Raises:
            ValueError: The bytes are no message, of another version, or not as long as they say.
        """
        if len(content) < _HEADER.size or not content.startswith(_MAGIC):
            raise ValueError("these bytes are no message of carried money: they do not begin with 'AMLF'")
        _, version, _, names, records, words, notes = _HEADER.unpack_from(content)
        if version != _VERSION:
            raise ValueError(f"a message of carried money has version {version}; this release reads {_VERSION}")
        lengths = (names * TOKEN_BYTES, (records + 1) * 8, words * 8, notes * NOTE_WORDS * 8)
        if len(content) != _HEADER.size + sum(lengths):
            raise ValueError(
                f"a message of carried money has {len(content)} bytes and says {_HEADER.size + sum(lengths)}"
            )
        edges = np.cumsum((_HEADER.size, *lengths)).tolist()
        tokens, *columns = (content[start:stop] for start, stop in pairwise(edges))
        starts, body, told = (np.frombuffer(column, "<i8").astype(np.int64) for column in columns)
        return cls(
            np.frombuffer(tokens, np.uint8).reshape(-1, TOKEN_BYTES),
            Records(starts, body),
            told.reshape(-1, NOTE_WORDS),
        )
