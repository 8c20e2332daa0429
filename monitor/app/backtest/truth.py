"""What is known of cases: the analysts' decisions of a store, or a file of labelled payments.

A case is a set of payments, of one subject where an analyst decided it. An alert finds a case when it rests on at
least one of its payments, and is about that subject where there is one.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from monitor.adapters.sql.store import open_store
from monitor.app.backtest.decisions import decided_alerts
from monitor.app.backtest.history import FileHistory, StoreHistory
from monitor.app.backtest.match import Raised
from monitor.app.backtest.problem import BacktestError
from monitor.app.embedded import RUN
from monitor.casework.intervals import Share
from monitor.domain.transaction import TransactionBatch
from monitor.intake.siphash import hash_128, keys_for
from monitor.rulebook.rule import Rule

_COLUMNS = ("transaction_id", "typology", "case_id")


@dataclass(frozen=True, slots=True)
class TruthCase:
    """A case with the time of its last payment or alert."""

    name: str
    is_productive: bool
    at_us: int


@dataclass(slots=True)
class TruthSet:
    """Cases, and which payments belong to them: (case, subject or ``None``) by log position.

    ``is_complete``: what belongs to no case is known to be innocent, as in labelled data.
    """

    source: str
    cases: list[TruthCase]
    by_position: Mapping[int, Sequence[tuple[int, str | None]]]
    is_complete: bool = False

    def of_alert(self, alert: Raised) -> set[int]:
        """The cases that an alert finds, by number."""
        return {
            number
            for position in (*alert.transactions, alert.position)
            for number, subject in self.by_position.get(position, ())
            if subject is None or subject == alert.subject
        }

    def found(self, alerts: Iterable[Raised]) -> set[str]:
        """Names of the productive cases that at least one alert finds."""
        numbers = {number for alert in alerts for number in self.of_alert(alert)}
        return {self.cases[number].name for number in numbers if self.cases[number].is_productive}

    def recall(self, found: set[str], among: set[str] | None = None) -> Share:
        """Of the productive cases (``among`` some) those found."""
        wanted = {case.name for case in self.cases if case.is_productive and (among is None or case.name in among)}
        return Share(len(wanted & found), len(wanted))

    def precision(self, alerts: Sequence[Raised]) -> Share:
        """Of the alerts whose worth is known, those that find a productive case."""
        good = known = 0
        for alert in alerts:
            cases = [self.cases[number].is_productive for number in self.of_alert(alert)]
            known += bool(cases) or self.is_complete
            good += any(cases)
        return Share(good, known)


@dataclass(frozen=True, slots=True)
class Truth:
    """Where to learn of cases: a file of labels if given, else the decisions of the store.

    ``typologies`` are those of the labels that the rule should find; without any, those named like the rule's own, and
    where there are none, all cases that any point of the grid finds.
    """

    labels: Path | None = None
    typologies: tuple[str, ...] = field(default=())

    def of(self, history: StoreHistory | FileHistory, rule: Rule, alerts: Sequence[Raised]) -> TruthSet:
        """The cases; ``alerts`` are those of all points."""
        if self.labels is not None:
            return _labelled(history, self.labels, self.typologies, rule, alerts)
        return _decided(history, rule) if history.store_place is not None else TruthSet("", [], {})


def _decided(history: StoreHistory | FileHistory, rule: Rule) -> TruthSet:
    """One case for each decided case with an alert of the rule."""
    assert history.store_place is not None
    with open_store(history.store_place) as store:
        decided = [each for each in decided_alerts(store, RUN) if each.alert.rule == rule.id]
    numbers: dict[str, int] = {}
    cases: list[TruthCase] = []
    by_position: dict[int, list[tuple[int, str | None]]] = {}
    for each in decided:
        if each.is_productive is None and not each.is_filed:
            continue
        number = numbers.setdefault(each.case_id, len(cases))
        is_productive = bool(each.is_productive) or each.is_filed
        case = TruthCase(each.case_id, is_productive, each.alert.judged_at_us)
        cases[number : number + 1] = [case]
        for position in {*each.alert.transactions, each.alert.position}:
            by_position.setdefault(position, []).append((number, each.alert.subject))
    return TruthSet(f"{_cases(len(cases), 'decided')} with an alert of {rule.id}" if cases else "", cases, by_position)


def _cases(count: int, how: str) -> str:
    return f"{count} {how} {'case' if count == 1 else 'cases'}"


def _labelled(
    history: StoreHistory | FileHistory, path: Path, typologies: tuple[str, ...], rule: Rule, alerts: Sequence[Raised]
) -> TruthSet:
    rows = read_labels(path)
    known = {typology for _, typology, _ in rows}
    missing = sorted(set(typologies) - known)
    if missing:
        raise BacktestError(f"--typology {missing[0]}: {path} has no such label. It has: {', '.join(sorted(known))}.")
    wanted = set(typologies) or {rule.typology} & known
    chosen = [row for row in rows if not wanted or row[1] in wanted]
    names = sorted({case for _, _, case in chosen})
    number_of = {name: number for number, name in enumerate(names)}
    cases_of: dict[str, set[int]] = {}
    for transaction, _, case in chosen:
        cases_of.setdefault(transaction, set()).add(number_of[case])
    places = positions_of(history, list(cases_of))
    if not places:
        raise BacktestError(f"{path}: none of its payments is in {history.name}. Give the labels of this history.")
    last_us = dict.fromkeys(range(len(names)), 0)
    by_position: dict[int, list[tuple[int, str | None]]] = {}
    for transaction, (position, booked_us) in places.items():
        for number in cases_of[transaction]:
            by_position.setdefault(position, []).append((number, None))
            last_us[number] = max(last_us[number], booked_us)
    cases = [TruthCase(name, True, last_us[number]) for number, name in enumerate(names)]
    truth = TruthSet(f"{_cases(len(cases), 'labelled')} of {', '.join(sorted(wanted))}", cases, by_position, True)
    if not wanted:
        # The rule cannot be blamed for typologies that it does not look for.
        found = truth.found(alerts)
        keep = [number for number, case in enumerate(cases) if case.name in found]
        numbers = {old: new for new, old in enumerate(keep)}
        left = {
            position: [(numbers[number], subject) for number, subject in members if number in numbers]
            for position, members in by_position.items()
        }
        truth = TruthSet(
            f"{_cases(len(keep), 'labelled')}, those that some point of the grid finds",
            [cases[n] for n in keep],
            left,
            True,
        )
    return truth


def read_labels(path: Path) -> list[tuple[str, str, str]]:
    """(transaction, typology, case) of each line of a file of labels.

    Raises:
        BacktestError: The file has other columns.
        OSError: It cannot be read.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        if not set(_COLUMNS) <= set(reader.fieldnames or ()):
            raise BacktestError(f"{path}:1: the columns {', '.join(_COLUMNS)} are needed. Name them in the first line.")
        return [(row["transaction_id"], row["typology"], row["case_id"]) for row in reader]


def positions_of(history: StoreHistory | FileHistory, transaction_ids: Sequence[str]) -> dict[str, tuple[int, int]]:
    """(log position, booked time) of payments by the source's own ids; those that are not in the log are left out.

    The log knows ids by their keyed hashes, so the wanted ones are hashed and looked for in whole columns.
    """
    hashed = _hashed(history.identifiers.key, transaction_ids)
    order = np.argsort(hashed[:, 1], kind="stable")
    low = hashed[order, 1]
    found: dict[str, tuple[int, int]] = {}
    for batch in history.batches():
        for row in np.flatnonzero(np.isin(batch.id_lo, low)).tolist():
            _note(found, batch, row, hashed, order, low, transaction_ids)
    return found


def _note(found: dict[str, tuple[int, int]], batch: TransactionBatch, row: int, hashed, order, low, ids) -> None:  # type: ignore[no-untyped-def]
    start, stop = np.searchsorted(low, [batch.id_lo[row], batch.id_lo[row] + 1])
    for index in order[start:stop].tolist():
        if hashed[index, 0] == batch.id_hi[row]:
            found.setdefault(ids[index], (int(batch.position[row]), int(batch.booked_at_us[row])))


def _hashed(key: bytes, texts: Sequence[str]) -> np.ndarray:
    """The 128-bit ids of transaction ids as two signed words, shape (n, 2)."""
    keys = keys_for(key, "transaction id")
    words = np.empty((len(texts), 2), np.uint64)
    for number, text in enumerate(texts):
        data = text.encode()
        # The hash reads whole words, so there must be room behind the text.
        buffer = np.frombuffer(data + bytes(16), np.uint8)
        words[number] = hash_128(keys[0], keys[1], buffer.ctypes.data, len(data))
    return words.view(np.int64)
