"""Decisions teach the order of the queue: each is learned in the transaction that records it.

The state of the learner lies in one row of ``learned_orders``, with what it has learned as plain lines beside it, so
that whoever stores alerts needs no learner. Open cases are scored anew at every :data:`RESCORED_EVERY` th decision, and
a case whenever an alert joins it; so a queue of any length costs a decision little. The journal has each lesson in the
chain :data:`CHAIN`: the case, what its decision said, and the digest of what was known afterwards.

The order can be switched off (:func:`switch`): decisions are learned all the same, and the queue is as if there were
none.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from monitor.adapters.sql.commit import update_cases
from monitor.adapters.sql.ledger import append_entries
from monitor.adapters.sql.rows import case_of
from monitor.adapters.sql.schema import cases, learned_orders
from monitor.casework.joining import lifted
from monitor.casework.journal import Draft, canonical_json
from monitor.casework.learned import (
    DECISIONS_MIN,
    UNTRAINED,
    LearnedOrder,
    fact_names,
    facts_of,
    order_of,
    propensity_of,
    verdict_of,
)
from monitor.domain.case import MONITOR, Case

if TYPE_CHECKING:
    from models.triage import Triage
    from monitor.adapters.sql.store import CaseStore

NAME = "triage"
CHAIN = "triage"
RESCORED_EVERY = 10
"""Open cases get the newest order after so many decisions; a case that changes gets it at once."""
_ROWS = 1_000


def order_in_force(connection: sa.Connection) -> LearnedOrder:
    """What decisions have taught so far; untrained where nothing was decided, or where it is switched off."""
    found = learned_order(connection)
    return found.order if found.is_on else UNTRAINED


@dataclass(frozen=True, slots=True)
class Learned:
    """What decisions have taught, and whether the queue follows it."""

    order: LearnedOrder
    is_on: bool


def learned_order(connection: sa.Connection) -> Learned:
    """What decisions have taught so far, whether the queue follows it or not."""
    row = connection.execute(sa.select(learned_orders).where(learned_orders.c.name == NAME)).one_or_none()
    if row is None:
        return Learned(UNTRAINED, True)
    lines = {fact: (weight, mean, deviation) for fact, (weight, mean, deviation) in json.loads(row.lines).items()}
    return Learned(order_of(lines, row.suspicious, row.innocent), row.is_on)


def switch(store: "CaseStore", *, is_on: bool, by: str, reason: str, at_us: int, recorded_at_us: int) -> int:
    """Let the queue follow what was learned, or not; how many open cases moved. Journalled.

    Raises:
        StoreBusy: Another writer does not finish in time.
    """
    with store.writing() as connection:
        if connection.execute(sa.select(learned_orders.c.name).where(learned_orders.c.name == NAME)).scalar() is None:
            _keep(connection, _restored(connection), "{}", recorded_at_us)
        connection.execute(learned_orders.update().where(learned_orders.c.name == NAME).values(is_on=is_on))
        facts = canonical_json({"is_on": is_on, "reason": reason})
        append_entries(connection, [Draft(CHAIN, at_us, by, "order_switched", facts)], recorded_at_us=recorded_at_us)
        return rescore(connection, order_in_force(connection))


def learn(connection: sa.Connection, case: Case, *, at_us: int, recorded_at_us: int) -> None:
    """Learn the decision that closed a case, if it says anything; then score open cases anew where it is time."""
    verdict = verdict_of(case)
    if verdict is None:
        return
    triage = _restored(connection)
    columns = {name: np.array([value]) for name, value in facts_of(case).items()}
    triage.learn_decision(columns, 0, is_suspicious=verdict, propensity=propensity_of(case))
    lines = {line.name: [line.weight, line.mean, line.deviation] for line in triage.lines()}
    text = canonical_json(lines)
    _keep(connection, triage, text, recorded_at_us)
    innocent, suspicious = triage.decisions
    facts = {"case": case.case_id, "is_suspicious": verdict, "suspicious": suspicious, "innocent": innocent,
             "lines_sha256": sha256(text.encode()).hexdigest()}  # fmt: skip
    append_entries(
        connection, [Draft(CHAIN, at_us, MONITOR, "decision_learned", canonical_json(facts))],
        recorded_at_us=recorded_at_us,
    )  # fmt: skip
    if lines and (suspicious + innocent) % RESCORED_EVERY == 0:
        rescore(connection, order_in_force(connection))


def rescore(connection: sa.Connection, order: LearnedOrder) -> int:
    """Give every open case the risk that an order gives it (:data:`UNTRAINED`: as if nothing was learned); how many
    changed."""
    changed = 0
    for some in _open_cases(connection):
        moved = [after for before in some if (after := lifted(before, order)) != before]
        update_cases(connection, moved)
        changed += len(moved)
    return changed


def _open_cases(connection: sa.Connection) -> Iterator[list[Case]]:
    """Open cases, :data:`_ROWS` at a time, by id."""
    last = ""
    while True:
        query = sa.select(cases).where(cases.c.is_open, cases.c.case_id > last).order_by(cases.c.case_id).limit(_ROWS)
        some = [case_of(row) for row in connection.execute(query)]
        if not some:
            return
        yield some
        last = some[-1].case_id


def _restored(connection: sa.Connection) -> "Triage":
    """The learner as the last decision left it; a fresh one where it knew other facts."""
    from models.contract import Input, State, StateError
    from models.triage import Triage

    def fresh() -> Triage:
        return Triage([Input(name) for name in fact_names()], decisions_min=DECISIONS_MIN)

    triage = fresh()
    row = connection.execute(sa.select(learned_orders.c.state).where(learned_orders.c.name == NAME)).one_or_none()
    if row is not None:
        stored = json.loads(row.state)
        arrays: dict[str, npt.NDArray[Any]] = {
            "river": np.frombuffer(stored["river"].encode(), np.uint8),
            "decisions": np.array(stored["decisions"], np.int64),
        }
        try:
            triage.restore(State(stored["header"], arrays))
        except StateError:
            return fresh()
    return triage


def _keep(connection: sa.Connection, triage: "Triage", lines: str, recorded_at_us: int) -> None:
    state = triage.state()
    stored = {
        "header": dict(state.header),
        "river": state.arrays["river"].tobytes().decode(),
        "decisions": state.arrays["decisions"].tolist(),
    }
    innocent, suspicious = triage.decisions
    values = {"name": NAME, "suspicious": suspicious, "innocent": innocent, "lines": lines,
              "state": canonical_json(stored), "recorded_at_us": recorded_at_us}  # fmt: skip
    held = learned_orders.c.name == NAME
    is_on = connection.execute(sa.select(learned_orders.c.is_on).where(held)).scalar()
    connection.execute(learned_orders.delete().where(held))
    connection.execute(learned_orders.insert(), [values | {"is_on": is_on is not False}])
