"""Merge, split and open cases by hand, each in one transaction with the entries of all cases that it touches."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa

from monitor.adapters.sql.bulk import insert_rows
from monitor.adapters.sql.commit import update_cases
from monitor.adapters.sql.conflicts import check_conflicts
from monitor.adapters.sql.desk import Sees, check_seen, check_version, find_case_id, load
from monitor.adapters.sql.learning import order_in_force
from monitor.adapters.sql.ledger import append_entries, chain_entries
from monitor.adapters.sql.rows import ALERT_COLUMNS, CASE_COLUMNS, alert_row, case_of, case_row
from monitor.adapters.sql.schema import alerts, case_alerts, case_views, cases, journal, notes
from monitor.adapters.sql.schema_desk import regroupings
from monitor.adapters.sql.store import CaseStore
from monitor.casework.evidence import stored_alert
from monitor.casework.joining import join_alert
from monitor.casework.lifecycle import MoveRefused, Request
from monitor.casework.regrouping import Held, Regrouped, merged, split
from monitor.casework.told import PERSON
from monitor.domain.alert import Alert, Subject
from monitor.domain.case import Actor, Case

RUN = "desk"
"""The run under which alerts stand that people raised."""
_SHOWN_MAX = 100


@dataclass(frozen=True, slots=True)
class Moved:
    """Alerts that went from one case to another together."""

    from_case: str
    to_case: str
    at_us: int
    by: str
    is_merge: bool
    alerts: int


@dataclass(frozen=True, slots=True)
class Told:
    """What a person referred: when, about whom, and their words."""

    at_us: int
    subject: Subject
    text: str


def merge(
    store: CaseStore, source: str, target: str, actor: Actor, *, note: str, now_us: int, recorded_at_us: int,
    sees: Sees, version: int | None = None,
) -> Case:  # fmt: skip
    """Merge the case ``source`` into ``target``; returns the latter as it is then.

    Raises:
        CaseUnknown: Nothing or more than one fits an id.
        MoveRefused: The note is missing, the actor has not seen all alerts of both or is related to a customer, one of
            them cannot be merged, or ``target`` is no longer as ``version`` showed it.
        StoreBusy: Another writer does not finish in time.
    """
    with store.writing() as connection:
        into = load(connection, find_case_id(connection, target, sees))
        gone = load(connection, find_case_id(connection, source, sees))
        _check(connection, (into, gone), actor, note, now_us)
        if version is not None:
            check_version(connection, into, version, actor.name)
        done = merged(gone, into, _held(connection, gone), _held(connection, into), actor=actor, at_us=now_us,
                      note=note, policy=store.policy, order=order_in_force(connection))  # fmt: skip
        update_cases(connection, [done.source, done.target])
        _write(connection, done, actor, note, now_us, recorded_at_us, is_merge=True)
    return done.target


def split_off(
    store: CaseStore, text: str, chosen: Sequence[str], actor: Actor, *, note: str, now_us: int, recorded_at_us: int,
    sees: Sees, version: int | None = None,
) -> Case:  # fmt: skip
    """Split alerts off a case into a new one; returns the new one.

    Raises:
        CaseUnknown: Nothing or more than one fits.
        MoveRefused: As for :func:`merge`, or the alerts chosen cannot be a case of their own.
        StoreBusy: Another writer does not finish in time.
    """
    with store.writing() as connection:
        case = load(connection, find_case_id(connection, text, sees))
        _check(connection, (case,), actor, note, now_us)
        if version is not None:
            check_version(connection, case, version, actor.name)
        number = chain_entries(connection, case.case_id)[-1].seq
        done = split(case, _held(connection, case), chosen, number=number, actor=actor, at_us=now_us, note=note,
                     policy=store.policy, order=order_in_force(connection))  # fmt: skip
        latest = _latest(connection, done.target.subject)
        update_cases(connection, [done.source])
        _insert(connection, done.target, recorded_at_us, behind=latest)
        _write(connection, done, actor, note, now_us, recorded_at_us, is_merge=False)
    return done.target


def open_by_hand(store: CaseStore, alert: Alert, actor: Actor, *, recorded_at_us: int, sees: Sees) -> Case:
    """Store what a person raised. It joins the open case of its subject that the actor may see, or opens one.

    An open case that the actor may not see is left alone: they get a case of their own and so do not learn of it. Who
    sees all reports sees both, and can merge them.

    Raises:
        MoveRefused: The same was told at the same moment.
        StoreBusy: Another writer does not finish in time.
    """
    stored = stored_alert(alert)
    with store.writing() as connection:
        known = sa.select(alerts.c.alert_id).where(alerts.c.alert_id == alert.alert_id)
        if connection.execute(known).first() is not None:
            raise MoveRefused("This was told already. Nothing was changed.")
        latest = _latest(connection, alert.subject)
        seen = latest if latest is None or not latest.is_open or sees(latest) else None
        joined = join_alert(seen, stored, store.policy, order_in_force(connection))
        insert_rows(connection, alerts, ALERT_COLUMNS, [alert_row(stored, run=RUN, recorded_at_us=recorded_at_us)])
        if joined.is_opened:
            _insert(connection, joined.case, recorded_at_us, behind=latest)
        else:
            update_cases(connection, [joined.case])
        seq = joined.case.alert_count + joined.case.alerts_after_closing
        link = {"case_id": joined.case.case_id, "seq": seq, "alert_id": alert.alert_id}
        connection.execute(case_alerts.insert(), [link])
        append_entries(connection, [replace(joined.draft, actor=actor.name)], recorded_at_us=recorded_at_us)
    return joined.case


def told_by(connection: sa.Connection, name: str) -> list[Told]:
    """What a person referred or opened by hand, the newest first. What became of it is not said."""
    query = (
        sa.select(journal.c.at_us, journal.c.payload)
        .where(journal.c.actor == name, journal.c.action.in_(("opened", "alert_joined")))
        .order_by(journal.c.at_us.desc())
        .limit(_SHOWN_MAX)
    )
    ids = [json.loads(row.payload)["alert"] for row in connection.execute(query)]
    found = connection.execute(
        sa.select(alerts).where(alerts.c.alert_id.in_(ids), alerts.c.source_kind == PERSON)
        .order_by(alerts.c.judged_at_us.desc(), alerts.c.alert_id)
    )  # fmt: skip
    return [Told(row.judged_at_us, Subject(row.subject_kind, row.subject_token), row.text) for row in found]


def moves_of_alerts(connection: sa.Connection, case_id: str) -> list[Moved]:
    """What came into a case and what left it, the oldest first."""
    columns = (regroupings.c.from_case, regroupings.c.to_case, regroupings.c.at_us, regroupings.c.by,
               regroupings.c.is_merge, regroupings.c.journal_seq)  # fmt: skip
    query = (
        sa.select(*columns, sa.func.count().label("alerts"))
        .where(sa.or_(regroupings.c.from_case == case_id, regroupings.c.to_case == case_id))
        .group_by(*columns)
        .order_by(regroupings.c.at_us, regroupings.c.journal_seq)
    )
    return [
        Moved(row.from_case, row.to_case, row.at_us, row.by, row.is_merge, row.alerts)
        for row in connection.execute(query)
    ]


def _check(connection: sa.Connection, touched: Sequence[Case], actor: Actor, note: str, now_us: int) -> None:
    if not note.strip():
        raise MoveRefused("A note is needed: say in a sentence why these alerts belong together, or do not.")
    for case in touched:
        check_conflicts(connection, case, Request("close", actor, now_us))
        check_seen(connection, case, actor.name)


def _held(connection: sa.Connection, case: Case) -> Held:
    query = (
        sa.select(alerts.c.status, alerts.c.evidence)
        .join_from(case_alerts, alerts)
        .where(case_alerts.c.case_id == case.case_id)
        .order_by(case_alerts.c.seq)
    )
    return [(row.status, json.loads(row.evidence)) for row in connection.execute(query)]


def _latest(connection: sa.Connection, subject: Subject) -> Case | None:
    of_subject = sa.and_(
        cases.c.is_latest, cases.c.subject_kind == subject.kind, cases.c.subject_token == subject.token
    )
    row = connection.execute(sa.select(cases).where(of_subject)).one_or_none()
    return None if row is None else case_of(row)


def _insert(connection: sa.Connection, case: Case, recorded_at_us: int, *, behind: Case | None) -> None:
    """Insert a case; new alerts of its subject go to it, unless the subject has an open case that they go to."""
    is_latest = behind is None or not behind.is_open
    if behind is not None and is_latest:
        connection.execute(cases.update().where(cases.c.case_id == behind.case_id).values(is_latest=False))
    row = dict(zip(CASE_COLUMNS, case_row(case, recorded_at_us=recorded_at_us), strict=True))
    connection.execute(cases.insert(), [row | {"is_latest": is_latest}])


def _write(
    connection: sa.Connection, done: Regrouped, actor: Actor, note: str, at_us: int, recorded_at_us: int, *,
    is_merge: bool,
) -> None:  # fmt: skip
    both = (done.source.case_id, done.target.case_id)
    connection.execute(case_alerts.delete().where(case_alerts.c.case_id.in_(both)))
    links = [
        {"case_id": case.case_id, "seq": seq, "alert_id": alert_id}
        for case, held in ((done.source, done.source_alerts), (done.target, done.target_alerts))
        for seq, alert_id in enumerate(held, 1)
    ]
    connection.execute(case_alerts.insert(), links)
    connection.execute(case_views.delete().where(case_views.c.case_id.in_(both)))
    entries = append_entries(connection, done.drafts, recorded_at_us=recorded_at_us)
    written = [
        {"case_id": entry.chain, "journal_seq": entry.seq, "at_us": at_us, "author": actor.name, "text": note}
        for entry in entries
    ]
    connection.execute(notes.insert(), written)
    (seq,) = [entry.seq for entry in entries if entry.chain == done.target.case_id]
    rows = [
        {"alert_id": alert_id, "to_case": done.target.case_id, "journal_seq": seq, "from_case": done.source.case_id,
         "at_us": at_us, "by": actor.name, "is_merge": is_merge}
        for alert_id in done.moved
    ]  # fmt: skip
    connection.execute(regroupings.insert(), rows)
