"""Options that ``aml replay`` and ``aml tune`` share: what the history is, and what goes with a file of payments."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from monitor.adapters.block_log import DamagedError
from monitor.adapters.input_archive import InputNotKept
from monitor.adapters.sql.store import StoreError
from monitor.app.backtest.history import FileHistory, GivenHistory, StoreHistory, open_history
from monitor.app.backtest.problem import BacktestError
from monitor.app.inputs import GivenInputs
from monitor.domain.vocabulary import MODELS_OFF
from monitor.engine.binding import ListMissing
from monitor.intake.lines import SourceDamaged
from monitor.intake.mapping import MappingError, load_mapping
from monitor.intake.rates import RatesError
from monitor.intake.table_readers import TableFormatError
from monitor.intake.yaml_files import YamlFileError
from monitor.rulebook.plan import PlanError

NOT_POSSIBLE = 2
MISTAKES = (
    BacktestError, StoreError, DamagedError, InputNotKept, ListMissing, SourceDamaged, MappingError, RatesError,
    TableFormatError, YamlFileError, PlanError, OSError,
)  # fmt: skip
"""What a user can mend: shown as one message, without a stack trace."""

HistoryArgument = Annotated[
    Path, typer.Argument(metavar="HISTORY", help="a store such as bank.db, or payments as JSON lines, CSV or Parquet")
]
Profiles = Annotated[Path | None, typer.Option(help="customer profiles, for a file of payments")]
Rates = Annotated[Path | None, typer.Option(help="dated exchange rates, for a file of payments")]
Entities = Annotated[Path | None, typer.Option(help="booking entities, for a file of payments")]
Rules = Annotated[
    list[Path] | None,
    typer.Option(help="rules in force of a file of payments (default: the shipped ones); rules that a change may name"),
]
Lists = Annotated[list[Path] | None, typer.Option(help="folders that hold lists/, for a file of payments")]
Layout = Annotated[str | None, typer.Option("--format", help="a public layout, for a file of payments")]
MappingFile = Annotated[Path | None, typer.Option("--mapping", help="the bank's own columns, for a file of payments")]
ApproveExamples = Annotated[
    bool, typer.Option("--approve-examples", help="take the shipped rules' EXAMPLE approval as your own; for a file")
]


@dataclass(frozen=True, slots=True)
class HistoryOptions:
    """The options as given."""

    place: Path
    profiles: Path | None
    rates: Path | None
    entities: Path | None
    rules: list[Path] | None
    lists: list[Path] | None
    layout: str | None
    mapping: Path | None
    approve_examples: bool
    models: str = MODELS_OFF


@contextmanager
def history_of(options: HistoryOptions) -> Iterator[StoreHistory | FileHistory]:
    """The open history; what goes wrong inside ends the program with one message and exit status 2."""
    inputs = GivenInputs(
        tuple(options.rules or ()),
        tuple(options.lists or ()),
        options.rates,
        options.entities,
        options.approve_examples,
        models=options.models,
    )
    try:
        mapping = load_mapping(options.mapping) if options.mapping else None
        history = open_history(GivenHistory(options.place, inputs, options.profiles, options.layout, mapping))
        try:
            yield history
        finally:
            history.close()
    except MISTAKES as error:
        words = str(error)
        if isinstance(error, OSError) and error.filename:
            words = f"{error.filename}: {error.strerror}. Check the path and the permissions."
        Console(stderr=True).print(Text(words), style="red", soft_wrap=True, highlight=False)
        raise typer.Exit(NOT_POSSIBLE) from None


@contextmanager
def counting(what: str) -> Iterator[Callable[[int], None]]:
    """A line on stderr that counts payments, on a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda payments: None
        return
    with console.status(f"{what}; the first start compiles, which takes a minute or two") as status:
        yield lambda payments: status.update(f"{what}: {payments:,} payments".replace(",", " "))
