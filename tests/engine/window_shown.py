"""All that a window table measures, shown to every leg: what tests of tables look at."""

import numpy as np

from monitor.engine.layout import Outputs, TableLayout


def everything(layout: TableLayout, legs: int) -> tuple[np.ndarray, Outputs]:
    """The group of each leg, and the outputs of this one group."""
    spans = np.array([[0, layout.shape.simple, len(layout.shape.outputs)]], np.int32)
    return np.zeros(legs, np.int32), Outputs(spans, layout.shape.outputs)
