"""Any river anomaly detector as a :class:`models.contract.Model`.

River's detectors score dictionaries one at a time, in Python: some tens of microseconds a row. They are here to be
compared with and to be tried, not for the hot path. A detector's state is saved field by field
(:mod:`models.structural_state`). River does not say when it is ready, so the adapter is told how many rows warm it
up; it gives no reasons, so the score is put to one part, "all features together".
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from models import structural_state
from models.column_model import Arrays, ColumnModel
from models.contract import Bools, Family, Float64s, Input, Limit, Part


class Detector(Protocol):
    """What river calls an anomaly detector."""

    def score_one(self, x: dict[str, float]) -> float: ...
    def learn_one(self, x: dict[str, float]) -> None: ...


class RiverDetector(ColumnModel):
    """A river detector over named features.

    Args:
        make: Makes a fresh detector; seeded, so that it is the same each time.
        features: Columns of kind number. An unknown value (NaN) is left out of the dictionary.
        warm_up: How many rows the detector learns before its scores count.
        bytes_max: The most memory its saved state may take; river states none, so it is checked, not enforced.

    Raises:
        ModelError: The detector keeps state that cannot be saved without a pickle.
    """

    id: ClassVar[str] = "river"
    version: ClassVar[int] = 1

    def __init__(
        self,
        make: Callable[[], Detector],
        features: Sequence[Input],
        *,
        warm_up: int,
        bytes_max: int = 32 << 20,
    ) -> None:
        self._detector = make()
        self._name = type(self._detector).__name__
        self._parameters = structural_state.write(self._detector)
        self._features = tuple(feature.name for feature in features)
        self._warm_up, self._learned = warm_up, 0
        self.inputs = tuple(features)
        self.parts = (Part("all features together", Family.AMOUNT),)
        self.limit = Limit(
            bytes_max, "stated for the saved state; a detector that grows beyond it is not for this adapter"
        )

    def _run(self, columns: Arrays, values: Float64s, ready: Bools, why: Float64s, learn: bool) -> None:
        rows = zip(*(columns[name].tolist() for name in self._features), strict=True)
        for i, row in enumerate(rows):
            x = {name: value for name, value in zip(self._features, row, strict=True) if value == value}
            if self._learned >= self._warm_up:
                values[i], ready[i] = self._detector.score_one(dict(x)), True
                if len(why):
                    why[i, 0] = values[i], np.nan, np.nan
            if learn:
                self._detector.learn_one(dict(x))
                self._learned += 1

    def _settings(self) -> dict[str, Any]:
        return {
            "detector": self._name,
            "features": list(self._features),
            "warm_up": self._warm_up,
            "fresh": self._parameters,
        }

    def _arrays(self) -> Arrays:
        text = json.dumps(structural_state.write(self._detector), separators=(",", ":"))
        return {
            "detector": np.frombuffer(text.encode(), np.uint8),
            "learned": np.array([self._learned], np.int64),
        }

    def _take(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        self._detector = structural_state.read(json.loads(arrays["detector"].tobytes()))
        self._learned = int(arrays["learned"][0])
