"""Streaming quantiles of many columns in many segments, as histograms that add up.

A value falls into a bucket by the bits of its float: sign, exponent and the first five bits of the fraction. So a
bucket is at most 1/32 of its value wide, the place costs no logarithm, and the histograms of two partitions, or of
two days, are added by adding counts: the merged sketch is the sketch of the merged stream. Values nearer to 0 than
2**-12 count as 0, values beyond 2**40 as 2**40.

Source: the relative-error histogram of Masson, C., Rim, J. E. & Lee, H. K. (2019), "DDSketch: a fast and
fully-mergeable quantile sketch with relative-error guarantees", PVLDB 12(12), with linear steps within an octave
instead of a logarithm (as in HdrHistogram).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models.compiled import bits_of, inlined, kernel
from models.contract import Float64s, Int64s

SUB_BITS = 5
LOWEST_EXPONENT, HIGHEST_EXPONENT = -12, 40
PER_SIGN = (HIGHEST_EXPONENT - LOWEST_EXPONENT) << SUB_BITS
BUCKETS = 2 * PER_SIGN + 1
_FRACTION_BITS = 52 - SUB_BITS
_FIRST = (1023 + LOWEST_EXPONENT) << SUB_BITS
_MAGNITUDE = 2**63 - 1
Counts = npt.NDArray[np.int64]
"""Shape (segments, columns, BUCKETS). Segment 0 is everyone."""


@inlined
def bucket_of(value: float) -> int:
    """The bucket of a value that is not NaN; buckets are in the order of values."""
    bits = bits_of(value)
    place = ((bits & _MAGNITUDE) >> _FRACTION_BITS) - _FIRST + 1
    if place <= 0:
        return PER_SIGN
    if place > PER_SIGN:
        place = PER_SIGN
    return PER_SIGN + place if bits >= 0 else PER_SIGN - place


def edges() -> Float64s:
    """The lower ends of all buckets and the upper end of the last, shape (BUCKETS + 1,), ascending."""
    octave = np.arange(LOWEST_EXPONENT, HIGHEST_EXPONENT)
    steps = 1 + np.arange(1 << SUB_BITS) / (1 << SUB_BITS)
    positive = np.append((2.0 ** octave[:, None] * steps).ravel(), 2.0**HIGHEST_EXPONENT)
    return np.concatenate([-positive[::-1], positive])


@kernel
def count_values(values: Float64s, segment: Int64s, counts: Counts) -> None:
    """Add rows (n, columns) to the counts of their segment and of everyone; NaN is left out."""
    segments = counts.shape[0]
    for i in range(values.shape[0]):
        own = segment[i]
        for j in range(values.shape[1]):
            value = values[i, j]
            if value != value:
                continue
            bucket = bucket_of(value)
            counts[0, j, bucket] += 1
            if 0 < own < segments:
                counts[own, j, bucket] += 1


def quantile_buckets(counts: Counts, probabilities: Sequence[float], *, count_min: int = 1) -> Int64s:
    """The bucket of each quantile, per segment and column.

    Args:
        counts: Shape (segments, columns, BUCKETS).
        probabilities: Ascending, each within (0, 1].
        count_min: A segment that has counted fewer takes the quantiles of segment 0, everyone.

    Returns:
        Shape (segments, columns, probabilities): the bucket of the smallest value that at least the wanted share does
        not exceed; -1 where even everyone is fewer than ``count_min``.
    """
    segments, columns, _ = counts.shape
    found = np.full((segments, columns, len(probabilities)), -1, np.int64)
    for column in range(columns):
        for segment in range(segments):
            own = counts[segment, column]
            own = own if own.sum() >= count_min else counts[0, column]
            total = int(own.sum())
            if total >= max(count_min, 1):
                ranks = np.maximum(np.ceil(np.array(probabilities) * total), 1)
                found[segment, column] = np.searchsorted(np.cumsum(own), ranks)
    return found


def lower_ends(buckets: Int64s) -> Float64s:
    """The smallest value of each bucket; NaN for -1.

    >>> counts = np.zeros((1, 1, BUCKETS), np.int64)
    >>> count_values(np.arange(1.0, 1001.0)[:, None], np.zeros(1000, np.int64), counts)
    >>> median = quantile_buckets(counts, [0.5])
    >>> float(lower_ends(median)[0, 0, 0]), float(upper_ends(median)[0, 0, 0])
    (496.0, 504.0)
    """
    return _ends(buckets, 0)


def upper_ends(buckets: Int64s) -> Float64s:
    """Where the bucket above begins; NaN for -1. Both ends of the bucket of 0 are 0."""
    return _ends(buckets, 1)


def _ends(buckets: Int64s, which: int) -> Float64s:
    ends = edges()[np.maximum(buckets, 0) + which]
    ends[buckets == PER_SIGN] = 0.0
    ends[buckets < 0] = np.nan
    return np.asarray(ends, np.float64)


def forget(counts: Counts, *, halvings: int = 1, least: int = 0) -> None:
    """Age histograms: take ``2**-halvings`` of each away, so that old behaviour fades from one snapshot to the next.

    What is aged is the number at or above each bucket, rounded down. So a tail of many buckets with one value each
    keeps its share, which no rounding of single buckets would give, and what is not seen again is forgotten.

    Args:
        counts: Histograms, shape (..., buckets), ascending buckets; changed in place.
        halvings: 1 leaves a half, 2 three quarters.
        least: A histogram that would keep fewer values stays as it is.

    >>> counts = np.array([[16, 16, 16], [0, 0, 1]])
    >>> forget(counts, halvings=2)
    >>> counts
    array([[12, 12, 12],
           [ 0,  0,  0]])
    """
    above = np.cumsum(counts[..., ::-1], axis=-1)
    kept = above - ((above + (1 << halvings) - 1) >> halvings)
    kept = np.where(kept[..., -1:] < least, above, kept)
    counts[..., ::-1] = np.diff(kept, axis=-1, prepend=0)
