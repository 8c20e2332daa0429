"""The shipped rules as a scorer: the stream goes through intake and the engine that runs live.

Records are read by the layout of the data set, or as a bank's own with its profiles, rates, entities and lists; put in
event order; and judged as rows are shown. A row's side gets the score of the highest alert about it, quiet ones
included and obligations left out: they are owed, whoever is suspected. The product's example approvals count, as
with ``aml run --approve-examples``. Records that intake refuses have no score.
"""

from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from monitor.app.evaluate.reading import header_of
from monitor.app.evaluate.reading_simulated import is_simulated, transactions_in
from monitor.app.evaluate.scorer import Outcomes, Scores, Setting, nothing
from monitor.app.evaluate.stream import SOURCE, TARGET, Floats, Int64s, Rows
from monitor.app.inputs import GivenInputs, LoadedInputs, engine_inputs, load_inputs
from monitor.app.profiles import ProfileTimeline
from monitor.domain.alert import Alert
from monitor.domain.time import UNKNOWN
from monitor.domain.transaction import TransactionBatch
from monitor.engine.engine import Engine
from monitor.intake.identifiers import IdentifierTable
from monitor.intake.records import SourcePosition
from monitor.intake.sources import open_source
from monitor.rulebook.plan import plan
from monitor.rulebook.rule import Rulebook

_KEY = b"an evaluation keeps no identifier"[:32]
_RECORDS_MAX = 65_536
"""Most records judged in one step of the engine."""


@dataclass(frozen=True, slots=True)
class RulesInputs:
    """Where the records are and what goes with them."""

    place: Path
    layout: str | None
    """A public layout; ``None`` for a bank's own fields."""
    inputs: GivenInputs
    profiles: Path | None = None

    @classmethod
    def of(cls, place: Path, rules: tuple[Path, ...] = ()) -> "RulesInputs":
        """For a labelled stream: a simulated bank with what lies beside its payments, or a CSV file."""
        if is_simulated(place):
            inputs = GivenInputs(
                rules=rules, lists=(place,), rates=place / "rates.csv", entities=place / "entities.yaml",
                approve_examples=True,
            )  # fmt: skip
            return cls(transactions_in(place) or place, None, inputs, place / "profiles.jsonl")
        return cls(place, _layout_of(place), GivenInputs(rules=rules, approve_examples=True))


class RulesScorer:
    """Rules alone."""

    name = "rules"
    tracks: tuple[str, ...] = ("U", "D", "S")

    def __init__(self, setting: Setting, given: RulesInputs) -> None:
        self.stream = setting.stream
        self.identifiers = IdentifierTable(_KEY)
        loaded = load_inputs(given.inputs)
        rules = tuple(rule for rule in loaded.program.rulebook.rules if rule.kind == "suspicion")
        loaded = replace(loaded, program=plan(Rulebook(rules, loaded.program.rulebook.digest)))
        self.records, self.row_of = self._read(given, loaded)
        self.after_row = np.maximum.accumulate(self.row_of) if len(self.row_of) else self.row_of
        self.engine = Engine(loaded.program, engine_inputs(loaded, self.identifiers))
        self.timeline, self.clock_us, self.next = ProfileTimeline(), UNKNOWN, 0
        if given.profiles is not None:
            self.timeline.load(given.profiles, self.identifiers)

    def step(self, rows: Rows) -> Scores:
        """Judge the records up to the last row."""
        found, reasons = nothing(len(rows)), dict[tuple[int, int], str]()
        first, stop = int(rows.number[0]), int(np.searchsorted(self.after_row, int(rows.number[-1]), side="right"))
        while self.next < stop:
            end = min(stop, self.next + _RECORDS_MAX)
            batch, self.next = self.records.slice(self.next, end), end
            for run, after_us in self.timeline.runs(batch, self.clock_us):
                for alert in self.engine.step(run, self.timeline.table).alerts:
                    self._note(alert, found, reasons, first)
                self.clock_us = after_us
        return Scores(found, None, reasons)

    def told(self, outcomes: Outcomes, *, day: int) -> None:
        """Rules learn nothing from labels."""

    def _note(self, alert: Alert, found: Floats, reasons: dict[tuple[int, int], str], first: int) -> None:
        row = int(self.row_of[alert.position]) - first
        side = self._side(alert, row + first) if 0 <= row < len(found) else None
        if side is not None and not alert.score <= found[row, side]:
            found[row, side] = alert.score
            reasons[row, side] = f"{alert.source.id}: {alert.text}"

    def _side(self, alert: Alert, row: int) -> int | None:
        if alert.leg_role.startswith(("debtor", "creditor")):
            return SOURCE if alert.leg_role.startswith("debtor") else TARGET
        code = self.identifiers.code_of_token(bytes.fromhex(alert.subject.token))
        text, rows = self.identifiers.text(code), self.stream.rows
        for side, account in ((SOURCE, rows.source[row]), (TARGET, rows.target[row])):
            if self.stream.accounts[account] == text:
                return side
        return None

    def _read(self, given: RulesInputs, loaded: LoadedInputs) -> tuple[TransactionBatch, Int64s]:
        """All records in event order at positions 0, 1, 2, ..., and the row of each; -1 for those that are no row."""
        source = open_source(
            given.place,
            identifiers=self.identifiers,
            entities=frozenset(loaded.entities.entities) if given.inputs.entities else None,
            default_entity=loaded.entities.default,
            layout=given.layout,
        )
        batches, ids, position = [], list[str](), 0
        for chunk in source.chunks(SourcePosition(0, 0)):
            if chunk.lines == b"":
                continue
            decoded = source.decoder.decode(chunk, first_position=position)
            position += decoded.records
            if len(decoded.batch):
                batches.append(decoded.batch)
                ids += [str(text) for text in decoded.texts.transaction_id]
        whole = TransactionBatch(
            *(np.concatenate([getattr(batch, each.name) for batch in batches]) for each in fields(TransactionBatch))
        )
        row_by_id = {text: row for row, text in enumerate(self.stream.ids)}
        row_of = np.fromiter((row_by_id.pop(text, -1) for text in ids), np.int64, len(ids))
        # Records that are no row stand among the rows by time, and behind rows of the same time.
        rank = np.where(row_of >= 0, row_of, len(self.stream.rows))
        order = np.lexsort((np.arange(len(ids)), rank, whole.booked_at_us))
        ordered = TransactionBatch(*(getattr(whole, each.name)[order] for each in fields(TransactionBatch)))
        return replace(ordered, position=np.arange(len(ids))), row_of[order]


def _layout_of(place: Path) -> str:
    return "amlworld" if "src_bank" in header_of(place) else "canonical"
