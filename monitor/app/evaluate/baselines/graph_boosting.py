"""snapml's GraphFeaturePreprocessor with gradient boosting: the strongest published streaming features, with labels.

The preprocessor keeps the payments of two weeks as a graph and counts fans, degrees, scatter-gather patterns and cycles
in time around each new payment. It is given one row at a time: in larger batches it would count rows of the
same batch that come later, which changes most of its numbers and is look-ahead. Its features join those of the row; the
model learns as that of the row alone does. It needs the extra ``snapml``, which exists for few machines.

Source: Blanuša and others (2024), "Graph Feature Preprocessor: Real-time Subgraph-based Feature Extraction for
Financial Crime Detection", ICAIF.
"""

from typing import Any

import numpy as np

from monitor.app.evaluate.baselines.row_boosting import Boosting, row_features
from monitor.app.evaluate.problem import EvaluateError
from monitor.app.evaluate.scorer import Outcomes, Scores, Setting, nothing
from monitor.app.evaluate.stream import Floats, Rows
from monitor.domain.time import SECOND_US

_DAY = 86_400
_BINS = [2, 3, 4, 5, 6, 8, 11, 16]
_PARAMETERS: dict[str, Any] = {
    "num_threads": 1, "time_window": 14 * _DAY, "max_no_edges": -1,
    "vertex_stats": True, "vertex_stats_tw": 30 * _DAY, "vertex_stats_cols": [3, 4],
    "vertex_stats_feats": [0, 1, 2, 3, 4, 8, 9, 10],
    "fan": True, "fan_tw": 7 * _DAY, "fan_bins": _BINS,
    "degree": True, "degree_tw": 7 * _DAY, "degree_bins": _BINS,
    "scatter-gather": True, "scatter-gather_tw": 14 * _DAY, "scatter-gather_bins": _BINS,
    "temp-cycle": True, "temp-cycle_tw": 14 * _DAY, "temp-cycle_bins": _BINS,
    "lc-cycle": False,
}  # fmt: skip


class GraphBoosting:
    """The baseline as a scorer: both sides of a row get its score."""

    name = "graph boosting"
    tracks: tuple[str, ...] = ("S",)

    def __init__(self, setting: Setting) -> None:
        try:
            from snapml import GraphFeaturePreprocessor
        except ImportError:
            raise EvaluateError(
                "snapml is not installed. Install the extra:  pip install 'aml-monitor[snapml]'"
            ) from None
        self.graph: Any = GraphFeaturePreprocessor()
        self.graph.set_params(_PARAMETERS)
        self.boosting = Boosting(setting.stream.cut, setting.seed, [1, 2])

    def step(self, rows: Rows) -> Scores:
        """Features of each row one after the other, scored by the last fit."""
        edges = np.stack(
            [rows.number, rows.source, rows.target, rows.time_us // SECOND_US, np.floor(rows.value * 100)], axis=1
        ).astype(np.float64)  # fmt: skip
        graph = np.concatenate([self.graph.transform(edges[row : row + 1]) for row in range(len(rows))])
        features: Floats = np.concatenate([row_features(rows), graph[:, 5:]], axis=1)
        self.boosting.keep(features.astype(np.float32))
        found = nothing(len(rows))
        found[:] = self.boosting.score(features.astype(np.float32))[:, None]
        return Scores(found)

    def told(self, outcomes: Outcomes, *, day: int) -> None:
        """Take labels; fit where it is time."""
        self.boosting.told(outcomes, day)
