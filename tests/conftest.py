"""What every test shares: the profile of hypothesis, the servers, and one line that says what was skipped.

A server is started once for each worker of pytest-xdist, when its first test asks for it, so workers share nothing. It
may be one that the environment names and others use: take topics, keys and databases with names of your own. Tests that
start servers bear the mark of each kind. With ``AML_REQUIRE_SERVERS=1`` a missing server fails the test; elsewhere the
test is skipped.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import ParamSpec, Protocol, TypeVar

import pytest
from hypothesis import settings

from deploy.servers import prometheus
from deploy.servers.kafka import KafkaServer
from deploy.servers.postgres import PostgresServer
from deploy.servers.redis import RedisServer
from deploy.servers.s3 import S3Server
from deploy.servers.server import MissingServer, Server, address_of

settings.register_profile("ci", print_blob=True, deadline=None)
settings.register_profile("here", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "here")

S = TypeVar("S", bound=Server)
P = ParamSpec("P")


class StartServer(Protocol):
    """Starts a server of the given kind, made with these arguments."""

    def __call__(self, kind: Callable[P, S], *args: P.args, **kwargs: P.kwargs) -> S: ...


@contextmanager
def needed() -> Iterator[None]:
    """A server that is missing inside the block fails or skips the test."""
    try:
        yield
    except MissingServer as missing:
        if os.environ.get("AML_REQUIRE_SERVERS") == "1":
            pytest.fail(f"AML_REQUIRE_SERVERS=1, and {missing}", pytrace=False)
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def kafka_bootstrap() -> Iterator[str]:
    """The address of a Kafka broker."""
    with needed(), address_of(KafkaServer) as address:
        yield address


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The URL of a Redis server."""
    with needed(), address_of(RedisServer) as address:
        yield address


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a PostgreSQL server, whose user may create databases."""
    with needed(), address_of(PostgresServer) as address:
        yield address


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The URL of an object store with the API of S3, which takes any credentials; make buckets of your own."""
    with needed(), address_of(S3Server) as address:
        yield address


@pytest.fixture
def own_server() -> Iterator[StartServer]:
    """Starts servers that this test alone has, and may kill: ``own_server(RedisServer, users=...)``."""
    with ExitStack() as running:

        def start(kind: Callable[P, S], *args: P.args, **kwargs: P.kwargs) -> S:
            with needed():
                return running.enter_context(kind(*args, **kwargs))

        yield start


@pytest.fixture
def promtool() -> str:
    """The path of promtool."""
    with needed():
        return prometheus.promtool()


_SERVERS = ("kafka", "postgres", "prometheus", "browser")


def _minutes(item: pytest.Item) -> float:
    """About how long a test takes on a slow machine: what its mark says, ``slow(minutes=3)``, or what is usual."""
    slow = item.get_closest_marker("slow")
    if slow is not None:
        return float(slow.kwargs.get("minutes", 0.3))
    return 0.05 if any(item.get_closest_marker(mark) for mark in _SERVERS) else 0.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The file that takes longest first: none is left over at the end for one worker."""
    minutes: dict[Path, float] = defaultdict(float)
    for item in items:
        minutes[item.path] += _minutes(item)
    items.sort(key=lambda item: -minutes[item.path])


class _FailuresAtOnce:
    """Says what failed when it fails: a run that is ended before its end has said it then."""

    def __init__(self, reporter: pytest.TerminalReporter) -> None:
        self._reporter = reporter

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._reporter.write_line(f"\nfailed: {report.nodeid}\n{report.longreprtext[-2_000:]}")


def pytest_sessionstart(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and not hasattr(session.config, "workerinput"):
        session.config.pluginmanager.register(_FailuresAtOnce(reporter))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was left out and why, in one line."""
    reasons: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        place = report.longrepr
        reasons[str(place[2]).removeprefix("Skipped: ") if isinstance(place, tuple) else str(place)] += 1
    if reasons:
        each = "; ".join(f"{tests} x {reason}" for reason, tests in sorted(reasons.items()))
        terminalreporter.write_line(f"skipped {reasons.total()}: {each}")
