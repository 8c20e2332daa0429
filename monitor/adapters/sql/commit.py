"""One commit of a run: alerts into cases and obligations, with journal and position, in one transaction.

Cost: a commit of n alerts makes a fixed number of statements per 500 alerts; rows go in as tuples with
``executemany`` (:mod:`monitor.adapters.sql.bulk`). Which cases exist for the subjects involved is one query.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from monitor.adapters.sql.bulk import insert_rows, update_rows
from monitor.adapters.sql.feed_totals import write_totals
from monitor.adapters.sql.ledger import append_entries, in_chunks
from monitor.adapters.sql.obligations import ObligationFold
from monitor.adapters.sql.opening import RunMoved
from monitor.adapters.sql.rows import (
    ALERT_COLUMNS,
    CASE_CHANGES,
    CASE_COLUMNS,
    RowValues,
    alert_row,
    case_changes,
    case_of,
    case_row,
    position_values,
)
from monitor.adapters.sql.schema import alerts as alert_table
from monitor.adapters.sql.schema import case_alerts, cases, log_inputs, run_counters, run_positions
from monitor.casework.control import HIDDEN
from monitor.casework.evidence import StoredAlert
from monitor.casework.joining import hidden_draft, join_alert
from monitor.casework.journal import Draft
from monitor.casework.learned import LearnedOrder
from monitor.casework.policy import CaseworkPolicy
from monitor.casework.position import LogInput, RunPosition
from monitor.domain.case import Case
from monitor.domain.feed import FeedTotal

COUNTERS_MAX = 10_000

SubjectKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class CommitResult:
    """What a commit changed. ``passed_over``: alerts that were already there."""

    alerts_stored: int
    alerts_passed_over: int
    cases_opened: int
    cases_touched: int


def commit(
    connection: sa.Connection,
    alerts: Sequence[StoredAlert],
    position: RunPosition,
    *,
    counters: Mapping[str, int],
    inputs: Sequence[LogInput],
    entries: Sequence[Draft],
    policy: CaseworkPolicy,
    order: LearnedOrder,
    recorded_at_us: int,
    is_in_order: bool = False,
    expected: int | None = None,
    totals: Sequence[tuple[str, FeedTotal]] = (),
) -> CommitResult:
    """Write it all through a connection whose transaction the caller ends. See ``CaseStore.commit_batch``."""
    if expected is not None:
        _expect(connection, position.run, expected)
    fresh = _fresh(connection, alerts)
    if not is_in_order:
        fresh.sort(key=log_order)
    owed = ObligationFold.of(connection, fresh)
    work = _Fold(_latest_cases(connection, fresh), owed, policy, order, position.run)
    for stored in fresh:
        work.add(stored)
    rows = [alert_row(stored, run=position.run, recorded_at_us=recorded_at_us) for stored in fresh]
    insert_rows(connection, alert_table, ALERT_COLUMNS, rows)
    _write_cases(connection, work, recorded_at_us)
    owed.write(connection, run=position.run, recorded_at_us=recorded_at_us)
    append_entries(connection, [*work.drafts, *entries], recorded_at_us=recorded_at_us)
    _write_inputs(connection, position.run, inputs, recorded_at_us)
    write_totals(connection, totals, recorded_at_us=recorded_at_us)
    _write_position(connection, position, counters, recorded_at_us)
    return CommitResult(len(fresh), len(alerts) - len(fresh), len(work.opened), len(work.opened) + len(work.touched))


class _Fold:
    """The latest case of each subject while alerts are folded in, and what has to be written after."""

    def __init__(
        self, latest: dict[SubjectKey, Case], owed: ObligationFold, policy: CaseworkPolicy, order: LearnedOrder,
        run: str,
    ) -> None:  # fmt: skip
        self.latest = latest
        self.owed = owed
        self.policy = policy
        self.order = order
        self.run = run
        self.opened: dict[str, Case] = {}
        self.touched: dict[str, Case] = {}
        self.superseded: list[str] = []
        self.links: list[RowValues] = []
        self.drafts: list[Draft] = []

    def add(self, stored: StoredAlert) -> None:
        """Fold one alert in: a match of an obligation into that, any other into its case."""
        alert = stored.alert
        if alert.duty is not None:
            self.drafts.append(self.owed.add(stored))
            return
        if alert.status in HIDDEN:
            self.drafts.append(hidden_draft(stored, f"{alert.status}:{self.run}"))
            return
        key = (alert.subject.kind, alert.subject.token)
        before = self.latest.get(key)
        joined = join_alert(before, stored, self.policy, self.order)
        case = joined.case
        if joined.is_opened:
            if before is not None:
                self.superseded.append(before.case_id)
            self.opened[case.case_id] = case
        elif case.case_id in self.opened:
            self.opened[case.case_id] = case
        else:
            self.touched[case.case_id] = case
        self.latest[key] = case
        seq = case.alert_count + case.alerts_after_closing
        self.links.append((case.case_id, seq, alert.alert_id))
        self.drafts.append(joined.draft)


def _fresh(connection: sa.Connection, alerts: Sequence[StoredAlert]) -> list[StoredAlert]:
    """The alerts that are not there yet, each once, in the order given."""
    by_id: dict[str, StoredAlert] = {}
    for stored in alerts:
        by_id.setdefault(stored.alert.alert_id, stored)
    for some in in_chunks(by_id):
        query = sa.select(alert_table.c.alert_id).where(alert_table.c.alert_id.in_(some))
        for known in connection.execute(query).scalars().all():
            del by_id[known]
    return list(by_id.values())


def log_order(stored: StoredAlert) -> tuple[int, str, str, str]:
    """The order of the alerts of one log: position, rule, leg role, id."""
    alert = stored.alert
    return alert.position, alert.source.id, alert.leg_role, alert.alert_id


def _latest_cases(connection: sa.Connection, alerts: Sequence[StoredAlert]) -> dict[SubjectKey, Case]:
    tokens = sorted({each.alert.subject.token for each in alerts if _joins_a_case(each)})
    latest = {}
    for some in in_chunks(tokens):
        query = sa.select(cases).where(cases.c.is_latest, cases.c.subject_token.in_(some))
        for row in connection.execute(query).all():
            latest[row.subject_kind, row.subject_token] = case_of(row)
    return latest


def _joins_a_case(stored: StoredAlert) -> bool:
    return stored.alert.status not in HIDDEN and stored.alert.duty is None


def _write_cases(connection: sa.Connection, work: _Fold, recorded_at_us: int) -> None:
    for some in in_chunks(work.superseded):
        connection.execute(cases.update().where(cases.c.case_id.in_(some)).values(is_latest=False))
    update_cases(connection, list(work.touched.values()))
    opened = [case_row(case, recorded_at_us=recorded_at_us) for case in work.opened.values()]
    insert_rows(connection, cases, CASE_COLUMNS, opened)
    insert_rows(connection, case_alerts, ("case_id", "seq", "alert_id"), work.links)


def update_cases(connection: sa.Connection, changed: Sequence[Case]) -> None:
    """Write the present facts of cases that exist."""
    rows = [(*case_changes(case), case.case_id) for case in changed]
    update_rows(connection, cases, CASE_CHANGES, "case_id", rows)


def _write_inputs(connection: sa.Connection, run: str, inputs: Sequence[LogInput], recorded_at_us: int) -> None:
    for given in inputs:
        values = {name: getattr(given, name) for name in LogInput.__slots__}
        key = sa.and_(
            log_inputs.c.run == run,
            log_inputs.c.position == given.position,
            log_inputs.c.kind == given.kind,
            log_inputs.c.name == given.name,
        )
        if connection.execute(sa.select(log_inputs.c.kind).where(key)).first() is None:
            connection.execute(log_inputs.insert(), [values | {"run": run, "recorded_at_us": recorded_at_us}])


def _expect(connection: sa.Connection, run: str, expected: int) -> None:
    query = sa.select(run_positions.c.log_position).where(run_positions.c.run == run)
    stood = connection.execute(query).scalar() or 0
    if stood != expected:
        raise RunMoved(
            f"The run {run!r} stands at {stood} and not at {expected}: another process has written it meanwhile. "
            "Claim it again and go on from where it stands."
        )


def _write_position(
    connection: sa.Connection, position: RunPosition, counters: Mapping[str, int], recorded_at_us: int
) -> None:
    run = position.run
    if len(counters) > COUNTERS_MAX:
        raise ValueError(f"{len(counters)} counters in run {run!r}; {COUNTERS_MAX} is the limit")
    query = sa.select(run_positions.c.log_position).where(run_positions.c.run == run)
    stored = connection.execute(query).scalar()
    if stored is not None and stored > position.log_position:
        return
    connection.execute(run_positions.delete().where(run_positions.c.run == run))
    connection.execute(run_positions.insert(), [position_values(position, recorded_at_us=recorded_at_us)])
    connection.execute(run_counters.delete().where(run_counters.c.run == run))
    if counters:
        connection.execute(
            run_counters.insert(), [{"run": run, "name": name, "value": counters[name]} for name in sorted(counters)]
        )
