"""Scoring workers whose snapshots lie in a bucket: killed, and with the store away for a while."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from deploy.servers.s3 import S3Server
from deploy.servers.server import answers, free_ports
from tests.adapters.snapshot_places import CREDENTIALS, bucket_of
from tests.app.embedded_stores import ROOT
from tests.conftest import StartServer
from tests.streaming.test_scoring_worker import (
    Cluster,
    Log,
    cluster,
    recorded,  # noqa: F401
    shows,
)

pytestmark = [pytest.mark.kafka, pytest.mark.s3, pytest.mark.slow(minutes=1)]


class Bucket:
    """A bucket of the test, and the settings that name it."""

    def __init__(self, endpoint: str) -> None:
        self.client, self.name = bucket_of(endpoint)
        self.env = {
            "AML_STORE_SNAPSHOTS": f"s3://{self.name}/aml/", "AML_STORE_ENDPOINT": endpoint,
            "AML_STORE_REGION": "eu-central-1", "AML_STORE_ACCESS_KEY": CREDENTIALS["access_key"],
            "AML_STORE_SECRET_KEY": CREDENTIALS["secret_key"],
        }  # fmt: skip

    def keys(self) -> list[str]:
        found = self.client.list_objects_v2(Bucket=self.name).get("Contents", [])
        return [each["Key"] for each in found]

    def contents(self) -> dict[str, bytes]:
        return {key: self.client.get_object(Bucket=self.name, Key=key)["Body"].read() for key in self.keys()}

    def fill(self, contents: dict[str, bytes]) -> None:
        """Make the bucket again in a store that has forgotten it."""
        self.client.create_bucket(Bucket=self.name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        for key, content in contents.items():
            self.client.put_object(Bucket=self.name, Key=key, Body=content)

    def positions(self) -> list[int]:
        """Of each partition the position of its newest snapshot."""
        manifests = sorted(key for key in self.keys() if key.endswith(".json"))
        found = {key.split("/")[1]: int(key.rsplit("-", 1)[1].removesuffix(".json")) for key in manifests}
        return [found[name] for name in sorted(found)]


def start(one: Cluster, said: Path) -> "subprocess.Popen[bytes]":
    """A worker whose log goes to a file."""
    with said.open("ab") as log:
        command = [sys.executable, "-m", "tests.streaming.child_score", one.group, *one.topics]
        worker = subprocess.Popen(command, cwd=ROOT, env=os.environ | one.env, stderr=log)
    one.workers.append(worker)
    return worker


def events(said: Path, name: str) -> list[dict[str, Any]]:
    lines = [msgspec.json.decode(line) for line in said.read_bytes().splitlines() if line.startswith(b"{")]
    return [line for line in lines if line["event"] == name]


def wait_until(holds: Callable[[], object], seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.2)


def produce(one: Cluster, log: Log, first: float, last: float) -> None:
    for number, records in enumerate(log.records):
        one.produce(number, records[int(first * len(records)) : int(last * len(records))])


def saved(bucket: Bucket, one: Cluster) -> list[int]:
    """Wait until everything is judged; the ends of the log, at which the states in the bucket are."""
    ends = one.wait_until_judged(seconds=120)
    assert bucket.positions() == ends
    return ends


def test_what_a_killed_worker_saved_in_the_bucket_another_goes_on_with(
    recorded: Log,  # noqa: F811
    kafka_bootstrap: str,
    s3_endpoint: str,
    tmp_path: Path,
):
    bucket, first, second = Bucket(s3_endpoint), tmp_path / "first.log", tmp_path / "second.log"
    with cluster(kafka_bootstrap, tmp_path, recorded) as one:
        one.env |= bucket.env
        produce(one, recorded, 0, 0.5)
        worker = start(one, first)
        ends = saved(bucket, one)
        one.stop(worker, signal.SIGKILL)
        start(one, second)
        produce(one, recorded, 0.5, 1)
        wanted = one.compare(recorded, seconds=90)
        assert len(wanted.alerts) > 20
    restored = sorted((each["partition"], each["offset"]) for each in events(second, "state_restored"))
    assert restored == list(enumerate(ends))
    assert min(ends) > len(recorded.records[0]) // 2  # What partitions told each other is behind the payments.
    assert not list((tmp_path / "store").rglob("engine-*"))


def test_while_the_store_is_away_partitions_that_are_held_are_judged_and_others_wait_for_their_state(
    recorded: Log,  # noqa: F811
    kafka_bootstrap: str,
    own_server: StartServer,
    tmp_path: Path,
):
    server = own_server(S3Server)
    bucket, first, second = Bucket(server.address), tmp_path / "first.log", tmp_path / "second.log"
    ports = free_ports(2)
    with cluster(kafka_bootstrap, tmp_path, recorded) as one:
        one.env |= bucket.env | {"AML_WORKER_PORT": str(ports[0])}
        produce(one, recorded, 0, 0.3)
        worker = start(one, first)
        ends = saved(bucket, one)
        kept, before = bucket.contents(), len(one.alerts())
        server.stop()
        produce(one, recorded, 0.3, 0.6)
        wait_until(lambda: len(one.alerts()) > before)
        wait_until(lambda: events(first, "state_not_saved"))
        assert events(first, "state_not_saved")[0]["reason"] == "no_answer"
        shows(ports[0], "/metrics", r'aml_dependency_up\{dependency="snapshots",worker="score"\} 0\.0')
        one.stop(worker, signal.SIGKILL)
        one.env["AML_WORKER_PORT"] = str(ports[1])
        start(one, second)
        wait_until(lambda: answers(ports[1]))
        shows(ports[1], "/ready", r"the state of partition \d cannot be read; docs/runbooks/DiskFull")
        produce(one, recorded, 0.6, 1)
        server.restart()
        bucket.fill(kept)
        wanted = one.compare(recorded, seconds=90)
        assert len(wanted.alerts) > before > 0
        shows(ports[1], "/metrics", r'aml_dependency_up\{dependency="snapshots",worker="score"\} 1\.0')
        saved(bucket, one)
    restored = {each["partition"]: each["offset"] for each in events(second, "state_restored")}
    assert restored == dict(enumerate(ends))
