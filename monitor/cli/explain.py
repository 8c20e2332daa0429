"""``aml explain``: why an alert was raised, and that the same comes out when it is computed again."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from monitor.adapters.sql.store import StoreError, open_store
from monitor.app.explained_json import explained_json
from monitor.app.explaining import AlertUnknown, CannotExplain, Explained, Explainer
from monitor.app.settings import SettingsError, load_settings
from monitor.app.store import data_folder
from monitor.cli.ending import fail
from monitor.cli.explain_page import print_explained
from monitor.cli.stream import SettingsFile
from monitor.intake.yaml_files import YamlFileError

DIFFERS, NOT_POSSIBLE = 1, 2

StoreOrSettings = Annotated[
    str | None,
    typer.Option("--db", envvar="AML_DB", metavar="FILE",
                 help="the case store: a file or a postgresql:// URL; without it that of the settings of the workers"),
]  # fmt: skip


def explain(
    alert: Annotated[str, typer.Argument(metavar="ALERT", help="an alert id, or enough of its first characters")],
    db: StoreOrSettings = None,
    settings: SettingsFile = None,
    show_all: Annotated[bool, typer.Option("--all", help="show every payment behind the alert")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object on stdout")] = False,
) -> None:
    """Why this alert: every number as stored and as computed again from the recorded history.

    The rule is taken as it was then, with its parameters, lists, rates and the customer's profile of that day, and is
    computed by the slow reference evaluator, which shares no code with the engine.

    An alert of the workers on Kafka is computed again from what aml worker history has recorded; the settings are
    those of the workers (AML_STORE_FOLDER, AML_STORE_TOKEN_KEY, AML_DATABASE_URL).

    \b
    examples:
      aml explain A-7KQ2M5 --db bank.db           the numbers, the condition part by part, the payments
      aml explain A-7KQ2M5 --db bank.db --all     every payment, not only the newest
      aml explain A-7KQ2M5 --db bank.db --json    for other programs
      aml explain A-7KQ2M5                        of the workers, with their settings

    \b
    exit status:
      0  computed again from history: the same
      1  computed again: something differs, and it says what
      2  there is no such alert, or an input that it depends on is lost
    """
    explained = _explained(alert, db, settings)
    if as_json:
        sys.stdout.write(json.dumps(explained_json(explained), ensure_ascii=False) + "\n")
    else:
        print_explained(Console(highlight=False), explained, show_all=show_all)
    if explained.lost:
        raise typer.Exit(NOT_POSSIBLE)
    if explained.differences:
        raise typer.Exit(DIFFERS)


def _explained(alert: str, db: str | None, settings: Path | None) -> Explained:
    try:
        with explainer_of(db, settings) as explainer:
            return explainer.explain(alert)
    except (AlertUnknown, CannotExplain, StoreError, SettingsError, YamlFileError) as error:
        fail(str(error), NOT_POSSIBLE)
        raise
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}. Correct the path.", NOT_POSSIBLE)
        raise


def explainer_of(db: str | None, settings: Path | None) -> Explainer:
    """That of an embedded run where the store has one, else that of the workers."""
    if db is None and settings is None and "AML_DATABASE_URL" not in os.environ:
        raise CannotExplain("--db: the case store is not named. Give the database of a run, or the settings of the "
                            "workers (--settings FILE, or AML_DATABASE_URL).")  # fmt: skip
    if db is not None and "://" not in db and (data_folder(Path(db)) / "vault" / "identifiers.blocks").exists():
        return Explainer(db)
    given = load_settings(os.environ, settings)
    place = db if db is not None else given.database.url.get_secret_value()
    store = open_store(place)
    try:
        from monitor.app.explaining_stream import StreamExplainer, is_of_stream
    except ImportError:
        is_stream = False
    else:
        is_stream = is_of_stream(store)
    if not is_stream:
        store.close()
        return Explainer(place)
    try:
        return StreamExplainer(store, folder=given.store.folder, key=given.store.key())
    except BaseException:
        store.close()
        raise
