"""A version is deleted from Redis and comes back, while scoring workers are killed: each says what the log says."""

import signal
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, TopicPartition

from monitor.adapters.kafka.legs_log import kind_of
from monitor.adapters.kafka.missing_profiles import LATE, MISSING
from monitor.adapters.redis.profiles import ProfileStore, profile_key
from monitor.app.inputs import load_inputs
from monitor.app.settings import load_settings
from monitor.app.streaming.announced_profiles import AnnouncedProfiles
from monitor.app.streaming.given import given_inputs
from monitor.app.streaming.partition import LogRecord, Partition
from monitor.app.streaming.profile_batch import ProfileMessage, read_batch
from monitor.domain.alert import REEVALUATED, Alert
from tests.app.embedded_stores import simulated
from tests.streaming.late_versions import announcement
from tests.streaming.legs_stream import KEY, LegsStream
from tests.streaming.test_scoring_worker import INPUTS, Cluster, Log, cluster

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.slow(minutes=1)]

RULE = Path(__file__).with_name("late_rule")


def records_of(one: Cluster) -> list[LogRecord]:
    """All that partition 0 of the log holds."""
    reader = Consumer({**one.client, "group.id": uuid4().hex, "enable.partition.eof": "true", "log_level": "0"})
    reader.assign([TopicPartition(one.topics[0], 0, 0)])
    found: list[LogRecord] = []
    while True:
        message: Any = reader.poll(20)
        assert message is not None
        if message.error() is not None:
            reader.close()
            return found
        found.append(LogRecord(message.offset(), kind_of(message.headers()), message.value()))


def wait_until(holds: Any, seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.3)


def test_a_version_that_is_deleted_and_comes_back_is_judged_by_whoever_holds_the_partition(
    kafka_bootstrap: str, redis_url: str, tmp_path: Path
):
    source = simulated(tmp_path / "bank", customers=100, days=14, seed=51)
    env = {
        "AML_INPUTS_RATES": str(source.rates), "AML_INPUTS_ENTITIES": str(source.entities),
        "AML_INPUTS_RULES": str(RULE),
    }  # fmt: skip
    loaded = load_inputs(given_inputs(load_settings(INPUTS | env).inputs))
    payments = LegsStream.of(source.payments, loaded).records(rows=60)
    lines = source.profiles.read_bytes().splitlines()
    batch = read_batch([ProfileMessage(0, at, each) for at, each in enumerate(lines)], key=KEY)
    kept = ProfileStore(redis_url)
    kept.write(batch.versions)
    gone = {profile_key(each.customer, each.version): each.value for each in batch.versions[::2]}
    kept._redis.delete(*gone)
    half = len(payments) // 2
    log = Log([[], [], [], []], loaded, env)
    more = {"AML_REDIS_URL": redis_url, "AML_WORKER_PROFILE_WAIT_SECONDS": "0.5", "AML_TEST_PROFILES": "redis"}
    with cluster(kafka_bootstrap, tmp_path, log) as one:
        one.env |= more
        one.start()
        one.produce(0, [announcement(batch.versions), *payments[:half]])
        wait_until(lambda: any(each.kind == MISSING for each in records_of(one)))
        wait_until(one.alerts)
        one.stop(one.workers[0], signal.SIGKILL)
        one.start()
        for key, value in gone.items():
            kept._redis.set(key, value)
        wait_until(lambda: any(each.kind == LATE for each in records_of(one)))
        one.stop(one.workers[0], signal.SIGKILL)
        one.start()
        one.produce(0, payments[half:])
        records = records_of(one)
        assert len([each for each in records if each.kind == LATE]) >= 1

        def undisturbed() -> dict[str, Alert]:
            """What a partition raises over the recorded log, with all versions there."""
            part = Partition(0, 4, loaded, KEY, lambda tokens: AnnouncedProfiles(kept, tokens, wait_seconds=0))
            recorded = records_of(one)
            for record in recorded:
                if record.kind == MISSING:
                    part.go_without(record.value)
            found = part.step(recorded)
            assert (found.blocked, found.damaged, found.missing) == (None, [], [])
            return {each.alert_id: each for each in found.alerts}

        wanted = undisturbed()
        again = [each for each in wanted.values() if REEVALUATED in each.marks]
        assert len(again) > 3
        one.wait_for(wanted)
        assert undisturbed() == wanted
    kept.close()
