"""The way of a payment from bytes to alerts as an embedded run goes it, without the store, and with a clock on it.

The stages are timed from outside: functions of the engine are put behind a stopwatch while a :class:`Stopwatch` is
on. A stage's time is its own, without the stages inside it; what no stage claims is ``rest``. About fifteen readings of
the clock a chunk cost some 5 ns a payment.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from monitor.app.inputs import GivenInputs, LoadedInputs, engine_inputs, load_inputs
from monitor.app.profiles import ProfileTimeline
from monitor.domain.alert import Alert
from monitor.domain.time import UNKNOWN
from monitor.domain.vocabulary import MODELS_OFF
from monitor.engine import decide
from monitor.engine import engine as engine_module
from monitor.engine.admission import Admission
from monitor.engine.anomalies import Anomalies
from monitor.engine.engine import Engine
from monitor.engine.findings import Findings
from monitor.engine.flow import FlowTable
from monitor.engine.peers import Peers
from monitor.engine.table import WindowTable
from monitor.intake import jsonl
from monitor.intake.identifiers import IdentifierTable
from monitor.intake.jsonl import JsonLinesDecoder
from monitor.intake.records import DecodedChunk, RecordChunk
from monitor.rulebook.load import shipped_rules
from tests.bench.banks import Bank

TEN_RULES = Path(__file__).with_name("ten_rules")
"""Ten rules as they once were, which plain Python has by hand; calibrating the shipped ones leaves them alone."""
TOKEN_KEY = b"the bench's key: it never changes"[:32]
STAGES: tuple[tuple[str, tuple[tuple[Any, str], ...]], ...] = (
    ("decode, validate", ((jsonl, "scan_lines"),)),
    ("identifiers, ids, digests, columns", ((jsonl, "sealed"),)),
    ("decode, rest", ((JsonLinesDecoder, "decode"),)),
    ("profile versions", ((ProfileTimeline, "advance"),)),
    ("admission", ((Admission, "admit"),)),
    ("leg matrix, profile join", ((engine_module, "build_fields"), (Engine, "facts"), (Engine, "_periods"))),
    ("flow", ((FlowTable, "trace"),)),
    ("models", ((Anomalies, "step"),)),
    ("filters", ((decide, "filter_masks"),)),
    ("windows", ((WindowTable, "run"),)),
    ("rules", ((Engine, "_decide"),)),
    ("peers", ((Peers, "record"), (Peers, "publish"))),
    ("alerts", ((Findings, "alerts"), (engine_module, "alerts_of"))),
)  # fmt: skip
"""The stages in the order of the way, and the functions that make up each."""


class Stopwatch:
    """Seconds of the thread by stage; a stage within a stage counts for itself only."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys((name for name, _ in STAGES), 0.0)
        self._within = [0.0]

    @contextmanager
    def on(self) -> Iterator[None]:
        """Put the stages behind the watch, and take them out again."""
        replaced = []
        for name, places in STAGES:
            for owner, attribute in places:
                replaced.append((owner, attribute, getattr(owner, attribute)))
                setattr(owner, attribute, self._timed(name, getattr(owner, attribute)))
        try:
            yield
        finally:
            for owner, attribute, function in replaced:
                setattr(owner, attribute, function)

    def _timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        seconds, within, clock = self.seconds, self._within, time.thread_time

        def timed(*values: Any, **named: Any) -> Any:
            within.append(0.0)
            start = clock()
            try:
                return function(*values, **named)
            finally:
                taken = clock() - start
                seconds[name] += taken - within.pop()
                within[-1] += taken

        return timed


@dataclass(slots=True)
class AlertDigest:
    """A hash over id, status and text of all alerts, in order; and what else the bench asks of them."""

    count: int = 0
    new: int = 0
    keep: bool = False
    kept: list[Alert] = field(default_factory=list)
    _hash: Any = field(default_factory=sha256)

    def add(self, alerts: list[Alert]) -> None:
        """Take alerts over."""
        for alert in alerts:
            self._hash.update(f"{alert.alert_id}\x1f{alert.status}\x1f{alert.text}\x1e".encode())
            self.new += alert.status == "new"
        self.count += len(alerts)
        if self.keep:
            self.kept += alerts

    def hex(self) -> str:
        """The hash so far."""
        return str(self._hash.hexdigest())


class Pipeline:
    """Decoder, profiles and engine of one bank, all rules approved: the shipped ones, or those of a folder."""

    def __init__(
        self, bank: Bank, *, profiles: bool = True, rules: Path | None = None, models: str = MODELS_OFF
    ) -> None:
        self.bank = bank
        given = GivenInputs(
            rules=(rules,) if rules else (),
            lists=(shipped_rules(),),
            rates=bank.folder / "rates.csv",
            entities=bank.folder / "entities.yaml",
            approve_examples=True,
        )
        self.loaded: LoadedInputs = load_inputs(given)
        if self.loaded.errors:
            raise SystemExit(f"the bench needs every rule, and this one does not load: {self.loaded.errors[0]}")
        self.identifiers = IdentifierTable(TOKEN_KEY)
        inputs = replace(engine_inputs(self.loaded, self.identifiers), models=models)
        self.engine = Engine(self.loaded.program, inputs)
        self.decoder = self.new_decoder()
        self.profiles = ProfileTimeline()
        if profiles:
            self.profiles.load(bank.folder / "profiles.jsonl", self.identifiers)
        self.position, self.clock_us, self.legs, self.judged = 0, UNKNOWN, 0, 0

    def new_decoder(self) -> JsonLinesDecoder:
        """A decoder over the same identifiers."""
        entities = self.loaded.entities
        return JsonLinesDecoder(
            self.identifiers, entities=frozenset(entities.entities), default_entity=entities.default
        )

    def run(self, chunk: RecordChunk) -> tuple[DecodedChunk, list[Alert]]:
        """One chunk from bytes to alerts."""
        decoded = self.decoder.decode(chunk, first_position=self.position)
        self.position += decoded.records
        self.tokens = self.identifiers.tokens  # As in an embedded run, whose history takes them before the engine.
        alerts: list[Alert] = []
        for run, clock_us in self.profiles.runs(decoded.batch, self.clock_us):
            step = self.engine.step(run, self.profiles.table)
            self.clock_us = clock_us
            self.legs += step.legs
            alerts += step.alerts
        return decoded, alerts

    @property
    def accounts(self) -> int:
        """Own accounts that the engine has seen."""
        return self.engine.admission.spaces[1].count

    @property
    def reachable(self) -> int:
        """Events that a window can still reach: legs in the list of their customer."""
        return max(table.events_held for table in self.engine.tables)
