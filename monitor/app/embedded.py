"""The embedded run: files in, alerts and cases out, in one process with nothing to install.

::

    source -> decode -> history, vault -> engine.step -> alerts -> one transaction:
                 |                            |          alerts, cases, journal, counters, position
                 v                            v
             quarantine <- refused by the engine

A commit makes the files durable first and then writes the position with the alerts in one SQL transaction. Whatever
the files hold beyond the stored position is forgotten at the next start, so a kill at any moment loses
and repeats nothing. The engine's state is saved every ``SNAPSHOT_RECORDS``; on resume the newest snapshot is
loaded and the history from there to the stored position is measured again, without raising anything.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.drift import Drift
from monitor.adapters.input_archive import InputArchive
from monitor.adapters.sql.feed_totals import read_totals
from monitor.adapters.sql.store import CaseStore, open_store
from monitor.app import engine_refusals, reloading, replaying
from monitor.app.alert_lines import AlertLines
from monitor.app.feed_totals import FeedTotals, RefusedDays
from monitor.app.filing_days import FilingDays
from monitor.app.inputs import GivenInputs, LoadedInputs, engine_inputs, load_inputs
from monitor.app.kept_inputs import peer_columns
from monitor.app.live_control import BREAKER_SAVED, LiveControl
from monitor.app.noting import OtherInputs, bank_snapshot_input, may_be_replaced, note_bank_snapshot, note_inputs
from monitor.app.profiles import ProfileFile, ProfileTimeline
from monitor.app.recorded import Recorded
from monitor.app.store import StoreFiles, data_folder
from monitor.app.watching import WATCH_SECONDS, Watch, list_names, retained
from monitor.casework.breaker import Breaker
from monitor.casework.evidence import stored_alert
from monitor.casework.policy import CaseworkPolicy
from monitor.casework.position import LogInput, RunPosition
from monitor.domain.alert import Alert
from monitor.domain.feed import FEED, FeedRows
from monitor.domain.refusal import Refusal
from monitor.domain.time import UNKNOWN, format_time
from monitor.domain.transaction import TransactionBatch
from monitor.domain.vocabulary import MODELS_OFF
from monitor.engine import admitting, state
from monitor.engine.engine import Engine, EngineInputs, Step
from monitor.intake.lines import STANDARD_INPUT
from monitor.intake.mapping import Mapping
from monitor.intake.records import RecordChunk, SourcePosition
from monitor.intake.sources import Source, open_source
from monitor.intake.tabular import records_at

RUN = "embedded"
LIVE = "v1/transactions"
"""In the place of a file: payments that programs hand in one by one (:mod:`monitor.app.live_run`). Such a run has no
end to go on to, so it may stop anywhere and be followed by any other."""
COMMIT_SECONDS = 1.0
COMMIT_RECORDS = 262_144
SNAPSHOT_RECORDS = 2_000_000


class RunError(Exception):
    """The run cannot start; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What ``aml run`` was asked for."""

    files: tuple[str, ...]
    db: Path
    layout: str | None = None
    mapping: Mapping | None = None
    inputs: GivenInputs = field(default_factory=GivenInputs)
    profiles: Path | None = None
    alerts: Path | None = None
    resume: bool = False
    commit_records: int = COMMIT_RECORDS
    snapshot_records: int = SNAPSHOT_RECORDS
    feed: str = FEED
    """The feed that the files are of."""
    watch_seconds: float | None = WATCH_SECONDS
    """How often files and orders are looked at; ``None``: only where ``is_reload_asked`` says so."""
    is_reload_asked: Callable[[], bool] = lambda: False


@dataclass(slots=True)
class Progress:
    """Where the run stands, for display."""

    records: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    file: str = ""
    rule_errors: list[str] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)
    elsewhere: int = 0
    """How many rules were left out because no booking entity is in their jurisdictions."""
    models: str = MODELS_OFF
    model_flags: list[str] = field(default_factory=list)
    """Which models are frozen, and why."""
    model_drift: tuple[Drift, ...] = ()
    """How far the signals of the models have moved."""
    messages: list[str] = field(default_factory=list)
    """What happened to rules while running, for display at once; whoever shows them empties it."""
    is_stopped: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of a chunk: who was refused, and of each stretch of accepted rows the batch and what it led to."""

    refusals: list[Refusal]
    steps: list[tuple[TransactionBatch, Step]]


class EmbeddedRun:
    """One run over some sources. Use :func:`run`."""

    name = RUN

    def __init__(self, settings: RunSettings, store: CaseStore, files: StoreFiles, loaded: LoadedInputs) -> None:
        self.settings, self.store, self.files, self.loaded = settings, store, files, loaded
        self.progress = Progress(
            examples=loaded.examples,
            elsewhere=loaded.elsewhere,
            rule_errors=[str(error) for error in loaded.errors],
            models=loaded.models,
        )
        self.profiles = ProfileTimeline()
        self.peer_columns = peer_columns(loaded.program)
        self.archive = InputArchive(files.folder)
        self.filing = FilingDays(loaded.entities)
        self.feeds, self.refused_days = FeedTotals(), RefusedDays(loaded.entities)
        self.pending: list[Alert] = []
        self.new_inputs: list[LogInput] = []
        self.start = SourcePosition(0, 0)
        self.after = SourcePosition(0, 0)
        self.position = 0
        self.clock_us = UNKNOWN
        self.committed_at, self.committed_records = time.monotonic(), 0
        self.snapshot_at = 0
        self.is_rebuilt = False
        self.watch = Watch(settings.inputs, settings.watch_seconds, settings.is_reload_asked)
        self.profiles_file: ProfileFile | None = None
        self.engine = self._prepare()

    # Starting -----------------------------------------------------------------------------------------

    def _prepare(self) -> Engine:
        """Take up the log where it was committed: files, identifiers, inputs, engine state."""
        stored = self.store.position(RUN)
        details = dict(stored.details) if stored else {}
        if stored is None and self.settings.resume:
            raise RunError(f"{self.settings.db}: there is no run to resume. Leave --resume out to start one.")
        is_whole = stored is None or stored.finished or details.get("files") == [LIVE]
        if stored is not None and not is_whole and not self.settings.resume:
            raise RunError(
                f"{self.settings.db}: the last run stopped after {stored.log_position} records, before the end of its "
                "input. Add --resume to go on where it stopped."
            )
        if stored is not None:
            self._take_up(stored, details)
        else:
            self.files.go_back_to(position=0, identifiers=0, quarantine_bytes=0)
        recorded = Recorded(self.archive, self.store.inputs(RUN))
        inputs = engine_inputs(self.loaded, self.files.identifiers)
        engine = Engine(self.loaded.program, inputs)
        self.profiles_file = self._load_profiles()
        last = recorded.last.get(("rulebook", "rules"))
        is_same = last is None or last.digest == self.loaded.program.rulebook.digest
        changes = reloading.list_changes(recorded, inputs, list_names(self.loaded.program)) if is_same else []
        self.measure(engine, since=recorded.rulebook_since if is_same else self.position, changes=changes)
        if changes:
            engine.use(inputs)
        self.live = LiveControl.restored(
            self.store, RUN, self.loaded.program.rulebook, Breaker(self.settings.inputs.breaker), details
        )
        self.live.see_bank(engine.peers.snapshot)
        self.new_inputs += self.live.take_up(self.live.waiting(), position=self.position)
        if not is_same:
            former = {entry["digest"] for entry in recorded.rules().values()}
            reloading.note_complete_from(self, reloading.fresh_rules(self.loaded.program.rulebook, former))
        try:
            note_inputs(self, engine)
        except OtherInputs as error:
            raise RunError(str(error)) from None
        is_same = self.settings.resume and details.get("alerts") == str(self.settings.alerts)
        self.lines = AlertLines(self.settings.alerts, int(str(details["alerts_bytes"])) if is_same else 0)
        self.engine = engine
        self._flag_models(is_start=True)
        reloading.look_back(self)
        return engine

    def measure(self, engine: Engine, *, since: int, changes: Sequence[tuple[int, EngineInputs]] = ()) -> None:
        """Bring a fresh engine to the position of the run; see :func:`replaying.restore`."""
        restored = replaying.restore(
            engine, self.files, self.profiles, position=self.position, since=since, changes=changes
        )
        self.clock_us = restored.clock_us
        if restored.is_whole_history:
            self._take_over_quiet_periods(engine)

    def _take_up(self, stored: RunPosition, details: dict[str, object]) -> None:
        self.files.go_back_to(
            position=stored.log_position,
            identifiers=int(str(details["identifiers"])),
            quarantine_bytes=int(str(details["quarantine_bytes"])),
        )
        self.position, self.clock_us = stored.log_position, stored.clock_us
        self.progress.records = stored.log_position
        self.progress.counts = Counter(self.store.counters(RUN))
        with self.store.reading() as connection:
            self.feeds.take_up(read_totals(connection, log=RUN))
        if self.settings.resume:
            if details.get("files") != list(self.settings.files):
                raise RunError(
                    f"--resume needs the same input as the run that stopped: {' '.join(map(str, details['files']))}. "  # type: ignore[call-overload]
                    "Name the same files, in the same order."
                )
            self.start = SourcePosition(stored.file, stored.offset)
        self.after = self.start

    def _take_over_quiet_periods(self, engine: Engine) -> None:
        """Quiet periods follow the alerts that were raised, not those that other rules would have raised."""
        codes, rules = self.files.identifiers, {rule.id for rule in engine.program.rulebook.rules}
        engine.findings.last_alert_us = {
            (rule, codes.code_of_token(bytes.fromhex(token))): judged_us
            for rule, token, judged_us in self.store.last_alerts(RUN)
            if rule in rules
        }

    def _load_profiles(self) -> ProfileFile | None:
        if self.settings.profiles is None:
            return None
        given = self.profiles.load(self.settings.profiles, self.files.identifiers)
        # A file that the log has recorded before was refused in the same places before.
        if given.digest not in {noted.digest for noted in self.store.inputs(RUN) if noted.kind == "profiles"}:
            self.files.quarantine.append(given.refusals, refused_at=_now(), is_profile=True)
        self.progress.counts["profiles"] = given.profiles
        self.progress.counts["profiles_refused"] = len(given.refusals)
        self.progress.counts["accounts_over_holders_max"] = given.accounts_over_holders_max
        return given

    # Going --------------------------------------------------------------------------------------------

    def go(self, on_progress: Callable[[Progress], bool]) -> Progress:
        """Read to the end of the sources, or until ``on_progress`` answers False."""
        is_wanted = on_progress(self.progress)
        for number, name in enumerate(self.settings.files):
            if number < self.start.file or not is_wanted:
                continue
            source = self.open(name)
            self.progress.file = name
            offset = self.start.offset if number == self.start.file else 0
            for chunk in source.chunks(SourcePosition(number, offset)):
                if chunk.lines != b"":
                    self.judge(source, chunk)
                if self._is_due():
                    self.commit()
                reloading.take_changes(self)
                self.progress.messages += self.live.take_messages()
                is_wanted = on_progress(self.progress)
                if not is_wanted:
                    break
            else:
                self.after = SourcePosition(number + 1, 0)
        self.progress.is_stopped = not is_wanted
        self.commit(finished=is_wanted)
        self.save_state()
        return self.progress

    def open(self, name: str) -> Source:
        """The reader and decoder of a file."""
        entities = frozenset(self.loaded.entities.entities) if self.settings.inputs.entities else None
        return open_source(
            name,
            identifiers=self.files.identifiers,
            entities=entities,
            default_entity=self.loaded.entities.default,
            layout=self.settings.layout,
            mapping=self.settings.mapping,
            zone=self.loaded.entities.entities[self.loaded.entities.default].zone,
        )

    def judge(self, source: Source, chunk: RecordChunk) -> Judged:
        """Judge a chunk; nothing of it is durable before :meth:`commit`."""
        decoded = source.decoder.decode(chunk, first_position=self.position)
        counts = self.progress.counts
        counts["records"] += decoded.records
        refusals = list(decoded.refusals)
        came_us = max(self.clock_us, int(decoded.batch.booked_at_us.max(initial=0))) or time.time_ns() // 1000
        days = [self.refused_days.day(refusal.original, came_us=came_us) for refusal in refusals]
        self.feeds.refuse_all(self.settings.feed, days)
        if len(decoded.batch):
            self.files.history.append(decoded.batch, self.files.identifiers.tokens)
        self.files.vault.append_texts(decoded.batch.position, decoded.texts, stop=self.position + decoded.records)
        if chunk.name in (STANDARD_INPUT, LIVE):
            self._spool(chunk, decoded.records)
        undecided, hits = self.engine.undecided.copy(), self.engine.hits.copy()
        steps = []
        for run, clock_us in self.profiles.runs(decoded.batch, self.clock_us):
            step = self.engine.step(run, self.profiles.table)
            self.clock_us = clock_us
            steps.append((run, step))
            alerts = self.live.decide(step.alerts, step.snapshots)
            self._count(step, alerts)
            self._count_feed(run, step)
            refusals += self._refused_by_engine(chunk, run, step)
            self.pending += alerts
            for each in step.snapshots:
                note_bank_snapshot(self, bank_snapshot_input(self, self.engine, each, each.position))
        self._flag_models()
        # In the order of the log, whoever refused and however the stream is cut.
        self._refuse(sorted(refusals, key=lambda refusal: refusal.position))
        self._count_rules(self.engine.undecided - undecided, self.engine.hits - hits)
        self.position += decoded.records
        self.progress.records = self.position
        self.after = chunk.after
        return Judged(refusals, steps)

    def _flag_models(self, *, is_start: bool = False) -> None:
        """Say and record that a model is frozen or goes on, once; the rules go on."""
        if self.engine.anomalies is None:
            return
        changes = self.engine.anomalies.take_freezings()
        # What froze while the history was measured again is recorded already; what is frozen still is said once more.
        events = [] if is_start else [(each.model, each.is_frozen, each.fact) for each in changes]
        told = {*self.progress.model_flags, *(_frozen(model, fact) for model, is_frozen, fact in events if is_frozen)}
        flags = self.engine.anomalies.flags
        events += [(model, True, fact) for model, fact in flags.items() if _frozen(model, fact) not in told]
        for model, is_frozen, fact in events:
            line = _frozen(model, fact) if is_frozen else f"The model {model} goes on: {fact}."
            self.live.messages.append(line)
            facts = {"model": model, "fact": fact[:2_000], "position": self.position}
            self.live.note("model_frozen" if is_frozen else "model_goes_on", facts, at_us=max(self.clock_us, 0))
        self.progress.model_flags = [_frozen(model, fact) for model, fact in flags.items()]
        self.progress.model_drift = self.engine.anomalies.drift
        self.progress.counts["models_frozen"] = len(flags)

    def _spool(self, chunk: RecordChunk, records: int) -> None:
        """Keep the original bytes of what nobody can read a second time."""
        data = (
            chunk.lines
            if chunk.lines is not None
            else b"\n".join(chunk.originals.to_pylist() if chunk.originals is not None else [])
        )
        if records:
            self.files.vault.append_raw(self.position, self.position + records, data)

    def _count(self, step: Step, alerts: Sequence[Alert]) -> None:
        counts = self.progress.counts
        outcomes = np.bincount(step.outcome, minlength=5)
        counts["judged"] += int(outcomes[admitting.JUDGED] + outcomes[admitting.TAKEN_BACK])
        counts["duplicates"] += int(outcomes[admitting.DUPLICATE])
        counts["reversals"] += int(outcomes[admitting.TAKEN_BACK])
        counts["reversals_without_original"] += step.reversals_without_original
        counts["matches_without_subject"] += step.matches_without_subject
        for rule, raised in step.raised.items():
            counts[f"raised:{rule}"] += raised.alerts
        counts["late"] += int((step.is_late & (step.outcome == admitting.JUDGED)).sum())
        self.count_alerts(alerts)

    def _count_feed(self, batch: TransactionBatch, step: Step) -> None:
        """Count the payments of a batch by business day and currency."""
        nothing = np.zeros(len(batch), np.int64)
        feeds = FeedRows((self.settings.feed,), nothing.astype(np.int16), nothing.astype(np.int32))
        day = self.engine.inputs.entities.periods(batch.booking_entity, batch.booked_at_us)[:, 0]
        self.feeds.add(batch, step.outcome, day, feeds, np.column_stack([nothing, batch.position]))

    def count_alerts(self, alerts: Sequence[Alert]) -> None:
        """Count alerts by rule and status."""
        counts = self.progress.counts
        for alert in alerts:
            counts[f"alerts_{alert.status}"] += 1
            counts[f"rule:{alert.source.id}:{alert.status}"] += 1
            counts["obligations_met"] += alert.duty is not None
            if "breaker" in alert.marks:
                counts[f"breaker:{alert.source.id}"] += 1

    def _refuse(self, refusals: list[Refusal]) -> None:
        if refusals:
            self.files.quarantine.append(refusals, refused_at=_now())
            self.progress.counts["refused"] += len(refusals)
            for refusal in refusals:
                self.progress.counts[f"refused:{refusal.reason.value}"] += 1

    def _count_rules(self, undecided: npt.NDArray[np.int64], hits: npt.NDArray[np.int64]) -> None:
        counts, rules = self.progress.counts, self.loaded.program.rulebook.rules
        for rule, operand in np.argwhere(undecided):
            name = self.engine.findings.operand_name(int(operand))
            counts[f"undecided:{rules[rule].id}:{name}"] += int(undecided[rule, operand])
            counts["undecided"] += int(undecided[rule, operand])
        for rule in np.flatnonzero(hits):
            counts[f"hits:{rules[rule].id}"] += int(hits[rule])

    def _refused_by_engine(self, chunk: RecordChunk, batch: TransactionBatch, step: Step) -> list[Refusal]:
        """Refusals of what only the engine can tell; their bytes are taken from the chunk."""
        rows = np.flatnonzero((step.outcome == admitting.DIFFERS) | (step.outcome == admitting.TOO_LATE))
        positions = batch.position[rows].tolist()
        reasons = [engine_refusals.REASONS[outcome] for outcome in step.outcome[rows].tolist()]
        origins = records_at(chunk, [position - self.position for position in positions])
        return [
            Refusal(position, place, reason, engine_refusals.DETAILS[reason], original, header)
            for position, reason, (place, original, header) in zip(positions, reasons, origins, strict=True)
        ]

    # Committing ---------------------------------------------------------------------------------------

    def _is_due(self) -> bool:
        if self.position == self.committed_records:
            return False
        is_full = self.position - self.committed_records >= self.settings.commit_records
        return is_full or time.monotonic() - self.committed_at >= COMMIT_SECONDS

    def commit(self, *, finished: bool = False) -> None:
        """Make everything so far durable, in one step as seen from outside."""
        written = self.lines.write(self.pending, self.files)
        self.files.commit()
        details: dict[str, object] = {
            "files": list(self.settings.files),
            "identifiers": self.files.vault.identifier_count,
            "quarantine_bytes": self.files.quarantine.size,
            "alerts": str(self.settings.alerts),
            "alerts_bytes": written,
            BREAKER_SAVED: self.live.control.breaker.save(),
        }
        position = RunPosition(
            RUN, self.after.file, self.after.offset, self.position, self.clock_us, None, finished, details
        )
        held = [each for each in self.new_inputs if may_be_replaced(each, self.position) and not finished]
        self.store.commit_batch(
            [stored_alert(alert, due_on=self.filing.due_of(alert)) for alert in self.pending],
            position,
            recorded_at_us=time.time_ns() // 1000,
            counters={name: count for name, count in self.progress.counts.items() if count},
            inputs=[each for each in self.new_inputs if each not in held],
            entries=self.live.take_entries(),
            totals=[(RUN, each) for each in self.feeds.take_changed()],
        )
        self.pending, self.new_inputs = [], held
        self.committed_at, self.committed_records = time.monotonic(), self.position
        if self.position - self.snapshot_at >= self.settings.snapshot_records:
            self.save_state()

    def save_state(self) -> None:
        """Save the engine's state as of the last commit."""
        layout = state.layout_key(self.engine)
        self.files.snapshots.write(
            state.save(self.engine),
            position=self.position,
            clock_us=self.clock_us,
            layout=layout,
            format_version=state.FORMAT,
        )
        self.snapshot_at = self.position


def run(settings: RunSettings, on_progress: Callable[[Progress], bool] = lambda progress: True) -> Progress:
    """Run over the sources of ``settings``.

    ``on_progress`` is called after each chunk; when it answers False the run stops cleanly and can be resumed.

    Raises:
        RunError: The store or the choices do not allow it.
        OSError: A file cannot be opened; a missing one is noticed before anything is written.
        StoreBusy: Another process is running on the store.
    """
    _look_at(settings)
    with opened(settings) as embedded:
        return embedded.go(on_progress)


@contextmanager
def opened(settings: RunSettings) -> Iterator[EmbeddedRun]:
    """The run of a store, which nobody else can have meanwhile. Raises as :func:`run` does."""
    loaded = load_inputs(settings.inputs)
    if settings.db.exists() and loaded.errors:
        with open_store(settings.db) as store:
            loaded = retained(
                loaded, settings.inputs, Recorded(InputArchive(data_folder(settings.db)), store.inputs(RUN))
            )
    if not loaded.program.rulebook.rules:
        why = f"\n{loaded.errors[0]}" if loaded.errors else " The files given hold none that is active or in shadow."
        raise RunError(f"There is no rule to judge by.{why}")
    settings.db.parent.mkdir(parents=True, exist_ok=True)
    policy = CaseworkPolicy(groups=loaded.groups.groups)
    with open_store(settings.db, create=True, policy=policy) as store:
        store.claim_run(RUN)
        files = StoreFiles.open(settings.db, is_begun=store.position(RUN) is not None)
        try:
            embedded = EmbeddedRun(settings, store, files, loaded)
            try:
                yield embedded
            finally:
                embedded.lines.close()
        finally:
            files.close()


def _frozen(model: str, fact: str) -> str:
    return f"The model {model} is frozen ({fact}); its alerts stop and the rules go on."


def _look_at(settings: RunSettings) -> None:
    """Open each file once, so that a wrong name in a long list does not stop a run in its middle.

    A run that goes on may be without the files that it has read already.

    Raises:
        OSError: One cannot be opened.
    """
    paths = [Path(name) for name in settings.files if name != STANDARD_INPUT and not settings.resume]
    for path in (*paths, *([settings.profiles] if settings.profiles else [])):
        if not path.is_fifo():
            with path.open("rb"):
                pass


def _now() -> str:
    return format_time(time.time_ns() // 1000)
