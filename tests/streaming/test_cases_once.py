"""Alerts that come again, and otherwise cut, are stored once and in the order of the log."""

import random
from pathlib import Path

import pytest

from tests.streaming.alert_stream import sent, undisturbed, without_inputs
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
