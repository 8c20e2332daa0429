"""``aml demo``: the main job in a minute, on a bank that does not exist.

Everything goes through the commands' own functions, so what the demo shows is what the commands do.
"""

import csv
import json
import secrets
import shutil
import socket
import time
import webbrowser
from datetime import date
from pathlib import Path
from threading import Thread
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from monitor.adapters.sql.people import add_person
from monitor.adapters.sql.queue import QueueFilter, count_cases, latest_alert_us, list_cases, queue_totals
from monitor.adapters.sql.store import open_store
from monitor.app.embedded import Progress, RunSettings
from monitor.app.embedded import run as run_embedded
from monitor.app.explaining import Explainer
from monitor.app.inputs import GivenInputs
from monitor.app.simulate import Summary, simulate
from monitor.casework.access import RIGHTS
from monitor.cli.case_tables import print_queue
from monitor.cli.desk_session import resolver, wall_clock_us
from monitor.cli.explain_page import print_explained
from monitor.cli.run import STOPPED, display, print_summary, stop_requested
from monitor.cli.serve import serve
from monitor.domain.vocabulary import MODELS_LIVE

CUSTOMERS, DAYS, SEED, START = 1_500, 75, 20_260_406, date(2026, 4, 6)
"""The bank of the demo. No test and no figure uses this seed."""
SHOWN = 8
FOLDER = Path("demo-data")
PORT = 8080


def demo(
    out: Annotated[
        Path, typer.Option(help="where the bank and the case store go; an earlier demo there is replaced")
    ] = FOLDER,
    is_opened: Annotated[
        bool | None,
        typer.Option("--open/--no-open", help="open the workbench in a browser at the end; by default in a terminal"),
    ] = None,
) -> None:
    """Watch the main job: a simulated bank streams in, alerts come out, cases wait in a queue, and people work on them.

    \b
    examples:
      aml demo                    in the folder demo-data; Ctrl-C ends the workbench
      aml demo --out /tmp/demo --no-open

    \b
    exit status:
      0    shown
      1    the folder holds something other than an earlier demo, or cannot be written
      130  stopped by Ctrl-C; start it again, it begins anew
    """
    console = Console(highlight=False)
    try:
        _clear(out)
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        typer.echo(f"{out}: {error.strerror}. Choose another folder with --out.", err=True)
        raise typer.Exit(1) from None
    console.print(
        Text(
            f"1. A bank that does not exist: {CUSTOMERS:,} customers, {DAYS} days, some of them laundering",
            style="bold",
        )
    )
    bank = simulate(customers=CUSTOMERS, days=DAYS, seed=SEED, start=START, out=out / "bank", file_format="json")
    console.print(_bank_words(bank, out), soft_wrap=True)
    console.print(Text("\n2. Its payments stream in and are judged (compiling takes a minute, once)", style="bold"))
    done = _stream_in(console, out)
    if done.is_stopped:
        raise typer.Exit(STOPPED)
    console.print(_found_words(out), soft_wrap=True)
    console.print(Text("\n3. The alerts wait as cases, the most pressing first", style="bold"))
    _show_queue(console, out / "bank.db")
    console.print(Text("\n4. Every alert says why", style="bold"))
    _show_alert(console, out)
    password = _let_in(out)
    console.print(Text("\nTry next", style="bold"))
    console.print(_next_commands(out), soft_wrap=True)
    console.print(Text("\n5. People work on them in a browser", style="bold"))
    console.print(_workbench_words(out, password), soft_wrap=True)
    if is_opened or (is_opened is None and console.is_terminal):
        open_workbench(out / "bank.db", port=free_port(PORT))


def _clear(out: Path) -> None:
    """Remove an earlier demo; nothing that is anything else."""
    if not out.exists():
        return
    known = {"bank", "bank.db", "bank.data", "alerts.jsonl"}
    strange = sorted(
        path.name for path in out.iterdir() if path.name.split("-")[0].removesuffix(".embedded.lock") not in known
    )
    if strange:
        typer.echo(f"{out}: holds {strange[0]}, which is not from a demo. Choose another folder with --out.", err=True)
        raise typer.Exit(1)
    shutil.rmtree(out)


def _bank_words(bank: Summary, out: Path) -> str:
    cases = sum(bank.cases.values())
    return (
        f"{bank.transactions:,} payments, {bank.labelled} of them in {cases} laundering cases. They lie in {out}/bank."
    )


def _stream_in(console: Console, out: Path) -> Progress:
    bank, begun = out / "bank", time.monotonic()
    settings = RunSettings(
        files=(str(bank / "transactions.jsonl"),),
        db=out / "bank.db",
        profiles=bank / "profiles.jsonl",
        alerts=out / "alerts.jsonl",
        inputs=GivenInputs(
            lists=(bank,),
            rates=bank / "rates.csv",
            entities=bank / "entities.yaml",
            approve_examples=True,
            models=MODELS_LIVE,
        ),
    )
    with stop_requested() as is_stopped, display(console, is_live=console.is_terminal) as show:
        done = run_embedded(settings, lambda state: show(state) and not is_stopped())
    print_summary(console, done, seconds=time.monotonic() - begun, db=settings.db)
    return done


def _show_queue(console: Console, db: Path) -> None:
    with open_store(str(db)) as store, store.reading() as connection:
        now_us = latest_alert_us(connection) or 0
        rows = list_cases(connection, QueueFilter(), now_us=now_us, viewer="demo", order="priority", limit=SHOWN)
        totals, matching = (
            queue_totals(connection, now_us=now_us),
            count_cases(connection, QueueFilter(), now_us=now_us),
        )
    print_queue(console, rows, totals, matching=matching, now_us=now_us, resolve=resolver(str(db)))


def _show_alert(console: Console, out: Path) -> None:
    """One alert in words: a planted case that takes few payments to tell, computed again from the history."""
    planted = _planted(out / "bank")
    with (out / "alerts.jsonl").open(encoding="utf-8") as lines:
        new = [alert for line in lines if (alert := json.loads(line))["status"] == "new"]
    if not new:
        console.print("No alert came out.")
        return
    told = [alert for alert in new if len(planted.keys() & set(alert["transactions"])) > 1] or new
    alert = min(told, key=lambda each: (each["severity"] != "high", len(each["transactions"]), each["event_time"]))
    with Explainer(str(out / "bank.db")) as explainer:
        print_explained(console, explainer.explain(alert["alert_id"]), show_all=False)


def _found_words(out: Path) -> str:
    """How many of the planted cases the alerts contain; the labels are read here and nowhere else."""
    planted = _planted(out / "bank")
    with (out / "alerts.jsonl").open(encoding="utf-8") as lines:
        found = {planted[each] for line in lines for each in json.loads(line)["transactions"] if each in planted}
    return f"Payments of {len(found)} of the {len(set(planted.values()))} planted cases are among the alerts."


def _planted(bank: Path) -> dict[str, str]:
    """The case of each labelled payment."""
    with (bank / "labels.csv").open(encoding="utf-8", newline="") as lines:
        return {row["transaction_id"]: row["case_id"] for row in csv.DictReader(lines)}


def _let_in(out: Path) -> str:
    """Add a user of the workbench for each role; the password of all of them."""
    password = "-".join(secrets.token_hex(3) for _ in range(3))
    with open_store(str(out / "bank.db")) as store:
        for role in RIGHTS:
            add_person(store, name=role, full_name=f"{role.capitalize()} of the demo", role=role, password=password,
                       by="demo", now_us=wall_clock_us())  # fmt: skip
    return password


def open_workbench(db: Path, *, port: int) -> None:
    """Serve the workbench until Ctrl-C, and open it in a browser once it answers."""
    address = f"http://127.0.0.1:{port}"
    Thread(target=_open_when_it_answers, args=(port, f"{address}/"), daemon=True).start()
    serve(db=str(db), port=port, as_of="latest", plain=True)


def free_port(wanted: int) -> int:
    """A port of this machine that nobody listens on: the wanted one if it is free."""
    for port in (wanted, 0):
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(tried.getsockname()[1])
    raise OSError("no port is free")


def _open_when_it_answers(port: int, address: str) -> None:
    for _ in range(600):
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                webbrowser.open(address)
                return
        time.sleep(0.1)


def _workbench_words(out: Path, password: str) -> str:
    return (
        f"  aml serve --db {out / 'bank.db'} --as-of latest --plain      then open http://127.0.0.1:{PORT}\n"
        f"  Sign in as {', '.join(RIGHTS)}; the password of each is {password}"
    )


def _next_commands(out: Path) -> str:
    db = out / "bank.db"
    commands = {
        f"aml cases list --db {db} --as-of latest": "the whole queue",
        f"aml cases show CASE --db {db} --as-of latest": "one case: alerts, history, what can be done",
        f"aml journal verify --db {db}": "nothing was altered",
        "aml rules explain AML-STR-001": "a rule in words",
    }
    width = max(map(len, commands))
    lines = [f"  {command:<{width}}   {why}" for command, why in commands.items()]
    return "\n".join([*lines, "(the command is .venv/bin/aml after make demo; source .venv/bin/activate makes it aml)"])
