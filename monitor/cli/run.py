"""``aml run``: judge transactions from files or standard input, in one process."""

import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from models.drift import SHIFTED
from models.ensemble import FREEZES, SCORE, day_text
from monitor.adapters.block_log import DamagedError
from monitor.adapters.sql.store import StoreError
from monitor.app.embedded import Progress, RunError, RunSettings
from monitor.app.embedded import run as run_embedded
from monitor.app.inputs import ApprovalsError, GivenInputs
from monitor.app.store import StoreFilesError
from monitor.app.watching import WATCH_SECONDS
from monitor.casework.breaker import LEAST_DEFAULT, SHARE_DEFAULT_PPM, BreakerSettings
from monitor.cli.model_mode import ModelMode
from monitor.cli.run_options import (
    ApprovalsFile,
    ApproveExamples,
    EntitiesFile,
    ListFolders,
    Models,
    ProfilesFile,
    RatesFile,
    RuleFiles,
)
from monitor.domain.feed import FEED, NO_FEED, is_feed
from monitor.domain.refusal import REMEDIES, Reason
from monitor.domain.vocabulary import MODELS_SHADOW
from monitor.engine.binding import ListMissing
from monitor.intake.layouts import LAYOUTS, MESSAGE_LAYOUTS
from monitor.intake.lines import SourceDamaged
from monitor.intake.mapping import MappingError, load_mapping
from monitor.intake.rates import RatesError
from monitor.intake.table_readers import TableFormatError
from monitor.intake.yaml_files import YamlFileError
from monitor.rulebook.plan import PlanError

STOPPED = 130

MISTAKES = (
    RunError, StoreError, StoreFilesError, DamagedError, ListMissing, SourceDamaged, MappingError, RatesError,
    TableFormatError, YamlFileError, PlanError, ApprovalsError, OSError,
)  # fmt: skip
"""What a user can mend: shown as one message, without a stack trace."""

NO_URL = "a run keeps its store in a file, with its data in a folder beside it. Name a file with --db."

_STARTING = "starting; the first start compiles, which takes a minute or two"

EPILOG = """\b
examples:
  aml run payments.jsonl --profiles profiles.jsonl --approve-examples
  aml run day1.jsonl.gz day2.parquet --db bank.db --alerts alerts.jsonl
  producer | aml run - --db bank.db --no-progress
  aml run tx.csv --format saml-d                     a public layout
  aml run pacs008.xml camt054.xml.gz                 messages of ISO 20022; see docs/iso20022.md
  aml run tx.csv --mapping map.yaml                  the bank's own columns
  aml run tx.jsonl --rules bank/ --approvals bank/approvals.yaml
  aml run payments.jsonl --db bank.db --resume       go on where the last run stopped

\b
exit status:
  0    read to the end
  1    could not start, or stopped by an error; the message says what to do
  2    the command line is wrong
  130  stopped by Ctrl-C; --resume goes on exactly there"""


def run(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...", help="JSON lines, CSV, Parquet, ISO 20022; perhaps gzip; - is standard input"
        ),
    ],
    db: Annotated[Path, typer.Option("--db", envvar="AML_DB", help="the case store; its data lie beside it")] = Path(
        "aml.db"
    ),
    profiles: ProfilesFile = None,
    alerts: Annotated[
        Path | None, typer.Option(help="write each alert as a JSON line, with the source's identifiers")
    ] = None,
    rules: RuleFiles = None,
    lists: ListFolders = None,
    rates: RatesFile = None,
    entities: EntitiesFile = None,
    layout: Annotated[
        str | None, typer.Option("--format", help=f"a layout: {', '.join((*LAYOUTS, *MESSAGE_LAYOUTS))}")
    ] = None,
    mapping: Annotated[Path | None, typer.Option(help="the bank's own columns, YAML; see docs/mapping.md")] = None,
    approve_examples: ApproveExamples = False,
    approvals: ApprovalsFile = None,
    daily_limit: Annotated[
        list[str] | None,
        typer.Option(
            "--daily-limit", metavar="RULE=N", help="new alerts a day before RULE goes into shadow; repeatable"
        ),
    ] = None,
    daily_share: Annotated[
        float, typer.Option("--daily-share", metavar="SHARE", help="the limit of other rules, as a share of customers")
    ] = SHARE_DEFAULT_PPM / 1_000_000,
    daily_least: Annotated[
        int, typer.Option("--daily-least", min=1, metavar="N", help="the limit of other rules is at least N")
    ] = LEAST_DEFAULT,
    models: Models = ModelMode.SHADOW,
    watch: Annotated[
        bool, typer.Option(help="take over changed rules, lists and approvals while running; SIGHUP always does")
    ] = True,
    feed: Annotated[
        str, typer.Option(metavar="NAME", help="the feed that the files are of, for  aml totals show")
    ] = FEED,
    resume: Annotated[bool, typer.Option("--resume", help="go on exactly where the last run stopped")] = False,
    progress: Annotated[bool, typer.Option(help="a live line while running")] = True,
) -> None:
    """Judge transactions: alerts into the store, cases into the queue."""
    console = Console(stderr=True)
    started = time.monotonic()
    if "://" in str(db) or ":/" in str(db):
        console.print(Text(f"{db}: {NO_URL}"), style="red", soft_wrap=True)
        raise typer.Exit(1)
    if not is_feed(feed):
        console.print(Text(f"--feed: {feed!r} {NO_FEED}"), style="red", soft_wrap=True)
        raise typer.Exit(1)
    breaker = BreakerSettings(round(daily_share * 1_000_000), daily_least, _limits(daily_limit or []))
    given = GivenInputs(tuple(rules or ()), tuple(lists or ()), rates, entities, approve_examples, approvals, breaker,
                        models.value)  # fmt: skip
    try:
        settings = RunSettings(
            files=tuple(files),
            db=db,
            layout=layout,
            mapping=load_mapping(mapping) if mapping else None,
            inputs=given,
            profiles=profiles,
            alerts=alerts,
            resume=resume,
            feed=feed,
            watch_seconds=WATCH_SECONDS if watch else None,
            is_reload_asked=on_hang_up(),
        )
        with stop_requested() as is_stopped, display(console, is_live=progress and console.is_terminal) as show:
            done = run_embedded(settings, lambda state: show(state) and not is_stopped())
    except MISTAKES as error:
        console.print(Text(_in_words(error)), style="red", soft_wrap=True)
        raise typer.Exit(1) from None
    print_summary(Console(), done, seconds=time.monotonic() - started, db=db)
    if done.is_stopped:
        console.print("Stopped. Go on exactly here with the same command and --resume.", style="yellow")
        raise typer.Exit(STOPPED)


def _limits(given: list[str]) -> dict[str, int]:
    """The limits of single rules: ``AML-FAN-001=200``."""
    found = {}
    for text in given:
        rule, _, number = text.partition("=")
        if not rule or not number.isdecimal():
            raise typer.BadParameter(f"{text}: write a rule and a whole number, such as AML-FAN-001=200.")
        found[rule] = int(number)
    return found


def on_hang_up() -> Callable[[], bool]:
    """Whether a SIGHUP came since the last question: the usual sign to a service that its files have changed."""
    asked: list[int] = []
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, lambda number, frame: asked.append(number))

    def is_asked() -> bool:
        was_asked = bool(asked)
        asked.clear()
        return was_asked

    return is_asked


def _in_words(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}. Check the path and the permissions."
    return str(error)


@contextmanager
def stop_requested() -> Iterator[Callable[[], bool]]:
    """Ctrl-C and SIGTERM ask for a clean stop; a second Ctrl-C stops at once."""
    asked: list[int] = []

    def ask(number: int, frame: object) -> None:
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.append(number)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def display(console: Console, *, is_live: bool) -> Iterator[Callable[[Progress], bool]]:
    """A line that is drawn anew while running, or nothing."""

    def tell(progress: Progress) -> bool:
        for message in progress.messages:
            console.print(Text(message), style="yellow", soft_wrap=True)
        progress.messages.clear()
        return True

    if not is_live:
        yield tell
        return
    clock = _Rate()
    with Live(
        Text("starting; the first start compiles, which takes a minute or two"),
        console=console,
        refresh_per_second=5,
        transient=True,
    ) as live:

        def show(progress: Progress) -> bool:
            tell(progress)
            live.update(_line(progress, clock.of(progress.records)))
            return True

        yield show


class _Rate:
    """Records a second over the last few seconds."""

    def __init__(self) -> None:
        self.marks: list[tuple[float, int]] = []

    def of(self, records: int) -> float:
        now = time.monotonic()
        self.marks = [*[mark for mark in self.marks if now - mark[0] < 5][-200:], (now, records)]
        seconds = now - self.marks[0][0]
        return (records - self.marks[0][1]) / seconds if seconds > 0 else 0.0


def _line(progress: Progress, rate: float) -> Text:
    counts = progress.counts
    return Text.assemble(
        (f"{_spaced(progress.records)} transactions", "bold"),
        f"  {_spaced(int(rate))}/s  ",
        (f"{_spaced(counts['alerts_new'])} alerts", "yellow"),
        f"  {_spaced(counts['refused'])} refused  ",
        (progress.file, "dim"),
    )


def print_summary(console: Console, done: Progress, *, seconds: float, db: Path) -> None:
    """What the run did, in one screen."""
    counts = done.counts
    for message in done.rule_errors:
        console.print(Text(message), style="red", soft_wrap=True)
    console.print(
        f"{_spaced(done.records)} records read: {_spaced(counts['judged'])} judged, "
        f"{_spaced(counts['refused'])} refused, {_spaced(counts['duplicates'])} duplicates ({seconds:.1f} s)",
        highlight=False,
    )
    if counts["late"] or counts["reversals"]:
        console.print(
            f"  of the judged, {_spaced(counts['late'])} came late and "
            f"{_spaced(counts['reversals'])} took another back",
            highlight=False,
        )
    _print_rules(console, counts)
    _print_refused(console, counts, db)
    if done.examples:
        console.print(
            f"{len(done.examples)} rules ran in shadow because only the product approved them (approval: EXAMPLE). "
            "Approve each with aml rules approve, or take that approval as your own with --approve-examples.",
            style="yellow",
            soft_wrap=True,
            highlight=False,
        )
    for rule, alerts in sorted((name[7:], count) for name, count in counts.items() if name.startswith("raised:")):
        console.print(
            f"{rule} raised an error while {_spaced(alerts)} of its alerts were made: they are there, marked "
            "rule_raised, and name its place. Other rules went on. Call engineering.",
            style="red",
            soft_wrap=True,
            highlight=False,
        )
    for line in done.model_flags:
        console.print(Text(line), style="red", soft_wrap=True)
    _print_drift(console, done)
    if done.models == MODELS_SHADOW:
        console.print(
            "The anomaly models ran in shadow: their alerts are stored and make no case. Let them raise with "
            "--models live, or leave them out with --models off.",
            style="yellow",
            soft_wrap=True,
            highlight=False,
        )
    if done.elsewhere:
        console.print(
            f"{_spaced(done.elsewhere)} rules of other jurisdictions were left out: no booking entity of this run is "
            "there.",
            soft_wrap=True,
            highlight=False,
        )
    if counts["obligations_met"]:
        met = _spaced(counts["obligations_met"])
        console.print(
            f"{met} payments met an obligation; the reports that are owed:  aml obligations list --db {db}",
            highlight=False,
            soft_wrap=True,
        )
    if counts["alerts_new"]:
        console.print(f"The queue:  aml cases list --db {db} --as-of latest", highlight=False, soft_wrap=True)


def _print_rules(console: Console, counts: Counter[str]) -> None:
    rules = sorted({name.split(":")[1] for name in counts if name.startswith(("rule:", "undecided:"))})
    if not rules:
        return
    table = Table("rule or model", box=None, pad_edge=False, header_style="bold")
    statuses = ("new", "quiet", "shadow", *(["suppressed"] if counts["alerts_suppressed"] else []))
    for column in (*statuses, "undecided"):
        table.add_column(column, justify="right")
    table.add_column("most often missing")
    for rule in rules:
        missing = {n.split(":", 2)[2]: v for n, v in counts.items() if n.startswith(f"undecided:{rule}:")}
        worst = max(missing, key=lambda name: missing[name], default="")
        numbers = [counts[f"rule:{rule}:{status}"] for status in statuses]
        cells = [_spaced(number) if number else "·" for number in (*numbers, sum(missing.values()))]
        table.add_row(rule, *cells, worst)
    console.print(table)


def _print_drift(console: Console, done: Progress) -> None:
    """The signal of the models that has moved most, and what river saw change of late."""
    known = [each for each in done.model_drift if each.stability == each.stability and each.name != SCORE]
    if not known:
        return
    most = max(known, key=lambda each: each.stability)
    words = f"Drift of the models: {most.name} has moved most, population stability {most.stability:.2f} over 7 days"
    words += f" (from {SHIFTED} look into it, from {FREEZES} its model is frozen)."
    changed = [each for each in known if each.changed_day is not None]
    if changed:
        last = max(changed, key=lambda each: each.changed_day or 0)
        words += f" The last change that PageHinkley saw: {last.name}, on {day_text(last.changed_day or 0)}."
    console.print(words, style="yellow" if most.stability >= SHIFTED else "", soft_wrap=True, highlight=False)


def _print_refused(console: Console, counts: Counter[str], db: Path) -> None:
    if counts["profiles_refused"]:
        of = _spaced(counts["profiles"] + counts["profiles_refused"])
        console.print(
            f"  {_spaced(counts['profiles_refused'])} of {of} customer profiles were refused; payments are judged "
            "without them.",
            highlight=False,
            soft_wrap=True,
        )
    refused = {name.removeprefix("refused:"): count for name, count in counts.items() if name.startswith("refused:")}
    if not refused and not counts["profiles_refused"]:
        return
    for reason, count in sorted(refused.items(), key=lambda item: -item[1])[:5]:
        console.print(
            f"  {_spaced(count)} refused: {reason}. {REMEDIES[Reason(reason)]}", highlight=False, soft_wrap=True
        )
    console.print(f"All of them:  aml refused list --db {db}", highlight=False, soft_wrap=True)


def _spaced(number: int) -> str:
    return f"{number:,}".replace(",", " ")


if __name__ == "__main__":
    sys.exit("Run it as: aml run")
