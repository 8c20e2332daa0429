"""The part of the contract that all models over kernels share.

A model gives one function, ``_run``: a pass over the rows that fills scores and, if asked, reasons, and learns each row
after its score if it may. All verbs are that pass, so they cannot disagree: a batch is scored and learned as
one row at a time would be.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from models.contract import (
    FORMAT,
    UNKNOWN_CODE,
    Bools,
    Columns,
    Float64s,
    Input,
    Int64s,
    Kind,
    Limit,
    ModelError,
    Part,
    Scores,
    State,
    check_state,
)

Arrays = dict[str, npt.NDArray[Any]]
NO_WHY: Float64s = np.empty((0, 0, 0))


class ColumnModel(ABC):
    """River's verbs over one pass; subclasses name their inputs, parts, limit, settings and arrays."""

    id: ClassVar[str]
    version: ClassVar[int]
    inputs: tuple[Input, ...]
    parts: tuple[Part, ...]
    limit: Limit
    base: float = 0.0
    parts_width: ClassVar[int] = 3
    """1 if ``_run`` writes contributions alone where the last axis of ``why`` is 1."""

    @abstractmethod
    def _run(self, columns: Arrays, values: Float64s, ready: Bools, why: Float64s, learn: bool) -> None:
        """Set ``values`` and ``ready`` where the model can judge and, unless it is empty, ``why``; then learn the row.

        ``values`` comes as NaN and ``ready`` as False. A NaN that is ready means that the model is broken.
        """

    @abstractmethod
    def _settings(self) -> dict[str, Any]:
        """What the model was made with; a state with other settings is refused."""

    @abstractmethod
    def _arrays(self) -> Arrays:
        """The whole state by name: what is saved, and what ``bytes_used`` counts."""

    @abstractmethod
    def _take(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take over arrays under the names of ``_arrays``; they belong to the model from now on."""

    def score_one(self, x: Mapping[str, float]) -> float:
        """The score of one row, NaN if not ready; changes nothing."""
        return float(self.score_many(self._one(x)).values[0])

    def learn_one(self, x: Mapping[str, float]) -> None:
        """Learn one row."""
        self.learn_many(self._one(x))

    def score_many(self, columns: Columns, *, why: bool = False) -> Scores:
        """Score n rows, each by the present state; changes nothing."""
        return self._pass(columns, why, learn=False)

    def learn_many(self, columns: Columns) -> None:
        """Learn n rows in their order."""
        self._pass(columns, False, learn=True)

    def score_learn_many(self, columns: Columns, *, why: bool = False) -> Scores:
        """Score each row by what came before it, then learn it."""
        return self._pass(columns, why, learn=True)

    def score_learn_parts(self, columns: Columns) -> Scores:
        """As ``score_learn_many`` with reasons, of which only the contributions, ``why[:, :, 0]``, are meant."""
        return self._pass(columns, True, learn=True, width=self.parts_width)

    def state(self) -> State:
        """The state as copies of its arrays."""
        return State(self._header(), {name: array.copy() for name, array in self._arrays().items()})

    def restore(self, state: State) -> None:
        """Take over a saved state.

        Raises:
            StateError: It belongs to another model, version or format, or to other settings.
        """
        check_state(
            state, of=self.id, header=self._header(), names=self._arrays(), remedy="learn from the history again"
        )
        self._take({name: np.array(state.arrays[name]) for name in self._arrays()})

    def bytes_used(self) -> int:
        """How much memory the arrays of the state take."""
        return sum(array.nbytes for array in self._arrays().values())

    def _header(self) -> dict[str, Any]:
        return {"model": self.id, "version": self.version, "format": FORMAT, "settings": self._settings()}

    def _one(self, x: Mapping[str, float]) -> Arrays:
        unknown = {Kind.NUMBER: np.nan, Kind.CODE: UNKNOWN_CODE, Kind.TIME: 0}
        return {each.name: np.array([x.get(each.name, unknown[each.kind])], _type_of(each)) for each in self.inputs}

    def _pass(self, columns: Columns, why: bool, *, learn: bool, width: int = 3) -> Scores:
        given = self._checked(columns)
        n = len(given[self.inputs[0].name])
        values, ready = np.full(n, np.nan), np.zeros(n, np.bool_)
        filled = np.zeros((n, len(self.parts), width)) if why else NO_WHY
        if n:
            self._run(given, values, ready, filled, learn)
        return Scores(values, ready, filled if why else None)

    def _checked(self, columns: Columns) -> Arrays:
        given: Arrays = {}
        for each in self.inputs:
            if each.name not in columns:
                raise ModelError(f"{self.id}: column '{each.name}' is missing. Give an unknown measure as NaN or -1.")
            column = np.ascontiguousarray(columns[each.name])
            if (column.dtype is not _type_of(each) and column.dtype != _type_of(each)) or column.ndim != 1:
                raise ModelError(
                    f"{self.id}: column '{each.name}' is {column.dtype} of shape {column.shape}; "
                    f"it must be {_type_of(each).name} of shape (n,)."
                )
            given[each.name] = column
        lengths = {name: len(column) for name, column in given.items()}
        if len(set(lengths.values())) > 1:
            raise ModelError(f"{self.id}: columns differ in length: {lengths}. A row needs a value in each.")
        return given


_NUMBER, _WHOLE = np.dtype(np.float64), np.dtype(np.int64)


def _type_of(each: Input) -> np.dtype[Any]:
    return _NUMBER if each.kind is Kind.NUMBER else _WHOLE


def matrix(columns: Mapping[str, npt.NDArray[Any]], names: tuple[str, ...]) -> Float64s:
    """Columns side by side, shape (n, names), C order."""
    return np.ascontiguousarray(np.stack([columns[name] for name in names], axis=1))


def longer(values: npt.NDArray[Any], length: int) -> npt.NDArray[Any]:
    """The same rows, and zeros up to ``length``."""
    grown = np.zeros((length, *values.shape[1:]), values.dtype)
    grown[: len(values)] = values
    return grown


def room_for(rows_now: int, *keys: Int64s, keys_max: int) -> int:
    """How many rows of keys there should be so that each key of the batch below ``keys_max`` has one."""
    wanted = min(max(int(each.max(initial=-1)) for each in keys) + 1, keys_max)
    return rows_now if wanted <= rows_now else min(max(wanted, 2 * rows_now), keys_max)
