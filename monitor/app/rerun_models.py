"""An alert of the anomaly models raised again: the recorded history from its beginning through fresh models.

Models learn from every payment of the bank, and what they remember is not kept for each alert. So the history is
admitted and scored again up to the alert, with the profiles as they took effect. It is the models' own code, run anew
without any saved state: it shows that the alert follows from the recorded payments, not that the models are right.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from monitor.adapters.input_archive import InputNotKept
from monitor.app.backtest.history import Epoch, GivenHistory, StoreHistory
from monitor.app.inputs import LoadedInputs, Table, engine_inputs, models_rates
from monitor.app.kept_inputs import kept_models
from monitor.app.profiles import ProfileTimeline
from monitor.domain.alert import Alert
from monitor.domain.partitions import Partition
from monitor.domain.time import UNKNOWN
from monitor.domain.transaction import TransactionBatch
from monitor.engine import anomalies
from monitor.engine.admission import ALL_KEYS
from monitor.engine.anomaly_alerts import alerts_of
from monitor.engine.binding import NamedList
from monitor.engine.conversion import Rates
from monitor.engine.engine import Engine
from monitor.engine.profiles import ProfileTable
from monitor.rulebook.plan import plan

Run = tuple[TransactionBatch, ProfileTable, Rates | None]
"""Payments within which no profile version takes effect, the profiles in force, and the rates of the models."""


def alert_again(db: Path, evidence: Mapping[str, Any]) -> Alert | None:
    """What the models raise at the alert's payment, measured anew; ``None`` where they raise nothing.

    Raises:
        InputNotKept: The alert is of other models than those of this release, or an input is lost.
        BacktestError: The history is not there.
    """
    must_be_of_this_release(evidence)
    history = StoreHistory(GivenHistory(db))
    try:
        return _raised(history, int(evidence["position"]))
    finally:
        history.close()


def must_be_of_this_release(evidence: Mapping[str, Any]) -> None:
    """See that the alert is of the models that are here.

    Raises:
        InputNotKept: It is of others.
    """
    made_by = evidence["source"]
    if made_by["digest"] != anomalies.digest():
        raise InputNotKept(
            f"{made_by['id']} version {made_by['version']} with the digest {made_by['digest'][:12]} is not the one of "
            f"this release ({anomalies.digest()[:12]}); explain the alert with the release that raised it"
        )


def raised_at(engine: Engine, runs: Iterable[Run], position: int) -> Alert | None:
    """What fresh models raise at a position, having scored and learned all payments before it.

    Args:
        engine: Empty; only its admission and its models are used.
        runs: The log from where the models began, at least up to the position.
        position: As the runs count.
    """
    assert engine.anomalies is not None
    ownership = engine.admission.ownership
    for run, profiles, rates in runs:
        ownership.learn(engine.inputs.identifiers.tokens)
        admitted = engine.admission.admit(run, profiles.joint)
        found = engine.anomalies.step(run, admitted.outcome, profiles, rates)
        wanted = [each for each in found if run.position[each.row] == position]
        if ownership.is_owned is not None:
            wanted = [each for each in wanted if ownership.is_owned[run.debtor_holder[each.row]]]
        if wanted:
            return alerts_of(engine, wanted, run, admitted.legs, profiles)[0]
    return None


def _raised(history: StoreHistory, position: int) -> Alert | None:
    start = _measured_from(history, position)
    epochs = [each for each in history.epochs if each.position <= position]
    first = [each for each in epochs if each.position <= start][-1]
    later = [each for each in epochs if each.position > start]
    engine = engine_of(first, history.identifiers)
    return raised_at(engine, _runs(history, _pieces(first, later, position + 1)), position)


def _runs(history: StoreHistory, pieces: Iterable[tuple[Epoch, int, int]]) -> Iterator[Run]:
    clock_us = UNKNOWN
    for epoch, begin, stop in pieces:
        timeline = ProfileTimeline()
        if epoch.profiles is not None:
            timeline.load(epoch.profiles, history.identifiers)
        timeline.advance(clock_us)
        rates = models_rates(epoch.rates)
        for batch in history.batches(begin, stop):
            for run, after_us in timeline.runs(batch, clock_us):
                yield run, timeline.table, rates
                clock_us = after_us


def _measured_from(history: StoreHistory, position: int) -> int:
    """The position at which the run last measured the history anew: for other rules, or for other models."""
    noted = [each for each in history.noted if each.position <= position]
    rulebooks = [each.position for each in noted if each.kind == "rulebook"]
    changes, before = [0], ""
    for each in (each for each in noted if each.kind == "models"):
        now = kept_models(history.archive, each.content)["digest"] if each.content else ""
        if now != before:
            changes.append(each.position)
        before = now
    return max(*rulebooks, *changes)


def _pieces(first: Epoch, later: list[Epoch], stop: int) -> Iterator[tuple[Epoch, int, int]]:
    """Stretches of the log, each with the inputs in force."""
    begin, epoch = 0, first
    for each in later:
        yield epoch, begin, each.position
        begin, epoch = each.position, each
    yield epoch, begin, stop


def engine_of(epoch: Epoch, identifiers: Table, partition: Partition = ALL_KEYS) -> Engine:
    """An empty engine with the inputs of an epoch, of which the models run."""
    lists = {name: NamedList(name, str(each.version), tuple(each.words)) for name, each in epoch.lists.items()}
    loaded = LoadedInputs(
        plan(epoch.rules.rulebook()), epoch.rules.live, lists, epoch.rates, epoch.entities, models=epoch.models
    )
    return Engine(loaded.program, engine_inputs(loaded, identifiers), partition=partition)
