"""Rates out of samples: payments a second by the wall, and a second of processor time."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.stream.cluster import Sample

LOW, HIGH = 0.15, 0.95
"""The rate is that between these shares of the work: behind the start of the worker, and before its end."""


@dataclass(frozen=True, slots=True)
class Rate:
    """What some processes did together. ``payments`` is the work between the first and the last sample that count."""

    payments: int
    seconds: float
    cpu_seconds: float

    @property
    def per_second(self) -> float:
        """Payments a second by the wall, of all processes together."""
        return self.payments / self.seconds

    @property
    def per_cpu_second(self) -> float:
        """Payments a second of their processor time."""
        return self.payments / self.cpu_seconds

    def figures(self, per_payment: float = 1.0) -> dict[str, float]:
        """For the results; ``per_payment``: how many units of work a payment is."""
        return {
            "payments_per_second": round(self.per_second / per_payment),
            "payments_per_cpu_second": round(self.per_cpu_second / per_payment),
            "cpu_us_per_payment": round(self.cpu_seconds / self.payments * 1e6 * per_payment, 2),
            "seconds": round(self.seconds, 1),
            "cores_busy": round(self.cpu_seconds / self.seconds, 2),
        }


def rate(samples: Sequence[Sequence[Sample]], *, low: float = LOW, high: float = HIGH) -> Rate:
    """The rate of some processes together, from samples that were taken together.

    Counts between the first sample in which each process has done a share ``low`` of its own work and the last in which
    none has done more than a share ``high`` of it. Where less than half of what lies between these shares was done
    between the two, because work was little or is counted in few large steps, it counts between the last sample before
    it began and the last.

    >>> one = [Sample(float(at), at / 2, 100 * at, 0, 0) for at in range(11)]
    >>> rate([one]).per_second, rate([one]).per_cpu_second, rate([one, one]).per_second
    (100.0, 200.0, 200.0)
    >>> few = [Sample(0.0, 0.0, 0, 0, 0), Sample(1.0, 0.5, 0, 0, 0), Sample(2.0, 1.0, 70, 0, 0)]
    >>> rate([few]).per_second
    70.0
    >>> steps = [Sample(float(at), at / 2, taken, 0, 0) for at, taken in enumerate([0, 40, 40, 41, 41, 100])]
    >>> rate([steps]).per_second
    20.0
    """
    together = list(zip(*samples, strict=True))
    totals = [each.taken for each in together[-1]]
    within = [
        moment
        for moment in together
        if all(low * total <= each.taken <= high * total for each, total in zip(moment, totals, strict=True))
    ]
    if len(within) < 2 or 2 * (_taken(within[-1]) - _taken(within[0])) < (high - low) * sum(totals):
        began = next(number for number, moment in enumerate(together) if _taken(moment) > 0)
        within = [together[max(began - 1, 0)], together[-1]]
    first, last = within[0], within[-1]
    return Rate(
        _taken(last) - _taken(first),
        last[0].at - first[0].at,
        sum(each.cpu_seconds for each in last) - sum(each.cpu_seconds for each in first),
    )


def _taken(moment: Sequence[Sample]) -> int:
    return sum(each.taken for each in moment)
