"""Random numbers of the simulator: integers only, one independent stream per part and day.

Two machines may differ in the last bit of ``exp`` and ``log``, so no amount is
computed with floats per row. A heavy tail is a table of 65,536 whole multipliers
(in 1/65,536), rounded once when the module is loaded; a row draws 16 bits and multiplies.

Each (seed, part, day) has its own generator, so that one part can be drawn
without the others and the stream does not depend on how days are grouped for writing.
"""

from enum import IntEnum
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]
UInt64s = npt.NDArray[np.uint64]

MULTIPLIER_ONE = 1 << 16
_CELLS = 4096


class Part(IntEnum):
    """The independent parts of the simulation; the number is part of the seed and never changes."""

    POPULATION = 1
    PROFILES = 2
    LICIT = 3
    CASES = 4
    DRESS = 5
    AFTERMATH = 6
    RATES = 7


def stream(seed: int, part: Part, day: int = 0) -> np.random.Generator:
    """The generator of one part on one day.

    >>> int(stream(1, Part.LICIT, 3).integers(100)) == int(stream(1, Part.LICIT, 3).integers(100))
    True
    """
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy=(seed, int(part), day))))


def spread_table(sigma: float, *, tail_share: float = 0.0, tail_index: float = 1.6) -> Int64s:
    """Multipliers with median 1: log-normal, and above ``1 - tail_share`` a Pareto tail.

    Args:
        sigma: Standard deviation of the logarithm.
        tail_share: Share of the draws that falls into the tail.
        tail_index: Pareto index of the tail; smaller is heavier.

    Returns:
        65,536 multipliers in 1/65,536, ascending.

    >>> abs(int(spread_table(0.5)[32768]) - MULTIPLIER_ONE) < 10
    True
    """
    normal, body = NormalDist(), 1.0 - tail_share
    levels = (np.arange(_CELLS + 1) + 0.5) / (_CELLS + 1)
    known = np.array([np.exp(sigma * normal.inv_cdf(float(min(p, body)))) for p in levels])
    over = levels > body
    known[over] *= ((1.0 - levels[over]) / tail_share) ** (-1.0 / tail_index) if tail_share else 1.0
    cells = np.linspace(0, _CELLS, 1 << 16)
    table: Int64s = np.round(np.interp(cells, np.arange(_CELLS + 1), known) * MULTIPLIER_ONE).astype(np.int64)
    return table


def share_table(weights: dict[int, float], *, size: int = 1024) -> Int32s:
    """A table of ``size`` codes in which each code fills its share of the cells.

    >>> np.bincount(share_table({0: 3.0, 1: 1.0}, size=8)).tolist()
    [6, 2]
    """
    total = sum(weights.values())
    edges = np.round(np.cumsum([w / total for w in weights.values()]) * size).astype(np.int64)
    counts = np.diff(np.concatenate([np.zeros(1, np.int64), edges]))
    table: Int32s = np.repeat(np.array(list(weights), np.int32), counts)
    return table


def mixed(values: Int64s, salt: int) -> UInt64s:
    """A fixed scramble of each value: the habits of an account without a stored table.

    Source: Steele, Lea and Flood (2014), "Fast splittable pseudorandom number generators", the finaliser.

    >>> mixed(np.array([1, 1]), 7).tolist() == [int(mixed(np.array([1]), 7)[0])] * 2
    True
    """
    x = values.astype(np.uint64) + np.uint64((salt * 0x9E3779B97F4A7C15) % (1 << 64))
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def remainder(scrambled: UInt64s, size: int) -> Int64s:
    """Scrambled values as whole numbers below ``size``.

    >>> int(remainder(mixed(np.array([5]), 1), 10)[0]) < 10
    True
    """
    below: Int64s = ((scrambled >> np.uint64(33)) % np.uint64(max(size, 1))).astype(np.int64)
    return below
