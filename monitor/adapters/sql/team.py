"""What the team did: work at hand, decisions, time, what was skipped; from cases and the journal, behind the wall.

Every figure is over the cases that the viewer may see. How many of them were reported is counted only for who sees
all reports: to others a reported case is not there, and a share of what is there would say nothing.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import sqlalchemy as sa

from monitor.adapters.sql.people import CHAIN
from monitor.adapters.sql.queue import Wall, behind
from monitor.adapters.sql.rows import case_of
from monitor.adapters.sql.schema import cases, journal
from monitor.adapters.sql.schema_desk import case_skips
from monitor.casework.handling_time import Act, time_on_cases
from monitor.casework.quality import Decided
from monitor.domain.case import OUTCOMES, Case
from monitor.domain.time import DAY_US, MINUTE_US

CASES_MAX = 50_000
"""Most decided cases that a page counts; the newest."""
ACTS_MAX = 500_000
"""Most acts that a page estimates minutes from."""
SKIPS_MAX = 50
"""Most skips that a page lists; the newest."""
_DECIDING = ("close", "propose", "approve")


@dataclass(slots=True)
class Counted:
    """Decisions of a person, or on cases with a rule. ``by_outcome`` has every outcome that occurred."""

    decided: int = 0
    alerts: int = 0
    time_us: int = 0
    timed_alerts: int = 0
    by_outcome: dict[str, int] = field(default_factory=dict)

    def share(self, outcome: str) -> float | None:
        """Which share of the decisions had an outcome, 0 to 1; ``None`` without decisions."""
        return self.by_outcome.get(outcome, 0) / self.decided if self.decided else None

    @property
    def minutes_per_alert(self) -> float | None:
        """Minutes of work on decided cases per alert in them; ``None`` where no time is known."""
        return self.time_us / MINUTE_US / self.timed_alerts if self.timed_alerts and self.time_us else None

    def add(self, case: Case, time_us: int) -> None:
        """Count a decided case in."""
        self.decided += 1
        self.alerts += case.alert_count
        outcome = case.outcome or ""
        self.by_outcome[outcome] = self.by_outcome.get(outcome, 0) + 1
        if time_us:
            self.time_us += time_us
            self.timed_alerts += case.alert_count


@dataclass(frozen=True, slots=True)
class Load:
    """Open cases of a person, those that sleep left out."""

    open: int
    overdue: int


@dataclass(frozen=True, slots=True)
class Skip:
    """That somebody passed a case on."""

    case_id: str
    name: str
    at_us: int
    reason: str


@dataclass(frozen=True, slots=True)
class Team:
    """What a page of the team shows of a length of time."""

    loads: dict[str, Load]
    by_person: dict[str, Counted]
    by_rule: dict[str, Counted]
    skips: list[Skip]
    skipped: dict[str, int]


def team(connection: sa.Connection, *, since_us: int, until_us: int, wall: Wall | None) -> Team:
    """Count what was done after ``since_us``, up to and with ``until_us``, as far as the viewer sees it."""
    closed = _closed(connection, since_us, until_us, wall)
    who = {each.case_id: each.decided_by for each in decided(connection, since_us=since_us, until_us=until_us)}
    spent = time_on_cases(_acts(connection, since_us - DAY_US, until_us))
    by_person: dict[str, Counted] = {}
    by_rule: dict[str, Counted] = {}
    time_of_case: dict[str, int] = {}
    for (_, case_id), time_us in spent.items():
        time_of_case[case_id] = time_of_case.get(case_id, 0) + time_us
    for case in closed:
        name = who.get(case.case_id)
        if name is not None:
            by_person.setdefault(name, Counted()).add(case, spent.get((name, case.case_id), 0))
        for rule in case.rules:
            by_rule.setdefault(rule, Counted()).add(case, time_of_case.get(case.case_id, 0))
    skips, skipped = _skips(connection, since_us, until_us, wall)
    return Team(_loads(connection, until_us, wall), by_person, dict(sorted(by_rule.items())), skips, skipped)


def decided(connection: sa.Connection, *, since_us: int, until_us: int) -> list[Decided]:
    """Cases closed in a length of time, with who decided them: who closed them, or whose proposal was approved."""
    query = (
        sa.select(cases.c.case_id, cases.c.closed_at_us, journal.c.actor, journal.c.action)
        .join_from(cases, journal, journal.c.chain == cases.c.case_id)
        .where(
            sa.not_(cases.c.is_open),
            cases.c.closed_at_us > since_us,
            cases.c.closed_at_us <= until_us,
            journal.c.action.in_(("close", "propose")),
            journal.c.at_us <= cases.c.closed_at_us,
        )
        .order_by(cases.c.case_id, journal.c.seq)
    )
    last = {row.case_id: Decided(row.case_id, row.closed_at_us, row.actor) for row in connection.execute(query)}
    return list(last.values())


def involved(connection: sa.Connection, case_id: str) -> set[str]:
    """Who took part in decisions on a case."""
    query = sa.select(journal.c.actor).where(journal.c.chain == case_id, journal.c.action.in_(_DECIDING))
    return set(connection.execute(query).scalars())


def _closed(connection: sa.Connection, since_us: int, until_us: int, wall: Wall | None) -> list[Case]:
    query = sa.select(cases).where(
        sa.not_(cases.c.is_open), cases.c.closed_at_us > since_us, cases.c.closed_at_us <= until_us,
        cases.c.outcome.in_(OUTCOMES),
    )  # fmt: skip
    if wall is not None:
        query = query.where(behind(wall))
    rows = connection.execute(query.order_by(cases.c.closed_at_us.desc()).limit(CASES_MAX))
    return [case_of(row) for row in rows]


def _acts(connection: sa.Connection, since_us: int, until_us: int) -> Iterator[Act]:
    """What people did and looked at, by person and time on the wall."""
    columns = (journal.c.chain, journal.c.actor, journal.c.recorded_at_us, journal.c.action, journal.c.payload)
    query = (
        sa.select(*columns)
        .where(journal.c.actor != "monitor", journal.c.at_us > since_us, journal.c.at_us <= until_us)
        .order_by(journal.c.actor, journal.c.recorded_at_us, journal.c.chain, journal.c.seq)
        .limit(ACTS_MAX)
    )
    for chain, actor, at_us, action, payload in connection.execute(query):
        if chain.startswith("C-"):
            yield Act(actor, at_us, chain)
        elif chain == CHAIN:
            is_case = action in ("case_viewed", "alert_explained")
            yield Act(actor, at_us, json.loads(payload).get("case") if is_case else None)


def _loads(connection: sa.Connection, now_us: int, wall: Wall | None) -> dict[str, Load]:
    overdue = sa.func.count(sa.case((cases.c.due_at_us <= now_us, 1)))
    query = (
        sa.select(cases.c.assignee, sa.func.count(), overdue)
        .where(cases.c.is_open, cases.c.assignee.is_not(None), cases.c.state != "snoozed")
        .group_by(cases.c.assignee)
    )
    if wall is not None:
        query = query.where(behind(wall))
    return {name: Load(int(count), int(late)) for name, count, late in connection.execute(query)}


def _skips(
    connection: sa.Connection, since_us: int, until_us: int, wall: Wall | None
) -> tuple[list[Skip], dict[str, int]]:
    of_time = sa.and_(case_skips.c.at_us > since_us, case_skips.c.at_us <= until_us)
    seen = of_time if wall is None else sa.and_(of_time, behind(wall))
    joined = sa.join(case_skips, cases)
    newest = (
        sa.select(case_skips.c.case_id, case_skips.c.name, case_skips.c.at_us, case_skips.c.reason)
        .select_from(joined)
        .where(seen)
        .order_by(case_skips.c.at_us.desc(), case_skips.c.case_id)
        .limit(SKIPS_MAX)
    )
    counts = sa.select(case_skips.c.name, sa.func.count()).select_from(joined).where(seen).group_by(case_skips.c.name)
    listed = [Skip(*row) for row in connection.execute(newest)]
    return listed, {name: int(count) for name, count in connection.execute(counts)}
