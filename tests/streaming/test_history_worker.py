"""The history worker at a real broker: killed, joined and waiting, it records the log once and in order."""

import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.servers.redis import RedisServer
from deploy.servers.server import free_ports
from monitor.adapters.identity_files import KnownIdentities
from monitor.adapters.kafka import identity_records
from monitor.adapters.leg_history import history_folder
from monitor.adapters.redis.profiles import NewVersion, ProfileStore
from monitor.adapters.redis.stored_profile import decode
from tests.app.rough_bank import rough_bank
from tests.conftest import StartServer
from tests.streaming.history_cluster import HistoryCluster, contents, until
from tests.streaming.recorded_logs import RecordedBank, of_rough

pytestmark = [pytest.mark.kafka, pytest.mark.redis]

PARTITIONS, KILLS = 3, 12


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> RecordedBank:
    """The logs of a rough bank in three partitions, many small records, recorded in this process."""
    folder = tmp_path_factory.mktemp("rough")
    source = rough_bank(folder, seed=5, count=400)
    made = of_rough(tmp_path_factory.mktemp("logs"), source.folder, source.inputs, partitions=PARTITIONS)
    made.rows = 4
    made.judge()
    made.record()
    return made


def fill(redis: str, bank: RecordedBank) -> None:
    """Put the profile versions of a bank into Redis."""
    kept = ProfileStore(redis)
    found = [decode(value) for value in bank.kept.values.values()]
    kept.write([
        NewVersion(each.customer, each.version, each.recorded_at_us, value)
        for each, value in zip(found, bank.kept.values.values(), strict=True)
    ])  # fmt: skip
    kept.close()


@pytest.fixture
def cluster(kafka_bootstrap: str, own_server: StartServer, tmp_path: Path) -> Iterator[HistoryCluster]:
    made = HistoryCluster(kafka_bootstrap, own_server(RedisServer).address, tmp_path, PARTITIONS)
    made.make_topics()
    yield made
    made.close()


def wanted(bank: RecordedBank, number: int) -> dict[str, object]:
    return contents(history_folder(bank.store, "legs", number))


def test_killed_at_random_moments_every_record_is_in_the_history_once(cluster: HistoryCluster, bank: RecordedBank):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    fill(cluster.redis, bank)
    cluster.start()
    cluster.start()
    done = [0] * PARTITIONS
    for round_ in range(KILLS):
        for number, log in enumerate(bank.logs):
            stop = len(log) * (round_ + 1) // KILLS
            cluster.produce(number, log[done[number] : stop])
            done[number] = stop
        time.sleep(rng.uniform(0.0, 1.5))
        cluster.stop(rng.choice(cluster.workers), rng.choice([signal.SIGKILL] * 3 + [signal.SIGTERM]))
        cluster.start()
    until(cluster.is_done, "not everything is recorded")
    for worker in list(cluster.workers):
        cluster.stop(worker, signal.SIGTERM)
        assert worker.returncode in (0, -signal.SIGTERM)  # One that has just been started does not listen yet.
    for number in range(PARTITIONS):
        assert contents(cluster.history(number)) == wanted(bank, number)


def test_identifiers_are_kept_once_and_found_by_token(cluster: HistoryCluster, bank: RecordedBank):
    identifiers = bank.stream.identifiers
    records = list(identity_records.encode(identifiers, 0))
    cluster.start()
    for _ in range(2):  # An intake worker that starts anew sends all again.
        cluster.produce_identities(records)
    known = KnownIdentities(cluster.store)
    last = records[-1][0]

    def is_there() -> bool:
        return KnownIdentities(cluster.store).find(last) is not None

    until(is_there, "the identifiers are not there")
    known = KnownIdentities(cluster.store)
    for code, (token, _) in enumerate(records):
        assert known.find(token) == (identifiers.kind(code), identifiers.text(code))
    assert known.find(b"\0" * 16) is None


def test_while_redis_is_away_the_partition_waits_and_then_records_what_versions_hold(
    cluster: HistoryCluster, bank: RecordedBank, own_server: StartServer
):
    redis = own_server(RedisServer)
    fill(redis.address, bank)
    cluster.redis = redis.address
    redis.kill()
    (cluster.port,) = free_ports(1)
    cluster.start()
    cluster.produce(0, bank.logs[0])
    until(lambda: "Redis at" in cluster.asked("/ready"), "the worker does not say that it waits for Redis")
    assert cluster.manifest(0).offset == 0
    redis.restart()
    fill(redis.address, bank)
    until(cluster.is_done, "not everything is recorded")
    assert contents(cluster.history(0)) == wanted(bank, 0)
    until(lambda: '"ready": true' in cluster.asked("/ready"), "the worker is not ready")
    shown = cluster.asked("/metrics")
    rows = cluster.manifest(0).rows
    assert f'aml_history_records{{partition="0"}} {rows}.0' in shown
    assert f'aml_records_in_total{{worker="history"}} {rows}.0' in shown
    until(lambda: 'aml_lag_records{partition="0",worker="history"} 0.0' in cluster.asked("/metrics"), "the lag is no 0")
