"""Alerts that come again, and otherwise cut, are stored once and in the order of the log."""

import random
from pathlib import Path

import pytest

from monitor.adapters.kafka.alert_records import encode
from monitor.adapters.sql.store import open_store
from tests.streaming.alert_stream import Sent, sent, undisturbed, without_inputs
from tests.streaming.cases_cluster import Cluster, until
from tests.streaming.conftest import Bank

pytestmark = pytest.mark.kafka


def test_alerts_that_come_again_and_otherwise_cut_are_stored_once(bank: Bank, kafka_bootstrap: str, tmp_path: Path):
    records = sent(bank.steps, random.Random(5))
    cluster = Cluster(kafka_bootstrap, str(tmp_path / "cases.db"), bank.inputs, tmp_path)
    cluster.produce(records)
    with cluster.worker() as told:
        until(cluster.is_done, "the topic is not read to its end")
        until(lambda: told.is_ready, "it is not ready")
        until(lambda: told.metric("aml_alerts_known_total") > 50, "it does not count repeats")
        until(lambda: cluster.offsets_in_kafka() == cluster.sent, "the group shows a lag")
    expected = undisturbed(tmp_path / "undisturbed.db", records, bank.loaded)
    assert without_inputs(cluster.fingerprint()) == expected
    counts = cluster.counters()
    alerts = sum(map(len, bank.steps))
    assert sum(counts[name] for name in ("alerts_new", "alerts_quiet")) == alerts
    assert counts["alerts_repeated"] > 50
    assert counts["records"] == len(records)


def test_cases_are_those_of_the_embedded_run(bank: Bank, kafka_bootstrap: str, tmp_path: Path):
    cluster = Cluster(kafka_bootstrap, str(tmp_path / "cases.db"), bank.inputs, tmp_path, partitions=1)
    cluster.produce(Sent(0, encode(step)) for step in bank.judged)
    with cluster.worker():
        until(cluster.is_done, "the topic is not read to its end")
    with open_store(bank.embedded) as store:
        embedded, streaming = store.fingerprint(), cluster.fingerprint()
    for table in ("cases", "case_alerts", "obligation_revisions", "journal"):
        assert streaming[table] == embedded[table], table
    assert cluster.counters()["obligations_met"] > 0
