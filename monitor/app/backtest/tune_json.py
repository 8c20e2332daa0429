"""A walk and a scored review as JSON objects, for other programs."""

from collections import Counter
from typing import Any

from monitor.app.backtest.advice import Advice
from monitor.app.backtest.grid import Grid, Part, Point
from monitor.app.backtest.replay_json import share_json
from monitor.app.backtest.review import BandScore, Score
from monitor.app.backtest.sampling import Sample
from monitor.domain.time import format_time


def grid_json(grid: Grid, advice: Advice, sample: Sample | None, *, seed: int) -> dict[str, Any]:
    """Every point, and what they speak for. Of a sample only sizes: what lies where is in the key."""
    body: dict[str, Any] = {
        "rule": grid.rule.id,
        "digest": grid.rule.digest,
        "parameters": [
            {"name": axis.parameter.name, "segment": axis.segment, "unit": str(axis.parameter.unit),
             "in_force": axis.shown(axis.current)}
            for axis in grid.axes
        ],
        "payments": grid.payments,
        "from": format_time(grid.first_us),
        "split": format_time(grid.split_us),
        "to": format_time(grid.last_us),
        "truth": grid.truth.source or None,
        "points": [_point(grid, point, advice) for point in grid.points],
        "advice": list(advice.sentences),
    }  # fmt: skip
    if sample is not None:
        body["sample"] = {"seed": seed, "items": dict(Counter(item.side for item in sample.items))}
    return body


def _point(grid: Grid, point: Point, advice: Advice) -> dict[str, Any]:
    return {
        "values": {axis.parameter.name: axis.shown(index) for axis, index in zip(grid.axes, point.at, strict=True)},
        "in_force": point is grid.current,
        "advised": point is advice.point,
        "alerts": len(point.alerts),
        "alerts_a_month": round(point.per_month, 2),
        "customers": point.customers,
        "by_segment": point.by_segment,
        "recall": share_json(point.recall),
        "precision": share_json(point.precision),
        "first_part": _part(point.first),
        "last_part": _part(point.last),
    }


def _part(part: Part) -> dict[str, Any]:
    return {"alerts_a_month": round(part.per_month, 2), "recall": share_json(part.recall)}


def score_json(made: Score) -> dict[str, Any]:
    """The bands with their intervals, and what they prove."""
    return {
        "rule": made.rule, "parameter": made.parameter, "line": made.line, "seed": made.seed,
        "confidence": made.confidence, "tolerable": made.tolerable, "open_items": made.open_items,
        "bands": [_band(band) for band in made.bands], "above": _band(made.above), "below": _band(made.below),
        "sentences": list(made.sentences),
    }  # fmt: skip


def _band(band: BandScore) -> dict[str, Any]:
    return {
        "side": band.side, "band": band.band, "population": band.population, "reviewed": band.productive.of,
        "productive": band.productive.found, "share": band.productive.value, "low": round(band.low, 4),
        "high": round(band.high, 4),
    }  # fmt: skip
