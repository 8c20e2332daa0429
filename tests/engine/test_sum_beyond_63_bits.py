"""A sum that no longer fits is a lower bound, and is exact again when enough has left."""

import numpy as np

from monitor.domain.time import HOUR_US
from monitor.engine.layout import lay_out
from monitor.engine.table import WindowTable
from monitor.engine.windows import Arriving
from monitor.rulebook.plan import FieldUse, TablePlan, WindowMeasure
from tests.engine.window_shown import everything

LARGEST_MINOR = 10**17
AMOUNT = FieldUse("amount", "USD")
DAY_SUM = TablePlan("customer", (0,), ((WindowMeasure("customer", 0, 24 * HOUR_US, None, "sum", AMOUNT), 0),))


def sums(hours: list[float]) -> tuple[list[int], list[bool]]:
    """Sums over 24 hours of a customer who pays the largest amount at each of ``hours``, and which are bounds."""
    n = len(hours)
    table = WindowTable(lay_out(DAY_SUM))
    measures, bounds = np.zeros((n, 1), np.int64), np.zeros((n, 1), np.uint8)
    zeros, ones = np.zeros(n, np.int64), np.ones(n, np.int64)
    judged_us = (np.array(hours) * HOUR_US).astype(np.int64)
    amounts = np.full((n, 1), LARGEST_MINOR, np.int64)
    small = np.zeros(n, np.int32)
    legs = Arriving(
        small,
        zeros,
        judged_us,
        np.arange(n),
        zeros,
        ones[:, None],
        amounts,
        zeros[:1],
        small,
        np.zeros((n, 0), np.int64),
        zeros[:0],
        *everything(table.layout, n),
    )
    table.run(legs, measures, bounds, keys=1)
    return measures[:, 0].tolist(), (bounds[:, 0] == 1).tolist()


def test_a_sum_that_does_not_fit_is_never_called_exact() -> None:
    values, are_bounds = sums([number / 100 for number in range(300)])
    true_sums = [LARGEST_MINOR * (number + 1) for number in range(300)]
    assert any(are_bounds)
    for value, is_bound, truth in zip(values, are_bounds, true_sums, strict=True):
        assert value <= truth
        assert is_bound == (truth >= 2**63)
        assert is_bound or value == truth


def test_the_sum_is_exact_again_when_the_payments_have_left() -> None:
    values, are_bounds = sums([*(number / 100 for number in range(300)), 60.0])
    assert (values[-1], are_bounds[-1]) == (LARGEST_MINOR, False)
