"""The whole engine over plain records: rules for every kind of window, divisions of the log, and what to compare."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import pairwise
from typing import Any

import numpy as np

from monitor.app.table_engine import PlainIdentifiers, UtcEntities
from monitor.domain.alert import Alert
from monitor.domain.identifiers import IdentifierKind
from monitor.domain.transaction import TransactionBatch
from monitor.domain.vocabulary import MODELS_OFF
from monitor.engine.engine import Engine, EngineInputs
from monitor.engine.firsts import HORIZON_US
from monitor.engine.hashing import EMPTY
from monitor.engine.layout import MASK, NEXT, RING, SEQUENCE, WIDE
from monitor.engine.profiles import ProfileTable
from monitor.engine.rings import capacity_of, codes_at, record_at
from monitor.engine.windows import FLAG_BITS
from monitor.rulebook.plan import plan
from monitor.rulebook.reference import PlainTransaction
from monitor.rulebook.rule import Rule, Rulebook
from tests.oracle.engine_run import batch_of
from tests.oracle.streams import EVERY_MEASURE, SMALL
from tests.rulebook.small_rules import parameter, rule, window
from tests.strategies.plain_streams import JOINT

TWO, HALF = parameter("two", "count", ("2",)), parameter("half", "share", ("0.5",))
HOUR = parameter("hour", "duration", ("1h",))
NUMBERS = (SMALL, TWO, HALF, HOUR)


def rules() -> list[Rule]:
    """One rule for each kind of key and window, with conditions that hold often."""

    def made(number: int, when: str, over: str, by: str = "customer", where: str | None = None, **more: Any) -> Rule:
        one = window(over, EVERY_MEASURE, by=by, where=where, parameters=NUMBERS)
        return rule(when, one, parameters=NUMBERS, rule_id=f"AML-TST-{number:03}", **more)

    return [
        made(1, "w.n >= two", "24h", where='channel == "cash"', quiet="3h"),
        made(2, "w.partners >= two and w.total > small", "3h"),
        made(3, "w.middle < w.mean", "day", where='direction == "credit"'),
        made(4, "w.most > small", "month", by="account", subject="account", quiet="24h"),
        made(5, "w.n >= two", "48h", by="conductor", subject="conductor"),
        made(6, "w.total > small", "24h", by="counterparty", subject="counterparty", where="amount > small"),
        made(7, "w.n >= two or status == \"rejected\"", "24h", by="device", subject="device"),
        made(8, "first_seen(counterparty) and since_last() >= hour", "3h"),
        made(9, "share(w.least, w.total) <= half", "24h", by="on_behalf_of", subject="on_behalf_of"),
        made(10, 'status == "attempted" and w.n >= two', "24h", where='status != "booked"'),
        made(11, "flow.chain_depth >= two or flow.returned_share > half or flow.residual < half", "24h",
             where="flow.pass_through >= half"),
    ]  # fmt: skip


@dataclass(slots=True)
class Log:
    """An engine, and what it said so far."""

    engine: Engine
    identifiers: PlainIdentifiers
    profiles: ProfileTable
    alerts: list[Alert] = field(default_factory=list)
    outcomes: list[int] = field(default_factory=list)
    late: list[bool] = field(default_factory=list)
    snapshots: list[tuple[Any, ...]] = field(default_factory=list)
    found: int = 0
    without: int = 0

    def feed(self, records: Sequence[PlainTransaction], cuts: Sequence[int] = ()) -> "Log":
        """Judge the records, divided before each of ``cuts``."""
        edges = [0, *sorted(set(cuts) & set(range(1, len(records)))), len(records)]
        for start, stop in pairwise(edges):
            step = self.engine.step(batch(records[start:stop], self.identifiers), self.profiles)
            self.alerts += step.alerts
            self.outcomes += step.outcome.tolist()
            self.late += step.is_late.tolist()
            self.snapshots += [
                (s.version, s.position, s.day, s.quantiles.tolist(), s.hubs.tolist()) for s in step.snapshots
            ]
            self.found += step.reversals_found
            self.without += step.reversals_without_original
        return self

    def said(self) -> dict[str, Any]:
        """Everything that a run says."""
        return {
            "alerts": self.alerts, "outcomes": self.outcomes, "late": self.late, "snapshots": self.snapshots,
            "undecided": self.engine.undecided.tolist(), "hits": self.engine.hits.tolist(),
            "reversals": (self.found, self.without),
        }  # fmt: skip


def new_log(kept: Sequence[Rule] | None = None, *, joint: bool = False, lists: Any = None, rates: Any = None,
            models: str = MODELS_OFF) -> Log:  # fmt: skip
    """A fresh engine with the rules given, or with :func:`rules`."""
    kept = rules() if kept is None else kept
    identifiers, profiles = PlainIdentifiers(), ProfileTable()
    if joint:
        account = identifiers.code(IdentifierKind.ACCOUNT, JOINT)
        holders = [identifiers.code(IdentifierKind.CUSTOMER, name) for name in ("C1", "C2")]
        profiles.joint.put(np.array([account], np.int32), np.array([2]), np.array(holders, np.int32))
    program = plan(Rulebook(tuple(kept), "".join(each.digest for each in kept)))
    inputs = EngineInputs(
        identifiers, UtcEntities(identifiers), lists=lists or {}, rates=rates or {},
        live=frozenset(each.id for each in kept), models=models,
    )  # fmt: skip
    return Log(Engine(program, inputs), identifiers, profiles)


def batch(records: Sequence[PlainTransaction], identifiers: PlainIdentifiers) -> TransactionBatch:
    """The records as columns; the digest is that of their content."""
    columns = batch_of(records, identifiers)
    for row, record in enumerate(records):
        names = [name for name in record.__slots__ if name not in ("position", "transaction_id")]
        content = repr([getattr(record, name) for name in names]).encode()
        columns.digest[row] = int.from_bytes(blake2b(content, digest_size=8).digest(), "little", signed=True)
    return columns


def state_of(engine: Engine) -> dict[str, Any]:
    """The engine's state without where things happen to stand: equal for equal histories."""
    spaces = [
        (s.code_of[: s.count].tolist(), s.clock_us[: s.count].tolist(), s.booked_us[: s.count].tolist())
        for s in engine.admission.spaces
    ]
    holders = engine.admission.spaces[0].count
    return {
        "spaces": spaces,
        "peers": (
            engine.peers.last_bucket[:holders].tolist(),
            engine.peers.last_segment[:holders].tolist(),
            engine.peers.histograms.sum(axis=2).tolist(),
            engine.peers.hub_days[:holders].tolist(),
        ),
        "firsts": _remembered(engine),
        "quiet": engine.findings.last_alert_us,
        "day": engine.day,
        "events": [_events(table, engine) for table in engine.tables],
    }


def _remembered(engine: Engine) -> list[tuple[int, ...]]:
    """The pairs that count as seen; others are let go when there is little room."""
    pairs = engine.firsts.seen[engine.firsts.seen[:, 0] != EMPTY].tolist()
    clocks = [space.clock_us for space in engine.admission.spaces]
    return sorted((key, word, at) for key, word, at in pairs if clocks[key & 255][key >> 16] - at < HORIZON_US)


def _events(table: Any, engine: Engine) -> list[list[tuple[int, ...]]]:
    """For each key the events that it holds, oldest last."""
    shape, state, keys = table.layout.shape, table.state(), []
    wide = len(shape.wide_columns)
    for row in range(table.keys):
        ring, held = int(table.rows[row, RING]), []
        oldest, stop = (int(state.rows32[row, slot]) for slot in (shape.tails + len(shape.overs_us) - 1, NEXT))
        for event in range(stop - 1, oldest - 1, -1):
            at, codes = record_at(ring, event, shape.event_words), codes_at(ring, event, shape.event_words)
            values = state.events[at + WIDE : at + WIDE + wide].tolist()
            values += [int(state.events32[codes + k * capacity_of(ring)]) for k in range(len(shape.narrow_columns))]
            held.append((int(state.events[at + SEQUENCE]) >> FLAG_BITS, int(state.events[at + MASK]), *values))
        keys.append(held)
    while keys and not keys[-1]:
        keys.pop()
    return keys
