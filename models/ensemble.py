"""All models of a stream in one step: guarded models, their parts as signals, tails, one combined score.

Each row goes to every model, is scored and learned; the parts of its score become the signals of the combination. At
each change of the UTC day of the stream, whatever a snapshot carries (peer quantiles, tails) is published and put in
force for the rows that follow, so the result depends on the rows before and not on how they are cut. A partitioned
shell takes ``publish`` into its own hands: it merges counts and puts one snapshot in force everywhere.

**Fading.** What tails are read from is halved at the first publication after each change of 365 days.

**Drift.** At each publication the day that is over is compared with those before (:class:`models.drift.Watch`): the
counts of each signal, and the combined score by decades. A model is frozen when the index of one of its signals reaches
:data:`FREEZES` after :data:`WATCHED_FROM_DAYS` days. Then its signals say nothing and its tails stay; others go on. It
remembers payments meanwhile, because they happened. It goes on with its former tails when all its signals are below
:data:`models.drift.SHIFTED` again, and after :data:`FROZEN_DAYS` days with the tails of these days alone: what lasts so
long is the new normal. The index of the combined score is told and freezes nothing: tails make it move by themselves.

:func:`payment_ensemble` is the configuration that was chosen on labelled streams without labels in use: the parts of
:class:`models.new_edges.NewEdges`, with twice the weight on money carried on. It judges a payment for its payer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import log10
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from models.combination import Combination, take_parts
from models.contract import (
    FORMAT,
    Columns,
    Float64s,
    Input,
    Int64s,
    Model,
    ModelError,
    Scores,
    State,
    StateError,
)
from models.days import runs_of_days
from models.drift import LATEST_DAYS, REFERENCE_DAYS, SHIFTED, Condition, Drift, Guard, Watch
from models.new_edges import NewEdges
from models.sketch import edges

if TYPE_CHECKING:
    from river.drift import PageHinkley

HALF_LIFE_DAYS = 365
"""After so many days what was counted weighs half."""
FREEZES = 0.5
"""Population stability of a signal that freezes its model."""
WATCHED_FROM_DAYS = 90
"""Days after the first row in which nothing is frozen: signals move by themselves while a model is young."""
FROZEN_DAYS = 28
"""After so many days what a frozen model sees is taken for the new normal."""
SCORE = "combined score"
"""The name of the combined score among what is watched."""

_NO_DAY = -1
_CHANCE = log10(np.e)


@dataclass(frozen=True, slots=True)
class Member:
    """A guarded model and which of its parts are signals, with their weights; all others are left out."""

    guard: Guard
    weights: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class EnsembleScores(Scores):
    """Combined scores. ``facts``, if reasons or facts were asked for, has shape (n, signals, 2): what the model behind
    each signal observed and expected of its part. ``signals`` has shape (n, signals)."""

    facts: Float64s | None = None
    signals: Float64s | None = None


@dataclass(frozen=True, slots=True)
class Freezing:
    """That a model was frozen, or goes on, at the end of a day (since 1970 UTC)."""

    model: str
    is_frozen: bool
    day: int
    fact: str


class Ensemble:
    """Guarded models and their combination as one.

    Args:
        members: At least one; a signal is named "model id: part".
        segments: As in :class:`models.combination.Combination`. Columns need ``time_us`` and ``segment``.
    """

    def __init__(self, members: Sequence[Member], *, segments: int = 32) -> None:
        self._members = tuple(members)
        signals: list[Input] = []
        weights: list[float] = []
        places: list[int] = []
        self._firsts: list[int] = []
        for member in self._members:
            self._firsts.append(len(signals))
            model = member.guard.model
            known = {part.name: part for part in model.parts}
            unknown = sorted(set(member.weights) - set(known))
            if unknown:
                raise ModelError(f"ensemble: {model.id} has no part {unknown[0]!r}; it has {', '.join(known)}.")
            for name, weight in member.weights.items():
                signals.append(Input(f"{model.id}: {name}", unit=known[name].unit, family=known[name].family))
                weights.append(weight)
                places.append([part.name for part in model.parts].index(name))
        self._places = np.array(places, np.int64)
        self._whole = [
            member.guard for member in self._members
            if list(member.weights) == [part.name for part in member.guard.model.parts]
        ]  # fmt: skip
        """Models all of whose parts are signals, in their order."""
        self.combination = Combination(signals, weights, segments=segments)
        self._day = self._first_day = _NO_DAY
        self._halved = 0
        self._before = self.combination.counts_of_everyone
        self._frozen: dict[int, Freezing] = {}
        self._freezings: list[Freezing] = []
        self.watch = Watch([*(each.name for each in signals), SCORE], _detector)

    @property
    def models(self) -> tuple[Model, ...]:
        """The models, in the order of their signals."""
        return tuple(member.guard.model for member in self._members)

    @property
    def flags(self) -> dict[str, str]:
        """Which models are frozen, and why."""
        drifted = {each.model: each.fact for each in self._frozen.values()}
        flags = {each.guard.model.id: each.guard.flag for each in self._members}
        return drifted | {model: f"{flag.condition}: {flag.fact}" for model, flag in flags.items() if flag is not None}

    @property
    def drift(self) -> tuple[Drift, ...]:
        """Each signal, and last the combined score, as the last days were: for metrics."""
        return self.watch.drift

    def take_freezings(self) -> list[Freezing]:
        """What drift has frozen and let go since the last question."""
        found, self._freezings = self._freezings, []
        return found

    @property
    def configuration(self) -> dict[str, Any]:
        """What decides its scores, as plain values of JSON: the models with their weights, and the combination."""
        members = [(member.guard.model, member.weights) for member in self._members]
        return {
            "members": [{"model": model.id, "version": model.version, "weights": dict(w)} for model, w in members],
            "combination": self.combination.version,
            "segments": self.combination.segments,
            "half_life_days": HALF_LIFE_DAYS,
            "drift": [FREEZES, SHIFTED, WATCHED_FROM_DAYS, FROZEN_DAYS, LATEST_DAYS, REFERENCE_DAYS],
        }

    def score_learn_many(self, columns: Columns, *, why: bool = False, facts: bool = False) -> EnsembleScores:
        """The combined score of each row by what came before it; then every model learns the row.

        Reasons are those of the combination: one per signal, with the signal and its ``-log10`` tail. Where few rows
        need reasons, ``facts`` alone is cheaper, and ``why_of`` gives the reasons of these rows.
        """
        parts = []
        for day, start, stop in runs_of_days(np.asarray(columns["time_us"]), since=self._day):
            if day > self._day:
                self._new_day(day)
            parts.append(self._score({name: column[start:stop] for name, column in columns.items()}, why, facts))
        if len(parts) == 1:
            return parts[0]
        signals = len(self.combination.parts)
        none = EnsembleScores(np.zeros(0), np.zeros(0, np.bool_), np.zeros((0, signals, 3)), np.zeros((0, signals, 2)),
                              np.zeros((0, signals)))  # fmt: skip
        parts = parts or [none]
        return EnsembleScores(
            np.concatenate([each.values for each in parts]),
            np.concatenate([each.ready for each in parts]),
            _joined([each.why for each in parts]) if why else None,
            _joined([each.facts for each in parts]) if why or facts else None,
            _joined([each.signals for each in parts]),
        )

    def why_of(self, scores: EnsembleScores, segment: Int64s, rows: Int64s) -> Float64s:
        """The reasons of some rows, shape (rows, signals, 3), as ``why`` has them.

        Args:
            scores: What ``score_learn_many`` gave last, of rows within one UTC day: reasons are by the tails in force.
            segment: The segments of all rows that were scored.
            rows: Which rows.
        """
        assert scores.signals is not None
        found = self.combination.score_signals(scores.signals[rows], segment[rows]).why
        assert found is not None
        return found

    def _new_day(self, day: int) -> None:
        if self._day == _NO_DAY:
            self._first_day, self._halved = day, day // HALF_LIFE_DAYS
        else:
            self._compare()
            self._freeze_or_go_on()
            held = [signal for number in self._frozen for signal in self._signals_of(number)]
            is_due = day // HALF_LIFE_DAYS > self._halved and not held
            self._halved = day // HALF_LIFE_DAYS if is_due else self._halved
            self.combination.use(self.combination.publish(halvings=int(is_due), held=held))
            self._before = self.combination.counts_of_everyone
            for number, model in enumerate(self.models):
                if isinstance(model, _Publishes) and number not in self._frozen:
                    model.use(model.publish())
        self._day = day

    def _compare(self) -> None:
        """Show the watch the day that is over. The figure of a signal is its mean ``-log10`` tail above chance."""
        combination = self.combination
        counts = np.concatenate([combination.counts_of_everyone - self._before, combination.decades[None]])
        combination.decades[:] = 0
        values = np.concatenate([combination.tails[0] - _CHANCE, edges()[None, :-1]])
        rows = counts.sum(axis=1)
        sums = np.where(counts > 0, counts * values, 0.0).sum(axis=1)
        figures = np.where(rows > 0, sums / np.maximum(rows, 1), np.nan)
        held = [signal for number in self._frozen for signal in self._signals_of(number)]
        self.watch.add(self._day, counts, figures, held=held)

    def _freeze_or_go_on(self) -> None:
        for number, model in enumerate(self.models):
            signals = self._signals_of(number)
            index, frozen = self.watch.stability[signals], self._frozen.get(number)
            if frozen is None:
                if self._day - self._first_day >= WATCHED_FROM_DAYS and (index >= FREEZES).any():
                    worst = signals[int(np.nanargmax(index))]
                    fact = f"population stability {self.watch.stability[worst]:.2f} of {self.watch.names[worst]!r}"
                    fact = f"{Condition.DRIFTED}: {fact} at the end of {day_text(self._day)}"
                    self._say(number, Freezing(model.id, True, self._day, fact))
            elif (index < SHIFTED).all():
                self.combination.take_back(signals, is_new=False)
                self._say(number, Freezing(model.id, False, self._day, "its payments are again as they were"))
            elif self._day - frozen.day >= FROZEN_DAYS:
                self.combination.take_back(signals, is_new=True)
                self.watch.start_anew(signals)
                fact = f"its last {FROZEN_DAYS} days are the new normal"
                self._say(number, Freezing(model.id, False, self._day, fact))
        self.combination.leave_out([signal for number in self._frozen for signal in self._signals_of(number)])

    def _say(self, number: int, freezing: Freezing) -> None:
        if freezing.is_frozen:
            self._frozen[number] = freezing
        else:
            del self._frozen[number]
        self._freezings.append(freezing)

    def _signals_of(self, number: int) -> list[int]:
        """The signals of a member, by number."""
        first = self._firsts[number]
        return list(range(first, first + len(self._members[number].weights)))

    def _score(self, rows: dict[str, npt.NDArray[Any]], why: bool, with_facts: bool) -> EnsembleScores:
        signals = np.empty((len(rows["segment"]), len(self.combination.parts)))
        facts: list[Float64s] = []
        for member, first in zip(self._members, self._firsts, strict=True):
            guard, places = member.guard, self._places[first : first + len(member.weights)]
            told = why or with_facts
            scores = guard.score_learn_many(rows, why=True) if told else guard.score_learn_parts(rows)
            assert scores.why is not None
            take_parts(scores.why, scores.ready, places, first, signals)
            if told:
                is_whole = guard in self._whole
                facts.append((scores.why if is_whole else scores.why[:, places])[:, :, 1:])
        found = self.combination.score_learn_signals(signals, np.asarray(rows["segment"], np.int64), why=why)
        return EnsembleScores(found.values, found.ready, found.why, _joined(facts, axis=1) if facts else None, signals)

    def bytes_used(self) -> int:
        """How much memory all models and the combination take now."""
        beside = self.combination.bytes_used() + self.watch.bytes_used()
        return beside + sum(model.bytes_used() for model in self.models)

    def state(self) -> State:
        """Every model's state in one: arrays under "member number." and "combination."."""
        states = [*(member.guard.state() for member in self._members), self.combination.state(), self.watch.state()]
        names = self._names()
        arrays = {
            f"{name}.{key}": array
            for name, each in zip(names, states, strict=True)
            for key, array in each.arrays.items()
        }
        headers = {name: dict(each.header) for name, each in zip(names, states, strict=True)}
        arrays["before"] = self._before.copy()
        frozen = [[number, each.day, each.fact] for number, each in self._frozen.items()]
        days = {"day": self._day, "first_day": self._first_day, "halved": self._halved, "frozen": frozen}
        return State({"ensemble": FORMAT, **days, "headers": headers}, arrays)

    def restore(self, state: State) -> None:
        """Take over a saved state of an ensemble of the same models, else StateError."""
        names = self._names()
        headers = state.header.get("headers", {})
        if sorted(headers) != sorted(names):
            raise StateError(f"ensemble: the saved state has {sorted(headers)}, this one {sorted(names)}; learn again.")
        targets: list[Guard | Combination | Watch] = [
            *(member.guard for member in self._members), self.combination, self.watch
        ]  # fmt: skip
        for name, target in zip(names, targets, strict=True):
            own = {key.removeprefix(f"{name}."): a for key, a in state.arrays.items() if key.startswith(f"{name}.")}
            target.restore(State(headers[name], own))
        self._day, self._first_day = int(state.header["day"]), int(state.header["first_day"])
        self._halved, self._before = int(state.header["halved"]), np.array(state.arrays["before"])
        models = self.models
        self._frozen = {n: Freezing(models[n].id, True, day, fact) for n, day, fact in state.header["frozen"]}

    def _names(self) -> list[str]:
        """The names of what the saved state is of."""
        return [*(str(number) for number in range(len(self._members))), "combination", "watch"]


def _detector() -> "PageHinkley":
    """A shift of a signal's mean tail by a tenth of a decade or more that lasts shows within weeks."""
    from river.drift import PageHinkley  # river takes seconds to import, and commands without models need none of it

    return PageHinkley(min_instances=28, delta=0.05, threshold=2.0)


def day_text(day: int) -> str:
    """A day since 1970 as text.

    >>> day_text(0)
    '1970-01-01'
    """
    return (date(1970, 1, 1) + timedelta(days=day)).isoformat()


def _joined(arrays: Sequence[Float64s | None], axis: int = 0) -> Float64s:
    """Arrays that are there, one after the other; a single one as it is."""
    found = [each for each in arrays if each is not None]
    return found[0] if len(found) == 1 else np.concatenate(found, axis=axis)


@runtime_checkable
class _Publishes(Protocol):
    """A model that judges by what it published."""

    def publish(self) -> Any: ...
    def use(self, snapshot: Any) -> None: ...


def payment_ensemble(*, keys_max: int = 1 << 20, segments: int = 32) -> Ensemble:
    """The configuration chosen without labels: first-ever payments, twice the weight on money carried on.

    Columns: those of :class:`models.new_edges.NewEdges` and ``segment`` (0 if the bank has none).
    """
    model = NewEdges(keys_max=keys_max)
    weights = {part.name: weight for part, weight in zip(model.parts, NewEdges.weights, strict=True)}
    return Ensemble([Member(Guard(model), weights)], segments=segments)
