"""Cases for the eye: the queue as a table, one case as a page. Pure: a console is given, nothing is read."""

import json

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from monitor.adapters.sql.desk import CaseAlert, CaseFile
from monitor.adapters.sql.queue import QueueRow, QueueTotals
from monitor.casework.journal import Entry
from monitor.casework.lifecycle import in_words, moves_from
from monitor.casework.priority import due_in_words, priority, reasons, time_in_words
from monitor.cli.desk_session import Resolve
from monitor.domain.case import Case
from monitor.domain.money import format_amount_for_reading
from monitor.domain.time import DAY_US, format_time

WIDE = 125
"""From this many columns on the queue shows segment and state in columns of their own."""
ALERTS_SHOWN_MAX = 20

_SEVERITY_STYLE = {"low": "dim", "medium": "", "high": "yellow", "critical": "bold red"}
_RATING_STYLE = {"high": "yellow", "prohibited": "bold red"}


def short_id(case_id: str) -> str:
    """The part of a case id that people read and type: ``C-`` and 8 characters."""
    return case_id[:10]


def print_queue(
    console: Console, rows: list[QueueRow], totals: QueueTotals, *, matching: int, now_us: int, resolve: Resolve
) -> None:
    """The strip of counts, the cases in order, and how many more there are."""
    console.print(_strip(totals))
    if not rows:
        console.print("No case fits.")
        return
    wide = console.width >= WIDE
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), expand=False)
    table.add_column("Prio", justify="right", no_wrap=True)
    table.add_column("Case", no_wrap=True)
    table.add_column("Subject", no_wrap=True, overflow="ellipsis", max_width=22)
    if wide:
        table.add_column("Segment", no_wrap=True, overflow="ellipsis", max_width=18)
        table.add_column("Rating", no_wrap=True)
    table.add_column("Typology", overflow="ellipsis", no_wrap=True, min_width=12, ratio=1)
    table.add_column("Alerts", justify="right", no_wrap=True)
    table.add_column("Amount", justify="right", no_wrap=True)
    if wide:
        table.add_column("Age", justify="right", no_wrap=True)
    table.add_column("Due", justify="right", no_wrap=True)
    table.add_column("Assignee", no_wrap=True, overflow="ellipsis", max_width=10)
    if wide:
        table.add_column("State", no_wrap=True)
    for row in rows:
        table.add_row(*_queue_cells(row, wide=wide, now_us=now_us, resolve=resolve))
    console.print(table)
    if matching > len(rows):
        console.print(f"{len(rows)} of {matching} cases; --limit shows more.", style="dim")


def print_case(console: Console, file: CaseFile, *, now_us: int, resolve: Resolve) -> None:
    """One case: why it is here, its alerts with their sentences, notes, what was done, what can be done."""
    case = file.case
    console.print(_heading(case, resolve))
    console.print(_facts(case, now_us))
    console.print(Text("Priority ", style="bold") + _priority_text(priority(case, now_us)))
    for sentence in reasons(case, now_us):
        console.print(Text("  " + sentence))
    if case.proposal is not None:
        proposal = case.proposal
        words = f"{proposal.by} proposes to close as {proposal.outcome.replace('_', ' ')} ({proposal.reason})."
        console.print(Text(f"\n{words} A second person approves or rejects.", style="bold yellow"))
    console.print(_section(f"Alerts ({_alerts_words(file)})"))
    for alert in file.alerts[-ALERTS_SHOWN_MAX:]:
        console.print(_alert(alert))
    if len(file.alerts) > ALERTS_SHOWN_MAX:
        earlier = len(file.alerts) - ALERTS_SHOWN_MAX
        console.print(f"  {earlier} earlier alerts: --json lists all", style="dim")
    if file.notes:
        console.print(_section("Notes"))
        for note in file.notes:
            console.print(
                Text(f"  {_minute(note.at_us)}  {note.author}: ", style="dim") + Text(note.text, style="none")
            )
    if file.other_cases:
        console.print(_section("Other cases of this subject"))
        for other in file.other_cases:
            words = (
                f"  {short_id(other.case_id)}  {in_words(other.state)}, {other.alert_count} alerts, {other.headline}"
            )
            console.print(Text(words), no_wrap=True, overflow="ellipsis")
    console.print(_section("What was done"))
    console.print(_history(file.journal))
    console.print(Text("\nPossible now: ", style="dim") + Text(", ".join((*moves_from(case.state), "note"))))


def print_entries(console: Console, entries: list[Entry]) -> None:
    """Journal entries as a table."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for title in ("Chain", "Seq", "At", "Actor", "Action"):
        table.add_column(title, no_wrap=True, justify="right" if title == "Seq" else "left")
    table.add_column("What", ratio=1)
    table.add_column("Hash", no_wrap=True)
    for entry in entries:
        chain = short_id(entry.chain) if entry.chain.startswith("C-") else entry.chain
        facts = (_minute(entry.at_us), entry.actor, entry.action, _payload_words(entry), entry.hash[:8])
        table.add_row(chain, str(entry.seq), *facts)
    console.print(table)


def amount_words(case: Case) -> str:
    """The amount in scope; further currencies are counted: ``18 000.00 USD +1``."""
    words = format_amount_for_reading(case.amount_minor, case.currency)
    return words if len(case.amounts) == 1 else f"{words} +{len(case.amounts) - 1}"


def _queue_cells(row: QueueRow, *, wide: bool, now_us: int, resolve: Resolve) -> list[RenderableType]:
    case = row.case
    typologies = Text(_typology_words(case), style=_SEVERITY_STYLE[case.severity])
    alerts = Text(str(case.alert_count + case.alerts_after_closing))
    if row.new_alerts:
        alerts.append(f" +{row.new_alerts}", style="bold cyan")
    due = _due(case, now_us)
    assignee = Text(case.assignee or "-", style="" if case.assignee else "dim")
    subject = Text(resolve(case.subject.token))
    age = time_in_words(max(now_us - case.opened_at_us, 0))
    number = _priority_text(row.priority)
    name = Text(short_id(case.case_id))
    if not wide:
        return [number, name, subject, typologies, alerts, amount_words(case), due, assignee]
    segment = Text(case.segment or "unknown", style="" if case.segment else "dim")
    rating = Text(case.risk_rating or "unknown", style=_RATING_STYLE.get(case.risk_rating or "", "dim"))
    state = Text(in_words(case.state))
    return [number, name, subject, segment, rating, typologies, alerts, amount_words(case), age, due, assignee, state]


def _typology_words(case: Case) -> str:
    words = case.typologies[0].replace("_", " ").capitalize()
    further = len(case.typologies) - 1
    return f"{words} +{further}" if further else words


def _priority_text(value: float) -> Text:
    number = round(value * 100)
    style = "bold red" if number >= 50 else "yellow" if number >= 20 else ""
    return Text(str(number), style=style)


def _due(case: Case, now_us: int) -> Text:
    if not case.is_open:
        return Text("-", style="dim")
    words = due_in_words(case.due_at_us, now_us)
    left = case.due_at_us - now_us
    return Text(words, style="bold red" if left <= 0 else "yellow" if left <= DAY_US else "")


def _strip(totals: QueueTotals) -> Text:
    strip = Text()
    for number, words, style in (
        (totals.open, "open", "bold"),
        (totals.unassigned, "unassigned", ""),
        (totals.due_today, "due within a day", "yellow"),
        (totals.overdue, "overdue", "bold red"),
        (totals.pending_approval, "pending approval", ""),
        (totals.snoozed, "snoozed", ""),
        (totals.closed, "closed", ""),
    ):
        strip.append("   " if strip else "")
        strip.append(f"{number} {words}", style=style if number else "dim")
    return strip


def _heading(case: Case, resolve: Resolve) -> Text:
    heading = Text(f"{case.case_id}  ", style="bold")
    heading.append(case.headline, style=_SEVERITY_STYLE[case.severity] or "bold")
    heading.append(f"\n{case.subject.kind} {resolve(case.subject.token)}", style="none")
    heading.append(f", {case.segment or 'segment unknown'}, rated {case.risk_rating or 'unknown'}", style="none")
    return heading


def _facts(case: Case, now_us: int) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    due = Text(format_time(case.due_at_us)[:16].replace("T", " ") + "  ") + _due(case, now_us)
    amounts = ", ".join(format_amount_for_reading(amount, name) for name, amount in sorted(case.amounts.items()))
    further: tuple[tuple[str, str | None], ...] = (
        ("Severity", case.severity),
        ("Typologies", ", ".join(name.replace("_", " ") for name in case.typologies)),
        ("Rules", ", ".join(case.rules)),
        ("Amount", f"{amounts} (largest alert)"),
        ("Booked at", " / ".join(filter(None, (case.booking_entity, case.jurisdiction))) or None),
        ("Former case", short_id(case.former_case_id) if case.former_case_id else None),
        ("Label", "restricted: need to know" if case.need_to_know == "restricted" else None),
        ("Marks", ", ".join(mark.replace("_", " ") for mark in case.marks) or None),
    )
    state = in_words(case.state) + (f" until {_minute(case.snoozed_until_us)}" if case.snoozed_until_us else "")
    table.add_row(Text("State", style="dim"), f"{state}, {case.assignee or 'nobody'} assigned")
    table.add_row(Text("Opened", style="dim"), _minute(case.opened_at_us))
    if case.is_open:
        table.add_row(Text("Due", style="dim"), due)
    for name, value in further:
        if value is not None:
            table.add_row(Text(name, style="dim"), Text(value))
    return Group(table, "")


def _alerts_words(file: CaseFile) -> str:
    words = str(len(file.alerts))
    if file.new_alerts and file.new_alerts < len(file.alerts):
        words += f", +{file.new_alerts} since you last looked"
    if file.case.quiet_count:
        words += f", {file.case.quiet_count} quiet repeats"
    if file.case.alerts_after_closing:
        words += f", {file.case.alerts_after_closing} after closing"
    return words


def _alert(alert: CaseAlert) -> RenderableType:
    evidence = alert.evidence
    mark = Text("  + " if alert.is_new else "    ", style="bold cyan")
    quiet = " (quiet)" if alert.status == "quiet" else ""
    head = mark + Text(f"{_minute(alert.judged_at_us)}  ", style="dim")
    head.append(f"{evidence['severity']:<8}", style=_SEVERITY_STYLE[evidence["severity"]])
    head.append(f" {evidence['source']['id']}{quiet}  ", style="none").append(alert.alert_id, style="dim")
    grid = Table.grid(padding=(0, 0))
    grid.add_column(width=6)
    grid.add_column()
    grid.add_row("", Text(evidence["text"]))
    return Group(head, grid)


def _history(entries: list[Entry]) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    joined = 0
    for entry in entries:
        if entry.action == "alert_joined" and "state_before" not in json.loads(entry.payload):
            joined += 1
            continue
        joined = _joined_row(table, joined)
        action = entry.action.replace("_", " ")
        table.add_row("", Text(_minute(entry.at_us), style="dim"), entry.actor, f"{action}: {_payload_words(entry)}")
    _joined_row(table, joined)
    return table


def _joined_row(table: Table, joined: int) -> int:
    if joined:
        table.add_row("", "", "monitor", f"{joined} alert{'' if joined == 1 else 's'} joined")
    return 0


def _payload_words(entry: Entry) -> str:
    facts = json.loads(entry.payload)
    names = ("alert", "rule", "assignee", "outcome", "reason", "proposed_by", "duplicate_of", "case", "former_case")
    parts = [f"{name.replace('_', ' ')} {facts[name]}" for name in names if facts.get(name)]
    if facts.get("state_before"):
        parts.append(f"{in_words(facts['state_before'])} -> {in_words(facts['state'])}")
    return ", ".join(parts)


def _minute(time_us: int) -> str:
    return format_time(time_us)[:16].replace("T", " ")


def _section(title: str) -> Text:
    return Text("\n" + title, style="bold")
