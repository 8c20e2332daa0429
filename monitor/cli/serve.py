"""``aml serve``: the workbench in a browser; ``aml users``: who may come in."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.adapters.sql.people import PersonRefused, add_person, change_person, listed
from monitor.adapters.sql.store import CaseStore
from monitor.app.case_json import Resolve
from monitor.app.embedded import RunSettings
from monitor.app.explaining import Explained
from monitor.app.inputs import GivenInputs
from monitor.app.live_run import LiveRun
from monitor.app.resolving import open_namer
from monitor.casework.access import RIGHTS
from monitor.cli.desk_session import Db, actor, desk, examples, resolver, short_token, time_of, wall_clock_us
from monitor.cli.ending import fail
from monitor.cli.explain import explainer_of
from monitor.cli.model_mode import ModelMode
from monitor.cli.run import NO_URL
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
from monitor.intake.yaml_files import YamlFileError
from monitor.rulebook.checklists import CHECKLISTS_NAME, Checklist, load_checklists
from monitor.rulebook.groups import load_groups
from monitor.rulebook.load import shipped_rules
from monitor.rulebook.rule_error import RuleError

COURSE_POINTS_MAX = 60
"""Payments over which the numbers of a rule are shown."""
users_app = typer.Typer(
    help="Who may come in to the workbench, and with which role. Every change is in the journal.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
RoleOption = Annotated[str, typer.Option(metavar="ROLE", help=", ".join(RIGHTS))]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="read the password from standard input; else it is asked for")
]

if TYPE_CHECKING:
    from monitor.web.single_sign_on import WayIn

NEW_IDENTIFIERS_SECONDS = 10.0


def serve(
    db: Db,
    host: Annotated[str, typer.Option(help="the address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="the port to listen on")] = 8080,
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", metavar="TIME", help="let the clock begin at TIME, or 'latest' alert's time"),
    ] = None,
    checklists: Annotated[
        Path | None, typer.Option(metavar="FILE", help="what has to be ticked before a decision (default: as shipped)")
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="without TLS before it: cookies also go over plain HTTP. For a laptop only.")
    ] = False,
    sso: Annotated[
        Path | None,
        typer.Option("--sso", metavar="FILE", help="single sign-on by OpenID Connect; see docs/workbench.md"),
    ] = None,
    live: Annotated[
        bool,
        typer.Option(
            "--live",
            help="also take payments (POST /v1/transactions): this process owns the run of the "
            "store; the options below are those of aml run",
        ),
    ] = False,
    profiles: ProfilesFile = None,
    rules: RuleFiles = None,
    lists: ListFolders = None,
    rates: RatesFile = None,
    entities: EntitiesFile = None,
    approve_examples: ApproveExamples = False,
    approvals: ApprovalsFile = None,
    models: Models = ModelMode.SHADOW,
) -> None:
    """Serve the workbench and the REST interface. Put TLS before it (a reverse proxy), or say --plain on your machine.

    With --live it also takes payments one by one and answers with the verdict; see docs/api.md.
    """
    import uvicorn

    from monitor.web.app import make_app
    from monitor.web.desk import Desk

    given = GivenInputs(tuple(rules or ()), tuple(lists or ()), rates, entities, approve_examples, approvals,
                        models=models.value)  # fmt: skip
    if live and "://" in db:
        fail(f"{db}: {NO_URL}", 2)
    with desk(db) as store:
        clock = _clock(as_of, store)
        store.policy = replace(store.policy, checklists=_checklists(checklists))
        with store.reading() as connection:
            if not listed(connection):
                fail(f"{db}: nobody can come in yet. First:  aml users add NAME --role administrator --db {db}", 1)
        run = None
        if live:
            run = LiveRun(RunSettings((), Path(db), inputs=given, profiles=profiles), tell=_tell,
                          on_failure=lambda: setattr(server, "should_exit", True))  # fmt: skip
        served = Desk(
            store, _resolver(db), wall_clock_us, clock, is_secure=not plain, explain=_explain(db),
            records=lambda: explainer_of(db, None), token_of=open_namer(db), live=run,
            sso=None if sso is None else _way_in(sso),
        )  # fmt: skip
        server = uvicorn.Server(
            uvicorn.Config(make_app(served), host=host, port=port, log_level="warning", access_log=False,
                           server_header=False)
        )  # fmt: skip
        _tell(f"The workbench listens on http://{host}:{port}")
        if run is not None:
            run.start()
        try:
            server.run()
        finally:
            if run is not None:
                run.stop()
        if run is not None and run.failure is not None:
            fail(f"{db}: the run has ended, and so does this process.", 1)


def _way_in(file: Path) -> "WayIn":
    """The bank's provider of identities, as a file of settings and ``AML_OIDC_SECRET`` have it."""
    try:
        from monitor.web.oidc import SingleSignOn, load_oidc
    except ImportError:
        fail("--sso: single sign-on needs further packages. Install them:  pip install 'aml-monitor[sso]'", 2)
        raise
    try:
        return SingleSignOn(load_oidc(file, os.environ.get("AML_OIDC_SECRET")))
    except (YamlFileError, OSError) as error:
        fail(str(error), 2)
        raise


def _resolver(db: str) -> Resolve:
    """From tokens to identifiers; those that a run has added meanwhile are looked for from time to time."""
    find, at = resolver(db), time.monotonic()

    def resolve(token: str) -> str:
        nonlocal find, at
        found = find(token)
        if found == short_token(token) and time.monotonic() - at > NEW_IDENTIFIERS_SECONDS:
            find, at = resolver(db), time.monotonic()
            found = find(token)
        return found

    return resolve


def _tell(text: str) -> None:
    sys.stderr.write(text + "\n")


def _checklists(file: Path | None) -> tuple[Checklist, ...]:
    """The checklists of a file; without one, those that travel with the product."""
    groups, _ = load_groups([shipped_rules()], [], is_run=True)
    try:
        return load_checklists(file or shipped_rules() / CHECKLISTS_NAME, [group.name for group in groups.groups])
    except RuleError as error:
        fail(str(error), 2)
        raise


def _explain(db: str) -> Callable[[str], Explained]:
    """Computes an alert again, with files that are opened for it: a run may go on meanwhile."""

    def explain(alert_id: str) -> Explained:
        with explainer_of(db, None) as explainer:
            explainer.points_max = COURSE_POINTS_MAX
            return explainer.explain(alert_id)

    return explain


def _clock(as_of: str | None, store: CaseStore) -> Callable[[], int]:
    """The clock by which cases age: that on the wall, or one that began at another time."""
    if as_of is None:
        return wall_clock_us
    begun_us, begun = time_of(as_of, store), time.monotonic()
    return lambda: begun_us + int((time.monotonic() - begun) * 1e6)


@users_app.command("add", epilog=examples("aml users add ann --role analyst --db bank.db"))
def add_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="the name to sign in with")],
    db: Db,
    role: RoleOption,
    full_name: Annotated[str, typer.Option("--full-name", metavar="TEXT", help="how colleagues see it")] = "",
    service: Annotated[
        bool, typer.Option("--service", help="a program: it has no password and comes in by keys (aml keys)")
    ] = False,
    password_stdin: PasswordStdin = False,
) -> None:
    """Add a user of the workbench, or a service person of the REST API."""
    password = None if service else _password(is_piped=password_stdin)
    with _refusals(), desk(db) as store:
        add_person(store, name=name, full_name=full_name, role=role, password=password, by=actor(None, "officer").name,
                   now_us=wall_clock_us(), is_service=service)  # fmt: skip
    typer.echo(f"{name} may come in as {role}" + (", by keys:  aml keys add." if service else "."))


@users_app.command("change", epilog=examples("aml users change ann --role senior --db bank.db"))
def change_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="the user")],
    db: Db,
    role: Annotated[str | None, typer.Option(metavar="ROLE", help=", ".join(RIGHTS))] = None,
    active: Annotated[
        bool | None, typer.Option("--on/--off", show_default=False, help="let in again, or no more")
    ] = None,
    new_password: Annotated[bool, typer.Option("--new-password", help="ask for a new password")] = False,
    password_stdin: PasswordStdin = False,
) -> None:
    """Change a role or password, switch a user off or on, or end a lock. Its sessions end."""
    password = _password(is_piped=password_stdin) if new_password or password_stdin else None
    by = f"{actor(None, 'officer').name} (shell)"
    with _refusals(), desk(db) as store:
        person = change_person(store, name, by=by, now_us=wall_clock_us(), role=role, is_active=active,
                               password=password)  # fmt: skip
    typer.echo(f"{person.name}: {person.role}, {'active' if person.is_active else 'switched off'}.")


@users_app.command("list", epilog=examples("aml users list --db bank.db"))
def list_command(db: Db) -> None:
    """All users, with role and whether they may come in."""
    with desk(db) as store, store.reading() as connection:
        for person in listed(connection):
            typer.echo(f"{person.name:<20} {person.role:<14} {'active' if person.is_active else 'switched off'}")


def _password(*, is_piped: bool) -> str:
    if is_piped:
        return sys.stdin.readline().rstrip("\n")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


@contextmanager
def _refusals() -> Iterator[None]:
    """What cannot be done to a user ends the command with a message."""
    try:
        yield
    except PersonRefused as error:
        fail(str(error), 1)
