"""All models of a stream in one step: guarded models, their parts as signals, tails, one combined score.

Each row goes to every model, is scored and learned; the parts of its score become the signals of the combination. At
each change of the UTC day of the stream, whatever a snapshot carries (peer quantiles, tails) is published and put in
force for the rows that follow, so the result depends on the rows before and not on how they are cut. A partitioned
shell takes ``publish`` into its own hands: it merges counts and puts one snapshot in force everywhere.

:func:`payment_ensemble` is the configuration that was chosen on labelled streams without labels in use: the parts of
:class:`models.new_edges.NewEdges`, with twice the weight on money carried on. It judges a payment for its payer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from models.combination import Combination, take_parts
from models.contract import (
    DAY_US,
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
from models.drift import Flag, Guard
from models.new_edges import NewEdges

_NO_DAY = -1


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
        self.combination = Combination(signals, weights, segments=segments)
        self._day = _NO_DAY

    @property
    def models(self) -> tuple[Model, ...]:
        """The models, in the order of their signals."""
        return tuple(member.guard.model for member in self._members)

    @property
    def flags(self) -> dict[str, Flag]:
        """Which models are frozen, and why."""
        return {each.guard.model.id: each.guard.flag for each in self._members if each.guard.flag is not None}

    @property
    def configuration(self) -> dict[str, Any]:
        """What decides its scores, as plain values of JSON: the models with their weights, and the combination."""
        members = [(member.guard.model, member.weights) for member in self._members]
        return {
            "members": [{"model": model.id, "version": model.version, "weights": dict(w)} for model, w in members],
            "combination": self.combination.version,
            "segments": len(self.combination.counts),
        }

    def score_learn_many(self, columns: Columns, *, why: bool = False, facts: bool = False) -> EnsembleScores:
        """The combined score of each row by what came before it; then every model learns the row.

        Reasons are those of the combination: one per signal, with the signal and its ``-log10`` tail. Where few rows
        need reasons, ``facts`` alone is cheaper, and ``why_of`` gives the reasons of these rows.
        """
        day = np.maximum(np.maximum.accumulate(np.asarray(columns["time_us"]) // DAY_US), self._day)
        cuts = np.flatnonzero(np.diff(day, prepend=self._day) > 0)
        ends = [*cuts.tolist(), len(day)]
        parts = []
        for start, stop in zip([0, *cuts.tolist()], ends, strict=True):
            if start in cuts:
                self._new_day(int(day[start]))
            if stop > start:
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
        if self._day != _NO_DAY:
            self.combination.use(self.combination.publish())
            for model in self.models:
                if isinstance(model, _Publishes):
                    model.use(model.publish())
        self._day = day

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
                is_whole = np.array_equal(places, np.arange(scores.why.shape[1]))
                facts.append((scores.why if is_whole else scores.why[:, places])[:, :, 1:])
        found = self.combination.score_learn_signals(signals, np.asarray(rows["segment"], np.int64), why=why)
        return EnsembleScores(found.values, found.ready, found.why, _joined(facts, axis=1) if facts else None, signals)

    def bytes_used(self) -> int:
        """How much memory all models and the combination take now."""
        return self.combination.bytes_used() + sum(model.bytes_used() for model in self.models)

    def state(self) -> State:
        """Every model's state in one: arrays under "member number." and "combination."."""
        states = [*(member.guard.state() for member in self._members), self.combination.state()]
        names = [*(str(number) for number in range(len(self._members))), "combination"]
        arrays = {
            f"{name}.{key}": array
            for name, each in zip(names, states, strict=True)
            for key, array in each.arrays.items()
        }
        headers = {name: dict(each.header) for name, each in zip(names, states, strict=True)}
        return State({"ensemble": FORMAT, "day": self._day, "headers": headers}, arrays)

    def restore(self, state: State) -> None:
        """Take over a saved state of an ensemble of the same models, else StateError."""
        names = [*(str(number) for number in range(len(self._members))), "combination"]
        headers = state.header.get("headers", {})
        if sorted(headers) != sorted(names):
            raise StateError(f"ensemble: the saved state has {sorted(headers)}, this one {sorted(names)}; learn again.")
        targets: list[Guard | Combination] = [*(member.guard for member in self._members), self.combination]
        for name, target in zip(names, targets, strict=True):
            own = {key.removeprefix(f"{name}."): a for key, a in state.arrays.items() if key.startswith(f"{name}.")}
            target.restore(State(headers[name], own))
        self._day = int(state.header["day"])


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
