"""Cases for the eye: the queue as a table, one case as a page. Pure: a console is given, nothing is read."""

import json
from math import exp

from rich import box
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from monitor.adapters.sql.desk import CaseAlert, CaseFile
from monitor.adapters.sql.learning import Learned
from monitor.adapters.sql.queue import QueueRow, QueueTotals
from monitor.app.case_json import Resolve
from monitor.casework.journal import Entry
from monitor.casework.learned import DECISIONS_MIN, LIFT_MAX, LIFT_MIN
from monitor.casework.lifecycle import in_words, moves_from
from monitor.casework.priority import due_in_words, priority, reasons, time_in_words
from monitor.cli.sentence import Sentence
from monitor.domain.case import Case
from monitor.domain.money import format_amount_for_reading
from monitor.domain.time import DAY_US, format_time

WIDE = 125
"""From this many columns on the queue shows segment and state in columns of their own."""
NARROW = 90
"""Below this many columns the queue leaves the assignee out."""
WHAT_MIN = 12
SUBJECT_MAX = 20
ASSIGNEE_MAX = 10
GAP = 2
"""Columns between two cells."""
ALERTS_SHOWN_MAX = 20

_RIGHT = frozenset({"Prio", "Alerts", "Amount", "Age", "Due"})
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
    titles, lines = _queue_lines(rows, width=console.width, now_us=now_us, resolve=resolve)
    table = _table()
    # The sentence takes what the other columns leave; those keep their full width.
    widths = [max(cell_len(title), *(line[i].cell_len for line in lines)) for i, title in enumerate(titles)]
    others = sum(width for width, title in zip(widths, titles, strict=True) if title != "What")
    left = max(console.width - others - GAP * (len(titles) - 1) - 1, WHAT_MIN)
    for title, width in zip(titles, widths, strict=True):
        exact = min(width, left) if title == "What" else width
        right = "right" if title in _RIGHT else "left"
        table.add_column(title, width=exact, no_wrap=True, overflow="ellipsis", justify=right)  # type: ignore[arg-type]
    for line in lines:
        table.add_row(*line)
    # In a narrow terminal the lines wrap; a case id is never cut, since people type it.
    needed = others + min(widths[titles.index("What")], left) + GAP * (len(titles) - 1) + 1
    width, console.width = console.width, max(console.width, needed)
    console.print(table)
    console.width = width
    if matching > len(rows):
        console.print(f"{len(rows)} of {matching} cases; --limit shows more.", style="dim")


def print_case(console: Console, file: CaseFile, *, now_us: int, resolve: Resolve) -> None:
    """One case: why it is here, its alerts with their sentences, notes, what was done, what can be done."""
    case = file.case
    console.print(_heading(case, resolve))
    console.print(_facts(case, now_us))
    if case.is_open:
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
                f"  {short_id(other.case_id)}  {in_words(other.state)}, {other.alert_count} alerts: {other.headline}"
            )
            console.print(Text(words), no_wrap=True, overflow="ellipsis")
    console.print(_section("What was done"))
    console.print(_history(file.journal))
    console.print(Text("\nPossible now: ", style="dim") + Text(", ".join((*_commands(case), "note"))))


def print_learned(console: Console, learned: Learned) -> None:
    """What decisions taught, the facts that matter most first."""
    order = learned.order
    console.print(f"{order.suspicious} cases were decided as suspicious and {order.innocent} as innocent.")
    if not order.lines:
        console.print(f"The order is the untrained one until there are {DECISIONS_MIN} of each kind.")
        return
    if not learned.is_on:
        console.print("Switched off: the queue does not follow it.", style="bold yellow")
    table = Table(box=None, pad_edge=False)
    for title in ("Fact of a case", "Odds x", "Usual", "Deviation"):
        table.add_column(title, justify="left" if title.startswith("Fact") else "right")
    for line in sorted(order.lines, key=lambda line: -abs(line.weight)):
        if line.deviation > 0.0 and line.weight != 0.0:
            table.add_row(
                line.fact.replace("_", " "), f"{exp(line.weight):.2f}", f"{line.mean:.2f}", f"{line.deviation:.2f}"
            )
    console.print(table)
    console.print(
        "Odds x: by how much a fact of one deviation more changes the odds that a case is suspicious. "
        f"Together they count as {LIFT_MIN} to {LIFT_MAX}.", style="dim",
    )  # fmt: skip


def print_entries(console: Console, entries: list[Entry]) -> None:
    """Journal entries as a table."""
    table = _table()
    for title in ("Chain", "Seq", "At", "Actor", "Action"):
        table.add_column(title, no_wrap=True, justify="right" if title == "Seq" else "left")
    table.add_column("What", min_width=24)
    table.add_column("Hash", no_wrap=True)
    for entry in entries:
        chain = short_id(entry.chain) if entry.chain.startswith("C-") else entry.chain
        facts = (_minute(entry.at_us), entry.actor, entry.action, _payload_words(entry), entry.hash[:8])
        table.add_row(chain, str(entry.seq), *facts)
    console.print(table)


def _table() -> Table:
    return Table(box=box.HORIZONTALS, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")


def amount_words(case: Case) -> str:
    """The amount in scope, whole units only; further currencies are counted: ``18 000 USD +1``."""
    number, currency = format_amount_for_reading(case.amount_minor, case.currency).rsplit(" ", 1)
    words = f"{number.partition('.')[0]} {currency}"
    return words if len(case.amounts) == 1 else f"{words} +{len(case.amounts) - 1}"


def _queue_lines(
    rows: list[QueueRow], *, width: int, now_us: int, resolve: Resolve
) -> tuple[list[str], list[list[Text]]]:
    """Titles and cells of the columns that a console of this width has room for."""
    cells = [_queue_cells(row, now_us=now_us, resolve=resolve) for row in rows]
    left_out = {"Segment", "Rating", "Age", "State"} if width < WIDE else set()
    if width < NARROW:
        left_out |= {"Assignee", "Amount"}
    titles = [title for title in cells[0] if title not in left_out]
    return titles, [[line[title] for title in titles] for line in cells]


def _queue_cells(row: QueueRow, *, now_us: int, resolve: Resolve) -> dict[str, Text]:
    case = row.case
    subject = Text(resolve(case.subject.token))
    subject.truncate(SUBJECT_MAX, overflow="ellipsis")
    assignee = Text(case.assignee or "-", style="" if case.assignee else "dim")
    assignee.truncate(ASSIGNEE_MAX, overflow="ellipsis")
    total = case.alert_count + case.alerts_after_closing
    alerts = Text(str(total))
    if row.new_alerts:
        alerts.append(" new" if row.new_alerts == total else f" +{row.new_alerts}", style="bold cyan")
    return {
        "Prio": _priority_text(row.priority) if case.is_open else Text("-", style="dim"),
        "Case": Text(short_id(case.case_id)),
        "Subject": subject,
        "Segment": Text(case.segment or "unknown", style="" if case.segment else "dim"),
        "Rating": Text(case.risk_rating or "unknown", style=_RATING_STYLE.get(case.risk_rating or "", "dim")),
        "What": Text(_typology_words(case), style=_SEVERITY_STYLE[case.severity]),
        "Alerts": alerts,
        "Amount": Text(amount_words(case)),
        "Age": Text(time_in_words(max(now_us - case.opened_at_us, 0))),
        "Due": _due(case, now_us),
        "Assignee": assignee,
        "State": Text(in_words(case.state)),
    }


def _commands(case: Case) -> list[str]:
    # 'close' proposes by itself where a second person is needed.
    return [move for move in moves_from(case.state) if move != "propose"]


def _typology_words(case: Case) -> str:
    if case.typology is not None:
        return f"{case.typology.name} {case.typology.score:.2f}: {case.headline}"
    words = case.typologies[0].replace("_", " ").capitalize()
    further = len(case.typologies) - 1
    return f"{words} +{further}: {case.headline}" if further else f"{words}: {case.headline}"


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
    counts = (
        (totals.open, "open", "bold"),
        (totals.unassigned, "unassigned", ""),
        (totals.due_today, "due within a day", "yellow"),
        (totals.overdue, "overdue", "bold red"),
        (totals.pending_approval, "pending approval", ""),
        (totals.snoozed, "snoozed", ""),
        (totals.closed, "closed", "dim"),
    )
    for number, words, style in counts:
        if number or words == "open":
            strip.append("   " if strip else "")
            strip.append(f"{number} {words}", style=style)
    return strip


def _heading(case: Case, resolve: Resolve) -> Text:
    heading = Text(f"{case.case_id}  ", style="bold")
    folders = ", ".join(name.replace("_", " ") for name in case.typologies)
    named = f"{case.typology.name} {case.typology.score:.2f} ({folders})" if case.typology else folders.capitalize()
    heading.append(named, style="bold")
    heading.append(f"\n{case.subject.kind} {resolve(case.subject.token)}", style="none")
    heading.append(f", {case.segment or 'segment unknown'}, rated {case.risk_rating or 'unknown'}", style="none")
    return heading


def _facts(case: Case, now_us: int) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    due = Text(format_time(case.due_at_us)[:16].replace("T", " ") + "  ") + _due(case, now_us)
    amounts = ", ".join(format_amount_for_reading(amount, name) for name, amount in sorted(case.amounts.items()))
    further: tuple[tuple[str, str | None], ...] = (
        ("Severity", case.severity),
        ("Rules", ", ".join(case.rules)),
        ("Amount", f"{amounts} (largest alert)"),
        ("Booked at", " / ".join(filter(None, (case.booking_entity, case.jurisdiction))) or None),
        ("Former case", short_id(case.former_case_id) if case.former_case_id else None),
        ("Label", "restricted: need to know" if case.need_to_know == "restricted" else None),
        ("Marks", ", ".join(mark.replace("_", " ") for mark in case.marks) or None),
    )
    state = in_words(case.state) + (f" until {_minute(case.snoozed_until_us)}" if case.snoozed_until_us else "")
    if case.is_open:
        state += f", assigned to {case.assignee}" if case.assignee else ", unassigned"
    table.add_row(Text("State", style="dim"), state)
    table.add_row(Text("Opened", style="dim"), _minute(case.opened_at_us))
    if case.is_open:
        table.add_row(Text("Due", style="dim"), due)
    for name, value in further:
        if value is not None:
            table.add_row(Text(name, style="dim"), Text(value))
    return Group(table, "") if case.is_open else table


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
    grid.add_row("", Sentence(evidence["text"]))
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
    parts = [f"{name.replace('_', ' ')} {_short(str(facts[name]))}" for name in names if facts.get(name)]
    if facts.get("state_before"):
        parts.append(f"{in_words(facts['state_before'])} -> {in_words(facts['state'])}")
    return ", ".join(parts)


def _short(word: str) -> str:
    return word[:10] if word.startswith(("A-", "C-")) else word


def _minute(time_us: int) -> str:
    return format_time(time_us)[:16].replace("T", " ")


def _section(title: str) -> Text:
    return Text("\n" + title, style="bold")
