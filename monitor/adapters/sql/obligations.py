"""Obligations in SQL: folded in with the commit of their matches, recorded by reconciliation, read for lists.

Rows follow the same conventions as alerts and cases. A revision holds its content as canonical JSON; the journal holds
the digest, so that a change of either shows.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import sqlalchemy as sa

from monitor.adapters.sql.bulk import insert_rows, update_rows
from monitor.adapters.sql.ledger import append_entries, in_chunks
from monitor.adapters.sql.rows import OBLIGATION_JSON, RowValues, obligation_row, position_of
from monitor.adapters.sql.schema import obligation_revisions, obligations, run_positions
from monitor.casework.evidence import StoredAlert
from monitor.casework.journal import Draft, canonical_json
from monitor.casework.obligations import Folded, columns_of, met
from monitor.casework.position import RunPosition
from monitor.domain.obligation import Obligation, Revision, obligation_id
from monitor.domain.obligation import PeriodKey as Key

_FIXED = ("rule_id", "subject_kind", "subject_token", "booking_entity", "period_kind", "period", "payment",
          "direction", "first_met_us", "is_by_reconciliation")  # fmt: skip
_MOVING = ("rule_version", "rule_digest", "title", "jurisdiction", "total", "measures", "transactions",
           "transactions_total", "codes", "inputs", "due_on", "due_cite", "last_revised_us", "state", "revision",
           "marks")  # fmt: skip
_COLUMNS = ("obligation_id", "run", *_FIXED, *_MOVING, "recorded_at_us")
_REVISION_COLUMNS = (*Revision.__slots__, "recorded_at_us")
_decoded = msgspec.json.Decoder().decode


class ObligationUnknown(Exception):
    """No obligation, or more than one, has this id; the message says what to do."""


@dataclass(slots=True)
class ObligationFold:
    """The obligations that a commit touches, and what has to be written after."""

    latest: dict[str, Obligation]
    new: set[str] = field(default_factory=set)
    touched: dict[str, Obligation] = field(default_factory=dict)
    revisions: list[Revision] = field(default_factory=list)

    @classmethod
    def of(cls, connection: sa.Connection, alerts: Iterable[StoredAlert]) -> "ObligationFold":
        """A fold over the matches among these alerts, beginning with what is stored."""
        wanted = {_id_of(stored) for stored in alerts if stored.alert.duty is not None}
        return cls(obligations_with(connection, sorted(wanted)))

    def add(self, stored: StoredAlert) -> Draft:
        """Fold one match in; the journal entry."""
        return self.take(met(self.latest.get(_id_of(stored)), stored))

    def take(self, folded: Folded) -> Draft:
        """Take over one revision, if there is one; the journal entry."""
        after = folded.obligation
        if folded.revision is None:
            return folded.draft
        if after.obligation_id not in self.latest:
            self.new.add(after.obligation_id)
        self.latest[after.obligation_id] = self.touched[after.obligation_id] = after
        self.revisions.append(folded.revision)
        return folded.draft

    def write(self, connection: sa.Connection, *, run: str, recorded_at_us: int) -> None:
        """Write obligations and revisions."""
        opened = [each for key, each in self.touched.items() if key in self.new]
        moved = [each for key, each in self.touched.items() if key not in self.new]
        insert_rows(connection, obligations, _COLUMNS, [_row(each, run, recorded_at_us) for each in opened])
        changes = [(*_values(each, _MOVING), each.obligation_id) for each in moved]
        update_rows(connection, obligations, _MOVING, "obligation_id", changes)
        rows = [(*(getattr(each, name) for name in Revision.__slots__), recorded_at_us) for each in self.revisions]
        insert_rows(connection, obligation_revisions, _REVISION_COLUMNS, rows)


def record(connection: sa.Connection, folded: Sequence[Folded], *, run: str, recorded_at_us: int) -> None:
    """Write what reconciliation found, with its journal entries; the caller ends the transaction.

    Raises:
        ValueError: An obligation was revised since it was read.
    """
    work = ObligationFold(obligations_with(connection, [each.obligation.obligation_id for each in folded]))
    drafts = []
    for each in folded:
        known = work.latest.get(each.obligation.obligation_id)
        if each.obligation.revision != (known.revision if known else 0) + 1:
            raise ValueError(
                f"{each.obligation.obligation_id}: the run has revised it since it was compared. Reconcile again."
            )
        drafts.append(work.take(each))
    work.write(connection, run=run, recorded_at_us=recorded_at_us)
    append_entries(connection, drafts, recorded_at_us=recorded_at_us)


def obligations_with(connection: sa.Connection, ids: Sequence[str]) -> dict[str, Obligation]:
    """Obligations by id; those that are not there are left out."""
    found = {}
    for some in in_chunks(ids):
        query = sa.select(obligations).where(obligations.c.obligation_id.in_(some))
        for row in connection.execute(query):
            found[row.obligation_id] = obligation_row(row)
    return found


def list_obligations(
    connection: sa.Connection,
    *,
    due_before: str | None = None,
    rule: str | None = None,
    periods: Sequence[str] | None = None,
    state: str | None = None,
    entity: str | None = None,
    limit: int | None = None,
) -> list[Obligation]:
    """Obligations, the first due first. ``due_before`` is a day, ``periods`` are days and months."""
    query = sa.select(obligations)
    for column, wanted in ((obligations.c.rule_id, rule), (obligations.c.state, state),
                           (obligations.c.booking_entity, entity)):  # fmt: skip
        if wanted is not None:
            query = query.where(column == wanted)
    if due_before is not None:
        query = query.where(obligations.c.due_on < due_before)
    if periods is not None:
        query = query.where(obligations.c.period.in_(periods))
    query = query.order_by(obligations.c.due_on, obligations.c.rule_id, obligations.c.obligation_id)
    return [obligation_row(row) for row in connection.execute(query.limit(limit) if limit is not None else query)]


def standing_at(
    connection: sa.Connection, run: str, *, rule: str | None, periods: Sequence[str], entity: str | None
) -> tuple[RunPosition | None, list[Obligation]]:
    """Where the run stands, and the obligations of some periods as of there: one state of the store."""
    row = connection.execute(sa.select(run_positions).where(run_positions.c.run == run)).one_or_none()
    found = list_obligations(connection, rule=rule, periods=periods, entity=entity)
    return (position_of(row) if row else None), found


def count_by_state(connection: sa.Connection) -> dict[str, int]:
    """How many obligations there are in each state."""
    query = sa.select(obligations.c.state, sa.func.count()).group_by(obligations.c.state)
    return {row[0]: row[1] for row in connection.execute(query)}


def obligation_with(connection: sa.Connection, prefix: str) -> Obligation:
    """The one obligation whose id begins so.

    Raises:
        ObligationUnknown: There is none, or there are several.
    """
    given = (prefix if prefix.upper().startswith("O-") else f"O-{prefix}").upper()
    query = sa.select(obligations).where(obligations.c.obligation_id.startswith(given, autoescape=True))
    rows = connection.execute(query.order_by(obligations.c.obligation_id).limit(4)).all()
    if len(rows) == 1:
        return obligation_row(rows[0])
    if not rows:
        raise ObligationUnknown(f"{prefix}: no obligation has this id. aml obligations list shows them.")
    shown = ", ".join(row.obligation_id[:12] for row in rows[:3])
    raise ObligationUnknown(f"{prefix}: several obligations begin so: {shown}, ... Give more characters.")


def revisions_of(connection: sa.Connection, obligation: str) -> list[dict[str, Any]]:
    """The content of an obligation's revisions, oldest first."""
    query = sa.select(obligation_revisions.c.content).where(obligation_revisions.c.obligation_id == obligation)
    return [_decoded(text) for text in connection.execute(query.order_by(obligation_revisions.c.revision)).scalars()]


def _id_of(stored: StoredAlert) -> str:
    alert, duty = stored.alert, stored.alert.duty
    assert duty is not None
    key = Key(alert.booking_entity, duty.period_kind, duty.period, duty.payment, duty.direction)
    return obligation_id(alert.source.id, duty.subject or alert.subject, key)


def _row(each: Obligation, run: str, recorded_at_us: int) -> RowValues:
    return (each.obligation_id, run, *_values(each, (*_FIXED, *_MOVING)), recorded_at_us)


def _values(each: Obligation, names: tuple[str, ...]) -> RowValues:
    columns = columns_of(each) | {"transactions": list(each.transactions)}
    return tuple(canonical_json(columns[name]) if name in OBLIGATION_JSON else columns[name] for name in names)
