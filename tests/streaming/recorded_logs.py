"""A bank's payments as the log of one or more partitions: judged, recorded and stored as workers do, without Kafka."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from monitor.adapters.identity_files import IdentityFile
from monitor.adapters.kafka import profile_records
from monitor.adapters.kafka.payment_chunks import KIND, ChunkEncoder, SourcedBatch
from monitor.adapters.kafka.profile_records import Announcements
from monitor.adapters.leg_history import history_folder
from monitor.adapters.sql.store import open_store
from monitor.app.explaining_stream import StreamExplainer
from monitor.app.inputs import GivenInputs, LoadedInputs, engine_inputs, load_inputs
from monitor.app.streaming.announced_profiles import AnnouncedProfiles
from monitor.app.streaming.judged_with import JudgedWith
from monitor.app.streaming.leg_log import RecordedLog
from monitor.app.streaming.partition import LogRecord, Partition
from monitor.app.streaming.profile_batch import ProfileMessage, read_batch
from monitor.casework.evidence import stored_alert
from monitor.casework.position import RunPosition
from monitor.domain.alert import Alert
from monitor.domain.identifiers import IdentifierKind
from monitor.engine.engine import Engine
from monitor.engine.ownership import destinations
from tests.streaming.legs_stream import KEY, LegsStream
from tests.streaming.profile_versions import MemoryProfiles


@dataclass
class RecordedBank:
    """The log of a bank, partition by partition, and the folder that workers share.

    Args:
        folder: Where the store folder and the database are made.
        inputs: Rules and the like.
        payments: JSON lines.
        profiles: JSON lines; all are announced before the first payment.
        partitions: Of the log.
        rows: Payments of a chunk.
    """

    folder: Path
    inputs: GivenInputs
    payments: Path
    profiles: Path
    partitions: int = 1
    rows: int = 40
    kept: MemoryProfiles = field(default_factory=MemoryProfiles)
    logs: list[list[LogRecord]] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)

    @property
    def store(self) -> Path:
        return self.folder / "store"

    @property
    def db(self) -> Path:
        return self.folder / "cases.db"

    @cached_property
    def loaded(self) -> LoadedInputs:
        return load_inputs(self.inputs)

    @cached_property
    def stream(self) -> LegsStream:
        return LegsStream.of(self.payments, self.loaded)

    def judge(self) -> None:
        """Put everything into the logs and judge it, record by record; alerts go into the case store."""
        self.logs = [[] for _ in range(self.partitions)]
        judged_with = JudgedWith(self.store, "legs", self.loaded, self.inputs)
        parts = [self.partition(number) for number in range(self.partitions)]
        for part in parts:
            judged_with.took_up(part)
        self._announce()
        self._judge_what_is_new(parts, judged_with)
        for chunks in self._chunks():
            for number, value in chunks:
                self.append(number, KIND, value)
            self._judge_what_is_new(parts, judged_with)
        self.store_alerts(self.alerts)

    def partition(self, number: int) -> Partition:
        """The empty state of a partition."""
        return Partition(
            number, self.partitions, self.loaded, KEY,
            lambda tokens: AnnouncedProfiles(self.kept, tokens, wait_seconds=0),
        )  # fmt: skip

    def store_alerts(self, alerts: Sequence[Alert]) -> None:
        """Put alerts into the case store."""
        with open_store(self.db, create=True) as cases:
            some = sorted({each.alert_id: each for each in alerts}.values(), key=lambda each: each.position)
            position = RunPosition("alerts-0", 0, 1, 1, 0)
            cases.commit_batch([stored_alert(each, due_on="2026-12-01") for each in some], position, recorded_at_us=1)

    def append(self, number: int, kind: str, value: bytes) -> None:
        self.logs[number].append(LogRecord(len(self.logs[number]), kind, value))

    def _announce(self) -> None:
        messages = [ProfileMessage(0, at, line) for at, line in enumerate(self.profiles.read_bytes().splitlines())]
        batch = read_batch(messages, key=KEY)
        self.kept.write(batch.versions)
        rows = [(each.customer, each.version, each.recorded_at_us) for each in batch.versions]
        for number in range(self.partitions):
            self.append(number, profile_records.KIND, profile_records.encode(Announcements.of(rows)))

    def _chunks(self) -> list[list[tuple[int, bytes]]]:
        batch, identifiers = self.stream.batch, self.stream.identifiers
        kinds = Engine(self.loaded.program, engine_inputs(self.loaded, identifiers)).bound.extra_kinds
        goes = destinations(batch, identifiers.tokens, kinds, self.partitions, follows_money=True)
        count, encoder = len(batch), ChunkEncoder(identifiers)
        sourced = SourcedBatch(batch, np.zeros(count, np.int32), np.arange(count, dtype=np.int64))
        found = []
        for first in range(0, count, self.rows):
            here = (goes.row >= first) & (goes.row < first + self.rows)
            chunks = []
            for number in range(self.partitions):
                rows = goes.row[here & (goes.partition == number)]
                if len(rows):
                    chunks.append((number, encoder.encode(sourced, rows, [len(rows)])[0]))
            found.append(chunks)
        return found

    def _judge_what_is_new(self, parts: Sequence[Partition], judged_with: JudgedWith) -> None:
        while any(part.offset < len(self.logs[part.number]) for part in parts):
            for part in parts:
                judged = part.step(self.logs[part.number][part.offset :])
                assert not judged.damaged
                judged_with.stepped(part, judged.steps)
                self.alerts += judged.alerts
                for number, value in judged.forwards:
                    self.append(number, KIND, value)
                for number, kind, value in judged.messages:
                    self.append(number, kind, value)

    def record(self, *, partitions: Sequence[int] | None = None, commit_every: int = 7) -> None:
        """Write the histories of partitions, and what tokens stand for."""
        for number in range(self.partitions) if partitions is None else partitions:
            log = RecordedLog(history_folder(self.store, "legs", number), number, self.kept)
            for first in range(0, len(self.logs[number]), commit_every):
                done = log.take(self.logs[number][first : first + commit_every])
                assert (done.blocked, done.damaged) == (None, 0)
                log.commit()
            log.close()
        identifiers = self.stream.identifiers
        known = [(identifiers.tokens[code].tobytes(), identifiers.kind(code), identifiers.text(code))
                 for code in range(len(identifiers))]  # fmt: skip
        file = IdentityFile(self.store, 0)
        file.put([(token, IdentifierKind(kind), text) for token, kind, text in known], offset=len(known))
        file.close()

    def explainer(self) -> StreamExplainer:
        return StreamExplainer(open_store(self.db), folder=self.store, key=KEY)


def of_rough(folder: Path, source: Path, inputs: GivenInputs, *, partitions: int) -> RecordedBank:
    """A rough bank (:mod:`tests.app.rough_bank`) as a log."""
    return RecordedBank(folder, inputs, source / "transactions.jsonl", source / "profiles.jsonl", partitions)


def customers_of(path: Path) -> set[str]:
    """The customers of a file of profiles."""
    return {json.loads(line)["customer"] for line in path.read_bytes().splitlines()}
