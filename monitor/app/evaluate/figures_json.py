"""An evaluation as one JSON object with stable keys."""

from typing import Any

from monitor.app.evaluate.evaluation import Evaluation, Figures
from monitor.app.evaluate.measures import AtBudget, Delays
from monitor.app.evaluate.row_measures import RowFigures
from monitor.app.evaluate.wording import day
from monitor.casework.intervals import Share


def evaluation_json(found: Evaluation) -> dict[str, Any]:
    """Everything that the page shows."""
    stream, cut = found.stream, found.stream.cut
    return {
        "data": stream.name,
        "track": found.request.track,
        "budget": found.request.budget,
        "seed": found.request.seed,
        "rows": len(stream.rows),
        "laundering_rows": int(stream.is_laundering.sum()),
        "accounts": len(stream.accounts),
        "cases": len(stream.cases),
        "cases_scored": len(found.truth.scored),
        "account_days": len(found.truth.days),
        "is_by_day": stream.is_by_day,
        "money_unit": stream.units,
        "split": {
            "first": day(cut.first), "thresholds": day(cut.thresholds), "scored": day(cut.scored),
            "last_fifth": day(cut.last_fifth), "last": day(cut.end - 1),
        },
        "methods": [_figures(each) for each in found.figures],
        "left_out": found.left_out,
        "notes": stream.notes,
    }  # fmt: skip


def _figures(each: Figures) -> dict[str, Any]:
    return {
        "method": each.name,
        "processor_seconds": round(each.seconds, 3),
        "rows_per_second": None if each.rows_per_second is None else round(each.rows_per_second),
        "at": [_at(at) for at in each.budgets],
        "fixed_threshold": None if each.threshold is None else _at(each.threshold),
        "by_row": _rows(each.rows),
        "queue_false_at_90": {"untrained": each.queue[0], "learned": each.queue[1]},
    }


def _at(at: AtBudget) -> dict[str, Any]:
    return {
        "budget": at.name,
        "alerted": at.chosen,
        "account_days": at.of,
        "case_recall": _share(at.recall)
        | {"interval": _rounded(at.recall_interval), "chance": round(at.chance_recall, 4)},
        "conversion": _share(at.conversion)
        | {"interval": _rounded(at.conversion_interval), "chance": round(at.chance_conversion, 4)},
        "alerts_per_case": None if at.alerts_per_case is None else round(at.alerts_per_case, 3),
        "typologies": {
            each.name: _share(each.found) | {"interval": _rounded(each.interval), "chance": round(each.chance, 4)}
            for each in at.typologies
        },
        "delay": _delays(at.delays),
        "rows_in_no_pattern": _share(at.without_pattern),
    }


def _delays(told: Delays | None) -> dict[str, Any] | None:
    if told is None or told.days is None or told.still_to_move is None:
        return None
    return {
        "cases": told.cases,
        "days_quartiles": _rounded(told.days),
        "still_to_move_quartiles": _rounded(told.still_to_move),
        "still_to_move_of_all": None if told.share_of_all_money is None else round(told.share_of_all_money, 4),
    }


def _rows(rows: RowFigures) -> dict[str, Any]:
    return {
        "rows": rows.rows,
        "laundering": rows.laundering,
        "pr_auc": round(rows.pr_auc, 5),
        "pr_auc_interval": _rounded(rows.pr_auc_interval),
        "pr_auc_chance": round(rows.laundering / rows.rows, 5) if rows.rows else None,
        "f1": round(rows.f1, 4),
        "f1_interval": _rounded(rows.f1_interval),
        "f1_chance": round(rows.f1_chance, 4),
        "f1_threshold": rows.f1_threshold,
        "at_half_a_percent": {
            "precision": _share(rows.precision), "recall": _share(rows.recall), "case_recall": _share(rows.case_recall),
        },
        "patterns_at_20_percent": {name: _share(share) for name, share in rows.patterns},
    }  # fmt: skip


def _share(share: Share) -> dict[str, Any]:
    return {"value": None if share.value is None else round(share.value, 4), "found": share.found, "of": share.of}


def _rounded(values: tuple[float, ...]) -> list[float]:
    return [round(value, 4) for value in values]
