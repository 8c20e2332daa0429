"""An evaluation as one HTML file that stands alone: inline charts, no script, no network, fit for print."""

from collections.abc import Callable, Sequence
from html import escape

from monitor.app.backtest.report_style import STYLE
from monitor.app.evaluate.ablation import ablation, signed
from monitor.app.evaluate.charts import LEGEND, Bar, interval_bars, percentage, shade
from monitor.app.evaluate.evaluation import Evaluation, Figures
from monitor.app.evaluate.measures import AtBudget
from monitor.app.evaluate.wording import beyond, conditions, facts, spaced
from monitor.casework.intervals import Share

MORE_STYLE = """
td.shade { text-align: center; white-space: nowrap; border-bottom: 2px solid #fff; border-right: 2px solid #fff }
.dark { color: #fff } h3 { font-size: 14px; margin: 18px 0 4px } h3:first-of-type { margin-top: 0 }
"""


def evaluation_page(found: Evaluation) -> str:
    """The whole page."""
    parts = [
        _head(found),
        _summary(found),
        _ablation(found),
        *(_budget(found, place) for place in range(len(found.figures[0].budgets) if found.figures else 0)),
        _thresholds(found),
        _typologies(found),
        _delays(found),
        _rows(found),
        _patterns(found),
        _queue(found),
        _how(found),
    ]
    title = escape(found.stream.name.rsplit("/", 1)[-1])
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Evaluation: {title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}{MORE_STYLE}</style></head>'
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


def _section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{body}</section>" if body else ""


def _head(found: Evaluation) -> str:
    lines = "".join(f'<p class="facts">{escape(line)}</p>' for line in facts(found))
    return f"<h1>What is found of {escape(found.stream.name.rsplit('/', 1)[-1])}</h1>{lines}"


def _summary(found: Evaluation) -> str:
    if not found.figures:
        return _section("Nothing was measured", "".join(f"<p>{escape(each)}</p>" for each in found.left_out))
    tiles = []
    for each in found.figures[:5]:
        at = _at_asked(found, each)
        tiles.append(
            f"<div class=tile><b>{percentage(at.recall.value or 0)} <span class=was>chance "
            f"{percentage(at.chance_recall)}</span></b><span>{escape(each.name)}: of the cases found at "
            f"{escape(at.name)}; {percentage(at.conversion.value or 0)} of the alerts true</span></div>"
        )
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _at_asked(found: Evaluation, each: Figures) -> AtBudget:
    name = f"{100 * found.request.budget:g} %"
    return next(at for at in each.budgets if at.name == name)


def _ablation(found: Evaluation) -> str:
    body = ""
    for budget, parts in ablation(found).items():
        rows = [
            [each.part, *_both(each.alone), *_both(each.without), f"{each.cases:+d}", signed(each.conversion)]
            for each in parts
        ]
        whole = parts[0].together
        head = [
            "part",
            "alone: cases",
            "true alerts",
            "all without it: cases",
            "true alerts",
            "it adds: cases",
            "points",
        ]
        body += (
            f"<h3>{escape(budget)}: all together {escape(of(whole.recall))} cases, "
            f"{escape(percentage(whole.conversion.value or 0))} of the alerts true</h3>{table(head, rows)}"
        )
    words = "A part that adds neither cases nor true alerts at an equal budget is not worth its place."
    return _section("What each part adds", body and f'<p class="soft">{words}</p>{body}')


def _both(at: AtBudget) -> tuple[str, str]:
    return str(at.recall.found), percentage(at.conversion.value or 0)


def _budget(found: Evaluation, place: int) -> str:
    picked = [(each.name, each.budgets[place]) for each in found.figures]
    first = picked[0][1]
    count = f"{spaced(first.of)} active account-days"
    recall = [
        Bar(name, at.recall.value or 0, *at.recall_interval, at.chance_recall, of(at.recall)) for name, at in picked
    ]
    conversion = [
        Bar(name, at.conversion.value or 0, *at.conversion_interval, at.chance_conversion, of(at.conversion))
        for name, at in picked
    ]
    per_case = ", ".join(f"{name} {at.alerts_per_case:.1f}" for name, at in picked if at.alerts_per_case is not None)
    more = f'<p class="soft">True alerts for each case found: {escape(per_case)}.</p>' if per_case else ""
    return _section(
        f"Alerting {first.name}{' of the account-days' if '%' in first.name else ''}",
        f'<p class="soft">Of {count}.</p><h3>Cases found</h3>{interval_bars(recall, title="Cases found")}'
        f"<h3>Alerts that are true</h3>{interval_bars(conversion, title='Alerts that are true')}{LEGEND}{more}",
    )


def of(share: Share) -> str:
    """``12 of 57``."""
    return f"{spaced(share.found)} of {spaced(share.of)}"


def _thresholds(found: Evaluation) -> str:
    rows = []
    for each in found.figures:
        at = each.threshold
        cells: Sequence[str] = ["no score between 20 and 40 %", "", "", ""] if at is None else _threshold_cells(at)
        rows.append([each.name, *cells])
    words = (
        f"What a run can do: the threshold that alerted {percentage(found.request.budget)} of the account-days of 20 "
        "to 40 % of the time stands for the rest. How much is alerted then is an outcome."
    )
    return _section(
        "A threshold fixed beforehand",
        f'<p class="soft">{words}</p>'
        + table(["method", "account-days alerted", "cases found", "alerts that are true", "chance of the same number"],
                rows),
    )  # fmt: skip


def _threshold_cells(at: AtBudget) -> list[str]:
    return [
        f"{spaced(at.chosen)} ({percentage(at.chosen / at.of)})",
        _with_interval(at.recall, at.recall_interval),
        _with_interval(at.conversion, at.conversion_interval),
        f"{percentage(at.chance_recall)}, {percentage(at.chance_conversion)}",
    ]


def _with_interval(share: Share, interval: tuple[float, float]) -> str:
    if not share.of:
        return "·"
    return f"{percentage(share.value or 0)} {of(share)} [{percentage(interval[0])} to {percentage(interval[1])}]"


def _typologies(found: Evaluation) -> str:
    body = ""
    for place, at in enumerate(found.figures[0].budgets if found.figures else []):
        head = "".join(f"<th>{escape(each.name)}</th>" for each in found.figures)
        rows = []
        for number, typology in enumerate(at.typologies):
            cells = "".join(_typology_cell(each.budgets[place], number) for each in found.figures)
            rows.append(
                f"<tr><td>{escape(typology.name)}</td>{cells}<td class=n>{percentage(typology.chance)}</td></tr>"
            )
        body += (
            f"<h3>{escape(at.name)}</h3><div class=scroll><table><tr><th>typology</th>{head}"
            f"<th class=n>chance</th></tr>"
            f"{''.join(rows)}</table></div>"
        )
    return _section("Cases found by typology", body and '<p class="soft">With the 95 % interval by case.</p>' + body)


def _typology_cell(at: AtBudget, number: int) -> str:
    each = at.typologies[number]
    value = each.found.value or 0
    look = "shade dark" if value >= 5 / 6 else "shade"
    low, high = each.interval
    return (
        f'<td class="{look}" style="background:{shade(value)}">{each.found.found} of {each.found.of} '
        f"[{100 * low:.0f}–{100 * high:.0f}]</td>"
    )


def _delays(found: Evaluation) -> str:
    rows = []
    for each in found.figures:
        at = _at_asked(found, each)
        told = at.delays
        if told is None or told.days is None or told.still_to_move is None:
            rows.append([each.name, "0", "·", "·", "·"])
            continue
        low, middle, high = told.days
        share = told.still_to_move
        rows.append([
            each.name, str(told.cases), f"{middle:.1f} d ({low:.1f} to {high:.1f})",
            f"{percentage(share[1])} ({percentage(share[0])} to {percentage(share[2])})",
            percentage(told.share_of_all_money or 0),
        ])  # fmt: skip
    words = (
        "From a case's first payment to its first alert, and how much of its money was still to move then: median and "
        "quartiles over the cases found that began in the scored part."
    )
    return _section(
        f"How early, at {100 * found.request.budget:g} %",
        f'<p class="soft">{words}</p>'
        + table(["method", "cases", "delay", "still to move", "of all money of these cases"], rows),
    )


def _rows(found: Evaluation) -> str:
    if not found.figures:
        return ""
    base = found.figures[0].rows
    prevalence = base.laundering / base.rows if base.rows else 0
    most = min(1.0, max([each.rows.pr_auc_interval[1] for each in found.figures] + [4 * prevalence]) * 1.1)
    bars = [
        Bar(each.name, each.rows.pr_auc, *each.rows.pr_auc_interval, prevalence, f"{each.rows.pr_auc:.4f}")
        for each in found.figures
    ]
    rows = [
        [each.name, f"{each.rows.f1:.3f} ({each.rows.f1_interval[0]:.2f}–{each.rows.f1_interval[1]:.2f})",
         f"{each.rows.f1_chance:.3f}", of(each.rows.precision), of(each.rows.recall), of(each.rows.case_recall),
         "·" if each.rows_per_second is None else spaced(round(each.rows_per_second))]
        for each in found.figures
    ]  # fmt: skip
    words = (
        f"{spaced(base.rows)} rows, {base.laundering} of them laundering. PR-AUC is average precision, its chance the "
        "share of laundering rows; F1 stands at a threshold chosen before, its chance is that of as many rows drawn at "
        "random. Intervals are a bootstrap by case."
    )
    return _section(
        "By row, on the last 20 % of the time",
        f'<p class="soft">{words}</p><h3>PR-AUC</h3>{interval_bars(bars, title="PR-AUC", most=most)}{LEGEND}'
        + table(["method", "F1", "chance", "true of 0.5 % of the rows", "of the laundering rows", "of the cases",
                 "rows a second of processor time"], rows),
    )  # fmt: skip


def _patterns(found: Evaluation) -> str:
    if not found.figures:
        return ""
    head = ["pattern", *(each.name for each in found.figures)]
    rows = []
    for number, (name, _) in enumerate(found.figures[0].rows.patterns):
        shares = [each.rows.patterns[number][1] for each in found.figures]
        rows.append([name, *(f"{percentage(share.value or 0)} {of(share)}" for share in shares)])
    words = (
        "Of the laundering rows of the scored part, those among the 20 % of its rows with the highest scores; chance "
        "is 20 %. Rows in no pattern stand apart from the cases:"
    )
    apart = [f"{each.name} {of(_at_asked(found, each).without_pattern)}" for each in found.figures
             if _at_asked(found, each).without_pattern.of]  # fmt: skip
    tail = (
        f'<p class="soft">With an alerted account-day at the budget: {escape(", ".join(apart))}.</p>' if apart else ""
    )
    return _section("Rows by pattern", f'<p class="soft">{words}</p>{table(head, rows)}{tail}')


def _queue(found: Evaluation) -> str:
    rows = [[each.name, str(each.queue[0]), str(each.queue[1])] for each in found.figures if each.queue[0] is not None]
    words = "False alerts that stand before 90 % of the true ones, of those that the fixed threshold alerts."
    head = ["method", "untrained order", "order learned from decisions"]
    return _section("The order of the queue", f'<p class="soft">{words}</p>{table(head, rows)}' if rows else "")


def _how(found: Evaluation) -> str:
    lines = [*conditions(found), *found.stream.notes, *beyond(found)]
    return _section("How this was measured", "".join(f"<p>{escape(line)}</p>" for line in lines))


def table(head: Sequence[str], rows: Sequence[Sequence[str]], cell: Callable[[str], str] = escape) -> str:
    """A table whose first column is text and whose others are figures."""
    first = "".join(f'<th class="{"n" if place else ""}">{escape(name)}</th>' for place, name in enumerate(head))
    body = "".join(
        "<tr>"
        + "".join(f'<td class="{"n" if place else ""}">{cell(text)}</td>' for place, text in enumerate(row))
        + "</tr>"
        for row in rows
    )
    return f"<div class=scroll><table><tr>{first}</tr>{body}</table></div>"
