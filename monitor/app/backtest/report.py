"""A back-test as one HTML file that stands alone: inline charts, no script, no network, fit for print."""

from collections.abc import Sequence
from html import escape

from monitor.app.backtest.charts import line_chart, split_bars
from monitor.app.backtest.comparison import Delta, LostAlert, summary
from monitor.app.backtest.decisions import Worth
from monitor.app.backtest.match import CLASSES, Raised
from monitor.app.backtest.replay import Replay
from monitor.app.backtest.report_style import STYLE
from monitor.casework.intervals import Share, percent, wilson
from monitor.domain.time import DAY_US, format_time

ROWS_MAX = 500
"""Most lost, and most new, alerts that the page lists; --json has all."""
CUSTOMERS_MAX = 15
BARS_MAX = 40


def replay_page(made: Replay) -> str:
    """The whole page."""
    found, totals = made.comparison, made.comparison.totals
    parts = [
        _head(made),
        _summary(made),
        _tiles(made),
        _blocking(made),
        _section("Alerts a day", _volume(made)) if totals.before or totals.after else "",
        _section("New and lost by rule", _bars(found.by_rule) + _deltas("rule", found.by_rule, totals)),
        _section("New and lost by segment", _bars(found.by_segment) + _deltas("segment", found.by_segment, totals)),
        _decisions(made),
        _customers(made),
        _lost(made),
        _new(made),
        _apart(made),
        _how(made),
    ]
    title = escape(", ".join(made.changes) or "no change")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Back-test: {title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


def _section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{body}</section>" if body else ""


def _head(made: Replay) -> str:
    first, last = _day(made.first_us), _day(made.last_us - 1)
    changes = "".join(f"<code>{escape(each)}</code>" for each in made.changes) or "<code>no change</code>"
    return (
        f'<h1>What the change would have done</h1><p class="facts">{_spaced(made.payments)} payments of '
        f"{escape(made.history)}, alerts judged from {first} to {last}, by the engine that runs live</p>"
        f'<div class="changes">{changes}</div>'
    )


def _summary(made: Replay) -> str:
    lines = summary(made.comparison, days=made.days, overrides=made.overrides)
    look = "blocked" if made.is_blocked else "overridden" if made.comparison.blocking else ""
    body = "".join(
        f"<p{' class=strong' if line.startswith(('BLOCKED', 'OVERRIDDEN')) else ''}>{escape(line)}</p>"
        for line in lines
    )
    notes = "".join(f'<p class="soft">Note: {escape(note)}.</p>' for note in made.notes)
    return f'<section class="summary verdict {look}">{body}{notes}</section>'


def _tiles(made: Replay) -> str:
    totals, cases = made.comparison.totals, made.comparison
    tiles = [
        (f"{totals.after} <span class=was>was {totals.before}</span>", "alerts"),
        (f"<span class=plus>+{totals.new}</span>" if totals.new else "0", "new"),
        (f"<span class=minus>−{totals.lost}</span>" if totals.lost else "0", "lost"),
        (str(totals.same), "the same"),
    ]
    if cases.cases_before.of:
        was = f"<span class=was>of {cases.cases_after.of}, was {cases.cases_before.found}</span>"
        tiles.append((f"{cases.cases_after.found} {was}", "reported cases reached"))
    return (
        '<div class="tiles">'
        + "".join(f"<div class=tile><b>{n}</b><span>{w}</span></div>" for n, w in tiles)
        + "</div>"
    )


def _volume(made: Replay) -> str:
    days = [(_day(day * DAY_US), one, other) for day, one, other in made.comparison.per_day]
    return line_chart(days, title="Alerts before and after") + (
        '<p class="legend"><span class="key" style="background:#8a94a6"></span>in force'
        '<span class="key" style="background:#1f5fbf"></span>with the change</p>'
    )


def _bars(deltas: Sequence[Delta]) -> str:
    rows = [(each.name, each.lost, each.same, each.new) for each in deltas if each.before or each.after][:BARS_MAX]
    if not rows:
        return '<p class="soft">No alert on either side.</p>'
    return split_bars(rows, title="Lost, the same and new") + (
        '<p class="legend"><span class="key" style="background:#c4452d"></span>lost'
        '<span class="key" style="background:#c9d1dc"></span>the same'
        '<span class="key" style="background:#1f5fbf"></span>new</p>'
    )


def _deltas(what: str, deltas: Sequence[Delta], totals: Delta) -> str:
    changed = [each for each in deltas if each.new or each.lost]
    if not changed:
        return ""
    rows = [_delta_row(each, each.name) for each in changed]
    rest = len(deltas) - len(changed)
    more = f'<p class="soft">{rest} more without any difference.</p>' if rest else ""
    head = _header((what, ""), ("before", "n"), ("after", "n"), ("the same", "n"), ("new", "n"), ("lost", "n"))
    total = _delta_row(totals, "all", look="total")
    return f'<div class="scroll"><table>{head}{"".join(rows)}{total}</table></div>{more}'


def _delta_row(delta: Delta, name: str, look: str = "") -> str:
    new = f'<span class="plus">+{delta.new}</span>' if delta.new else "0"
    lost = f'<span class="minus">−{delta.lost}</span>' if delta.lost else "0"
    cells = (str(delta.before), str(delta.after), str(delta.same), new, lost)
    return (
        f'<tr class="{look}"><td>{escape(name)}</td>' + "".join(f"<td class=n>{cell}</td>" for cell in cells) + "</tr>"
    )


def _customers(made: Replay) -> str:
    changed = [each for each in made.comparison.by_customer if each.new or each.lost]
    if not changed:
        return ""
    head = _header(("subject", ""), ("before", "n"), ("after", "n"), ("the same", "n"), ("new", "n"), ("lost", "n"))
    rows = "".join(_delta_row(each, made.subject(each.name)) for each in changed[:CUSTOMERS_MAX])
    gained = sum(not each.before for each in changed)
    gone = sum(not each.after for each in changed)
    words = f"{len(changed)} subjects are alerted otherwise: {gained} for the first time, {gone} not at all any more."
    more = f" The {CUSTOMERS_MAX} that change most:" if len(changed) > CUSTOMERS_MAX else ""
    return _section("By customer", f'<p>{words}{more}</p><div class="scroll"><table>{head}{rows}</table></div>')


def _decisions(made: Replay) -> str:
    found = made.comparison
    if not found.worth:
        words = "The history holds no decided case of an alert, so precision and recall cannot be told."
        return _section("Against analysts' decisions", f'<p class="soft">{words}</p>')
    head = _header(("rule", ""), ("precision before", "n"), ("after", "n"), ("recall before", "n"), ("after", "n"))
    rows = "".join(_worth_row(each) for each in found.worth)
    words = (
        f"{found.decided} alerts belong to decided cases. Precision: of those that are raised, the share whose case "
        "was reported. Recall: of those whose case was reported, the share that is raised. In brackets the 95 % "
        "interval. New alerts have no decision yet, so precision says nothing of them; draw a sample with aml tune."
    )
    return _section("Against analysts' decisions", f'<p class="soft">{words}</p><table>{head}{rows}</table>')


def _worth_row(each: Worth) -> str:
    shares = (each.precision_before, each.precision_after, each.recall_before, each.recall_after)
    look = "" if each.rule else "total"
    return (
        f'<tr class="{look}"><td>{escape(each.rule or "all")}</td>'
        + "".join(f"<td class=n>{_share(share)}</td>" for share in shares)
        + "</tr>"
    )


def _share(share: Share) -> str:
    if not share.of:
        return "·"
    low, high = wilson(share)
    return (
        f"{percent(share.found, share.of)} <span class=soft>{share.found}/{share.of} "
        f"[{100 * low:.0f}–{100 * high:.0f}]</span>"
    )


def _blocking(made: Replay) -> str:
    """What had led to a report: the first thing to look at."""
    found = made.comparison.blocking
    if not found:
        return ""
    rows = "".join(_lost_row(each, made, with_case=True) for each in found)
    people = "".join(f"<li>{escape(each.by)}, record {escape(each.record)}</li>" for each in made.overrides)
    by = f"<p>Taken upon themselves by:</p><ul>{people}</ul>" if people else ""
    table = f'<div class="scroll"><table>{_lost_head(with_case=True)}{rows}</table></div>'
    return _section("Lost, and had led to a report", table + by)


def _lost(made: Replay) -> str:
    lost = made.comparison.lost
    if not lost:
        return ""
    rows = "".join(_lost_row(each, made) for each in lost[:ROWS_MAX])
    more = f'<p class="soft">{len(lost) - ROWS_MAX} more; --json has all.</p>' if len(lost) > ROWS_MAX else ""
    words = f'<p class="soft">All {len(lost)}, the gravest and newest first.</p>'
    return _section("Lost alerts", f'{words}<div class="scroll"><table>{_lost_head()}{rows}</table></div>{more}')


def _lost_head(*, with_case: bool = False) -> str:
    case = (("case", ""),) if with_case else ()
    return _header(("judged", ""), ("rule", ""), ("subject", ""), *case, ("why it is lost", ""), ("what it said", ""))


def _lost_row(each: LostAlert, made: Replay, *, with_case: bool = False) -> str:
    alert = each.alert
    still = f'<div class="soft">still raised by {escape(", ".join(each.still))}</div>' if each.still else ""
    case = ""
    if with_case and each.decided is not None:
        words = each.decided.state.removeprefix("closed_").replace("_", " ")
        case = f"<td class=nowrap>{escape(each.decided.case_id[:12])}<div class=soft>{escape(words)}</div></td>"
    return (
        f"<tr><td class=nowrap>{_minute(alert.judged_at_us)}</td><td class=nowrap>{escape(alert.rule)}</td>"
        f"<td>{escape(made.subject(alert.subject))}</td>{case}<td>{escape(each.reason)}{still}</td>"
        f"<td>{escape(alert.text)}</td></tr>"
    )


def _new(made: Replay) -> str:
    new = sorted(made.comparison.new, key=lambda alert: -alert.judged_at_us)
    if not new:
        return ""
    rows = "".join(_new_row(alert, made) for alert in new[:ROWS_MAX])
    head = _header(("judged", ""), ("rule", ""), ("subject", ""), ("segment", ""), ("what it says", ""))
    more = f'<p class="soft">{len(new) - ROWS_MAX} more; --json has all.</p>' if len(new) > ROWS_MAX else ""
    return _section("New alerts", f'<div class="scroll"><table>{head}{rows}</table></div>{more}')


def _new_row(alert: Raised, made: Replay) -> str:
    return (
        f"<tr><td class=nowrap>{_minute(alert.judged_at_us)}</td><td class=nowrap>{escape(alert.rule)}</td>"
        f"<td>{escape(made.subject(alert.subject))}</td><td class=nowrap>{escape(alert.segment or '·')}</td>"
        f"<td>{escape(alert.text)}</td></tr>"
    )


def _apart(made: Replay) -> str:
    """Quiet and shadow alerts, and undecided verdicts: what analysts do not see."""
    classes, undecided = made.comparison.classes, made.undecided
    names = [name for name in classes if name] + sorted(undecided.keys() - classes.keys())
    head = _header(("rule", ""), ("quiet before", "n"), ("after", "n"), ("shadow before", "n"), ("after", "n"),
                   ("shadow, quiet before", "n"), ("after", "n"), ("suppressed before", "n"), ("after", "n"),
                   ("undecided before", "n"),
                   ("after", "n"))  # fmt: skip
    rows = []
    for name in names:
        counts = [count for kind in CLASSES[1:] for count in classes.get(name, {}).get(kind, (0, 0))]
        counts += undecided.get(name, (0, 0))
        if any(counts):
            cells = "".join(f"<td class=n>{_spaced(count) if count else '·'}</td>" for count in counts)
            rows.append(f"<tr><td class=nowrap>{escape(name)}</td>{cells}</tr>")
    if not rows:
        return ""
    words = (
        "Quiet: the rule matched again within its quiet period. Shadow: the rule is on trial, was "
        "switched off, or its breaker was open. Suppressed: two persons hold it back for a time. Undecided, over the "
        "whole log: a field that the rule needs was missing."
    )
    return _section("What analysts do not see", f'<p class="soft">{words}</p><div class="scroll"><table>{head}'
                    f"{''.join(rows)}</table></div>")  # fmt: skip


def _how(made: Replay) -> str:
    how = made.comparison.how
    words = ", ".join(f"{count} by {name}" for name, count in sorted(how.items(), key=lambda item: -item[1])) or "none"
    return _section(
        "How this was made",
        "<p>Both rulebooks judged the same recorded payments with the profiles, lists, rates and entities of their log "
        "positions; windows were measured from the beginning of the log. An alert's id changes with its rule's digest, "
        "so an alert of the same rule about the same subject counts as the same when it completes at the same payment "
        f"or rests on some of the same payments. The same alerts were recognised: {words}.</p>"
        f'<p class="soft">Rulebook in force <code>{made.digest_before[:16]}</code>, with the change '
        f"<code>{made.digest_after[:16]}</code>.</p>",
    )


def _header(*columns: tuple[str, str]) -> str:
    return "<tr>" + "".join(f'<th class="{look}">{escape(name)}</th>' for name, look in columns) + "</tr>"


def _minute(time_us: int) -> str:
    return format_time(time_us)[:16].replace("T", " ")


def _day(time_us: int) -> str:
    return format_time(time_us)[:10]


def _spaced(number: int) -> str:
    return f"{number:,}".replace(",", " ")
