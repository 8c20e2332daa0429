"""``aml explain``: why an alert was raised, and that the same comes out when it is computed again."""

import json
import sys
from typing import Annotated

import typer
from rich.console import Console

from monitor.adapters.sql.store import StoreError
from monitor.app.explaining import AlertUnknown, CannotExplain, Explained, Explainer
from monitor.cli.desk_session import Db, fail
from monitor.cli.explain_page import explained_json, print_explained

DIFFERS, NOT_POSSIBLE = 1, 2


def explain(
    alert: Annotated[str, typer.Argument(metavar="ALERT", help="an alert id, or enough of its first characters")],
    db: Db,
    show_all: Annotated[bool, typer.Option("--all", help="show every payment behind the alert")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object on stdout")] = False,
) -> None:
    """Why this alert: every number as stored and as computed again from the recorded history.

    The rule is taken as it was then, with its parameters, lists, rates and the customer's profile of that day, and is
    computed by the slow reference evaluator, which shares no code with the engine.

    \b
    examples:
      aml explain A-7KQ2M5 --db bank.db           the numbers, the condition part by part, the payments
      aml explain A-7KQ2M5 --db bank.db --all     every payment, not only the newest
      aml explain A-7KQ2M5 --db bank.db --json    for other programs

    \b
    exit status:
      0  computed again from history: the same
      1  computed again: something differs, and it says what
      2  there is no such alert, or an input that it depends on is lost
    """
    explained = _explained(alert, db)
    if as_json:
        sys.stdout.write(json.dumps(explained_json(explained), ensure_ascii=False) + "\n")
    else:
        print_explained(Console(highlight=False), explained, show_all=show_all)
    if explained.lost:
        raise typer.Exit(NOT_POSSIBLE)
    if explained.differences:
        raise typer.Exit(DIFFERS)


def _explained(alert: str, db: str) -> Explained:
    try:
        with Explainer(db) as explainer:
            return explainer.explain(alert)
    except (AlertUnknown, CannotExplain, StoreError) as error:
        fail(str(error), NOT_POSSIBLE)
        raise
