"""An explained alert for the eye, and as JSON. Pure: a console is given, nothing is read."""

import re
from typing import Any

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from monitor.app.explained import Part, Payment
from monitor.app.explaining import Explained
from monitor.cli.model_page import print_cards, print_model, print_scores
from monitor.cli.sentence import Sentence
from monitor.domain.alert import MODEL, Quantity
from monitor.domain.money import format_amount_for_reading
from monitor.engine.anomaly_alerts import SNAPSHOT_INPUT
from monitor.engine.sentences import readable
from monitor.rulebook.explain import explain_rule
from monitor.rulebook.rule import Call, Name, PeerName, Rule
from monitor.rulebook.walk import walk
from monitor.rulebook.worded import in_words

PAYMENTS_SHOWN_MAX = 20
MARKS = {
    "quiet": "held back: the subject was alerted by this rule within the quiet period",
    "late": "the payment came late and was judged at the latest time already judged for its customer",
    "no_profile": "no profile was held; the general parameters applied",
    "general_parameters": "the customer's segment was not known; the general parameters applied",
    "lower_bound": "some payments have unknown parts; numbers marked 'at least' are lower bounds",
    "transactions_cut": "more payments than the alert names; it names the newest 200",
    "rule_raised": "the condition holds; an error kept the rule from giving its measures and its sentence",
    "disabled": "in shadow: the rule was switched off by an order (aml rules disable)",
    "breaker": "in shadow: the rule had raised as many alerts on that day of the log as its limit allows",
    "suppression_sample": "a suppression reached the alert, and it was drawn for review",
    "first_shown": "a repeat of an alert that nobody was shown, because that one was suppressed or in shadow",
    "degraded": "judged without the profile version that should have been in force, which could not be had",
    "reevaluated": "found by judging again when a profile version came that had been missing",
    "lookback": "found in the recorded payments after a named list changed",
}
_TRUTH = {"true": ("✓", "green"), "false": ("✗", "red"), "unknown": ("?", "yellow")}
_JOINED = {"and": "all of:", "or": "at least one of:", "not": "not all of:"}
_OPS = {"<": "<", "<=": "≤", ">": ">", ">=": "≥", "==": "=", "!=": "≠"}
_SEVERITY_STYLE = {"low": "dim", "medium": "", "high": "yellow", "critical": "bold red"}


def print_explained(console: Console, explained: Explained, *, show_all: bool = False) -> None:
    """The whole page: sentence, who, rule, measures, parameters, condition, payments, remarks, and the verdict."""
    evidence, rule = explained.evidence, explained.rule
    _print_heading(console, evidence)
    console.print(_who(explained))
    if rule is not None:
        _print_rule(console, rule, evidence)
    if evidence["source"]["kind"] == MODEL:
        print_model(console, explained)
        print_scores(console, explained)
    else:
        _print_measures(console, explained)
    _print_parameters(console, explained)
    if explained.parts and rule is not None:
        console.print(_title("Condition"))
        _print_parts(console, explained.parts)
    _print_payments(console, explained, show_all=show_all)
    _print_marks(console, explained)
    if rule is not None:
        _print_lines(console, "It does not see", rule.blind_spots)
        _print_lines(console, "Innocent hits", rule.false_positives)
    print_cards(console, explained)
    _print_outcome(console, explained)


def _print_heading(console: Console, evidence: dict[str, Any]) -> None:
    head = Text(f"{evidence['alert_id']}  ", style="bold cyan")
    head.append(evidence["severity"], style=_SEVERITY_STYLE[evidence["severity"]])
    head.append(f", {evidence['status']}", style="none")
    console.print(head)
    console.print(Sentence(evidence["text"], style="bold"))
    console.print()


def _who(explained: Explained) -> RenderableType:
    evidence, grid = explained.evidence, _grid()
    version = evidence["profile_version"]
    profile = f"profile version {version}" if version is not None else "no profile"
    rating = f"rated {evidence['risk_rating'] or 'unknown'}"
    subject = f"{evidence['subject']['kind'].replace('_', ' ')} {explained.subject}"
    grid.add_row("Subject", Text(f"{subject}, {evidence['segment'] or 'segment unknown'}, {rating}, {profile}"))
    payment = format_amount_for_reading(evidence["amount_minor"], evidence["currency"])
    when = f"{_minute(evidence['event_time'])} UTC, {payment}, as {evidence['leg_role'].replace('_', ' ')}"
    grid.add_row("Completed", Text(when))
    place = " / ".join(filter(None, (evidence["booking_entity"], evidence["jurisdiction"])))
    if place:
        grid.add_row("Booked at", Text(place))
    return grid


def _print_rule(console: Console, rule: Rule, evidence: dict[str, Any]) -> None:
    grid = _grid()
    approval = "not approved"
    if rule.approval is not None:
        own = f"approved by {rule.approval.by} on {rule.approval.on}, {rule.approval.record}"
        approval = "approved as an example by the product only" if rule.approval.is_example else own
    source = evidence["source"]
    grid.add_row("Rule", Text.assemble((source["id"], "bold"), f"  {rule.title}"))
    grid.add_row("", Text(f"version {rule.version}, {rule.status}, {approval}", style="dim"))
    grid.add_row("", Text(f"digest {source['digest'][:32]}", style="dim"))
    console.print(grid)


def _print_measures(console: Console, explained: Explained) -> None:
    """Stored beside computed again; only stored where nothing was computed."""
    console.print(_title("Numbers"))
    measures = explained.evidence["measures"]
    table = _table("", "stored", "again", "") if explained.measures else _table("", "stored")
    meanings = _meanings(explained)
    for column in table.columns[1:3]:
        column.justify = "right"
    if explained.measures:
        table.add_column("what it is", style="dim")
    for name, q in measures.items():
        if not explained.measures:
            table.add_row(f"  {name}", readable(q["value"], q["unit"], q["bound"]))
    for each in explained.measures:
        mark = Text("✓", "green") if each.is_same else Text("✗ DIFFERS", "bold red")
        cells = (_shown(each.stored), _shown(each.again))
        table.add_row(f"  {each.name}", *cells, mark, meanings.get(each.name, ""))
    console.print(table)


def _meanings(explained: Explained) -> dict[str, str]:
    if explained.rule is None:
        return {}
    evidence = explained.evidence
    words = explain_rule(explained.rule, time_us=0, segment=None, jurisdiction=evidence["jurisdiction"])
    found = {
        node.text: in_words(node) for node in walk(explained.rule.when) if isinstance(node, Name | Call | PeerName)
    }
    return found | {f"{window}.{name}": meaning for window, _, measures in words.windows for name, meaning in measures}


def _print_parameters(console: Console, explained: Explained) -> None:
    stored = explained.evidence["parameters"]
    if not stored:
        return
    console.print(_title("Parameters in force"))
    table = _table("", "value", "since", "for", "source", "")
    table.columns[1].justify = "right"
    again = {each.name: each for each in explained.facts}
    for name, row in stored.items():
        scope = ", ".join(filter(None, (row["segment"], row["jurisdiction"]))) or "all"
        fact = again.get(name)
        mark = "" if fact is None else Text("✓", "green") if fact.is_same else Text("✗ DIFFERS", "bold red")
        value = Text(readable(row["value"], row["unit"]), style="bold")
        table.add_row(f"  {name}", value, row["since"], scope, Text(row["cite"], style="dim"), mark)
    console.print(table)


def _print_parts(console: Console, parts: tuple[Part, ...]) -> None:
    # The outermost 'and' needs no line of its own.
    is_conjunction = parts[0].joined == "and" and parts[0].depth == 0
    table = _table("", "", "")
    table.show_header = False
    for part in parts[1:] if is_conjunction else parts:
        mark, style = _TRUTH[part.truth]
        words = Table.grid(padding=(0, 1, 0, 0))
        words.add_row(Text(mark, style), _JOINED[part.joined] if part.joined else part.words)
        indent = 2 * part.depth if is_conjunction else 2 * part.depth + 2
        table.add_row(Padding(words, (0, 0, 0, indent)), *_numbers(part))
    console.print(table)


def _numbers(part: Part) -> tuple[Text, Text]:
    if part.actual is None:
        return Text(), Text()
    actual = Text(_shown(part.actual), style="bold" if part.threshold else "")
    if part.threshold is None or part.op is None:
        return actual, Text()
    return actual, Text(f"{_OPS[part.op]} {_shown(part.threshold)}", style="dim")


def _print_payments(console: Console, explained: Explained, *, show_all: bool) -> None:
    payments, total = explained.payments, explained.evidence["transactions_total"]
    if not payments:
        return
    shown = payments if show_all else payments[-PAYMENTS_SHOWN_MAX:]
    words = f"{total}" if len(shown) == total else f"the newest {len(shown)} of {total}"
    console.print(_title(f"Payments ({words})"))
    in_window = "in window" if any(payment.windows for payment in shown) else ""
    table = _table("", "time (UTC)", "", "amount", "channel", "other side", "", in_window)
    table.columns[3].justify = "right"
    table.columns[5].ratio = 1
    for column in table.columns:
        column.no_wrap, column.overflow = True, "ellipsis"
    for payment in shown:
        table.add_row(*_payment_cells(payment))
    console.print(table)


def _payment_cells(payment: Payment) -> tuple[RenderableType, ...]:
    amount = "unknown"
    if payment.amount_minor is not None:
        amount = format_amount_for_reading(payment.amount_minor, payment.currency)
    other = " ".join(filter(None, (payment.counterparty_name, payment.counterparty))) or "-"
    return (
        Text("▸ " if payment.is_completing else "  ", style="bold cyan"),
        _minute(payment.booked_at),
        Text(payment.direction, style="green" if payment.direction == "in" else ""),
        Text(amount, style="bold" if payment.is_completing else ""),
        payment.channel or "-",
        Text(other),
        payment.counterparty_country or "",
        Text(", ".join(payment.windows), style="dim"),
    )


def _print_marks(console: Console, explained: Explained) -> None:
    evidence = explained.evidence
    lines = [MARKS.get(mark, mark.replace("_", " ")) for mark in evidence["marks"]]
    if evidence["bank_snapshot"] is not None and evidence["source"]["kind"] != MODEL:
        lines.append(f"peers and hubs as of bank snapshot {evidence['bank_snapshot']}")
    lines += [f"{name} of {version}" for name, version in evidence["inputs"].items() if name != SNAPSHOT_INPUT]
    if lines:
        _print_lines(console, "To note", tuple(line[0].upper() + line[1:] + "." for line in lines))


def _print_lines(console: Console, title: str, lines: tuple[str, ...]) -> None:
    console.print(_title(title))
    for line in lines:
        grid = Table.grid(padding=(0, 1))
        grid.add_row(Text("-", style="dim"), Text(line.removesuffix("..") if line.endswith("..") else line))
        console.print(Padding(grid, (0, 0, 0, 2)))


def _print_outcome(console: Console, explained: Explained) -> None:
    console.print()
    if explained.lost:
        console.print(Text("Could not be computed again; the numbers above are as stored.", style="bold yellow"))
        for line in explained.lost:
            console.print(Text(f"  {line}"), soft_wrap=True)
    elif explained.differences:
        words = f"Recomputed from history: {len(explained.differences)} of "
        words += f"{len(explained.facts) + len(explained.measures)} facts DIFFER"
        console.print(Text(words, style="bold red"))
        for line in explained.differences:
            console.print(Text(f"  ✗ {line}", style="red"), soft_wrap=True)
    else:
        console.print(Text("Recomputed from history: the same", style="bold green"))


def _shown(quantity: Quantity) -> str:
    """A quantity for reading; an odd length of time is cut to a tenth of a day or an hour."""
    odd = re.fullmatch(r"([0-9.]+)s", quantity.value or "") if quantity.unit == "duration" else None
    if odd is None:
        return readable(quantity.value, quantity.unit, quantity.bound)
    hours = float(odd.group(1)) / 3600
    return f"{hours / 24:.1f} days" if hours >= 48 else f"{hours:.1f} hours"


def _minute(moment: str) -> str:
    return moment[:16].replace("T", " ")


def _title(words: str) -> Text:
    return Text("\n" + words, style="bold")


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(width=9, style="dim")
    grid.add_column()
    return grid


def _table(*titles: str) -> Table:
    table = Table(box=None, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for title in titles:
        table.add_column(title)
    return table
