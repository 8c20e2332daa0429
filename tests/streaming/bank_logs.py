"""A bank over several partitions whose day changes twice between the payments of two days, and workers that are killed.

On each second day nothing happens but a payment between outsiders, which every partition is given, as at the beginning
of each other day. So what the partitions tell of a day has been heard by all before the payments of the next.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from monitor.adapters.kafka import profile_records
from monitor.adapters.kafka.payment_chunks import KIND, ChunkEncoder, SourcedBatch
from monitor.adapters.kafka.profile_records import Announcements
from monitor.app.inputs import GivenInputs, LoadedInputs, engine_inputs, load_inputs, rulebook_of
from monitor.app.kept_inputs import peer_columns, snapshot_content
from monitor.app.streaming.announced_profiles import AnnouncedProfiles
from monitor.app.streaming.partition import BANK, Judged, LogRecord, Partition
from monitor.app.streaming.profile_batch import ProfileMessage, read_batch
from monitor.domain.alert import Alert
from monitor.domain.time import DAY_US, MINUTE_US, format_time, parse_time_us
from monitor.engine.engine import Engine
from monitor.engine.ownership import destinations
from monitor.rulebook.plan import plan
from monitor.rulebook.rule import Rule
from tests.rulebook.small_rules import parameter, rule, window
from tests.streaming.legs_stream import KEY, LegsStream
from tests.streaming.profile_versions import MemoryProfiles

START_US = parse_time_us("2026-03-02T00:00:00Z")
SEGMENTS = ("retail", "agent", "student", None)
HUB, NOBODY = "C0", "CLOCK"


def rules() -> list[Rule]:
    """Rules that compare with peers, in counts and in money, and one about hubs."""
    two = parameter("two", "count", ("2",))
    measures = {"n": "count()", "total": "sum(amount)", "who": "distinct(counterparty)"}

    def made(number: int, when: str, over: str, where: str | None = None) -> Rule:
        one = window(over, measures, where=where, currency="EUR", parameters=(two,))
        return rule(when, one, parameters=(two,), rule_id=f"AML-TST-{number:03}", quiet="6h")

    return [
        made(1, "w.n > peer.w.n.p90 and w.n >= two", "3d"),
        made(2, "w.total > peer.w.total.p95", "5d", 'direction == "credit"'),
        made(3, "peer.is_hub and w.who > peer.w.who.p50", "9d"),
    ]


def loaded_rules(folder: Path, chosen: Sequence[Rule]) -> LoadedInputs:
    """Inputs with these rules, all of them live."""
    (folder / "rates.csv").write_text("published_at,source,target,rate\n2026-01-01T00:00:00Z,EUR,USD,1.1\n")
    (folder / "entities.yaml").write_text("default: HERE\nentities:\n  HERE: {country: DE, zone: Europe/Berlin}\n")
    given = GivenInputs(
        rates=folder / "rates.csv", entities=folder / "entities.yaml", approve_examples=True, models="off"
    )
    program = plan(rulebook_of(list(chosen)))
    return replace(load_inputs(given), program=program, live=frozenset(each.id for each in chosen))


def payments(rng: random.Random, *, customers: int, days: int) -> list[dict[str, Any]]:
    """A bank's payments by time; on odd days only one between outsiders."""
    found = []
    for day in range(days):
        at_us = START_US + day * DAY_US
        found.append(_paid(at_us, NOBODY, "ELSEWHERE", "1.00"))
        if day % 2:
            continue
        minutes = sorted(rng.randrange(1, 1_400) for _ in range(rng.randrange(customers // 2, 3 * customers)))
        for minute in minutes:
            found.append(_payment(rng, at_us + minute * MINUTE_US, customers))
        if not day:
            end_us = at_us + 1_430 * MINUTE_US
            found += [_paid(end_us, HUB, f"H{number}", "5.00") for number in range(60)]
    return [{"transaction_id": f"T{number}", "currency": "EUR", "channel": "wire"} | each
            for number, each in enumerate(found)]  # fmt: skip


def _payment(rng: random.Random, at_us: int, customers: int) -> dict[str, Any]:
    """A payment between two customers, or of one to or from outside; some customers pay far more often than others."""
    one, other = int(customers * rng.random() ** 2), rng.randrange(customers)
    outside = f"X{rng.randrange(40)}"
    amount = f"{rng.lognormvariate(4, 2) + 0.01:.2f}"
    payer, payee = rng.choice([(f"C{one}", f"C{other}"), (f"C{one}", outside), (outside, f"C{one}")])
    return _paid(at_us, payer, payee, amount)


def _paid(at_us: int, payer: str, payee: str, amount: str) -> dict[str, Any]:
    made = {"booked_at": format_time(at_us), "amount": amount}
    for side, name in (("debtor", payer), ("creditor", payee)):
        made[f"{side}_account"] = f"{name}-A"
        if name.startswith("C"):
            made[f"{side}_customer"] = name
    return made


def profiles(rng: random.Random, customers: int) -> list[dict[str, Any]]:
    """The segments of customers; some have none."""
    found = []
    for number in range(customers):
        one = {"customer": f"C{number}", "version": 1, "kind": "person", "recorded_at": "2026-01-01T00:00:00Z"}
        segment = rng.choice(SEGMENTS)
        found.append(one if segment is None else one | {"segment": segment})
    return found


@dataclass
class BankLogs:
    """The logs of a bank's partitions, judged as they grow.

    Args:
        loaded: Rules and the like.
        lines: Payments, and
        held: profiles, as JSON objects.
        folder: Where a file may lie.
        count: How many partitions there are.
        kills: Where a worker is killed: before what it judged is handed over, or after; none without.
        is_told: Break it, if false: what partitions tell of their customers is lost.
    """

    loaded: LoadedInputs
    lines: list[dict[str, Any]]
    held: list[dict[str, Any]]
    folder: Path
    count: int
    kills: random.Random | None = None
    is_told: bool = True
    logs: list[list[LogRecord]] = field(default_factory=list)
    alerts: dict[str, Alert] = field(default_factory=dict)
    snapshots: dict[tuple[int, int], dict[str, Any]] = field(default_factory=dict)
    """By partition and day, what is kept of each for whoever explains alerts; and how many customers it counts."""
    again: int = 0
    """Snapshots that were made again after a kill."""

    def __post_init__(self) -> None:
        self.kept = MemoryProfiles()
        self.parts = [self.new(number) for number in range(self.count)]
        self.logs = [[] for _ in range(self.count)]
        self._saved = [(part.save(), 0, part.clock_us) for part in self.parts]

    def new(self, number: int) -> Partition:
        """A partition that knows nothing yet."""
        return Partition(
            number, self.count, self.loaded, KEY, lambda tokens: AnnouncedProfiles(self.kept, tokens, wait_seconds=0)
        )

    def append(self, number: int, kind: str, value: bytes) -> None:
        if kind != BANK or self.is_told:
            self.logs[number].append(LogRecord(len(self.logs[number]), kind, value))

    def run(self, *, rows: int = 25) -> "BankLogs":
        """Judge everything; chunks end where a day does."""
        self._announce()
        for chunk in self._chunks(rows):
            for number, value in chunk:
                self.append(number, KIND, value)
            self._judge()
        return self

    def _announce(self) -> None:
        lines = [json.dumps(each).encode() for each in self.held]
        batch = read_batch([ProfileMessage(0, at, line) for at, line in enumerate(lines)], key=KEY)
        assert not batch.refused
        self.kept.write(batch.versions)
        announced = Announcements.of([(each.customer, each.version, each.recorded_at_us) for each in batch.versions])
        for number in range(self.count):
            self.append(number, profile_records.KIND, profile_records.encode(announced))

    def _chunks(self, rows: int) -> list[list[tuple[int, bytes]]]:
        path = self.folder / "payments.jsonl"
        path.write_text("".join(json.dumps(each) + "\n" for each in self.lines))
        stream = LegsStream.of(path, self.loaded)
        batch, identifiers = stream.batch, stream.identifiers
        assert len(batch) == len(self.lines)
        is_of_all = np.array([each.get("debtor_customer") == NOBODY for each in self.lines])
        batch.debtor_holder[is_of_all] = -1
        kinds = Engine(self.loaded.program, engine_inputs(self.loaded, identifiers)).bound.extra_kinds
        goes, encoder = destinations(batch, identifiers.tokens, kinds, self.count), ChunkEncoder(identifiers)
        sourced = SourcedBatch(batch, np.zeros(len(batch), np.int32), np.arange(len(batch), dtype=np.int64))
        cuts = sorted({*range(0, len(batch), rows), *np.flatnonzero(is_of_all), *(np.flatnonzero(is_of_all) + 1)})
        found = []
        for first, stop in zip(cuts, [*cuts[1:], len(batch)], strict=True):
            chunk = []
            for number in range(self.count):
                own = goes.row[(goes.partition == number) & (goes.row >= first) & (goes.row < stop)]
                own = np.arange(first, stop) if is_of_all[first:stop].all() else own
                if len(own):
                    chunk.append((number, encoder.encode(sourced, own, [len(own)])[0]))
            found.append(chunk)
        return found

    def _judge(self) -> None:
        while any(part.offset < len(self.logs[part.number]) for part in self.parts):
            for number in range(self.count):
                self._judge_one(number)

    def _judge_one(self, number: int) -> None:
        part, log, rng = self.parts[number], self.logs[number], self.kills
        judged = part.step(log[part.offset :])
        assert (judged.blocked, judged.damaged) == (None, [])
        fate = "" if rng is None else rng.choice(["", "", "", "saved", "before", "after"])
        self.see(part, judged)
        if fate != "before":
            for to, kind, value in judged.messages:
                self.append(to, kind, value)
        if fate in ("before", "after"):
            arrays, offset, clock_us = self._saved[number]
            part = self.parts[number] = self.new(number)
            if offset:
                part.load(arrays, offset=offset, clock_us=clock_us)
        elif fate == "saved":
            arrays = {name: values.copy() for name, values in part.save().items()}
            self._saved[number] = arrays, part.offset, part.clock_us

    def see(self, part: Partition, judged: Judged) -> None:
        """Keep alerts and snapshots; those that are made again must be the same."""
        self.alerts |= {each.alert_id: each for each in judged.alerts}
        for step in judged.steps:
            for snapshot in step.snapshots:
                content = snapshot_content(part.engine, snapshot, peer_columns(self.loaded.program))
                made = json.loads(content) | {"customers": snapshot.customers}
                self.again += (part.number, snapshot.day) in self.snapshots
                assert self.snapshots.setdefault((part.number, snapshot.day), made) == made


def of_random(loaded: LoadedInputs, folder: Path, seed: int, count: int, *, days: int = 8, **more: Any) -> BankLogs:
    """A bank drawn at random, over so many partitions."""
    rng = random.Random(seed)
    customers = rng.randrange(140, 220)
    lines = payments(rng, customers=customers, days=days)
    return BankLogs(loaded, lines, profiles(rng, customers), folder, count, **more)
