"""A workbench over a store with cases and a user of every role, for tests that ask it as a browser does."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from fastapi.testclient import TestClient
from httpx import Response

from monitor.adapters.sql.people import add_person
from monitor.adapters.sql.queue import QueueFilter, list_cases
from monitor.adapters.sql.store import CaseStore, open_store
from monitor.app.explaining import Explained, Explainer
from monitor.casework.access import RIGHTS
from monitor.casework.position import RunPosition
from monitor.domain.case import CASE_STATES, Case
from monitor.domain.time import HOUR_US
from monitor.web.app import make_app
from monitor.web.desk import Desk
from tests.casework.alert_building import START_US, stored

PASSWORD = "correct horse battery"
ROLES = tuple(RIGHTS)


@dataclass
class Workbench:
    """The application with clocks that a test sets."""

    store: CaseStore
    now_us: int = START_US + HOUR_US
    wall_us: int = START_US + HOUR_US
    explain: Callable[[str], Explained] | None = None
    records: Callable[[], AbstractContextManager[Explainer]] | None = None
    is_secure: bool = True
    clients: dict[str, TestClient] = field(default_factory=dict)

    def __post_init__(self) -> None:
        desk = Desk(self.store, lambda token: f"K-{token[:6]}", lambda: self.wall_us, lambda: self.now_us)
        self.app = make_app(replace(desk, explain=self.explain, records=self.records, is_secure=self.is_secure))

    def client(self) -> TestClient:
        """A browser that nobody has used."""
        return TestClient(self.app, base_url="https://aml.test", follow_redirects=False)

    def signed_in(self, name: str) -> TestClient:
        """The browser of a person; the same for each call."""
        if name not in self.clients:
            client = self.client()
            answer = client.post("/sign-in", data={"name": name, "password": PASSWORD})
            assert answer.status_code == 303, answer.text
            self.clients[name] = client
        return self.clients[name]

    def post(self, who: str, place: str, /, **fields: object) -> Response:
        """What a form of a page sends."""
        client = self.signed_in(who)
        return client.post(place, data={"csrf": csrf_of(client), **fields})

    def cases(self) -> list[Case]:
        """All cases, the most pressing first."""
        with self.store.reading() as connection:
            wanted = QueueFilter(states=CASE_STATES)
            return [row.case for row in list_cases(connection, wanted, now_us=self.now_us, viewer="")]


def csrf_of(client: TestClient) -> str:
    """The token that stands in the pages of a session."""
    found = re.search(r'X-CSRF-Token": "([0-9a-f]{64})"', client.get("/about").text)
    assert found is not None
    return found[1]


@cache
def with_people() -> bytes:
    """A store with a user for each role, whose name is the role's; made once, since good hashes take long."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "people.db"
        with open_store(path, create=True) as store:
            for role in ROLES:
                add_person(
                    store, name=role, full_name=role.title(), role=role, password=PASSWORD, by="test", now_us=START_US
                )
        return path.read_bytes()


@contextmanager
def workbench(folder: Path, cases: int = 3) -> Iterator[Workbench]:
    """One with so many cases, and a user for each role."""
    (folder / "bank.db").write_bytes(with_people())
    with open_store(folder / "bank.db") as store:
        severities = ("medium", "high", "low", "critical")
        alerts = [stored(n, customer=f"customer {n}", severity=severities[n % 4]) for n in range(cases)]
        store.commit_batch(alerts, RunPosition("r", 0, 0, cases, 0), recorded_at_us=5)
        yield Workbench(store)
