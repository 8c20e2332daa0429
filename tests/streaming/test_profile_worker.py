"""From a file of profiles to every partition: through Kafka and Redis, whatever dies on the way."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from typer.testing import CliRunner

from deploy.servers.certificates import Authority
from deploy.servers.kafka import KafkaServer
from deploy.servers.redis import RedisServer
from deploy.servers.server import free_ports
from monitor.adapters.kafka import profile_records
from monitor.adapters.kafka.topics import Topic, TopicAdmin
from monitor.adapters.redis.profiles import Profiles, ProfileStore
from monitor.app.profiles import ProfileTimeline
from monitor.app.simulate import simulate
from monitor.app.streaming.profile_batch import home
from monitor.app.streaming.profile_source import PartitionProfiles
from monitor.app.streaming.profiles import ProfileTopics, ProfileWorker
from monitor.cli import app
from monitor.domain.identifiers import IdentifierKind, token_of
from monitor.domain.time import UNKNOWN, parse_time_us
from monitor.intake.identifiers import IdentifierTable
from tests.conftest import StartServer, needed
from tests.streaming.committed import committed
from tests.streaming.profile_versions import KEY, Codes, MemoryProfiles, by_token, by_token_of

pytestmark = [pytest.mark.kafka, pytest.mark.redis]

PARTITIONS = 4
SECONDS = 60


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The profiles of a simulated bank, and accounts that several customers share."""
    folder = tmp_path_factory.mktemp("bank")
    simulate(customers=300, days=14, seed=3, out=folder, file_format="json")
    lines = (folder / "profiles.jsonl").read_text().splitlines()
    profiles = [json.loads(line) for line in lines]
    for one, other in zip(profiles[:40:2], profiles[1:40:2], strict=True):
        one["accounts"][0]["holders"] = [other["customer"]]
    for one, other in zip(profiles[40:80:2], profiles[41:80:2], strict=True):
        other["accounts"].append({"account": one["accounts"][0]["account"], "kind": "savings"})
    (folder / "profiles.jsonl").write_text("".join(json.dumps(each) + "\n" for each in profiles))
    return folder / "profiles.jsonl"


class Stream:
    """Topics of this test alone."""

    def __init__(self, bootstrap: str, partitions: int = 3) -> None:
        some = uuid4().hex[:12]
        self.client = {"bootstrap.servers": bootstrap}
        self.topics = ProfileTopics(*(f"{some}-{name}" for name in ("profiles", "legs", "refused", "identities")))
        self.group = f"{some}-group"
        counts = {self.topics.profiles: partitions, self.topics.legs: PARTITIONS}
        wanted = {name: Topic(partitions=counts.get(name, 1), purpose="x") for name in asdict(self.topics).values()}
        TopicAdmin(self.client).create(wanted, replication=1)

    def produce(self, *values: bytes | None) -> None:
        producer = Producer({**self.client, "log_level": 0})
        for value in values:
            producer.produce(self.topics.profiles, value, b"key")
        assert producer.flush(SECONDS) == 0

    def produce_file(self, file: Path) -> None:
        said = aml("produce", str(file), "--topic", self.topics.profiles, "--key", "customer",
                   env={"AML_KAFKA_BOOTSTRAP": self.client["bootstrap.servers"]})  # fmt: skip
        assert "records into" in said

    def records(self, topic: str) -> list[Any]:
        """Everything that is in a topic, partition by partition."""
        consumer = Consumer({**self.client, "group.id": uuid4().hex, "log_level": 0})
        found = []
        for partition in consumer.list_topics(topic, 10).topics[topic].partitions:
            _, stop = consumer.get_watermark_offsets(TopicPartition(topic, partition), 10)
            consumer.assign([TopicPartition(topic, partition, 0)])
            while consumer.position([TopicPartition(topic, partition)])[0].offset < stop:
                message = consumer.poll(1)
                if message is not None:
                    assert message.error() is None
                    found.append(message)
                elif stop == 0:
                    break
        consumer.close()
        return found

    def committed(self) -> int:
        """How many records of the topic of profiles are committed."""
        consumer = Consumer({**self.client, "group.id": self.group, "log_level": 0})
        partitions = consumer.list_topics(self.topics.profiles, 10).topics[self.topics.profiles].partitions
        try:
            found = committed(consumer, [TopicPartition(self.topics.profiles, each) for each in partitions])
        except KafkaException:  # The group has just been made: it is asked again.
            return 0
        finally:
            consumer.close()
        return sum(max(each.offset, 0) for each in found)

    def partitions(self, kept: Profiles, clock_us: int) -> list[dict[str, Any]]:
        """What each partition holds that reads its log with what is kept, at a clock."""
        profiles = [(PartitionProfiles(kept, codes), codes) for codes in (Codes() for _ in range(PARTITIONS))]
        for message in self.records(self.topics.legs):
            assert dict(message.headers()) == {"kind": b"profiles", "format": b"1"}
            profiles[message.partition()][0].apply(profile_records.decode(message.value()))
        for each, _ in profiles:
            each.advance(clock_us)
        return [by_token(each.table, codes.tokens(), codes.texts.__getitem__) for each, codes in profiles]


class Health:
    """What a worker said of itself."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.is_ready = False

    def live(self) -> None: ...

    def ready(self, is_ready: bool, reason: str = "") -> None:
        self.is_ready = is_ready
        if reason:
            self.said.append(reason)


@contextmanager
def working(stream: Stream, kept: Profiles, *, from_start: bool = False) -> Iterator[tuple[ProfileWorker, Health]]:
    """A worker in a thread."""
    health = Health()
    worker = ProfileWorker(
        stream.client, kept, KEY, health, topics=stream.topics, group=stream.group, from_start=from_start
    )
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield worker, health
    finally:
        worker.stop()
        thread.join(SECONDS)
        assert not thread.is_alive()


def until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < end, "it did not come to be so"
        time.sleep(0.05)


def aml(*words: str, env: dict[str, str], status: int = 0) -> str:
    result = CliRunner().invoke(app, list(words), env={"COLUMNS": "140", "NO_COLOR": "1", **env})
    assert result.exit_code == status, result.output
    return result.output


def check(found: list[dict[str, Any]], file: Path, clock_us: int) -> None:
    """Each partition holds what an embedded run holds of the customers that live there and of their accounts."""
    identifiers, timeline = IdentifierTable(KEY), ProfileTimeline()
    timeline.load(file, identifiers)
    timeline.advance(clock_us)
    expected = by_token_of(identifiers, timeline.table)
    shared = 0
    for number, partition in enumerate(found):
        own = {token for token in expected["profiles"] if home(bytes.fromhex(token), PARTITIONS) == number}
        assert {token: partition["profiles"].get(token) for token in own} == {
            token: expected["profiles"][token] for token in own
        }
        for account in accounts_of(file, own):
            known = unordered(expected["accounts"].get(account, NOTHING))
            assert unordered(partition["accounts"].get(account, NOTHING)) == known
            shared += len(known[2]) > 1
    assert shared >= (40 if clock_us == END_US else 4)
    assert len(expected["profiles"]) >= (290 if clock_us == END_US else 40)


def unordered(account: tuple[int, int, list[str]]) -> tuple[int, int, list[str]]:
    """Holders recorded at the same instant have no order of their own between partitions."""
    return *account[:2], sorted(account[2])


NOTHING: tuple[int, int, list[str]] = (UNKNOWN, UNKNOWN, [])
END_US = parse_time_us("2099-01-01T00:00:00Z")


def accounts_of(file: Path, own: set[str]) -> set[str]:
    """The accounts that customers name or hold."""
    found = set()
    for line in file.read_text().splitlines():
        profile = json.loads(line)
        for account in profile["accounts"]:
            who = [profile["customer"], *account.get("holders", [])]
            if any(token_of(KEY, IdentifierKind.CUSTOMER, each).hex() in own for each in who):
                found.add(token_of(KEY, IdentifierKind.ACCOUNT, account["account"]).hex())
    return found


def test_a_file_of_profiles_reaches_every_partition_as_an_embedded_run_knows_it(
    kafka_bootstrap: str, redis_url: str, bank: Path
):
    stream, store = Stream(kafka_bootstrap), ProfileStore(redis_url)
    count = len(bank.read_bytes().splitlines())
    stream.produce_file(bank)
    with working(stream, store) as (worker, health):
        until(lambda: stream.committed() == count)
        assert health.is_ready
    assert worker.counts["profiles"] + worker.counts["repeated"] == count
    assert worker.counts["refused"] == 0
    for clock_us in (parse_time_us("2015-01-01T00:00:00Z"), END_US):
        check(stream.partitions(store, clock_us), bank, clock_us)
    texts = {message.value()[1:].decode(): message for message in stream.records(stream.topics.identities)}
    customer = json.loads(bank.read_text().splitlines()[0])["customer"]
    assert texts[customer].key() == token_of(KEY, IdentifierKind.CUSTOMER, customer)
    assert texts[customer].value()[0] == IdentifierKind.CUSTOMER
    assert not any(customer.encode() in message.value() for message in stream.records(stream.topics.legs))


def profile(customer: str, version: int, **more: Any) -> bytes:
    whole = {"customer": customer, "version": version, "recorded_at": f"2026-01-0{version}T00:00:00Z"}
    return json.dumps(whole | {"kind": "person"} | more).encode()


def test_what_is_wrong_is_refused_with_its_reason_and_what_is_empty_passed_over(kafka_bootstrap: str):
    stream, store = Stream(kafka_bootstrap, partitions=1), MemoryProfiles()
    long = profile("C3", 1, occupation="x" * 2_000)
    wrong = [b"{}", b"\xff", profile("C1", 1, segment="other"), long]
    stream.produce(profile("C1", 1), *wrong, None, profile("C2", 1))
    with working(stream, store) as (worker, _):
        until(lambda: stream.committed() == 7)
    refused = {message.value(): dict(message.headers()) for message in stream.records(stream.topics.refused)}
    assert [refused[value]["reason"] for value in wrong] == [
        b"field_missing", b"not_utf8", b"duplicate_differs", b"text_too_long",
    ]  # fmt: skip
    assert refused[wrong[2]] == {
        "kind": b"refused_profile", "format": b"1", "reason": b"duplicate_differs", "place": b"profiles:0:3",
        "source_partition": b"0", "source_offset": b"3",
        "detail": b"version: 1 of this customer is kept with other content, which stays. "
        b"Send the change under a new version",
    }  # fmt: skip
    assert (worker.counts["profiles"], worker.counts["refused"], worker.counts["emptied"]) == (2, 4, 1)
    assert sum(len(profile_records.decode(each.value())) for each in stream.records(stream.topics.legs)) == 2


def test_while_redis_is_gone_the_worker_waits_and_says_so_and_loses_nothing(
    kafka_bootstrap: str, own_server: StartServer, bank: Path
):
    server = own_server(RedisServer, settings={"appendonly": "yes", "appendfsync": "always"})
    stream, store = Stream(kafka_bootstrap), ProfileStore(server.address)
    lines = bank.read_bytes().splitlines()
    stream.produce(*lines[:100])
    with working(stream, store) as (worker, health):
        until(lambda: stream.committed() == 100)
        server.kill()
        stream.produce(*lines[100:])
        until(lambda: not health.is_ready and worker.counts["waits"] >= 3)
        assert stream.committed() == 100
        assert health.said[-1].startswith(f"Redis at 127.0.0.1:{server.ports[0]}: ")
        server.restart()
        until(lambda: stream.committed() == len(lines))
        assert health.is_ready
    check(stream.partitions(store, END_US), bank, END_US)


def test_a_broker_that_was_killed_is_waited_for(own_server: StartServer, bank: Path):
    broker = own_server(KafkaServer)
    stream, store = Stream(broker.bootstrap), MemoryProfiles()
    lines = bank.read_bytes().splitlines()
    stream.produce(*lines[:100])
    with working(stream, store) as (_, health):
        until(lambda: stream.committed() == 100)
        broker.kill()
        until(lambda: not health.is_ready)
        assert "no broker answers" in health.said[-1]
        broker.restart()
        until(lambda: health.is_ready)
        stream.produce(*lines[100:])
        until(lambda: stream.committed() == len(lines))
    check(stream.partitions(store, END_US), bank, END_US)


def test_an_emptied_redis_is_filled_again_from_the_start(kafka_bootstrap: str, bank: Path):
    stream, store, emptied = Stream(kafka_bootstrap), MemoryProfiles(), MemoryProfiles()
    stream.produce_file(bank)
    count = len(bank.read_bytes().splitlines())
    with working(stream, store):
        until(lambda: stream.committed() == count)
    with working(stream, emptied, from_start=True) as (worker, _):
        until(lambda: worker.counts["records"] == count)
    assert emptied.values == store.values
    check(stream.partitions(emptied, END_US), bank, END_US)


@pytest.mark.slow
def test_killed_anywhere_and_started_again_nothing_is_lost(
    kafka_bootstrap: str, own_server: StartServer, bank: Path, tmp_path: Path
):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng, killed, server = random.Random(seed), 0, own_server(RedisServer)
    stream, store = Stream(kafka_bootstrap, partitions=1), ProfileStore(server.address)
    stream.produce_file(bank)
    count = len(bank.read_bytes().splitlines())
    # The brokers take a killed worker for dead after 6 seconds, the least they allow.
    given = {"client": stream.client | {"session.timeout.ms": "6000"}, "redis": server.address, "key": KEY.hex(),
             "topics": asdict(stream.topics), "group": stream.group, "batch": 40}  # fmt: skip
    for _ in range(6):
        child = start(given | {"kill_at": rng.randint(1, 16)}, tmp_path)
        until(lambda child=child: child.poll() is not None or stream.committed() == count)
        child.terminate()
        child.communicate(timeout=SECONDS)
        killed += child.returncode == -signal.SIGKILL
    assert killed >= 2, f"seed {seed}"
    child = start(given, tmp_path)
    until(lambda: stream.committed() == count)
    child.terminate()
    _, errors = child.communicate(timeout=SECONDS)
    assert child.returncode == 0, errors
    check(stream.partitions(store, END_US), bank, END_US)


def start(given: dict[str, Any], folder: Path) -> subprocess.Popen[str]:
    (folder / "settings.json").write_text(json.dumps(given))
    return subprocess.Popen(
        [sys.executable, "tests/streaming/profile_child.py", str(folder / "settings.json")],
        env=os.environ | {"PYTHONPATH": "."}, cwd=Path(__file__).parents[2], stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_the_commands_work_together_over_tls_and_with_users(own_server: StartServer, bank: Path, tmp_path: Path):
    with needed():
        authority = Authority.make(tmp_path)
    broker = own_server(KafkaServer)
    rules = "on >s3cret ~profile:* +set +get +hsetnx +hgetall +sadd +srandmember +mget"
    redis = own_server(RedisServer, authority=authority, users={"worker": rules})
    stream = Stream(broker.bootstrap)
    stream.topics = ProfileTopics()
    counts = {"profiles": 2, "legs": PARTITIONS, "refused": 1, "identities": 1}
    wanted = {name: Topic(partitions=each, purpose="x") for name, each in counts.items()}
    env = {
        "AML_KAFKA_BOOTSTRAP": broker.bootstrap,
        "AML_REDIS_URL": redis.tls_address.replace("rediss://", "rediss://worker:s3cret@"),
        "AML_REDIS_CA": str(authority.certificate),
        "AML_STORE_TOKEN_KEY": KEY.hex(),
        "AML_WORKER_HOST": "127.0.0.1",
        "AML_WORKER_PORT": str(port := free_ports(1)[0]),
    }
    child = subprocess.Popen(
        [sys.executable, "-c", "from monitor.cli import main; main()", "worker", "profiles"],
        env=os.environ | env, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stderr is not None
    line = json.loads(child.stderr.readline())
    assert (line["event"], line["dependency"], line["level"]) == ("not_ready", "kafka", "warning")
    with pytest.raises(HTTPError, match="503") as not_ready:
        urlopen(f"http://127.0.0.1:{port}/ready")
    assert "topics profiles, legs, refused, identities are not there. Make them:" in not_ready.value.read().decode()
    TopicAdmin(stream.client).create(wanted, replication=1)
    assert json.loads(child.stderr.readline())["event"] == "ready"
    stream.produce_file(bank)
    stream.group, count = "aml-profiles", len(bank.read_bytes().splitlines())
    stream.produce(b'{"customer": "Anna Larsson"}')
    until(lambda: stream.committed() == count + 1)
    line = json.loads(child.stderr.readline())
    assert (line["event"], line["reason"], line["level"]) == ("profiles_refused", "field_missing", "warning")
    assert "Larsson" not in json.dumps(line)
    assert urlopen(f"http://127.0.0.1:{port}/ready").status == 200
    for shown in (
        f'aml_records_in_total{{worker="profiles"}} {count + 1}.0',
        f'aml_records_out_total{{worker="profiles"}} {count}.0',
        'aml_refused_total{reason="field_missing"} 1.0', 'aml_dependency_up{dependency="redis",worker="profiles"} 1.0',
        f'aml_delay_seconds_count{{clock="broker",worker="profiles"}} {count + 1}.0', "aml_profiles_written_timestamp",
    ):  # fmt: skip
        until(lambda shown=shown: shown in urlopen(f"http://127.0.0.1:{port}/metrics").read().decode())
    child.terminate()
    assert child.wait(SECONDS) == 0
    kept = ProfileStore(env["AML_REDIS_URL"], ca=authority.certificate)
    check(stream.partitions(kept, END_US), bank, END_US)


def test_a_record_without_the_field_stops_producing_and_is_named(kafka_bootstrap: str, tmp_path: Path):
    stream = Stream(kafka_bootstrap)
    (tmp_path / "some.jsonl").write_bytes(profile("C1", 1) + b'\n\n{"customer": 7}\n' + profile("C2", 1) + b"\n")
    said = aml("produce", str(tmp_path / "some.jsonl"), "--topic", stream.topics.profiles, "--key", "customer",
               env={"AML_KAFKA_BOOTSTRAP": kafka_bootstrap}, status=2)  # fmt: skip
    assert "some.jsonl:3: there is no text 'customer' to key the record by; those before it were sent." in said
    assert [(each.key(), each.value()) for each in stream.records(stream.topics.profiles)] == [
        (b"C1", profile("C1", 1))
    ]
