"""Programs that call the REST interface of a workbench, each with a key of its own."""

from dataclasses import dataclass, field

from fastapi.testclient import TestClient
from httpx import Response

from monitor.adapters.sql.api_keys import add_key
from monitor.adapters.sql.ledger import chain_entries
from monitor.adapters.sql.people import add_person
from monitor.casework.access import RIGHTS
from monitor.casework.scopes import RIGHT_OF, SCOPES
from tests.web.workbench import Workbench


def scopes_for(role: str, *, without: str = "approve") -> tuple[str, ...]:
    """All scopes that a role can use, but one of those that exclude each other."""
    return tuple(scope for scope in SCOPES if RIGHT_OF[scope] in RIGHTS[role] and scope != without)


@dataclass
class Robots:
    """Service persons of a workbench, made when they are needed."""

    bench: Workbench
    tokens: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, role: str, *scopes: str, days: int = 90) -> TestClient:
        """A new service person with one key."""
        now_us = self.bench.wall_us
        add_person(self.bench.store, name=name, full_name=name, role=role, password=None, by="test", now_us=now_us,
                   is_service=True)  # fmt: skip
        _, self.tokens[name] = add_key(
            self.bench.store, name=name, scopes=scopes or scopes_for(role), days=days, by="test", now_us=now_us
        )
        return self.client(name)

    def client(self, name: str) -> TestClient:
        """The program of a service person."""
        client = self.bench.client()
        client.headers["Authorization"] = f"Bearer {self.tokens[name]}"
        return client

    def actions(self) -> list[str]:
        """What stands in the journal of the interface."""
        with self.bench.store.reading() as connection:
            return [entry.action for entry in chain_entries(connection, "access:api")]


def fault(answer: Response) -> tuple[int, str]:
    """Status and kind of a problem, which is whole."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body = answer.json()
    assert body["status"] == answer.status_code
    for name in ("title", "detail", "instance", "place", "fact", "reason", "remedy"):
        assert body[name], (name, body)
    return answer.status_code, body["type"].removeprefix("urn:aml:problem:")
