"""An alert of the anomaly models raised again: the recorded history from its beginning through fresh models.

Models learn from every payment of the bank, and what they remember is not kept for each alert. So the history is
admitted and scored again up to the alert, with the profiles as they took effect. It is the models' own code, run anew
without any saved state: it shows that the alert follows from the recorded payments, not that the models are right.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from monitor.adapters.input_archive import InputNotKept
from monitor.app.backtest.history import Epoch, GivenHistory, StoreHistory
from monitor.app.inputs import LoadedInputs, engine_inputs, models_rates
from monitor.app.kept_inputs import kept_models
from monitor.app.profiles import ProfileTimeline
from monitor.domain.alert import Alert
from monitor.domain.time import UNKNOWN
from monitor.engine import anomalies
from monitor.engine.anomaly_alerts import alerts_of
from monitor.engine.binding import NamedList
from monitor.engine.engine import Engine
from monitor.rulebook.plan import plan


def alert_again(db: Path, evidence: Mapping[str, Any]) -> Alert | None:
    """What the models raise at the alert's payment, measured anew; ``None`` where they raise nothing.

    Raises:
        InputNotKept: The alert is of other models than those of this release, or an input is lost.
        BacktestError: The history is not there.
    """
    made_by, position = evidence["source"], int(evidence["position"])
    if made_by["digest"] != anomalies.digest():
        raise InputNotKept(
            f"{made_by['id']} version {made_by['version']} with the digest {made_by['digest'][:12]} is not the one of "
            f"this release ({anomalies.digest()[:12]}); explain the alert with the release that raised it"
        )
    history = StoreHistory(GivenHistory(db))
    try:
        return _raised(history, position)
    finally:
        history.close()


def _raised(history: StoreHistory, position: int) -> Alert | None:
    start = _measured_from(history, position)
    epochs = [each for each in history.epochs if each.position <= position]
    first = [each for each in epochs if each.position <= start][-1]
    engine, clock_us = _engine(history, first), UNKNOWN
    assert engine.anomalies is not None
    for epoch, begin, stop in _pieces(first, [each for each in epochs if each.position > start], position + 1):
        timeline = ProfileTimeline()
        if epoch.profiles is not None:
            timeline.load(epoch.profiles, history.identifiers)
        timeline.advance(clock_us)
        rates = models_rates(epoch.rates)
        for batch in history.batches(begin, stop):
            for run, after_us in timeline.runs(batch, clock_us):
                admitted = engine.admission.admit(run, timeline.table.joint)
                found = engine.anomalies.step(run, admitted.outcome, timeline.table, rates)
                wanted = [each for each in found if run.position[each.row] == position]
                if wanted:
                    return alerts_of(engine, wanted, run, admitted.legs, timeline.table)[0]
                clock_us = after_us
    return None


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


def _engine(history: StoreHistory, epoch: Epoch) -> Engine:
    lists = {name: NamedList(name, str(each.version), tuple(each.words)) for name, each in epoch.lists.items()}
    loaded = LoadedInputs(
        plan(epoch.rules.rulebook()), epoch.rules.live, lists, epoch.rates, epoch.entities, models=epoch.models
    )
    return Engine(loaded.program, engine_inputs(loaded, history.identifiers))
