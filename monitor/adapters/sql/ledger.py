"""The journal in SQL: append with a root per write, and verify."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from monitor.adapters.sql.bulk import insert_rows, update_rows
from monitor.adapters.sql.rows import ENTRY_COLUMNS, entry_of, entry_row, obligation_columns, root_of
from monitor.adapters.sql.schema import (
    alerts,
    case_alerts,
    cases,
    control_orders,
    journal,
    journal_heads,
    journal_roots,
    notes,
    obligation_revisions,
    obligations,
)
from monitor.casework.journal import Draft, Entry, Head, Root, append, make_root
from monitor.casework.orders import Order
from monitor.casework.verification import (
    ChainsRead,
    Verified,
    check_columns,
    check_content,
    check_entries,
    check_heads,
    check_obligations,
    check_places,
    check_roots,
)

CHUNK = 500
"""Values in one IN list, below the limits of every database."""
_PROGRESS_EVERY = 10_000
_OUTSIDE_EVIDENCE = {"run", "evidence", "evidence_sha256", "recorded_at_us"}
"""Columns of an alert that its evidence says nothing of."""


def in_chunks(values: Iterable[str]) -> Iterator[list[str]]:
    """The values in lists of at most :data:`CHUNK`."""
    listed = list(values)
    for start in range(0, len(listed), CHUNK):
        yield listed[start : start + CHUNK]


def append_entries(connection: sa.Connection, drafts: Sequence[Draft], *, recorded_at_us: int) -> list[Entry]:
    """Write entries behind their chains' heads, and the root over them. Nothing for no drafts."""
    if not drafts:
        return []
    heads = _heads(connection, {draft.chain for draft in drafts})
    known = set(heads)
    previous = _last_root(connection)
    entries = append(drafts, heads, recorded_at_us=recorded_at_us, root=previous.seq + 1 if previous else 1)
    root = make_root(entries, previous, recorded_at_us=recorded_at_us)
    insert_rows(connection, journal, ENTRY_COLUMNS, [entry_row(entry) for entry in entries])
    new = [(head.chain, head.seq, head.hash) for chain, head in heads.items() if chain not in known]
    insert_rows(connection, journal_heads, ("chain", "seq", "hash"), new)
    moved = [(head.seq, head.hash, head.chain) for chain, head in heads.items() if chain in known]
    update_rows(connection, journal_heads, ("seq", "hash"), "chain", moved)
    connection.execute(journal_roots.insert(), [{name: getattr(root, name) for name in Root.__slots__}])
    return entries


def chain_entries(connection: sa.Connection, chain: str) -> list[Entry]:
    """The entries of one chain in order."""
    query = sa.select(journal).where(journal.c.chain == chain).order_by(journal.c.seq)
    return [entry_of(row) for row in connection.execute(query)]


def latest_entries(connection: sa.Connection, *, limit: int) -> list[Entry]:
    """The newest entries over all chains, oldest first. Newest is by root, then time, then chain."""
    newest = (journal.c.root.desc(), journal.c.at_us.desc(), journal.c.chain.desc(), journal.c.seq.desc())
    query = sa.select(journal).order_by(*newest).limit(limit)
    return [entry_of(row) for row in connection.execute(query)][::-1]


def root_with_hash(connection: sa.Connection, prefix: str) -> int | None:
    """The number of the root whose hash begins with ``prefix``; ``None`` where none does."""
    query = sa.select(journal_roots.c.seq).where(journal_roots.c.hash.startswith(prefix.lower(), autoescape=True))
    return connection.execute(query.limit(1)).scalar()


def verify(connection: sa.Connection, on_progress: Callable[[int], None] | None = None) -> Verified:
    """Check chains, heads, roots, and the rows whose digest or state the journal holds."""
    read = ChainsRead()
    findings = list(check_entries(_all_entries(connection, on_progress), read))
    heads = {row.chain: Head(row.chain, row.seq, row.hash) for row in connection.execute(sa.select(journal_heads))}
    findings += check_heads(read, heads)
    roots = [root_of(row) for row in connection.execute(sa.select(journal_roots).order_by(journal_roots.c.seq))]
    findings += check_roots(read, roots)
    findings += check_content(
        read,
        alerts=_pairs(connection, alerts.c.alert_id, alerts.c.evidence),
        notes=_note_texts(connection),
        states=_pairs(connection, cases.c.case_id, cases.c.state),
        orders=_order_bodies(connection),
    )
    findings += check_columns(_alert_columns(connection))
    findings += check_places(
        read,
        members=_pairs(connection, case_alerts.c.alert_id, case_alerts.c.case_id),
        authors=_note_authors(connection),
    )
    findings += check_obligations(read, revisions=_revision_texts(connection), stored=_obligation_columns(connection))
    return Verified(read.entries, len(read.heads), len(roots), roots[-1] if roots else None, tuple(findings))


def _all_entries(connection: sa.Connection, on_progress: Callable[[int], None] | None) -> Iterator[Entry]:
    query = sa.select(journal).order_by(journal.c.chain, journal.c.seq)
    rows = connection.execution_options(yield_per=1000).execute(query)
    for count, row in enumerate(rows, start=1):
        yield entry_of(row)
        if on_progress is not None and count % _PROGRESS_EVERY == 0:
            on_progress(count)


def _pairs(connection: sa.Connection, key: sa.Column[Any], value: sa.Column[Any]) -> Iterator[tuple[str, str]]:
    rows = connection.execution_options(yield_per=1000).execute(sa.select(key, value).order_by(key))
    for row in rows:
        yield row[0], row[1]


def _order_bodies(connection: sa.Connection) -> Iterator[tuple[str, str]]:
    columns = [control_orders.c[name] for name in Order.__slots__]
    for order_id, *values in connection.execute(sa.select(control_orders.c.order_id, *columns)):
        yield order_id, Order(*values).body


def _note_texts(connection: sa.Connection) -> Iterator[tuple[str, str]]:
    query = sa.select(notes).order_by(notes.c.case_id, notes.c.journal_seq)
    for row in connection.execution_options(yield_per=1000).execute(query):
        yield f"{row.case_id} {row.journal_seq}", row.text


def _note_authors(connection: sa.Connection) -> Iterator[tuple[str, tuple[str, int]]]:
    query = sa.select(notes.c.case_id, notes.c.journal_seq, notes.c.author, notes.c.at_us)
    for case_id, seq, author, at_us in connection.execution_options(yield_per=1000).execute(query):
        yield f"{case_id} {seq}", (author, at_us)


def _revision_texts(connection: sa.Connection) -> Iterator[tuple[str, str]]:
    query = sa.select(obligation_revisions).order_by(*obligation_revisions.primary_key.columns)
    for row in connection.execution_options(yield_per=1000).execute(query):
        yield f"{row.obligation_id} {row.revision}", row.content


def _obligation_columns(connection: sa.Connection) -> Iterator[tuple[dict[str, Any], list[int]]]:
    columns = [column for column in obligations.c if column.name not in ("run", "recorded_at_us")]
    query = sa.select(*columns).order_by(obligations.c.obligation_id)
    for row in connection.execution_options(yield_per=1000).execute(query):
        plain = obligation_columns(row)
        yield plain, plain.pop("transactions")


def _alert_columns(connection: sa.Connection) -> Iterator[tuple[str, dict[str, object]]]:
    columns = [column for column in alerts.c if column.name not in _OUTSIDE_EVIDENCE]
    query = sa.select(alerts.c.evidence, *columns).order_by(alerts.c.alert_id)
    names = [column.name for column in columns]
    for evidence, *values in connection.execution_options(yield_per=1000).execute(query):
        yield evidence, dict(zip(names, values, strict=True))


def _heads(connection: sa.Connection, chains: set[str]) -> dict[str, Head]:
    heads: dict[str, Head] = {}
    for some in in_chunks(sorted(chains)):
        rows = connection.execute(sa.select(journal_heads).where(journal_heads.c.chain.in_(some)))
        heads |= {chain: Head(chain, seq, hashed) for chain, seq, hashed in rows.all()}
    return heads


def _last_root(connection: sa.Connection) -> Root | None:
    query = sa.select(journal_roots).order_by(journal_roots.c.seq.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    return root_of(row) if row else None
