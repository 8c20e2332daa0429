"""What analysts decided of the alerts of a store, and what rules are worth against it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from monitor.adapters.sql.schema import alerts, case_alerts, cases, journal
from monitor.adapters.sql.store import CaseStore
from monitor.app.backtest.match import Raised, match
from monitor.casework.intervals import Share

PRODUCTIVE: Mapping[str, bool] = {"reported": True, "false_positive": False, "explained": False}
"""What an outcome says of its alerts. ``inconclusive`` says nothing; ``duplicate`` says what the other case says."""


@dataclass(frozen=True, slots=True)
class DecidedAlert:
    """A stored alert that an analyst saw, and what became of its case.

    ``is_productive`` is ``None`` where nothing was decided. ``is_filed``: a report was decided or is proposed, now or
    before the case was opened again.
    """

    alert: Raised
    case_id: str
    is_productive: bool | None
    is_filed: bool
    state: str


@dataclass(frozen=True, slots=True)
class Worth:
    """Precision and recall of one rule (or of all: ``rule`` is empty) before and after."""

    rule: str
    precision_before: Share
    precision_after: Share
    recall_before: Share
    recall_after: Share


def decided_alerts(store: CaseStore, run: str) -> list[DecidedAlert]:
    """All alerts of a run that joined a case as new, in the order of the log, with the decision of their case."""
    columns = (alerts.c.alert_id, alerts.c.evidence, alerts.c.judged_at_us, alerts.c.severity,
               cases.c.case_id, cases.c.state, cases.c.proposal)  # fmt: skip
    query = (
        sa.select(*columns)
        .join_from(alerts, case_alerts, alerts.c.alert_id == case_alerts.c.alert_id)
        .join(cases, cases.c.case_id == case_alerts.c.case_id)
        .where(alerts.c.run == run, alerts.c.status == "new")
        .order_by(alerts.c.position, alerts.c.source_id, alerts.c.leg_role)
    )
    with store.reading() as connection:
        rows = list(connection.execute(query))
        filed, duplicates = _from_journal(connection)
        states = {row.case_id: row.outcome for row in connection.execute(sa.select(cases.c.case_id, cases.c.outcome))}
    found = []
    for row in rows:
        outcome = _outcome(row.case_id, states, duplicates)
        proposed = json.loads(row.proposal)["outcome"] if row.proposal else None
        is_filed = "reported" in (outcome, proposed) or row.case_id in filed
        alert = _raised(row.alert_id, json.loads(row.evidence), row.severity, row.judged_at_us)
        found.append(DecidedAlert(alert, row.case_id, PRODUCTIVE.get(outcome or ""), is_filed, row.state))
    return found


def _raised(alert_id: str, evidence: dict[str, object], severity: str, judged_at_us: int) -> Raised:
    source, subject = evidence["source"], evidence["subject"]
    assert isinstance(source, dict)
    assert isinstance(subject, dict)
    positions = evidence["transactions"]
    assert isinstance(positions, list)
    return Raised(
        alert_id, source["id"], subject["id"], int(str(evidence["position"])), str(evidence["leg_role"]),
        judged_at_us, "new", tuple(map(int, positions)), _text(evidence["segment"]), severity, str(evidence["text"]),
    )  # fmt: skip


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _from_journal(connection: sa.Connection) -> tuple[set[str], dict[str, str]]:
    """Cases that were ever closed as reported, and which case a duplicate names."""
    moves = ("close", "propose", "approve")
    query = sa.select(journal.c.chain, journal.c.action, journal.c.payload).where(journal.c.action.in_(moves))
    filed, duplicates = set(), {}
    for chain, action, payload in connection.execute(query.order_by(journal.c.chain, journal.c.seq)):
        facts = json.loads(payload)
        if action != "propose" and facts.get("outcome") == "reported":
            filed.add(chain)
        if "duplicate_of" in facts:
            duplicates[chain] = facts["duplicate_of"]
    return filed, duplicates


def _outcome(case_id: str, outcomes: Mapping[str, str | None], duplicates: Mapping[str, str]) -> str | None:
    """The outcome of a case; of a duplicate that of the case that decides, however long the chain is."""
    seen: set[str] = set()
    while outcomes.get(case_id) == "duplicate" and case_id in duplicates and case_id not in seen:
        seen.add(case_id)
        case_id = duplicates[case_id]
    return outcomes.get(case_id)


def reached(decided: Sequence[DecidedAlert], now: Sequence[Raised]) -> set[int]:
    """Indexes of the decided alerts that are raised (``new``) by ``now`` too, in substance."""
    matched = match([each.alert for each in decided], [alert for alert in now if alert.kind == "new"])
    return {index for index, _ in matched.same}


def worth(decided: Sequence[DecidedAlert], before: set[int], after: set[int]) -> list[Worth]:
    """Precision and recall against the decisions, by rule and then over all; rules without a decision are left out."""
    rules = sorted({each.alert.rule for each in decided if each.is_productive is not None})
    found = [_worth(rule, [n for n, each in enumerate(decided) if each.alert.rule == rule], decided, before, after)
             for rule in rules]  # fmt: skip
    return [*found, _worth("", range(len(decided)), decided, before, after)] if rules else []


def _worth(
    rule: str, members: Iterable[int], decided: Sequence[DecidedAlert], before: set[int], after: set[int]
) -> Worth:
    judged = {n for n in members if decided[n].is_productive is not None}
    productive = {n for n in judged if decided[n].is_productive}
    return Worth(
        rule,
        Share(len(productive & before), len(judged & before)),
        Share(len(productive & after), len(judged & after)),
        Share(len(productive & before), len(productive)),
        Share(len(productive & after), len(productive)),
    )


def cases_reached(decided: Sequence[DecidedAlert], reached_alerts: set[int]) -> Share:
    """Of the cases that led to a report, those that at least one alert still opens."""
    filed = {each.case_id for each in decided if each.is_filed}
    return Share(len(filed & {decided[n].case_id for n in reached_alerts}), len(filed))
