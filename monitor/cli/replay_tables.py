"""How ``aml replay`` looks on a terminal."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from monitor.app.backtest.comparison import Delta, LostAlert, summary
from monitor.app.backtest.match import CLASSES
from monitor.app.backtest.replay import Replay
from monitor.casework.intervals import Share, percent
from monitor.cli.sentence import Sentence
from monitor.domain.time import format_time

SHOWN_MAX = 8


def print_replay(console: Console, made: Replay, *, out: Path | None, is_recorded: bool) -> None:
    """The sentences, the counts by rule and segment, what was decided, what is lost, what to do next."""
    found = made.comparison
    first, last = format_time(made.first_us)[:10], format_time(made.last_us - 1)[:10]
    console.print(Text(f"{_spaced(made.payments)} payments of {made.history}, alerts from {first} to {last}", "dim"))
    for line in summary(found, days=made.days, overrides=made.overrides):
        style = "bold red" if line.startswith("BLOCKED") else "bold yellow" if line.startswith("OVERRIDDEN") else "bold"
        console.print(Sentence(line, style))
    for note in made.notes:
        console.print(Sentence(f"Note: {note}.", "yellow"))
    if not found.is_unchanged:
        _print_deltas(console, "rule", found.by_rule, found.totals)
        _print_deltas(console, "segment", found.by_segment, None)
    _print_apart(console, made)
    _print_worth(console, made)
    _print_lost(console, "Lost, and had led to a report", found.blocking, made)
    if not found.blocking:
        _print_lost(console, "Lost", found.lost, made)
    _print_next(console, made, out=out, is_recorded=is_recorded)


def _table(*columns: str, right: int) -> Table:
    """The first columns to the left, the last ``right`` ones to the right."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for number, name in enumerate(columns):
        is_number = number >= len(columns) - right
        table.add_column(name, justify="right" if is_number else "left", no_wrap=True)
    return table


def _print_deltas(console: Console, what: str, deltas: Sequence[Delta], totals: Delta | None) -> None:
    changed = [each for each in deltas if each.new or each.lost]
    if not changed:
        return
    console.print()
    table = _table(what, "before", "after", "same", "new", "lost", right=5)
    for each in changed[: 3 * SHOWN_MAX]:
        table.add_row(each.name, *_cells(each))
    if totals is not None and len(changed) > 1:
        table.add_row(Text("all", "bold"), *_cells(totals))
    console.print(table)


def _cells(delta: Delta) -> list[Text]:
    new = Text(f"+{delta.new}", "cyan") if delta.new else Text("·", "dim")
    lost = Text(f"−{delta.lost}", "red") if delta.lost else Text("·", "dim")
    return [Text(str(delta.before)), Text(str(delta.after)), Text(str(delta.same)), new, lost]


def _print_apart(console: Console, made: Replay) -> None:
    """One line over what analysts do not see, where it differs."""
    totals = made.comparison.classes[""]
    words = [
        f"{kind.replace('_', ', ')} {totals[kind][0]} before, {totals[kind][1]} after"
        for kind in CLASSES[1:]
        if totals[kind][0] != totals[kind][1]
    ]
    undecided = [sum(counts[side] for counts in made.undecided.values()) for side in (0, 1)]
    if undecided[0] != undecided[1]:
        words.append(f"undecided {_spaced(undecided[0])} before, {_spaced(undecided[1])} after")
    if words:
        console.print()
        console.print(Sentence(f"Not seen by analysts: {'; '.join(words)}.", "dim"))


def _print_worth(console: Console, made: Replay) -> None:
    if not made.comparison.worth:
        return
    console.print()
    console.print(Text(f"Against {made.comparison.decided} alerts of decided cases", "bold"))
    table = _table("rule", "precision before", "after", "recall before", "after", right=4)
    for each in made.comparison.worth:
        shares = (each.precision_before, each.precision_after, each.recall_before, each.recall_after)
        table.add_row(each.rule or Text("all", "bold"), *map(_share, shares))
    console.print(table)


def _share(share: Share) -> Text:
    if not share.of:
        return Text("·", "dim")
    return Text(f"{share.found}/{share.of}  {percent(share.found, share.of):>6}")


def _print_lost(console: Console, title: str, lost: Sequence[LostAlert], made: Replay) -> None:
    if not lost:
        return
    console.print()
    console.print(Text(title, "bold red" if lost[0].decided else "bold"))
    for each in lost[:SHOWN_MAX]:
        alert = each.alert
        case = f"  case {each.decided.case_id[:12]}" if each.decided else ""
        console.print(Text(f"  {alert.rule}  {made.subject(alert.subject)}{case}", "bold"), soft_wrap=True)
        still = f" Still raised by {', '.join(each.still)}." if each.still else ""
        console.print(Sentence(f"    {alert.text}"))
        console.print(Sentence(f"    {each.reason}.{still}", "dim"))
    if len(lost) > SHOWN_MAX:
        console.print(Text(f"  and {len(lost) - SHOWN_MAX} more: --out report.html or --json lists them", "dim"))


def _print_next(console: Console, made: Replay, *, out: Path | None, is_recorded: bool) -> None:
    console.print()
    if out is not None:
        console.print(f"The report: {out}", soft_wrap=True)
    if made.is_blocked:
        console.print("Next: change less, or let two persons override: --override BY:RECORD --override BY:RECORD",
                      soft_wrap=True)  # fmt: skip
    elif made.comparison.is_unchanged and made.changes:
        console.print("Next: the change decides nothing on this history. Try a longer one, or a larger step.")
    elif made.changes:
        rule = next((each.name for each in made.comparison.by_rule if each.new or each.lost), "RULE")
        said = "" if out is not None else " keep it with --out report.html;"
        console.print(f"Next:{said} look for a better value with aml tune {rule}", soft_wrap=True)
    if is_recorded:
        console.print("Recorded in the journal, chain backtests.")


def _spaced(number: int) -> str:
    return f"{number:,}".replace(",", " ")
