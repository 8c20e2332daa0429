"""Payments handed in one by one, judged by the one run of an embedded store, and answered when all is durable.

One thread owns the run: it takes what waits, judges it as one chunk, commits once, and answers each who waits. So many
at once cost one commit, and a verdict is never told that a power cut could take back. What is answered is read from
the store: the alerts at the payment's place in the log. A payment that comes again is told what it raised the
first time, found by the engine's duplicate filter; there is no second record of verdicts.

Whatever goes wrong inside ends the run: nothing after the last commit counts, who waits is told, and the next start
goes on at the commit. Payments that are sent again then are judged, or found to be judged already.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from queue import Empty, Full, Queue

from monitor.adapters.sql.api_keys import API_CHAIN
from monitor.adapters.sql.found import Found, found_at
from monitor.app import reloading
from monitor.app.embedded import LIVE, RUN, EmbeddedRun, Judged, RunSettings, opened
from monitor.app.seen_payments import position_of, position_of_id
from monitor.casework.journal import Draft, canonical_json
from monitor.domain.refusal import REMEDIES, Reason
from monitor.engine import admitting
from monitor.intake.json_scan import RECORD_BYTES_MAX
from monitor.intake.lines import STANDARD_INPUT
from monitor.intake.records import RecordChunk, SourcePosition
from monitor.intake.sources import Source

WAITING_MAX = 4_096
"""Most payments that wait; further ones are turned away."""
TOGETHER_MAX = 512
"""Most payments of one commit."""
IDLE_SECONDS = 0.5
"""How often rules and orders are looked at while nothing comes."""


class NotTaken(Exception):
    """The run takes no payment now; the message says why."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a payment that was accepted. ``alerts`` are those that it raised, when it first came."""

    transaction_id: str
    position: int
    is_duplicate: bool
    alerts: list[Found]


@dataclass(frozen=True, slots=True)
class RefusedPayment:
    """A payment that was refused; it is kept in the quarantine at ``position`` of the log."""

    position: int
    reason: Reason
    detail: str

    @property
    def remedy(self) -> str:
        """What to do."""
        return REMEDIES[self.reason]


Outcome = Verdict | RefusedPayment


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A record that waits, for whom, and where the answer goes."""

    record: bytes
    by: str
    key_id: str
    answer: "Future[Outcome]"


@dataclass(frozen=True, slots=True)
class _Question:
    """A question for what became of a payment."""

    transaction_id: str
    answer: "Future[Verdict | None]"


class LiveRun:
    """The run of a store that takes payments while the process lives. Start it, and stop it at the end."""

    def __init__(
        self,
        settings: RunSettings,
        *,
        tell: Callable[[str], None] = lambda text: None,
        on_failure: Callable[[], None] = lambda: None,
    ) -> None:
        """Keep what the run needs.

        Args:
            settings: As of ``aml run``; its files are not read.
            tell: Is given what people are to be told, such as rules taken over.
            on_failure: Is called, once, when the run ends by itself.
        """
        self.settings = replace(settings, files=(LIVE,), resume=False)
        self.failure: str | None = None
        self._tell, self._on_failure = tell, on_failure
        self._queue: Queue[_Waiting | _Question] = Queue(WAITING_MAX)
        self._is_ready, self._is_stopping, self._is_over = threading.Event(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._live, name="live run", daemon=True)

    @property
    def state(self) -> str:
        """``starting``, ``ready`` or ``failed``."""
        return "failed" if self.failure is not None else "ready" if self._is_ready.is_set() else "starting"

    def start(self) -> None:
        """Begin; compiling and loading take a while, and payments wait meanwhile."""
        self._thread.start()

    def stop(self) -> None:
        """Judge what waits, commit, save the state and end."""
        self._is_stopping.set()
        self._thread.join()

    def wait_until_ready(self, seconds: float) -> None:
        """Wait until payments are judged.

        Raises:
            NotTaken: The run has failed, or it took longer.
        """
        end = time.monotonic() + seconds
        while not self._is_ready.wait(0.05):
            self._check()
            if time.monotonic() > end:
                raise NotTaken("the run is not ready yet")

    def submit(self, record: bytes, *, by: str, key_id: str) -> "Future[Outcome]":
        """Hand in a record of a payment, as a line of JSON has it; its outcome comes when it is durable.

        Args:
            record: JSON; line breaks between fields are taken for spaces, which changes no record.
            by: The service person, for the journal.
            key_id: Of their key.

        Raises:
            NotTaken: The run has failed or is stopping, or too many wait.
            ValueError: The record is blank.
        """
        line = record[: RECORD_BYTES_MAX + 1].replace(b"\n", b" ").replace(b"\r", b" ")
        if not line.strip():
            raise ValueError("a record is not blank")
        waiting = _Waiting(line, by, key_id, Future())
        self._put(waiting)
        return waiting.answer

    def ask(self, transaction_id: str) -> "Future[Verdict | None]":
        """What became of a payment; ``None`` where it never came, was refused, waits, or is forgotten by now.

        Raises:
            NotTaken: The run has failed or is stopping, or too many wait.
        """
        question = _Question(transaction_id, Future())
        self._put(question)
        return question.answer

    def _put(self, each: _Waiting | _Question) -> None:
        self._check()
        try:
            self._queue.put_nowait(each)
        except Full:
            raise NotTaken(f"{WAITING_MAX} payments wait already") from None
        if self._is_over.is_set():
            self._turn_away()

    def _check(self) -> None:
        if self.failure is not None:
            raise NotTaken(f"the run has ended: {self.failure}")
        if self._is_stopping.is_set():
            raise NotTaken("the run is stopping")

    # In the thread that owns the run ------------------------------------------------------------------

    def _live(self) -> None:
        try:
            with opened(self.settings) as run:
                source = run.open(STANDARD_INPUT)
                self._say(run)
                self._is_ready.set()
                while not (self._is_stopping.is_set() and self._queue.empty()):
                    self._turn(run, source)
                run.commit(finished=True)
                run.save_state()
        except Exception as error:
            self.failure = f"{error}" or type(error).__name__
            self._tell(f"Payments are taken no more: {self.failure}\nStart again; nothing that was answered is lost.")
            self._on_failure()
        finally:
            self._is_over.set()
            self._turn_away()

    def _turn(self, run: EmbeddedRun, source: Source) -> None:
        together = self._take()
        records = [each for each in together if isinstance(each, _Waiting)]
        try:
            if records:
                self._judge(run, source, records)
            for each in together:
                if isinstance(each, _Question):
                    each.answer.set_result(_asked(run, each.transaction_id))
        except BaseException as error:
            for each in together:
                if not each.answer.done():
                    each.answer.set_exception(NotTaken(f"the run has ended: {error}"))
            raise
        reloading.take_changes(run)
        self._say(run)

    def _take(self) -> list[_Waiting | _Question]:
        together: list[_Waiting | _Question] = []
        try:
            together.append(self._queue.get(timeout=IDLE_SECONDS))
            while len(together) < TOGETHER_MAX:
                together.append(self._queue.get_nowait())
        except Empty:
            pass
        return together

    def _judge(self, run: EmbeddedRun, source: Source, records: Sequence[_Waiting]) -> None:
        first, start = run.position, SourcePosition(0, 0)
        lines = b"".join(each.record + b"\n" for each in records)
        judged = run.judge(source, RecordChunk(LIVE, start, start, 1, lines=lines))
        now_us = time.time_ns() // 1000
        for (by, key_id), count in Counter((each.by, each.key_id) for each in records).items():
            facts = {"key": key_id, "payments": count, "from": first, "to": first + len(records) - 1}
            run.live.entries.append(Draft(API_CHAIN, now_us, by, "payments_judged", canonical_json(facts)))
        run.commit()
        for each, outcome in zip(records, _outcomes(run, judged, first, len(records)), strict=True):
            each.answer.set_result(outcome)

    def _say(self, run: EmbeddedRun) -> None:
        for message in (*run.progress.messages, *run.live.take_messages()):
            self._tell(message)
        run.progress.messages.clear()

    def _turn_away(self) -> None:
        """Tell all who wait that the run has ended."""
        while True:
            try:
                each = self._queue.get_nowait()
            except Empty:
                return
            each.answer.set_exception(NotTaken(f"the run has ended: {self.failure or 'it was stopped'}"))


def _outcomes(run: EmbeddedRun, judged: Judged, first: int, records: int) -> list[Outcome]:
    """What became of each record of a chunk that has been committed."""
    outcomes: dict[int, Outcome] = {
        refusal.position: RefusedPayment(refusal.position, refusal.reason, refusal.detail)
        for refusal in judged.refusals
    }
    originals: dict[int, int] = {}
    for batch, step in judged.steps:
        for row, (position, outcome) in enumerate(zip(batch.position.tolist(), step.outcome.tolist(), strict=True)):
            if outcome == admitting.DUPLICATE:
                high, low = int(batch.id_hi[row]), int(batch.id_lo[row])
                original = position_of_id(run.engine.admission, high, low)
                originals[position] = position if original is None else original
            elif position not in outcomes:
                originals[position] = position
    verdicts = _verdicts(run, sorted(set(originals.values())))
    for position, original in originals.items():
        outcomes[position] = replace(verdicts[original], is_duplicate=original != position)
    return [outcomes[position] for position in range(first, first + records)]


def _asked(run: EmbeddedRun, transaction_id: str) -> Verdict | None:
    position = position_of(run.engine.admission, run.files.identifiers.key, transaction_id)
    return None if position is None else _verdicts(run, [position])[position]


def _verdicts(run: EmbeddedRun, positions: Sequence[int]) -> dict[int, Verdict]:
    with run.store.reading() as connection:
        found = found_at(connection, RUN, positions)
    ids = run.files.transaction_ids(tuple(positions))
    return {
        position: Verdict(name, position, is_duplicate=False, alerts=found.get(position, []))
        for position, name in zip(positions, ids, strict=True)
    }
