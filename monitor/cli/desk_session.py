"""What every ``aml cases`` and ``aml journal`` command needs: the store, the user, the clock, the errors.

Exit status: 0 done; 1 refused, not found, or the journal is not whole; 2 the store could not be opened or the
command line is wrong.
"""

import getpass
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from monitor.adapters.sql.desk import CaseUnknown
from monitor.adapters.sql.queue import latest_alert_us
from monitor.adapters.sql.store import CaseStore, StoreError, open_store
from monitor.app.case_json import Resolve
from monitor.app.resolving import open_resolver
from monitor.casework.lifecycle import MoveRefused
from monitor.cli.ending import fail
from monitor.domain.case import ROLES, Actor
from monitor.domain.time import parse_time_us

ACCESS_CHAIN = "access:cli"
"""The journal chain in which this program records who looked at what."""

Db = Annotated[
    str,
    typer.Option("--db", envvar="AML_DB", metavar="FILE", help="the case store: a file or a postgresql:// URL"),
]
AsUser = Annotated[str | None, typer.Option("--as", metavar="USER", help="act as USER (default: your login name)")]
Role = Annotated[
    str, typer.Option("--role", metavar="ROLE", help=f"act with the role {', '.join(ROLES)}; the workbench checks it")
]
AsJson = Annotated[bool, typer.Option("--json", help="one JSON object per line on stdout")]
AsOf = Annotated[
    str | None,
    typer.Option("--as-of", metavar="TIME", help="order and age as of TIME, or 'latest' for the newest alert's time"),
]
CaseArgument = Annotated[
    str, typer.Argument(metavar="CASE", help="a case id, its first 4 or more characters, or one of its alert ids")
]

EXIT_STATUS = """\b
exit status:
  0  done
  1  refused, or there is no such case
  2  the store could not be opened"""


def examples(*lines: str) -> str:
    """The end of a command's help: real commands, then the exit status."""
    return "\b\nexamples:\n" + "\n".join(f"  {line}" for line in lines) + "\n\n" + EXIT_STATUS


def wall_clock_us() -> int:
    """Now, µs UTC."""
    return time.time_ns() // 1000


@contextmanager
def desk(db: str) -> Iterator[CaseStore]:
    """The open store; what goes wrong inside ends the program with a message and an exit status."""
    try:
        with open_store(db) as store:
            yield store
    except (CaseUnknown, MoveRefused) as error:
        fail(str(error), 1)
    except StoreError as error:
        fail(str(error), 2)


def actor(user: str | None, role: str) -> Actor:
    """Who acts: the given name, else the operating system's user."""
    if role not in ROLES:
        fail(f"--role {role}: there is no such role. One of: {', '.join(ROLES)}.", 2)
    return Actor(user or getpass.getuser(), role)


def time_of(text: str | None, store: CaseStore) -> int:
    """The time that ``--as-of`` means, µs UTC; the clock on the wall without it."""
    if text is None:
        return wall_clock_us()
    if text == "latest":
        with store.reading() as connection:
            return latest_alert_us(connection) or wall_clock_us()
    try:
        return parse_time_us(text if "T" in text else text + "T00:00:00Z")
    except ValueError:
        fail(f"--as-of {text}: not a time. Write 2026-05-04, 2026-05-04T09:00:00Z or latest.", 2)
        raise


def resolver(db: str) -> Resolve:
    """From tokens to the source's own identifiers, for the local user who holds the vault beside the store.

    Tokens that cannot be resolved here are shown shortened.
    """
    find = open_resolver(db)

    def resolve(token: str) -> str:
        return find(token) or short_token(token)

    return resolve


def short_token(token: str) -> str:
    """A token that nobody can resolve here, shortened.

    >>> short_token("00112233445566778899aabbccddeeff")
    '00112233…'
    """
    return token[:8] + "…" if len(token) > 9 else token
