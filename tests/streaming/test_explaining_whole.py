"""From payments to the page of an alert, with all kinds of workers; and the page without brokers and without Redis."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.servers.kafka import KafkaServer
from deploy.servers.redis import RedisServer
from monitor.adapters.leg_history import HistoryAbsent, history_folder, read_manifest
from monitor.adapters.sql.store import open_store
from tests.app.embedded_stores import ROOT, simulated
from tests.conftest import StartServer
from tests.streaming.history_cluster import until
from tests.streaming.whole_stream import LEGS, WholeStream

KINDS = ("intake", "score", "cases", "profiles", "history")
ASKED, ASKED_MAX = 4, 20
"""So many alerts are to come out the same, of at most so many asked for."""


def explain(stream: WholeStream, alert: str, *words: str) -> "subprocess.CompletedProcess[str]":
    env = stream.whole_env | {"COLUMNS": "120"}
    command = [sys.executable, "-m", "monitor", "explain", alert, *words]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)


def recorded(stream: WholeStream) -> list[int]:
    """Up to which offset each partition is recorded."""
    found = []
    for number in range(LEGS):
        try:
            found.append(read_manifest(history_folder(stream.settings.store.folder, "legs", number)).offset)
        except HistoryAbsent:
            found.append(0)
    return found


@pytest.mark.kafka
@pytest.mark.redis
def test_an_alert_of_the_stream_is_explained_when_the_brokers_are_gone(own_server: StartServer, tmp_path: Path):
    bank = simulated(tmp_path / "bank", customers=150, days=40, seed=11)
    broker, redis = own_server(KafkaServer), own_server(RedisServer)
    stream = WholeStream(bank, tmp_path, broker.bootstrap, redis.address, str(tmp_path / "cases.db"))
    stream.make_topics()
    try:
        for kind in KINDS:
            stream.start(kind)
        stream.aml("produce", str(bank.profiles), "--topic", "profiles", "--key", "customer")
        stream.aml("produce", str(bank.payments))
        stream.wait_until_done()
        until(lambda: recorded(stream) == stream.ends("legs"), f"not everything is recorded. {stream.said()}")
    finally:
        stream.close()
    broker.kill()
    redis.kill()
    with open_store(stream.database) as store:
        alerts = store.alert_ids("A-", limit=100_000)
    seed = random.randrange(1 << 32)
    print(f"seed {seed}, {len(alerts)} alerts")
    random.Random(seed).shuffle(alerts)
    same: list[str] = []
    for alert in alerts[:ASKED_MAX]:
        done = explain(stream, alert, "--json")
        body = json.loads(done.stdout)
        assert body["payments"]
        assert all(each["counterparty"] is None or len(each["counterparty"]) != 32 for each in body["payments"])
        assert body["alert"]["subject"]["id"].startswith(("C1", "A", "P")), body["alert"]["subject"]
        if body["lost"]:
            assert done.returncode == 2
            assert "follows money" in body["lost"][0], body["lost"]
            continue
        assert (done.returncode, body["recomputed"]) == (0, "same"), body["differences"]
        assert body["measures"]
        same.append(alert)
        if len(same) == ASKED:
            break
    assert len(same) == ASKED
    page = explain(stream, same[0])
    assert "Payments" in page.stdout
    lost = stream.settings.store.folder / "history" / "legs-0"
    of_it = next(each for each in alerts if partition_of(stream, each) == 0)
    (lost / "manifest.json").unlink()
    gone = explain(stream, of_it)
    assert gone.returncode == 2
    assert "aml worker history" in gone.stdout


def partition_of(stream: WholeStream, alert: str) -> int:
    with open_store(stream.database) as store:
        evidence = store.evidence(alert)
    assert evidence is not None
    return int(evidence["position"]) >> 40
