"""``aml cases``: the queue and the work on a case, from the command line."""

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console

from monitor.adapters.sql.desk import add_note, look, move
from monitor.adapters.sql.learning import learned_order, switch
from monitor.adapters.sql.queue import LIMIT_MAX, ORDERS, QueueFilter, count_cases, list_cases, queue_totals
from monitor.adapters.sql.queue import latest_alert_us as newest_alert_us
from monitor.app.case_json import case_json, file_json
from monitor.casework.lifecycle import MOVES, Request, in_words
from monitor.casework.priority import time_in_words
from monitor.casework.reasons import CLOSE_REASONS, MOVE_REASONS
from monitor.cli.case_tables import print_case, print_learned, print_queue, short_id
from monitor.cli.desk_session import (
    ACCESS_CHAIN,
    AsJson,
    AsOf,
    AsUser,
    CaseArgument,
    Db,
    Role,
    actor,
    desk,
    examples,
    resolver,
    time_of,
    wall_clock_us,
)
from monitor.cli.ending import fail
from monitor.domain.case import CASE_STATES, OUTCOMES
from monitor.domain.time import DAY_US, parse_duration_us, parse_time_us
from monitor.domain.vocabulary import SEVERITIES

app = typer.Typer(
    help="Work the queue: list cases, look at one, note, decide. Every act is recorded in the journal.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

NoteOption = Annotated[str | None, typer.Option("--note", metavar="TEXT", help="what was checked and found")]
STALE_US = 2 * DAY_US
"""When the newest alert is older than this, the list says so and names --as-of latest."""


def _codes(of: dict[str, dict[str, str]]) -> str:
    return "\b\nreasons:\n" + "\n".join(
        f"  {word:<15} {', '.join(codes)}" for word, codes in of.items()
    )  # fmt: skip


@app.command(
    "list",
    epilog=examples(
        "aml cases list --db bank.db                        open cases, the most pressing first",
        "aml cases list --db bank.db --mine --overdue       what I am late with",
        "aml cases list --db bank.db --as-of latest         order as of the newest alert (past data)",
        "aml cases list --db bank.db --json | jq .case_id   for other programs",
    ),
)
def list_command(
    db: Db,
    state: Annotated[list[str] | None, typer.Option(metavar="STATE", help="only this state; can be repeated")] = None,
    closed: Annotated[bool, typer.Option("--closed", help="closed cases instead of open ones")] = False,
    mine: Annotated[bool, typer.Option("--mine", help="assigned to me")] = False,
    assignee: Annotated[str | None, typer.Option(metavar="USER", help="assigned to USER")] = None,
    unassigned: Annotated[bool, typer.Option("--unassigned", help="assigned to nobody")] = False,
    overdue: Annotated[bool, typer.Option("--overdue", help="past their due date")] = False,
    due_within: Annotated[str | None, typer.Option(metavar="LENGTH", help="due within 24h, 3d, ...")] = None,
    severity: Annotated[str | None, typer.Option(metavar="WORD", help=", ".join(SEVERITIES))] = None,
    typology: Annotated[str | None, typer.Option(metavar="WORD", help="with this typology")] = None,
    rule: Annotated[str | None, typer.Option(metavar="RULE", help="with an alert of this rule")] = None,
    order: Annotated[str, typer.Option(metavar="BY", help=", ".join(ORDERS))] = "priority",
    limit: Annotated[int, typer.Option(min=1, max=LIMIT_MAX, metavar="N", help="at most N cases")] = 50,
    user: AsUser = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """The queue: which cases wait, the most pressing first."""
    me = actor(user, "officer").name
    _check_words(state, severity, order)
    wanted = QueueFilter(
        states=state or None,
        closed=closed,
        assignee=me if mine else assignee,
        unassigned=unassigned,
        overdue=overdue,
        due_within_us=_length(due_within),
        severity=severity,
        typology=typology,
        rule=rule,
    )
    with desk(db) as store:
        now_us, resolve = time_of(as_of, store), resolver(db)
        with store.reading() as connection:
            rows = list_cases(connection, wanted, now_us=now_us, viewer=me, order=order, limit=limit)
            totals = queue_totals(connection, now_us=now_us)
            matching = count_cases(connection, wanted, now_us=now_us)
            newest_us = newest_alert_us(connection)
        if as_json:
            for row in rows:
                _print_json(case_json(row.case, now_us=now_us, resolve=resolve, new_alerts=row.new_alerts))
            return
        console = Console(highlight=False)
        print_queue(console, rows, totals, matching=matching, now_us=now_us, resolve=resolve)
        if as_of is None and newest_us is not None and now_us - newest_us > STALE_US:
            words = f"The newest alert is {time_in_words(now_us - newest_us)} old. For past data: --as-of latest"
            console.print(words, style="dim")


@app.command(
    "show",
    epilog=examples(
        "aml cases show C-7KQ2 --db bank.db           why it is here, alerts, notes, what can be done",
        "aml cases show A-XY3... --db bank.db         the case of an alert",
        "aml cases show C-7KQ2 --db bank.db --peek    read without marking its alerts as seen",
    ),
)
def show_command(
    case: CaseArgument,
    db: Db,
    peek: Annotated[bool, typer.Option("--peek", help="do not mark its alerts as seen")] = False,
    user: AsUser = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """One case: why it has its priority, its alerts in words, notes and history. The look is recorded."""
    clock_us = wall_clock_us()
    with desk(db) as store:
        now_us, resolve = time_of(as_of, store), resolver(db)
        me = actor(user, "officer").name
        file = look(
            store, case, viewer=me, at_us=clock_us, recorded_at_us=clock_us, chain=ACCESS_CHAIN, mark=not peek
        )  # fmt: skip
        if as_json:
            _print_json(file_json(file, now_us=now_us, resolve=resolve))
        else:
            print_case(Console(highlight=False), file, now_us=now_us, resolve=resolve)


@app.command("note", epilog=examples('aml cases note C-7KQ2 "Asked the branch for the invoice." --db bank.db'))
def note_command(
    case: CaseArgument,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="the note; - reads standard input")],
    db: Db,
    user: AsUser = None,
) -> None:
    """Add a note. Notes are never changed; the journal holds their digest."""
    clock_us = wall_clock_us()
    request = Request("note", actor(user, "officer"), clock_us, note=sys.stdin.read() if text == "-" else text)
    with desk(db) as store:
        after = add_note(store, case, request, recorded_at_us=clock_us)
    typer.echo(f"{short_id(after.case_id)}: noted.")


@app.command(
    "assign",
    epilog=examples("aml cases assign C-7KQ2 ann --db bank.db", "aml cases assign C-7KQ2 --db bank.db     to myself"),
)
def assign_command(
    case: CaseArgument,
    db: Db,
    to: Annotated[str | None, typer.Argument(metavar="[USER]", help="whom to give it to (default: yourself)")] = None,
    note: NoteOption = None,
    user: AsUser = None,
    role: Role = "officer",
    as_json: AsJson = False,
) -> None:
    """Give a case to someone, or take it."""
    me = actor(user, role)
    _make(case, db, Request("assign", me, wall_clock_us(), note=note, assignee=to or me.name), as_json)


@app.command(
    "close",
    epilog=examples(
        'aml cases close C-7KQ2 --outcome explained --reason sale_of_asset --note "Deed seen." --db bank.db',
        "aml cases approve C-7KQ2 --as bob --db bank.db     the second person, where one is needed",
    )
    + "\n\n"
    + _codes(CLOSE_REASONS),
)
def close_command(
    case: CaseArgument,
    db: Db,
    outcome: Annotated[str, typer.Option(metavar="WORD", help=", ".join(OUTCOMES))],
    reason: Annotated[str | None, typer.Option(metavar="CODE", help="a reason code, see below")] = None,
    note: NoteOption = None,
    duplicate_of: Annotated[
        str | None, typer.Option(metavar="CASE", help="for duplicate: the case that decides")
    ] = None,
    user: AsUser = None,
    role: Role = "officer",
    as_json: AsJson = False,
) -> None:
    """Decide a case. Reports, and cases of high or critical severity, then wait for a second person."""
    me, clock_us = actor(user, role), wall_clock_us()
    request = Request("close", me, clock_us, note, reason, outcome, duplicate_of=duplicate_of)
    _make(case, db, request, as_json)


@app.command(
    "snooze",
    epilog=examples("aml cases snooze C-7KQ2 --until 2026-05-04 --reason awaiting_branch --db bank.db")
    + "\n\n"
    + _codes({"snooze": MOVE_REASONS["snooze"]}),
)
def snooze_command(
    case: CaseArgument,
    db: Db,
    until: Annotated[str, typer.Option(metavar="TIME", help="a date, a time, or a length such as 2d")],
    reason: Annotated[str | None, typer.Option(metavar="CODE", help="a reason code, see below")] = None,
    note: NoteOption = None,
    user: AsUser = None,
    role: Role = "officer",
    as_json: AsJson = False,
) -> None:
    """Put a case aside until a time before it is due. A new alert wakes it."""
    clock_us = wall_clock_us()
    until_us = _until(until, clock_us)
    request = Request("snooze", actor(user, role), clock_us, note=note, reason=reason, until_us=until_us)
    _make(case, db, request, as_json)


@app.command(
    "learned",
    epilog=examples(
        "aml cases learned --db bank.db                                  what decisions taught, fact by fact",
        'aml cases learned --off --reason "Under review." --db bank.db    the queue as if nothing was learned',
    ),
)
def learned_command(
    db: Db,
    is_on: Annotated[
        bool | None, typer.Option("--on/--off", show_default=False, help="let the queue follow it, or not")
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="why it is switched")] = None,
    user: AsUser = None,
    as_json: AsJson = False,
) -> None:
    """What decisions have taught about the order of the queue. It moves cases within bounds and hides none."""
    if is_on is not None and not reason:
        fail("--on and --off need --reason: it stands in the journal.", 2)
    with desk(db) as store:
        if is_on is not None and reason:
            clock_us = wall_clock_us()
            me = actor(user, "officer").name
            moved = switch(store, is_on=is_on, by=me, reason=reason, at_us=clock_us, recorded_at_us=clock_us)
            typer.echo(f"Switched {'on' if is_on else 'off'}; {moved} open cases scored anew.")
            return
        with store.reading() as connection:
            learned = learned_order(connection)
    if as_json:
        _print_json({"is_on": learned.is_on, **asdict(learned.order)})
        return
    print_learned(Console(highlight=False), learned)


def _plain_move(name: str) -> None:
    """A command for a move that needs at most a reason and a note."""
    needs = MOVES[name].needs
    notes = ' --note "..."' if "note" in needs else ""
    codes = f" --reason {next(iter(MOVE_REASONS[name]))}" if "reason" in needs else ""
    listed = "\n\n" + _codes({name: MOVE_REASONS[name]}) if "reason" in needs else ""

    @app.command(
        name, help=MOVES[name].meaning, epilog=examples(f"aml cases {name} C-7KQ2{codes}{notes} --db bank.db") + listed
    )
    def command(
        case: CaseArgument,
        db: Db,
        reason: Annotated[str | None, typer.Option(metavar="CODE", help="a reason code")] = None,
        note: NoteOption = None,
        user: AsUser = None,
        role: Role = "officer",
        as_json: AsJson = False,
    ) -> None:
        _make(case, db, Request(name, actor(user, role), wall_clock_us(), note=note, reason=reason), as_json)


for _name in ("start", "unassign", "escalate", "return", "approve", "reject", "withdraw", "wake", "reopen"):
    _plain_move(_name)


def _make(case: str, db: str, request: Request, as_json: bool) -> None:
    with desk(db) as store:
        after = move(store, case, request, recorded_at_us=request.at_us)
        if as_json:
            _print_json(case_json(after, now_us=request.at_us, resolve=resolver(db)))
            return
    words = f"{short_id(after.case_id)}: {in_words(after.state)}"
    if after.is_open and after.assignee:
        words += f", assigned to {after.assignee}"
    if after.state == "pending_approval":
        words += f". A second person decides:  aml cases approve {short_id(after.case_id)} --as SOMEONE"
    typer.echo(words + ("" if words.endswith("SOMEONE") else "."))


def _print_json(body: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(body, ensure_ascii=False) + "\n")


def _check_words(states: list[str] | None, severity: str | None, order: str) -> None:
    for option, word, known in (
        *(("--state", state, CASE_STATES) for state in states or ()),
        ("--severity", severity, SEVERITIES),
        ("--order", order, ORDERS),
    ):
        if word is not None and word not in known:
            fail(f"{option} {word}: there is no such word. One of: {', '.join(known)}.", 2)


def _length(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return parse_duration_us(text)
    except ValueError as error:
        fail(f"--due-within: {error}.", 2)
        raise


def _until(text: str, now_us: int) -> int:
    try:
        return now_us + parse_duration_us(text)
    except ValueError:
        pass
    try:
        return parse_time_us(text if "T" in text else text + "T00:00:00Z")
    except ValueError:
        fail(f"--until {text}: not a time. Write 2026-05-04, 2026-05-04T09:00:00Z or a length such as 2d.", 2)
        raise
