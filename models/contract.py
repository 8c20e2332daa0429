"""What every model promises: numbers in, scores out, scored before it is learned.

A model sees *columns*: named arrays of one length, a row per observation in event order. It has river's verbs
(``score_one``, ``learn_one``, ``score_many``, ``learn_many``) and one more, ``score_learn_many``: each row is scored by
what the rows before it taught, and then learned. That is the verb of a stream, and its result does not depend on how
the stream is cut into batches.

- A higher score is more anomalous. Its scale is the model's own; :mod:`models.tails` makes scores comparable.
- A row that a model cannot judge yet is *not ready*: its score is NaN and never a small number, because "unknown" is
  not "normal". A measure that is missing is NaN, a missing code is -1.
- Reasons are signed contributions that add up to the score (with the model's ``base``, mostly 0), each with what was
  observed and what was expected.
- State is named arrays and a plain header: the same bytes restored give the same scores, bit for bit.
- Memory has a limit (:class:`Limit`), and it is said what happens there.

No model reads a clock, a file or unseeded randomness.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

Float64s = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Columns = Mapping[str, npt.NDArray[Any]]
UNKNOWN_CODE = -1
DAY_US = 86_400_000_000
FORMAT = 1
"""Format of saved states; a state of another format is refused."""


class ModelError(ValueError):
    """Something given to a model is wrong; the message names the model, the fact and the remedy."""


class StateError(ModelError):
    """A saved state does not belong to this model."""


class Family(StrEnum):
    """What a reason is about, in the words an analyst groups by."""

    AMOUNT = "amount"
    RATE = "rate"
    COUNTERPARTIES = "counterparties"
    GEOGRAPHY = "geography"
    TIME = "time"
    CHANNEL = "channel"
    FLOW = "flow"


class Kind(StrEnum):
    """What a column holds: ``number`` float64, NaN unknown; ``code`` int64, -1 unknown; ``time`` int64, us UTC."""

    NUMBER = "number"
    CODE = "code"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Input:
    """A column that a model reads; ``family`` is what a reason from it is about."""

    name: str
    kind: Kind = Kind.NUMBER
    unit: str = ""
    family: Family | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One addend of a score. ``unit`` is that of what was observed and expected."""

    name: str
    family: Family
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Limit:
    """The most memory a model takes, and what happens when it is reached."""

    bytes_max: int
    at_limit: str


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a score is what it is: a contribution above 0 raises it, below 0 lowers it."""

    name: str
    family: Family
    unit: str
    contribution: float
    observed: float
    expected: float


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of n rows.

    ``values`` has shape (n,) and is NaN where ``ready`` is False; a NaN that is ready means a broken model. ``why``,
    if asked for, has shape (n, parts, 3): contribution, observed, expected.
    """

    values: Float64s
    ready: Bools
    why: Float64s | None = None

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, slots=True)
class State:
    """A saved state: plain values of JSON in the header, the rest in named arrays."""

    header: Mapping[str, Any]
    arrays: Mapping[str, npt.NDArray[Any]]

    def as_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Everything as arrays, as a snapshot of the engine keeps it; the header is UTF-8 JSON under ``header``."""
        text = json.dumps(self.header, sort_keys=True, separators=(",", ":"))
        return {"header": np.frombuffer(text.encode(), np.uint8), **self.arrays}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> "State":
        """The state that ``as_arrays`` laid out.

        >>> state = State({"model": "example"}, {"counts": np.arange(3)})
        >>> State.from_arrays(state.as_arrays()).header
        {'model': 'example'}
        """
        if "header" not in arrays:
            raise StateError("A saved state has no array 'header'. It was not written by State.as_arrays.")
        header = json.loads(arrays["header"].tobytes())
        return cls(header, {name: np.array(array) for name, array in arrays.items() if name != "header"})


def check_state(state: State, *, of: str, header: Mapping[str, Any], names: Iterable[str], remedy: str) -> None:
    """Refuse a saved state of another model, version, format or settings, or one that lacks arrays.

    Raises:
        StateError: It says what is expected of ``of``, and ends with the remedy.
    """
    for name, value in header.items():
        found = state.header.get(name)
        if found != value:
            raise StateError(
                f"{of}: the saved state has {name} {found!r}, this model has {value!r}. "
                f"Restore it into a model made alike, or {remedy}."
            )
    missing = sorted(set(names) - set(state.arrays))
    if missing:
        raise StateError(f"{of}: the saved state lacks {', '.join(missing)}. {remedy.capitalize()}.")


@runtime_checkable
class Model(Protocol):
    """An online model; ``id`` and ``version`` name its card and stand on each score."""

    @property
    def id(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def inputs(self) -> tuple[Input, ...]: ...
    @property
    def parts(self) -> tuple[Part, ...]: ...
    @property
    def limit(self) -> Limit: ...
    @property
    def base(self) -> float:
        """The score of a row of which no part says anything; with the contributions it adds up to the score."""
        ...

    def score_one(self, x: Mapping[str, float]) -> float:
        """The score of one row, NaN if not ready; changes nothing."""
        ...

    def learn_one(self, x: Mapping[str, float]) -> None:
        """Learn one row."""
        ...

    def score_many(self, columns: Columns, *, why: bool = False) -> Scores:
        """Score n rows, each by the present state; changes nothing."""
        ...

    def learn_many(self, columns: Columns) -> None:
        """Learn n rows in their order."""
        ...

    def score_learn_many(self, columns: Columns, *, why: bool = False) -> Scores:
        """Score each row by what came before it, then learn it: the same as one row at a time, bit for bit."""
        ...

    def state(self) -> State:
        """What ``restore`` needs; the arrays are copies."""
        ...

    def restore(self, state: State) -> None:
        """Take over a saved state of the same model, version and settings; another one raises StateError."""
        ...

    def bytes_used(self) -> int:
        """How much memory the state takes now."""
        ...


class HasParts(Protocol):
    """Whatever explains its scores by parts, online model or not."""

    @property
    def id(self) -> str: ...
    @property
    def parts(self) -> tuple[Part, ...]: ...


def reasons(model: HasParts, scores: Scores, row: int) -> tuple[Reason, ...]:
    """The reasons of one row, the largest contribution first; parts that say nothing are left out.

    Raises:
        ModelError: The scores were asked for without ``why``.
    """
    if scores.why is None:
        raise ModelError(f"{model.id}: no reasons were asked for. Score with why=True.")
    found = [
        Reason(part.name, part.family, part.unit, *map(float, scores.why[row, number]))
        for number, part in enumerate(model.parts)
        if scores.why[row, number, 0] != 0.0
    ]
    return tuple(sorted(found, key=lambda reason: (-reason.contribution, reason.name)))


def by_family(found: tuple[Reason, ...]) -> dict[Family, float]:
    """Contributions summed by family, the largest first."""
    sums: dict[Family, float] = {}
    for reason in found:
        sums[reason.family] = sums.get(reason.family, 0.0) + reason.contribution
    return dict(sorted(sums.items(), key=lambda item: (-item[1], item[0])))
