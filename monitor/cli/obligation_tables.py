"""Obligations for the eye: the list by due date, one as a page, the proof of a day. Pure: a console is given."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from monitor.app.case_json import Resolve
from monitor.app.obligation_payments import ReportedPayment
from monitor.app.reconciling import Reconciliation
from monitor.casework.reconciliation import EXTRA, MISSING, PAYMENTS, TOTAL, Difference
from monitor.cli.case_tables import short_id
from monitor.domain.alert import Quantity
from monitor.domain.money import CURRENCY_CODE, format_amount_for_reading, parse_amount_minor
from monitor.domain.obligation import Obligation
from monitor.domain.time import format_time

PAYMENTS_SHOWN_MAX = 40
REVISIONS_SHOWN_MAX = 20
IDS_SHOWN_MAX = 8
UNREAD_SHOWN_MAX = 10
WIDE = 110
"""From this many columns on the list shows entity and direction in columns of their own."""
NARROW = 90
"""Below this many columns the list leaves out the period and the number of payments."""
_STATE_STYLE = {"trial": "dim", "owed": "", "revised": "yellow", "withdrawn": "dim"}
_PERIODS = {
    "day": "business day",
    "date": "date",
    "static_24h": "24 hours from",
    "month": "month",
    "payment": "single payment of",
}
_DIRECTIONS = {"in": "money in", "out": "money out", "any": "money in and out"}
_TITLES = {
    MISSING: "missing",
    EXTRA: "no longer owed",
    TOTAL: "other numbers",
    PAYMENTS: "other payments",
}


def print_obligations(
    console: Console, rows: Sequence[Obligation], counts: Mapping[str, int], *, matching: int, resolve: Resolve
) -> None:
    """The strip of counts and the obligations, the first due first."""
    words = ("owed", "revised", "trial", "withdrawn")
    strip = "   ".join(f"{counts.get(state, 0)} {_state(state)}" for state in words if counts.get(state))
    console.print(strip or "No obligation was met.", style="bold" if strip else "")
    if not rows:
        console.print("None fits.") if strip else None
        return
    cells = [_cells(each, resolve) for each in rows]
    left_out = set() if console.width >= WIDE else {"Entity", "Way"}
    if console.width < NARROW:
        left_out |= {"Period", "Pay"}
    table = _table()
    titles = [title for title in cells[0] if title not in left_out]
    for title in titles:
        # An id is never cut, since people type it; in a narrow terminal the subject gives way.
        width = None if title == "Subject" else max(len(title), *(line[title].cell_len for line in cells))
        table.add_column(title, no_wrap=True, overflow="ellipsis", width=width, max_width=20 if width is None else None,
                         justify="right" if title in ("Total", "Pay") else "left")  # fmt: skip
    for line in cells:
        table.add_row(*(line[title] for title in titles))
    console.print(table)
    if matching > len(rows):
        console.print(f"{len(rows)} of {matching} obligations; --limit shows more.", style="dim")


def _cells(each: Obligation, resolve: Resolve) -> dict[str, Text]:
    return {
        "Due": Text(each.due_on),
        "Obligation": Text(short_id(each.obligation_id)),
        "Rule": Text(each.rule_id),
        "Subject": Text(resolve(each.subject.token)),
        "Period": Text(each.period),
        "Entity": Text(each.booking_entity or "-"),
        "Way": Text(each.direction),
        "Total": Text(_total(each)),
        "Pay": Text(str(each.transactions_total)),
        "State": Text(_state(each.state), style=_STATE_STYLE[each.state]),
    }


def print_obligation(
    console: Console, each: Obligation, payments: Sequence[ReportedPayment], revisions: Sequence[Mapping[str, Any]],
    *, resolve: Resolve,
) -> None:  # fmt: skip
    """One obligation: what it is, its numbers, its payments, and how it became so."""
    console.print(Text(f"{each.obligation_id}  ", style="bold") + Text(each.title, style="bold"))
    console.print(Text(f"{each.subject.kind} {resolve(each.subject.token)}, {_DIRECTIONS[each.direction]}"))
    state = _state(each.state) + (", found by reconciliation" if each.is_by_reconciliation else "")
    facts = Table.grid(padding=(0, 2))
    codes = "; ".join(f"{name} {', '.join(words)}" for name, words in each.codes.items())
    for name, value in (
        ("State", state),
        ("Due", f"{each.due_on}  ({each.due_cite})"),
        ("Period", f"{_PERIODS[each.period_kind]} {each.period}"),
        ("Booked at", " / ".join(filter(None, (each.booking_entity, each.jurisdiction)))),
        ("Rule", f"{each.rule_id} version {each.rule_version}, digest {each.rule_digest[:12]}"),
        ("Codes", codes),
        ("First met", _minute(each.first_met_us)),
        ("Revised", _minute(each.last_revised_us) if each.revision > 1 else ""),
        ("Marks", ", ".join(mark.replace("_", " ") for mark in each.marks)),
        *((name.capitalize(), value) for name, value in each.inputs.items()),
    ):
        if value:
            facts.add_row(Text(name, style="dim"), Text(value))
    console.print(facts)
    console.print(_section("Numbers"))
    numbers = Table.grid(padding=(0, 2))
    for name, quantity in each.measures.items():
        style = "bold" if name == each.total else ""
        numbers.add_row("", Text(name, style=style), Text(_words(quantity), style=style, justify="right"))
    console.print(numbers)
    console.print(_section(f"Payments ({each.transactions_total})"))
    console.print(_payments(payments))
    if len(payments) > PAYMENTS_SHOWN_MAX or each.transactions_total > len(payments):
        console.print("  ...; --json has all that are known, aml obligations reconcile finds all", style="dim")
    console.print(_section(f"Revisions ({len(revisions)})"))
    console.print(_revisions(revisions, each.total))
    if len(revisions) > REVISIONS_SHOWN_MAX:
        console.print(f"  {len(revisions) - REVISIONS_SHOWN_MAX} earlier ones: --json lists all", style="dim")


def print_reconciliation(
    console: Console, found: Reconciliation, *, resolve: Resolve, transaction_id: Callable[[int], str], seconds: float
) -> None:
    """The differences, what could not be decided or read, one line of proof, and what it took."""
    compared = found.compared
    for each in compared.differences:
        _print_difference(console, each, resolve, transaction_id)
    for (rule, missing), positions in sorted(found.undecided.items()):
        words = f"undecided by {rule}, {_lacking(missing)}: {_ids(positions, transaction_id)}"
        console.print(Text(words, style="yellow"), soft_wrap=True)
    for place in found.unread_of_the_day[:UNREAD_SHOWN_MAX]:
        words = f"unread: the payment at {place} states this day and could not be read; see aml refused list"
        console.print(Text(words, style="bold red"), soft_wrap=True)
    if len(found.unread_of_the_day) > UNREAD_SHOWN_MAX:
        rest = len(found.unread_of_the_day) - UNREAD_SHOWN_MAX
        console.print(Text(f"unread: {rest} more of this day", style="bold red"))
    if found.unread_of_unknown_day:
        many = found.unread_of_unknown_day
        words = f"unread: {many} refused {'payment' if many == 1 else 'payments'} whose day cannot be made out"
        console.print(Text(words, style="yellow"), soft_wrap=True)
    if not found.is_finished:
        console.print(Text("The run has not read its input to the end; later records can still add.", style="yellow"))
    verdict = "complete" if found.is_complete else "NOT complete"
    proof = (
        f"{found.day} is {verdict}: {found.records} records read, {found.legs} legs of {found.keys} keys; obligations "
        f"{compared.expected} expected, {compared.found} found, {compared.equal} equal."
    )
    console.print(Text(proof, style="bold green" if found.is_complete else "bold red"), soft_wrap=True)
    rules = f"{len(found.rules)} rule{'' if len(found.rules) == 1 else 's'}"
    took = f"{rules} over {found.records} of {found.position} records of the log in {seconds:.1f} s."
    console.print(Text(took, style="dim"), soft_wrap=True)


def _print_difference(
    console: Console, each: Difference, resolve: Resolve, transaction_id: Callable[[int], str]
) -> None:
    head = Text(f"{_TITLES[each.kind]}: ", style="bold red")
    head.append(f"{short_id(each.obligation_id)}  {each.rule_id}, {each.subject.kind} {resolve(each.subject.token)}, ")
    head.append(f"{each.booking_entity or 'no entity'}, {each.period}, {_DIRECTIONS[each.direction]}")
    console.print(head, soft_wrap=True)
    for name in dict.fromkeys((*each.owed, *each.recorded)):
        recorded, owed = each.recorded.get(name), each.owed.get(name)
        if recorded != owed:
            before = _words(recorded) if recorded else "nothing"
            after = _words(owed) if owed else "nothing"
            console.print(f"  {name}: recorded {before}, owed {after}", markup=False, soft_wrap=True)
    for words, positions in (("not counted by the run", each.lacking), ("counted by the run only", each.beyond)):
        if positions:
            console.print(f"  {words}: {_ids(positions, transaction_id)}", markup=False, soft_wrap=True)
    console.print(f"  reason: {each.reason}", markup=False, soft_wrap=True)


def _ids(positions: Sequence[int], transaction_id: Callable[[int], str]) -> str:
    """The source's own ids of some payments; of many the first ones, and how many more there are."""
    ids = ", ".join(map(transaction_id, positions[:IDS_SHOWN_MAX]))
    return f"{ids} and {len(positions) - IDS_SHOWN_MAX} more" if len(positions) > IDS_SHOWN_MAX else ids


def _lacking(missing: str) -> str:
    if missing == "amount":
        return "no rate was published before the payment, or it has no amount"
    if missing == "segment" or missing.startswith("profile."):
        return f"no profile gives {missing}"
    return f"{missing} is not known"


def _payments(payments: Sequence[ReportedPayment]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column()
    table.add_column()
    table.add_column(justify="right")
    for payment in payments[:PAYMENTS_SHOWN_MAX]:
        amount = ""
        if payment.amount_minor is not None and payment.currency is not None:
            amount = format_amount_for_reading(payment.amount_minor, payment.currency)
        booked = _minute(payment.booked_at_us) if payment.booked_at_us is not None else ""
        table.add_row("", Text(booked, style="dim"), Text(payment.transaction_id), Text(amount),
                      Text(payment.channel or "-"), Text(payment.branch or ""))  # fmt: skip
    return table


def _revisions(revisions: Sequence[Mapping[str, Any]], total: str | None) -> Table:
    table = Table.grid(padding=(0, 2))
    for revision in revisions[-REVISIONS_SHOWN_MAX:]:
        measures = revision["measures"]
        name = total if total in measures else next(iter(measures), None)
        number = _words(Quantity(*measures[name])) if name is not None else ""
        changed = [f"+{len(revision['added'])}"] if revision["added"] else []
        changed += [f"-{len(revision['removed'])}"] if revision["removed"] else []
        why = revision["reason"] or (f"alert {revision['alert'][:10]}" if revision["alert"] else "")
        table.add_row("", str(revision["revision"]), Text(_minute(revision["at_us"]), style="dim"),
                      Text(_state(revision["state"])), Text(number, justify="right"),
                      Text(f"payments {' '.join(changed) or 'as before'}"),
                      Text(f"{revision['cause']}: {why}"))  # fmt: skip
    return table


def _total(each: Obligation) -> str:
    name = each.total or next(iter(each.measures), None)
    return _words(each.measures[name]) if name is not None and name in each.measures else "-"


def _words(quantity: Quantity) -> str:
    if quantity.value is None:
        return "unknown"
    least = "at least " if quantity.bound == "at_least" else ""
    if quantity.unit in CURRENCY_CODE:
        return least + format_amount_for_reading(parse_amount_minor(quantity.value, quantity.unit), quantity.unit)
    return f"{least}{quantity.value} {quantity.unit}"


def _state(state: str) -> str:
    return "on trial" if state == "trial" else state


def _minute(time_us: int) -> str:
    return format_time(time_us)[:16].replace("T", " ")


def _section(title: str) -> Text:
    return Text("\n" + title, style="bold")


def _table() -> Table:
    return Table(box=box.HORIZONTALS, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
