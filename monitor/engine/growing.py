"""Arrays by code or row that grow as codes come."""

from typing import Any

import numpy as np
import numpy.typing as npt


def extended(values: npt.NDArray[Any], length: int, fill: int) -> npt.NDArray[Any]:
    """The same rows, and more with ``fill`` up to ``length``."""
    grown = np.full((max(length, len(values)), *values.shape[1:]), fill, values.dtype)
    grown[: len(values)] = values
    return grown
