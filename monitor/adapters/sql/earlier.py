"""What there was about the subject of a case before: cases, alerts and reports, as far as a viewer may know."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from monitor.adapters.sql.ledger import in_chunks
from monitor.adapters.sql.queue import Wall, behind
from monitor.adapters.sql.schema import cases
from monitor.domain.case import Case


@dataclass(frozen=True, slots=True)
class Earlier:
    """How many cases of the subject were opened before a case, with how many alerts, and how many were reported."""

    cases: int = 0
    alerts: int = 0
    reports: int = 0


NOTHING_BEFORE = Earlier()


def earlier_of(connection: sa.Connection, some: Sequence[Case], wall: Wall | None) -> dict[str, Earlier]:
    """By case what there was before; cases without anything are left out. What lies behind the wall is not there."""
    others: dict[tuple[str, str], list[Any]] = {}
    for tokens in in_chunks({case.subject.token for case in some}):
        query = sa.select(
            cases.c.subject_kind, cases.c.subject_token, cases.c.case_id, cases.c.opened_at_us, cases.c.alert_count,
            cases.c.state,
        ).where(cases.c.subject_token.in_(tokens))  # fmt: skip
        for row in connection.execute(query if wall is None else query.where(behind(wall))):
            others.setdefault((row[0], row[1]), []).append(row)
    found = {}
    for case in some:
        before = [
            row for row in others.get((case.subject.kind, case.subject.token), [])
            if (row.opened_at_us, row.case_id) < (case.opened_at_us, case.case_id)
        ]  # fmt: skip
        if before:
            reports = sum(row.state == "closed_reported" for row in before)
            found[case.case_id] = Earlier(len(before), sum(row.alert_count for row in before), reports)
    return found
