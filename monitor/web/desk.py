"""What pages work with: the store, the clocks, and who tokens stand for."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from monitor.adapters.sql.desk import Sees
from monitor.adapters.sql.people import Person, PersonRefused, workers
from monitor.adapters.sql.queue import Wall
from monitor.adapters.sql.store import CaseStore
from monitor.app.explaining import Explained, Explainer
from monitor.app.live_run import LiveRun
from monitor.casework.access import RESTRICTED, may, may_see
from monitor.domain.case import ROLES, Actor
from monitor.web.door import Attempts
from monitor.web.pace import Limits, Paces
from monitor.web.recomputing import Recomputing
from monitor.web.single_sign_on import WayIn

SNOOZE_DAYS = (1, 2, 3, 7, 14, 30)
"""For how long a page offers to put a case aside."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What a page is given.

    Args:
        store: The case store.
        resolve: From a token in hex to what a person may read.
        wall_us: The clock on the wall, µs UTC: sessions and when something was recorded.
        now_us: The time by which cases age and acts are dated, µs UTC; another one where past data are looked at.
        is_secure: Whether browsers reach it by TLS only; cookies are then for TLS only.
        explain: Computes an alert again by its id; ``None`` where there is no history.
        records: Opens the recorded history; ``None`` where there is none.
        places: How much may be computed from the history at once.
        token_of: From a customer's identifier to its token in hex; ``None`` for one that is not known.
        sso: The bank's provider of identities; ``None`` where all users are local.
        live: The run that takes payments in this process; ``None`` where none does.
        verdict_seconds: How long who hands in a payment is kept waiting for its verdict.
        attempts: How often addresses have tried to come in of late.
        paces: How fast keys, persons and addresses may ask.
    """

    store: CaseStore
    resolve: Callable[[str], str]
    wall_us: Callable[[], int]
    now_us: Callable[[], int]
    is_secure: bool = True
    explain: Callable[[str], Explained] | None = None
    records: Callable[[], AbstractContextManager[Explainer]] | None = None
    places: Recomputing = field(default_factory=Recomputing)
    token_of: Callable[[str], str | None] = field(default=lambda _: None)
    attempts: Attempts = field(default_factory=Attempts)
    live: LiveRun | None = None
    sso: WayIn | None = None
    verdict_seconds: float = 10.0
    paces: Paces = field(default_factory=lambda: Paces(Limits()))


def wall_of(person: Person) -> Wall | None:
    """Behind which wall the person stands; ``None`` for who sees all reports."""
    return None if may(person.role, RESTRICTED) else Wall(person.name)


def sees(person: Person) -> Sees:
    """Which cases are there for a person."""
    return lambda case: may_see(case, name=person.name, role=person.role)


def actor(person: Person) -> Actor:
    """The person as the life cycle knows them. Who has no role in it may not move anything anyway."""
    return Actor(person.name, person.role if person.role in ROLES else "analyst")


def check_worker(store: CaseStore, name: str) -> None:
    """Raises :class:`PersonRefused` where nobody of this name works on cases."""
    with store.reading() as connection:
        if name not in {person.name for person in workers(connection)}:
            raise PersonRefused(f"user {name}: nobody of this name works on cases. Choose one of the list.")
