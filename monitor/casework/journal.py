"""The journal: one hash chain per case and per writer of accesses, joined by Merkle roots.

An entry's hash covers everything in it and the hash before it, so that changing, inserting, moving
or removing an entry breaks the chain at that place. What a chain alone cannot show, the loss of its
end, the roots do: each write makes one *root* over the heads of the chains it touched, and roots are
themselves chained. A Merkle tree (leaves and nodes are told apart as in RFC 6962, section 2.1) lets one
chain's head be proven against a published root without the others.

Who can rewrite the whole database can also rewrite all hashes. Only a root kept elsewhere shows that;
``aml journal verify`` prints the last root for this purpose.

``at_us`` is the time of what happened: event time for the monitor's own entries, so that a replay writes the
same. ``recorded_at_us`` is the clock on the wall. Runs are compared without ``recorded_at_us`` and hashes.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)

GENESIS = "0" * 64
"""The hash before the first entry of every chain, and before the first root."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry before it has its place: what happened, when, by whom. ``payload`` is canonical JSON."""

    chain: str
    at_us: int
    actor: str
    action: str
    payload: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry at its place in its chain. ``seq`` starts at 1; ``root`` is the root that covers it."""

    chain: str
    seq: int
    at_us: int
    actor: str
    action: str
    payload: str
    recorded_at_us: int
    previous_hash: str
    hash: str
    root: int


@dataclass(frozen=True, slots=True)
class Head:
    """The last entry of a chain."""

    chain: str
    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class Root:
    """One write: how many entries it made, over how many chains, and the Merkle root of their heads."""

    seq: int
    recorded_at_us: int
    entries: int
    chains: int
    merkle: str
    previous_hash: str
    hash: str


def canonical_json(value: object) -> str:
    """JSON with sorted keys, no spaces and no NaN: one text per value.

    >>> canonical_json({"b": 1, "a": "ü"})
    '{"a":"ü","b":1}'
    """
    return _ENCODER.encode(value)


def _digest(*parts: str | int) -> str:
    # Each part is preceded by its length, so that no two lists of parts give the same bytes.
    texts = [str(part) for part in parts]
    return sha256("".join(f"{len(text)}:{text}" for text in texts).encode()).hexdigest()


def entry_hash(draft: Draft, *, seq: int, recorded_at_us: int, previous_hash: str) -> str:
    """SHA-256, hex, over all of an entry but the number of its root."""
    return _digest(
        draft.chain, seq, draft.at_us, draft.actor, draft.action, draft.payload, recorded_at_us, previous_hash
    )


def append(drafts: Iterable[Draft], heads: dict[str, Head], *, recorded_at_us: int, root: int) -> list[Entry]:
    """Give each draft its place behind its chain's head. ``heads`` is brought up to date.

    >>> heads = {}
    >>> entries = append([Draft("C-1", 0, "ann", "note", "{}")], heads, recorded_at_us=5, root=1)
    >>> entries[0].seq, entries[0].previous_hash == GENESIS, heads["C-1"].hash == entries[0].hash
    (1, True, True)
    """
    entries = []
    for draft in drafts:
        head = heads.get(draft.chain)
        seq, previous = (head.seq + 1, head.hash) if head else (1, GENESIS)
        hashed = entry_hash(draft, seq=seq, recorded_at_us=recorded_at_us, previous_hash=previous)
        heads[draft.chain] = Head(draft.chain, seq, hashed)
        entries.append(
            Entry(
                draft.chain, seq, draft.at_us, draft.actor, draft.action, draft.payload,
                recorded_at_us, previous, hashed, root,
            )
        )  # fmt: skip
    return entries


def merkle_root(heads: Sequence[Head]) -> str:
    """The Merkle root over heads, which are put in the order of their chain's name.

    An odd node at the end of a level moves up unchanged.

    Raises:
        ValueError: There are no heads; a write without entries makes no root.
    """
    if not heads:
        raise ValueError("a root needs at least one chain")
    ordered = sorted(heads, key=lambda head: head.chain)
    level = [_digest("leaf", head.chain, head.seq, head.hash) for head in ordered]
    while len(level) > 1:
        pairs = [_digest("node", level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = pairs + ([level[-1]] if len(level) % 2 else [])
    return level[0]


def root_hash(*, seq: int, recorded_at_us: int, entries: int, chains: int, merkle: str, previous_hash: str) -> str:
    """SHA-256, hex, over a root and the one before it."""
    return _digest("root", seq, recorded_at_us, entries, chains, merkle, previous_hash)


def make_root(entries: Sequence[Entry], previous: Root | None, *, recorded_at_us: int) -> Root:
    """The root over the chains that ``entries``, those of one write, have touched."""
    last = {entry.chain: Head(entry.chain, entry.seq, entry.hash) for entry in entries}
    seq, previous_hash = (previous.seq + 1, previous.hash) if previous else (1, GENESIS)
    merkle = merkle_root(list(last.values()))
    hashed = root_hash(
        seq=seq, recorded_at_us=recorded_at_us, entries=len(entries), chains=len(last), merkle=merkle,
        previous_hash=previous_hash,
    )  # fmt: skip
    return Root(seq, recorded_at_us, len(entries), len(last), merkle, previous_hash, hashed)
