"""Check a journal: name the first entry that was altered, is missing or was moved."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from monitor.casework.journal import GENESIS, Draft, Entry, Head, Root, entry_hash, merkle_root, root_hash
from monitor.domain.time import parse_time_us


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. ``kind``: altered, missing, reordered, truncated, added, root, content, state."""

    kind: str
    place: str
    fact: str


@dataclass(slots=True)
class ChainsRead:
    """What a pass over the entries leaves: the true heads and, per root, what it covers."""

    entries: int = 0
    heads: dict[str, Head] = field(default_factory=dict)
    by_root: dict[int, dict[str, Head]] = field(default_factory=dict)
    count_by_root: dict[int, int] = field(default_factory=dict)
    evidence: dict[str, str] = field(default_factory=dict)
    """Digest of an alert's evidence by alert id."""
    notes: dict[str, str] = field(default_factory=dict)
    """Digest of a note by "chain seq"."""
    note_authors: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Author and time of a note by "chain seq"."""
    members: dict[str, str] = field(default_factory=dict)
    """The case that an alert joined, by alert id; alerts in shadow join none."""
    moved: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Where people moved an alert last, by alert id: the root of that write, and the case."""
    orders: dict[str, str] = field(default_factory=dict)
    """Digest of an order's body by its id."""
    states: dict[str, str] = field(default_factory=dict)
    """The state that the last entry of a case's chain left it in."""
    revisions: dict[str, str] = field(default_factory=dict)
    """Digest of an obligation's revision by "chain revision"."""


def check_entries(entries: Iterable[Entry], read: ChainsRead) -> Iterable[Finding]:
    """Follow every chain; entries come in the order of (chain, seq). Yields the first break of each chain.

    ``read`` is filled on the way, also beyond a break, for :func:`check_heads` and :func:`check_roots`.
    """
    broken: set[str] = set()
    for entry in entries:
        head = read.heads.get(entry.chain)
        wanted_seq, wanted_hash = (head.seq + 1, head.hash) if head else (1, GENESIS)
        if entry.chain not in broken:
            finding = _check_entry(entry, wanted_seq, wanted_hash)
            if finding is not None:
                broken.add(entry.chain)
                yield finding
        now = Head(entry.chain, entry.seq, entry.hash)
        read.entries += 1
        read.heads[entry.chain] = now
        read.by_root.setdefault(entry.root, {})[entry.chain] = now
        read.count_by_root[entry.root] = read.count_by_root.get(entry.root, 0) + 1
        _note_content(entry, read)


def _note_content(entry: Entry, read: ChainsRead) -> None:
    try:
        facts = json.loads(entry.payload)
    except ValueError:
        return  # the chain has already been found broken here: the hash covers the payload
    if "evidence_sha256" in facts:
        read.evidence[facts["alert"]] = facts["evidence_sha256"]
        if "state" in facts:
            read.members[facts["alert"]] = entry.chain
    for alert_id in facts.get("moved_alerts", ()):
        read.moved[alert_id] = max(read.moved.get(alert_id, (0, "")), (entry.root, entry.chain))
    if "revision_sha256" in facts:
        read.revisions[f"{entry.chain} {facts['obligation_revision']}"] = facts["revision_sha256"]
    if "order_sha256" in facts:
        read.orders[facts["order"]] = facts["order_sha256"]
    if "note_sha256" in facts:
        read.notes[f"{entry.chain} {entry.seq}"] = facts["note_sha256"]
        read.note_authors[f"{entry.chain} {entry.seq}"] = (entry.actor, entry.at_us)
    if "state" in facts:
        read.states[entry.chain] = facts["state"]


def _check_entry(entry: Entry, wanted_seq: int, wanted_hash: str) -> Finding | None:
    place = f"{entry.chain} entry {entry.seq}"
    if entry.seq != wanted_seq:
        missing = f"{entry.chain} entry {wanted_seq}"
        return Finding("missing", missing, f"it is missing; entry {entry.seq} stands in its place")
    draft = Draft(entry.chain, entry.at_us, entry.actor, entry.action, entry.payload)
    hashed = entry_hash(draft, seq=entry.seq, recorded_at_us=entry.recorded_at_us, previous_hash=entry.previous_hash)
    if hashed != entry.hash:
        return Finding("altered", place, "its content does not give its hash")
    if entry.previous_hash != wanted_hash:
        return Finding("reordered", place, "it does not follow the entry before it: one was altered, put in or moved")
    return None


def check_heads(read: ChainsRead, heads: Mapping[str, Head]) -> Iterable[Finding]:
    """Compare where each chain ends with where its head says it ends."""
    for chain in sorted(heads.keys() | read.heads.keys()):
        kept, found = heads.get(chain), read.heads.get(chain)
        if kept is None:
            yield Finding("added", chain, "the chain has entries and no head: they were put in from outside")
        elif found is None or found.seq < kept.seq:
            last = found.seq if found else 0
            place = f"{chain} entry {last + 1}"
            yield Finding("truncated", place, f"the chain ends at {last}; its head says {kept.seq}: it was cut off")
        elif found != kept:
            yield Finding("altered", f"{chain} entry {found.seq}", "the chain's head has another number or hash")


def check_roots(read: ChainsRead, roots: Iterable[Root]) -> Iterable[Finding]:
    """Follow the chain of roots, in the order of seq, and compare each with the entries that it covers."""
    seq, previous_hash = 0, GENESIS
    known: set[int] = set()
    for root in roots:
        known.add(root.seq)
        place = f"root {root.seq}"
        if root.seq != seq + 1:
            yield Finding("missing", f"root {seq + 1}", f"it is missing; root {root.seq} stands in its place")
        hashed = root_hash(
            seq=root.seq, recorded_at_us=root.recorded_at_us, entries=root.entries, chains=root.chains,
            merkle=root.merkle, previous_hash=root.previous_hash,
        )  # fmt: skip
        if hashed != root.hash:
            yield Finding("altered", place, "its content does not give its hash")
        elif root.previous_hash != previous_hash and root.seq == seq + 1:
            yield Finding("reordered", place, "it does not follow the root before it")
        seq, previous_hash = root.seq, root.hash
        covered = read.by_root.get(root.seq, {})
        count = read.count_by_root.get(root.seq, 0)
        if count != root.entries:
            yield Finding("root", place, f"{root.entries} entries were recorded with it and {count} are there")
        elif merkle_root(list(covered.values())) != root.merkle:
            chains = ", ".join(sorted(covered)[:3])
            yield Finding("root", place, f"the chains it covers ({chains}...) were rewritten after it was made")
    for stray in sorted(read.by_root.keys() - known):
        chain = min(read.by_root[stray])
        yield Finding("root", f"root {stray}", f"it is missing; {chain} has entries that were recorded with it")


def check_content(
    read: ChainsRead,
    *,
    alerts: Iterable[tuple[str, str]],
    notes: Iterable[tuple[str, str]],
    states: Iterable[tuple[str, str]],
    orders: Iterable[tuple[str, str]] = (),
) -> Iterable[Finding]:
    """Compare rows outside the journal with what it says of them.

    Args:
        read: What :func:`check_entries` has filled.
        alerts: (alert id, stored evidence) of every alert.
        notes: ("chain seq", stored text) of every note.
        states: (case id, stored state) of every case.
        orders: (order id, body) of every order of live control.
    """
    yield from _check_texts("alert", read.evidence, alerts)
    yield from _check_texts("note", read.notes, notes)
    yield from _check_texts("order", read.orders, orders)
    left = dict(read.states)
    for case_id, state in states:
        recorded = left.pop(case_id, None)
        if recorded != state:
            yield Finding("state", f"case {case_id}", f"it is {state}; the journal leaves it {recorded or 'unknown'}")
    for case_id in sorted(left):
        yield Finding("missing", f"case {case_id}", "the journal speaks of it and its row is gone")


def check_columns(alerts: Iterable[tuple[str, Mapping[str, object]]]) -> Iterable[Finding]:
    """Compare the columns of each alert, which the queue reads, with its evidence, whose digest the journal holds.

    Args:
        alerts: The stored evidence and the stored columns of every alert, under the names of :func:`evidence_columns`.
    """
    for evidence, columns in alerts:
        try:
            proven = evidence_columns(json.loads(evidence))
        except (ValueError, KeyError, TypeError):
            continue  # no evidence that was ever written: its digest has been found wrong
        for name, value in columns.items():
            if proven[name] != value:
                place = f"alert {columns['alert_id']}"
                yield Finding("content", place, f"its column {name} says {value!r}, its evidence {proven[name]!r}")


def evidence_columns(evidence: Mapping[str, Any]) -> dict[str, object]:
    """What the columns of an alert's row must hold, by its evidence."""
    subject, source = evidence["subject"], evidence["source"]
    plain = ("alert_id", "position", "leg_role", "title", "typology", "severity", "score", "status", "text",
             "amount_minor", "currency", "transactions_total")  # fmt: skip
    return {name: evidence[name] for name in plain} | {
        "event_time_us": parse_time_us(evidence["event_time"]),
        "judged_at_us": parse_time_us(evidence["judged_at"]),
        "subject_kind": subject["kind"],
        "subject_token": subject["id"],
        "source_kind": source["kind"],
        "source_id": source["id"],
        "source_version": source["version"],
        "source_digest": source["digest"],
        "rulebook_digest": evidence["rulebook"],
    }


def check_obligations(
    read: ChainsRead, *, revisions: Iterable[tuple[str, str]], stored: Iterable[tuple[Mapping[str, Any], list[int]]]
) -> Iterable[Finding]:
    """Compare revisions with their digests, and each obligation's row with what its revisions add up to.

    Args:
        read: What :func:`check_entries` has filled.
        revisions: ("id revision", stored content) of every revision, in the order of id and revision.
        stored: The columns of every obligation and its payments.
    """
    last: dict[str, dict[str, Any]] = {}
    payments: dict[str, set[int]] = {}

    def followed() -> Iterable[tuple[str, str]]:
        for key, content in revisions:
            yield key, content
            try:
                body = json.loads(content)
                held = payments.setdefault(key.split()[0], set())
                held |= set(body["added"])
                held -= set(body["removed"])
                last[key.split()[0]] = body
            except (ValueError, KeyError, TypeError):
                continue  # no content that was ever written: its digest has been found wrong

    yield from _check_texts("obligation revision", read.revisions, followed())
    for columns, transactions in stored:
        name = str(columns["obligation_id"])
        body = last.pop(name, None)
        if body is None:
            yield Finding("added", f"obligation {name}", "it is there and has no revision")
            continue
        for column, value in columns.items():
            if body.get(column) != value:
                fact = f"its column {column} says {value!r}, its last revision {body.get(column)!r}"
                yield Finding("content", f"obligation {name}", fact)
        if transactions != sorted(payments[name]):
            yield Finding("content", f"obligation {name}", "its payments are not those of its revisions")
    for name in sorted(last):
        yield Finding("missing", f"obligation {name}", "it has revisions and its row is gone")


def check_places(
    read: ChainsRead, *, members: Iterable[tuple[str, str]], authors: Iterable[tuple[str, tuple[str, int]]]
) -> Iterable[Finding]:
    """Compare in which case each alert stands, and who wrote each note when, with what the journal says.

    Args:
        read: What :func:`check_entries` has filled.
        members: (alert id, case id) of every alert that stands in a case.
        authors: ("chain seq", (author, time)) of every note.
    """
    left = read.members | {alert_id: chain for alert_id, (_, chain) in read.moved.items()}
    for alert_id, case_id in members:
        recorded = left.pop(alert_id, None)
        if recorded != case_id:
            where = f"case {recorded}" if recorded else "no case"
            yield Finding("content", f"alert {alert_id}", f"it stands in case {case_id}; the journal has {where}")
    for alert_id, case_id in sorted(left.items()):
        yield Finding("missing", f"alert {alert_id}", f"it joined case {case_id} and does not stand there")
    for key, written in authors:
        if read.note_authors.get(key, written) != written:
            yield Finding("content", f"note {key}", "its author or time is not the one that the journal holds")


def _check_texts(noun: str, recorded: Mapping[str, str], stored: Iterable[tuple[str, str]]) -> Iterable[Finding]:
    left = dict(recorded)
    for key, text in stored:
        digest = left.pop(key, None)
        if digest is None:
            yield Finding("added", f"{noun} {key}", "it is there and the journal does not know it")
        elif digest != sha256(text.encode()).hexdigest():
            yield Finding("content", f"{noun} {key}", "its text is not the one whose digest the journal holds")
    for key in sorted(left):
        yield Finding("missing", f"{noun} {key}", "the journal speaks of it and its row is gone")


@dataclass(frozen=True, slots=True)
class Verified:
    """What was checked and what was found; no findings means that the journal is whole."""

    entries: int
    chains: int
    roots: int
    last_root: Root | None
    findings: tuple[Finding, ...]
