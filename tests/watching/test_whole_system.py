"""A real Prometheus beside a system that runs: every expression of every panel, record and alert has data.

Brokers, Redis, PostgreSQL and one worker of each kind are started, and a simulated bank goes through them. What is
silent while all is well is driven: a payment, a profile, a chunk and a record of alerts that cannot be read, and a
control total of yesterday. What is done once must rise between two looks of Prometheus: profiles, which are read
when they are announced, come after its first, and a second scoring worker comes and leaves, so that the first restores
what it gave away.
"""

import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path

import pytest
from confluent_kafka import Producer

from deploy.servers.kafka import KafkaServer
from deploy.servers.redis import RedisServer
from deploy.servers.server import free_ports
from tests.app.embedded_stores import simulated
from tests.conftest import StartServer
from tests.streaming.cases_cluster import database
from tests.streaming.whole_stream import WholeStream, parts
from tests.watching.asked import RememberingPrometheus, config_for, expressions, has_number, over_days

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.redis,
    pytest.mark.postgres,
    pytest.mark.prometheus,
    pytest.mark.slow(minutes=5),
]

LIMIT_SECONDS = 900
PARTS, PAUSE_SECONDS = 30, 3.0
"""The payments come in so many parts, with a pause behind each, so that figures rise while they are looked at."""
POISON = {"transactions": b"this is no payment", "profiles": b"no profile", "legs": b"no chunk", "alerts": b"no alerts"}
KINDS = ("intake", "score", "cases", "profiles", "history")
MORE = {"AML_INPUTS_MODELS": "live", "AML_WORKER_FEEDS": "payments=3600"}


def produce(producer: Producer, payments: bytes) -> None:
    """Payments, and a record that cannot be read into each topic that workers read."""
    for line in payments.splitlines():
        producer.produce("transactions", line)
    for topic, value in POISON.items():
        producer.produce(topic, value, b"key", partition=0, headers=[("kind", b"payments"), ("format", b"1")])
    assert producer.flush(60) == 0


def wait_until(started: WholeStream, is_so: Callable[[], bool]) -> None:
    """Wait while all workers live."""
    until = time.monotonic() + LIMIT_SECONDS
    while not is_so():
        assert time.monotonic() < until, started.said()
        assert all(worker.poll() is None for _, worker in started.workers), started.said()
        time.sleep(0.5)


@pytest.fixture
def stream(own_server: StartServer, postgres_url: str, tmp_path: Path) -> Iterator[tuple[WholeStream, dict[str, int]]]:
    """All workers on servers of their own, and the port of each kind."""
    bank = simulated(tmp_path / "bank", customers=500, days=42, seed=71)
    broker, redis = own_server(KafkaServer), own_server(RedisServer)
    ports = dict(zip(KINDS, free_ports(len(KINDS)), strict=True))
    with database(postgres_url) as cases:
        started = WholeStream(bank, tmp_path, broker.bootstrap, redis.address, cases)
        started.make_topics()
        try:
            for kind in KINDS:
                started.start(kind, AML_WORKER_PORT=str(ports[kind]), **MORE)
            yield started, ports
        finally:
            started.close()


def test_every_expression_has_data_beside_a_system_that_runs(
    stream: tuple[WholeStream, dict[str, int]], own_server: StartServer, tmp_path: Path
):
    started, ports = stream
    missing = expressions()
    assert len(missing) > 150
    prometheus = own_server(RememberingPrometheus, config_for(ports, tmp_path), over_days("AML-STR-001"))
    is_ready = f"sum(up) == {len(KINDS)} and on () (aml_worker_ready{{worker='score'}} == 1)"
    wait_until(started, lambda: has_number(prometheus, is_ready))
    started.aml("produce", str(started.source.profiles), "--topic", "profiles", "--key", "customer")
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date()
    stated = tmp_path / "totals.csv"
    stated.write_text(f"feed,day,currency,count,sum_minor\npayments,{yesterday},EUR,3,100\n")
    started.aml("totals", "load", str(stated), "--db", started.database)
    said = started.folder / "score.log"
    restored = said.read_text().count('"state_restored"')
    started.start("score", **MORE)
    wait_until(started, lambda: said.read_text().count('"state_restored"') > restored)
    started.kill(len(KINDS), signal.SIGTERM)
    until = time.monotonic() + LIMIT_SECONDS
    producer = Producer({"bootstrap.servers": started.bootstrap, "acks": "all", "log_level": "0"})
    for payments in cycle(parts(started.source.payments, PARTS)):
        produce(producer, payments)
        time.sleep(PAUSE_SECONDS)
        missing = {of: asked for of, asked in missing.items() if not has_number(prometheus, asked)}
        if not missing or time.monotonic() > until:
            break
        assert all(worker.poll() is None for _, worker in started.workers), started.said()
    assert missing == {}, started.said()
