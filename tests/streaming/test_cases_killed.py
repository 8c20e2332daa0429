"""Casework workers die, join and leave, and their database goes away; nothing is lost and nothing is there twice."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.servers.postgres import PostgresServer
from tests.conftest import StartServer
from tests.streaming.alert_stream import Sent, sent, undisturbed, without_inputs
from tests.streaming.cases_cluster import Child, Cluster, database, ended, until
from tests.streaming.conftest import Bank

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture
def children() -> Iterator[list[Child]]:
    """Workers that a test has started; those that it leaves are ended."""
    started: list[Child] = []
    yield started
    ended(started)


def seeded() -> random.Random:
    """A random source whose seed stands in the output of a test that fails."""
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    return random.Random(seed)


def check(cluster: Cluster, records: list[Sent], bank: Bank, folder: Path) -> None:
    """The store is that of an undisturbed run, and every record is counted once."""
    assert without_inputs(cluster.fingerprint()) == undisturbed(folder / "undisturbed.db", records, bank.loaded)
    counts = cluster.counters()
    assert counts["records"] == len(records)
    assert counts["alerts_new"] + counts["alerts_quiet"] == sum(map(len, bank.steps))


@pytest.mark.parametrize(("kind", "kills"), [("postgres", 12), ("sqlite", 4)])
def test_killed_at_random_moments_nothing_is_lost_or_twice(
    bank: Bank, kafka_bootstrap: str, postgres_url: str, tmp_path: Path, children: list[Child], kind: str, kills: int
):
    rng = seeded()
    records = sent(bank.steps, rng)
    with database(postgres_url) as place:
        cluster = Cluster(
            kafka_bootstrap, place if kind == "postgres" else str(tmp_path / "cases.db"), bank.inputs, tmp_path
        )
        cluster.produce(records)
        within = 0
        for kill in range(kills):
            child = cluster.start(records_max=1, instance="one")
            children.append(child)
            if kill % 4:
                child.wait_for("Ready: ")
                wanted = cluster.records_done() + rng.randrange(len(records) // kills)
                until(lambda least=wanted: cluster.records_done() >= least, "it does not go on")  # type: ignore[misc]
            time.sleep(rng.random() / 10)
            child.kill()
            within += 0 < cluster.records_done() < len(records)
        assert within >= kills // 2
        children.append(last := cluster.start(instance="one"))
        until(cluster.is_done, "the topic is not read to its end")
        last.terminate()
        check(cluster, records, bank, tmp_path)


def test_workers_join_leave_and_die(
    bank: Bank, kafka_bootstrap: str, postgres_url: str, tmp_path: Path, children: list[Child]
):
    rng = seeded()
    records = sent(bank.steps, rng)
    with database(postgres_url) as place:
        cluster = Cluster(kafka_bootstrap, place, bank.inputs, tmp_path)

        def some_more() -> None:
            fifth = -(-len(records) // 5)
            begin = sum(cluster.sent)
            cluster.produce(records[begin : begin + fifth])

        children.append(first := cluster.start())
        some_more()
        first.wait_for("Ready: alerts-0, alerts-1, alerts-2, alerts-3.")
        children.append(second := cluster.start())
        some_more()
        second.wait_for("Ready: alerts-")
        first.terminate()
        some_more()
        second.wait_for("Ready: alerts-0, alerts-1, alerts-2, alerts-3.")
        children.append(third := cluster.start())
        third.wait_for("Ready: alerts-")
        some_more()
        second.kill()
        some_more()
        third.wait_for("Ready: alerts-0, alerts-1, alerts-2, alerts-3.")
        until(cluster.is_done, "the topic is not read to its end")
        third.terminate()
        check(cluster, records, bank, tmp_path)


def test_without_its_database_a_worker_waits_and_goes_on_by_itself(
    bank: Bank, kafka_bootstrap: str, own_server: StartServer, tmp_path: Path, children: list[Child]
):
    rng = seeded()
    records = sent(bank.steps, rng)
    server = own_server(PostgresServer)
    cluster = Cluster(kafka_bootstrap, server.address, bank.inputs, tmp_path)
    third = len(records) // 3
    cluster.produce(records[:third])
    child = cluster.start(records_max=1)
    children.append(child)
    child.wait_for("Ready: ")
    until(lambda: cluster.records_done() >= third // 2, "it does not begin")
    server.kill()
    child.wait_for("Not ready: alerts-")
    cluster.produce(records[third : 2 * third])
    server.restart()
    child.wait_for("Ready: ")
    server.stop()
    cluster.produce(records[2 * third :])
    child.wait_for("Not ready: alerts-")
    server.restart()
    until(cluster.is_done, "the topic is not read to its end")
    child.terminate()
    check(cluster, records, bank, tmp_path)


def test_a_worker_that_begins_before_its_database_waits_for_it(
    bank: Bank, kafka_bootstrap: str, own_server: StartServer, tmp_path: Path, children: list[Child]
):
    server = own_server(PostgresServer)
    server.stop()
    cluster = Cluster(kafka_bootstrap, server.address, bank.inputs, tmp_path)
    records = sent(bank.steps[:5], seeded())
    cluster.produce(records)
    child = cluster.start()
    children.append(child)
    child.wait_for("Not ready: postgresql")
    server.restart()
    until(cluster.is_done, "the topic is not read to its end")
    assert "Traceback" not in child.terminate()
