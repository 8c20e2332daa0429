"""A casework worker among brokers and databases: what it refuses, what it waits for, what it says."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient  # type: ignore[attr-defined]
from msgspec.structs import replace
from typer.testing import CliRunner

from deploy.servers.kafka import KafkaServer
from monitor.adapters.kafka.alert_records import encode
from monitor.adapters.kafka.topics import KafkaError, Topic, TopicAdmin
from monitor.adapters.sql.store import open_store
from monitor.app.settings import Settings
from monitor.app.streaming import cases
from monitor.app.streaming.cases import CasesWorker
from monitor.app.streaming.cases_group import Group
from monitor.casework.position import RunPosition
from monitor.cli import app
from tests.casework.alert_building import alert
from tests.conftest import StartServer
from tests.streaming.alert_stream import Sent
from tests.streaming.cases_cluster import ROOT, Cluster, database, until

pytestmark = pytest.mark.kafka

GOOD = [Sent(n % 2, encode([alert(n, customer=f"c{n % 2}")])) for n in range(6)]


def cluster_at(bootstrap: str, place: str, folder: Path) -> Cluster:
    return Cluster(bootstrap, place, {}, folder, partitions=2)


def test_a_record_that_cannot_be_read_is_refused_and_the_rest_goes_on(kafka_bootstrap: str, tmp_path: Path):
    cluster = cluster_at(kafka_bootstrap, str(tmp_path / "cases.db"), tmp_path)
    damaged = bytearray(GOOD[2].value)
    damaged[-1] ^= 1
    poison = [Sent(0, b'{"alert": 1}'), Sent(0, bytes(damaged)), Sent(1, b"")]
    cluster.produce([*GOOD[:2], *poison, *GOOD[2:]])
    with cluster.worker() as told:
        until(cluster.is_done, "the topic is not read to its end")
        until(lambda: told.is_ready, "it is not ready")
        until(lambda: told.metric('aml_lag_records{partition="0",worker="cases"}') == 0.0, "it shows no lag")
        assert told.metric('aml_quarantined_total{worker="cases"}') == 3
        assert told.metric('aml_refused_total{reason="alert_unreadable"}') == 3
        assert told.metric("aml_alerts_stored_total") == 6
        assert told.metric('aml_delay_seconds_count{clock="broker",worker="cases"}') == 9
        assert told.metric('aml_delay_seconds_count{clock="wall",worker="cases"}') == 9
        assert told.metric('aml_delay_seconds_count{clock="event",worker="cases"}') == 6
        assert told.metric('aml_alerts_total{rule="AML-STR-001",status="new"}') == 6
        assert told.metric("aml_store_readable") == 1
    counts = cluster.counters()
    assert (counts["alerts_new"], counts["refused"], counts["refused:alert_unreadable"]) == (6, 3, 3)
    found = {}
    for message in cluster.refused(3):
        headers = {name: value.decode() for name, value in dict(message.headers() or {}).items()}
        assert (headers["kind"], headers["format"], headers["reason"]) == ("refused", "1", "alert_unreadable")
        assert headers["topic"] == f"{cluster.name}-alerts"
        found[int(headers["partition"]), int(headers["offset"])] = message.value() or b"", headers["detail"]
    assert {place: value for place, (value, _) in found.items()} == {
        (0, 1): poison[0].value, (0, 2): poison[1].value, (1, 1): b"",
    }  # fmt: skip
    assert "another format" in found[0, 1][1]
    assert "is damaged" in found[0, 2][1]
    assert any(line.startswith("alerts-0: record 1 is refused (alert_unreadable): it begins") for line in told.lines)


@pytest.mark.postgres
def test_an_alert_that_the_database_does_not_take_is_refused_alone(
    kafka_bootstrap: str, postgres_url: str, tmp_path: Path
):
    with database(postgres_url) as place:
        cluster = cluster_at(kafka_bootstrap, place, tmp_path)
        spoilt = Sent(0, encode([alert(20), alert(21, customer="bob", booking_entity="A\x00B")]))
        cluster.produce([*GOOD[:3], spoilt, *GOOD[3:]])
        with cluster.worker():
            until(cluster.is_done, "the topic is not read to its end")
        counts = cluster.counters()
        assert (counts["alerts_new"], counts["refused:alert_unstorable"], counts["records"]) == (6, 1, 7)
        (message,) = cluster.refused(1)
        assert message.value() == spoilt.value
        assert "NUL" in dict(message.headers() or {})["detail"].decode()
        with open_store(place) as store:
            assert store.verify().findings == ()


def test_a_run_that_another_process_holds_is_waited_for(kafka_bootstrap: str, tmp_path: Path):
    cluster = cluster_at(kafka_bootstrap, str(tmp_path / "cases.db"), tmp_path)
    cluster.produce(GOOD)
    with open_store(cluster.place, create=True) as dying:
        dying.claim_run("alerts-1")
        with cluster.worker() as told:
            until(lambda: cluster.records_done() == 3, "the free partition is not read")
            until(
                lambda: any("is already writing the run 'alerts-1'" in line for line in told.lines), "it says nothing"
            )
            assert not told.is_ready
            assert told.metric('aml_partition_paused{partition="1",worker="cases"}') == 1
            assert told.metric('aml_partition_paused{partition="0",worker="cases"}') == 0
            dying.give_up_run("alerts-1")
            until(cluster.is_done, "the topic is not read to its end")
            until(lambda: told.is_ready, "it is not ready")
    assert told.reason == "it has stopped"


def test_a_store_that_another_has_written_meanwhile_is_read_anew(kafka_bootstrap: str, tmp_path: Path):
    cluster = cluster_at(kafka_bootstrap, str(tmp_path / "cases.db"), tmp_path)
    cluster.produce(GOOD[:2])
    with cluster.worker() as told:
        until(cluster.is_done, "the topic is not read to its end")
        with open_store(cluster.place) as other:
            other.commit_batch([], RunPosition("alerts-0", 0, 2, 2, 0), recorded_at_us=1, expected=1)
        cluster.produce(GOOD[2:])
        until(cluster.is_done, "the topic is not read to its end")
        until(lambda: any("stands at 2 and not at 1" in line for line in told.lines), "it says nothing")
    with open_store(cluster.place) as store:
        assert not store.known_alerts([alert(2, customer="c0").alert_id])  # offset 1 of the first partition
        assert store.known_alerts([alert(4, customer="c0").alert_id])


def test_a_database_that_is_slow_shows_and_nothing_is_lost(
    kafka_bootstrap: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(cases, "PATIENCE_SECONDS", 0.2)
    cluster = cluster_at(kafka_bootstrap, str(tmp_path / "cases.db"), tmp_path)
    with cluster.worker() as told, open_store(cluster.place, create=True) as other:
        until(lambda: told.is_ready, "it is not ready")
        with other.writing():
            cluster.produce(GOOD)
            until(lambda: told.reason == "the database has not answered for 0.2 s", "it says nothing")
        until(cluster.is_done, "the topic is not read to its end")
        until(lambda: told.is_ready, "it is not ready again")
    assert cluster.counters()["alerts_new"] == len(GOOD)


@pytest.mark.slow
def test_without_brokers_a_worker_is_not_ready_and_goes_on_when_they_are_back(own_server: StartServer, tmp_path: Path):
    broker = own_server(KafkaServer)
    cluster = cluster_at(broker.bootstrap, str(tmp_path / "cases.db"), tmp_path)
    cluster.produce(GOOD[:3])
    with cluster.worker() as told:
        until(cluster.is_done, "the topic is not read to its end")
        broker.kill()
        until(lambda: "no broker answers" in told.reason, "it says nothing")
        broker.restart()
        until(lambda: told.is_ready, "it is not ready again")
        cluster.produce(GOOD[3:])
        until(cluster.is_done, "the topic is not read to its end")
    assert cluster.counters()["alerts_new"] == len(GOOD)


def test_a_topic_that_was_made_anew_is_not_read(kafka_bootstrap: str, tmp_path: Path):
    cluster = cluster_at(kafka_bootstrap, str(tmp_path / "cases.db"), tmp_path)
    with open_store(cluster.place, create=True) as store:
        store.commit_batch([], RunPosition("alerts-0", 0, 9, 9, 0), recorded_at_us=1)
    worker = CasesWorker(Settings.model_validate(cluster.settings), group=Group(**cluster.group()))
    with pytest.raises(KafkaError, match="partition 0 ends at 0, and the store has read it to 9"):
        worker.run()


def test_a_topic_that_is_not_there_is_named(kafka_bootstrap: str, tmp_path: Path):
    cluster = cluster_at(kafka_bootstrap, str(tmp_path / "cases.db"), tmp_path)
    group = Group(**cluster.group(alerts=f"{cluster.name}-nowhere"))
    with pytest.raises(KafkaError, match=r"-nowhere: .*Make it:  aml topics create"):
        CasesWorker(Settings.model_validate(cluster.settings), group=group).run()


def test_records_that_retention_took_are_told_and_the_rest_is_read(kafka_bootstrap: str, tmp_path: Path):
    cluster = cluster_at(kafka_bootstrap, str(tmp_path / "cases.db"), tmp_path)
    cluster.produce(GOOD)
    gone = TopicPartition(f"{cluster.name}-alerts", 0, 2)
    admin = AdminClient(cluster.client)
    admin.delete_records([gone])[gone].result(30)
    with cluster.worker() as told:
        until(cluster.is_done, "the topic is not read to its end")
    assert cluster.counters()["records_gone"] == 2
    assert any("records 0 to 1 are gone from the topic" in line for line in told.lines)


@pytest.mark.postgres
def test_the_command_takes_alerts_and_the_queue_shows_their_cases(
    own_server: StartServer, postgres_url: str, tmp_path: Path
):
    broker = own_server(KafkaServer)
    TopicAdmin({"bootstrap.servers": broker.bootstrap}).create(
        {"alerts": Topic(partitions=2, purpose="x"), "refused": Topic(partitions=1, purpose="x")}, replication=1
    )
    with database(postgres_url) as place:
        cluster = cluster_at(broker.bootstrap, place, tmp_path)
        cluster.name = ""
        producer = Producer(cluster.client)
        for each in GOOD:
            producer.produce("alerts", each.value, partition=each.partition)
        producer.flush(30)
        cluster.sent = [3, 3]
        env = os.environ | {"AML_KAFKA_BOOTSTRAP": broker.bootstrap, "AML_DATABASE_URL": place, "AML_WORKER_PORT": "0"}
        command = [sys.executable, "-m", "monitor", "worker", "cases", "--instance", uuid4().hex]
        worker = subprocess.Popen(command, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True)
        try:
            until(cluster.is_done, "the topic is not read to its end")
            worker.send_signal(signal.SIGTERM)
            said = worker.communicate(timeout=60)[1]
            assert (worker.returncode, '"event": "ready"' in said) == (0, True), said
        finally:
            worker.kill()
        listed = CliRunner().invoke(app, ["cases", "list", "--db", place], env={"COLUMNS": "160"})
        assert listed.exit_code == 0, listed.output
        for customer in ("c0", "c1"):
            assert alert(customer=customer).subject.token[:8] in listed.output


def test_wrong_settings_end_the_command_with_a_message(tmp_path: Path):
    (tmp_path / "aml.yaml").write_text("worker: {port: 0}\ndatabase: {url: nowhere/at/all.db}\n")
    done = CliRunner().invoke(app, ["worker", "cases", "--settings", str(tmp_path / "aml.yaml")])
    assert (done.exit_code, "does not exist. Create it first." in done.output) == (2, True), done.output


def test_scores_are_kept_to_the_last_bit(kafka_bootstrap: str, tmp_path: Path):
    cluster = cluster_at(kafka_bootstrap, str(tmp_path / "cases.db"), tmp_path)
    exact = replace(alert(1), score=0.1 + 0.2)
    cluster.produce([Sent(0, encode([exact]))])
    with cluster.worker():
        until(cluster.is_done, "the topic is not read to its end")
    with open_store(cluster.place) as store:
        evidence = store.evidence(exact.alert_id)
        assert evidence is not None
        assert evidence["score"] == 0.1 + 0.2
