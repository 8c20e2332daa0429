"""``aml keys``: keys of the REST API for service persons."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from monitor.adapters.sql.api_keys import DAYS_MAX, KeyRefused, add_key, listed_keys, revoke_key
from monitor.casework.scopes import SCOPES, ScopesRefused
from monitor.cli.desk_session import Db, actor, desk, examples, wall_clock_us
from monitor.cli.ending import fail
from monitor.domain.time import format_time

app = typer.Typer(
    help="Keys of the REST API. Each acts for one service person (aml users add NAME --service).",
    no_args_is_help=True,
    rich_markup_mode=None,
)
DAYS_DEFAULT = 90


@app.command(epilog=examples("aml keys add casework --scope read --scope work --db bank.db",
                             "aml keys add payments --scope transactions --days 30 --db bank.db"))  # fmt: skip
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="the service person")],
    db: Db,
    scope: Annotated[list[str], typer.Option(metavar="SCOPE", help=f"repeatable: {', '.join(SCOPES)}")],
    days: Annotated[int, typer.Option(help=f"how long it lives, 1 to {DAYS_MAX}")] = DAYS_DEFAULT,
) -> None:
    """Make a key. It is shown once and stands on standard output alone; the store keeps its digest only."""
    with _refusals(), desk(db) as store:
        key_id, token = add_key(store, name=name, scopes=tuple(scope), days=days, by=_by(), now_us=wall_clock_us())
    typer.echo(f"Key {key_id} for {name}, {days} days. It is not shown again:", err=True)
    typer.echo(token)


@app.command("list", epilog=examples("aml keys list --db bank.db"))
def list_command(db: Db) -> None:
    """All keys: for whom, what for, until when, and when they were last used (to the minute)."""
    now_us = wall_clock_us()
    with desk(db) as store, store.reading() as connection:
        keys = listed_keys(connection)
    for key in keys:
        state = "revoked" if key.revoked_at_us else "expired" if now_us >= key.expires_at_us else "in force"
        used = f"used {_minute(key.used_at_us)}" if key.used_at_us else "never used"
        typer.echo(f"{key.key_id}  {key.name:<20} {state:<8}  until {_minute(key.expires_at_us)}  {used}  "
                   f"{' '.join(key.scopes)}")  # fmt: skip


@app.command(epilog=examples("aml keys revoke 1f0c22ab --db bank.db"))
def revoke(key: Annotated[str, typer.Argument(metavar="KEY", help="the id of the key")], db: Db) -> None:
    """End a key at once."""
    with _refusals(), desk(db) as store:
        revoke_key(store, key, by=_by(), now_us=wall_clock_us())
    typer.echo(f"Key {key} is revoked.")


def _by() -> str:
    return f"{actor(None, 'officer').name} (shell)"


def _minute(time_us: int) -> str:
    return format_time(time_us)[:16].replace("T", " ")


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except (KeyRefused, ScopesRefused) as error:
        fail(str(error), 1)
