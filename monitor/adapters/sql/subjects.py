"""What the store knows of a subject: its alerts over all cases, and the cases of others, as far as a viewer may see.

An alert of a case that the viewer may not see is not there, nor is one in shadow, which nobody is shown.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from monitor.adapters.sql.desk import CaseUnknown, Sees, find_case_id, load
from monitor.adapters.sql.rows import case_of
from monitor.adapters.sql.schema import alerts, case_alerts, cases
from monitor.domain.case import Case

ALERTS_MAX = 200
"""Most alerts of a subject that are listed."""
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class SubjectAlert:
    """An alert of a subject. ``case_id`` is ``None`` for one that a suppression held back."""

    alert_id: str
    judged_at_us: int
    source_id: str
    severity: str
    status: str
    text: str
    case_id: str | None


def visible_case(connection: sa.Connection, case_id: str, sees: Sees) -> Case:
    """The case with this whole id.

    Raises:
        CaseUnknown: There is none that who asks may see.
    """
    if find_case_id(connection, case_id, sees) != case_id:
        raise CaseUnknown(f"there is no case {case_id}.")
    return load(connection, case_id)


def evidence_of_case(connection: sa.Connection, case_id: str) -> list[dict[str, Any]]:
    """The evidence of the alerts of a case, in the order of joining."""
    query = (
        sa.select(alerts.c.evidence)
        .join_from(case_alerts, alerts)
        .where(case_alerts.c.case_id == case_id)
        .order_by(case_alerts.c.seq)
    )
    return [json.loads(text) for text in connection.execute(query).scalars()]


def alerts_of_subject(connection: sa.Connection, kind: str, token: str, sees: Sees) -> list[SubjectAlert]:
    """The newest alerts of a subject, the newest first: those of visible cases, and those that were held back."""
    query = (
        sa.select(alerts, case_alerts.c.case_id)
        .outerjoin(case_alerts, case_alerts.c.alert_id == alerts.c.alert_id)
        .where(
            alerts.c.subject_token == token,
            alerts.c.subject_kind == kind,
            sa.or_(case_alerts.c.case_id.is_not(None), alerts.c.status == "suppressed"),
        )
        .order_by(alerts.c.judged_at_us.desc(), alerts.c.alert_id)
    )
    seen: dict[str, bool] = {}
    found: list[SubjectAlert] = []
    for row in connection.execute(query):
        if row.case_id is not None and row.case_id not in seen:
            seen[row.case_id] = sees(load(connection, row.case_id))
        if row.case_id is None or seen[row.case_id]:
            found.append(SubjectAlert(row.alert_id, row.judged_at_us, row.source_id, row.severity, row.status, row.text,
                                      row.case_id))  # fmt: skip
        if len(found) == ALERTS_MAX:
            break
    return found


def cases_of_subjects(connection: sa.Connection, tokens: Iterable[str], sees: Sees) -> dict[str, Case]:
    """The newest visible case of each subject that has one, by its token."""
    wanted = sorted(set(tokens))
    found: dict[str, Case] = {}
    for start in range(0, len(wanted), _CHUNK):
        query = sa.select(cases).where(cases.c.subject_token.in_(wanted[start : start + _CHUNK]))
        for row in connection.execute(query.order_by(cases.c.opened_at_us)):
            case = case_of(row)
            if sees(case):
                found[case.subject.token] = case
    return found
