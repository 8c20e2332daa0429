"""The journal: whatever is changed, the first place is named."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.casework.journal import GENESIS, Draft, Entry, Head, Root, append, canonical_json, make_root, merkle_root
from monitor.casework.verification import ChainsRead, check_content, check_entries, check_heads, check_roots

Journal = tuple[list[Entry], list[Root], dict[str, Head]]


def journal_of(writes: list[list[str]]) -> Journal:
    """A journal of one root per write; a write is a list of the chains that it appends to."""
    heads: dict[str, Head] = {}
    entries: list[Entry] = []
    roots: list[Root] = []
    for number, chains in enumerate(writes, start=1):
        drafts = [Draft(chain, n, "ann", "note", canonical_json({"n": n})) for n, chain in enumerate(chains)]
        made = append(drafts, heads, recorded_at_us=1000 + number, root=number)
        roots.append(make_root(made, roots[-1] if roots else None, recorded_at_us=1000 + number))
        entries += made
    return sorted(entries, key=lambda entry: (entry.chain, entry.seq)), roots, heads


def findings(entries: list[Entry], roots: list[Root], heads: dict[str, Head]) -> list[tuple[str, str]]:
    read = ChainsRead()
    found = list(check_entries(entries, read))
    found += check_heads(read, heads)
    found += check_roots(read, roots)
    return [(finding.kind, finding.place) for finding in found]


@pytest.fixture
def whole() -> Journal:
    """Chains A (4 entries), B (3) and C (1) in three writes."""
    return journal_of([["A", "B", "A"], ["A", "B", "C"], ["B", "A"]])


writes = st.lists(st.lists(st.sampled_from("ABCDE"), min_size=1, max_size=6), min_size=1, max_size=5)


@given(writes)
def test_an_untouched_journal_is_whole(plan):
    assert findings(*journal_of(plan)) == []


@given(writes, st.data())
def test_any_changed_field_of_any_entry_is_found_at_its_place(plan, data):
    entries, roots, heads = journal_of(plan)
    at = data.draw(st.integers(0, len(entries) - 1))
    entry = entries[at]
    name, value = data.draw(
        st.sampled_from(
            [("at_us", entry.at_us + 1), ("actor", "eve"), ("action", "close"), ("payload", '{"n":99}'),
             ("recorded_at_us", 5), ("previous_hash", "f" * 64), ("hash", "f" * 64)]
        )
    )  # fmt: skip
    entries[at] = replace(entry, **{name: value})
    assert findings(entries, roots, heads)[0] == ("altered", f"{entry.chain} entry {entry.seq}")


@given(writes, st.data())
def test_any_missing_entry_is_found(plan, data):
    entries, roots, heads = journal_of(plan)
    gone = entries.pop(data.draw(st.integers(0, len(entries) - 1)))
    kind, place = findings(entries, roots, heads)[0]
    assert kind in ("missing", "truncated")
    assert place == f"{gone.chain} entry {gone.seq}"


def test_entries_that_change_places_are_found(whole):
    entries, roots, heads = whole
    first, second = entries[0], entries[1]
    entries[0], entries[1] = replace(second, seq=1), replace(first, seq=2)
    assert findings(entries, roots, heads)[0] == ("altered", "A entry 1")


def test_an_entry_rewritten_with_its_hash_breaks_the_next_one(whole):
    entries, roots, heads = whole
    original = entries[0]
    forged = Draft("A", original.at_us, "eve", original.action, original.payload)
    entries[0] = append([forged], {}, recorded_at_us=original.recorded_at_us, root=original.root)[0]
    assert findings(entries, roots, heads)[0] == ("reordered", "A entry 2")


def test_a_truncated_chain_is_found_by_its_head(whole):
    entries, roots, heads = whole
    del entries[3]
    assert findings(entries, roots, heads)[0] == ("truncated", "A entry 4")


def test_a_truncated_chain_whose_head_was_mended_is_found_by_the_root(whole):
    entries, roots, heads = whole
    del entries[3]
    heads["A"] = Head("A", 3, entries[2].hash)
    assert findings(entries, roots, heads) == [("root", "root 3")]


def test_a_chain_rewritten_whole_is_found_by_the_root(whole):
    entries, roots, heads = whole
    chain = [entry for entry in entries if entry.chain == "A"]
    forged: list[Entry] = []
    anew: dict[str, Head] = {}
    for entry in chain:
        draft = Draft("A", entry.at_us, "eve", entry.action, entry.payload)
        forged += append([draft], anew, recorded_at_us=entry.recorded_at_us, root=entry.root)
    heads["A"] = anew["A"]
    found = findings(forged + [entry for entry in entries if entry.chain != "A"], roots, heads)
    assert found == [("root", "root 1"), ("root", "root 2"), ("root", "root 3")]


def test_a_chain_put_in_from_outside_is_found(whole):
    entries, roots, heads = whole
    strange = append([Draft("Z", 0, "eve", "note", "{}")], {}, recorded_at_us=1, root=3)
    assert ("added", "Z") in findings(entries + strange, roots, heads)


def test_a_chain_that_is_gone_is_found(whole):
    entries, roots, heads = whole
    left = [entry for entry in entries if entry.chain != "C"]
    assert findings(left, roots, heads)[0] == ("truncated", "C entry 1")


@pytest.mark.parametrize("name", ["recorded_at_us", "entries", "chains", "merkle", "previous_hash", "hash"])
def test_a_changed_root_is_found(whole, name):
    entries, roots, heads = whole
    value = getattr(roots[1], name)
    roots[1] = replace(roots[1], **{name: value + 1 if isinstance(value, int) else "0" * 64})
    assert findings(entries, roots, heads)[0] == ("altered", "root 2")


@pytest.mark.parametrize(("gone", "kind"), [(0, "missing"), (1, "missing"), (2, "root")])
def test_a_missing_root_is_found(whole, gone, kind):
    entries, roots, heads = whole
    del roots[gone]
    assert findings(entries, roots, heads)[0] == (kind, f"root {gone + 1}")


def test_content_that_differs_from_its_digest_is_found():
    payloads = [
        {"alert": "A-1", "evidence_sha256": "0" * 64, "state": "open"},
        {"note_sha256": "0" * 64, "state": "open"},
    ]
    drafts = [Draft("C-1", 0, "ann", "note", canonical_json(payload)) for payload in payloads]
    read = ChainsRead()
    assert list(check_entries(append(drafts, {}, recorded_at_us=0, root=1), read)) == []
    found = check_content(read, alerts=[("A-1", "{}"), ("A-2", "{}")], notes=[], states=[("C-1", "closed_explained")])
    assert [(finding.kind, finding.place) for finding in found] == [
        ("content", "alert A-1"),
        ("added", "alert A-2"),
        ("missing", "note C-1 2"),
        ("state", "case C-1"),
    ]


def test_the_first_entry_follows_genesis_and_chains_are_apart():
    entries = append([Draft(chain, 0, "ann", "note", "{}") for chain in "AB"], {}, recorded_at_us=0, root=1)
    assert [entry.previous_hash for entry in entries] == [GENESIS, GENESIS]
    assert entries[0].hash != entries[1].hash


@given(st.lists(st.integers(0, 50), min_size=1, unique=True), st.randoms(use_true_random=False))
def test_the_merkle_root_does_not_depend_on_order_and_sees_every_head(numbers, random):
    heads = [Head(f"C-{n}", n + 1, f"{n:064x}") for n in numbers]
    root = merkle_root(heads)
    shuffled = heads.copy()
    random.shuffle(shuffled)
    assert merkle_root(shuffled) == root
    for i, head in enumerate(heads):
        changed = heads.copy()
        changed[i] = replace(head, seq=head.seq + 1)
        assert merkle_root(changed) != root


def test_a_root_over_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one chain"):
        merkle_root([])


def test_parts_that_run_together_give_different_hashes():
    one = append([Draft("A", 1, "ann", "note", "{}")], {}, recorded_at_us=0, root=1)[0]
    two = append([Draft("A", 1, "annn", "ote", "{}")], {}, recorded_at_us=0, root=1)[0]
    assert one.hash != two.hash
