"""Where settings put the snapshots of a partition, and what is found out about that place at the start."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deploy.servers.server import free_ports
from monitor.adapters.snapshot_objects import ObjectStoreError
from monitor.app.settings import StoreSettings, load_settings
from monitor.app.streaming.scoring_state import reason_of
from monitor.app.streaming.snapshot_places import SnapshotPlaces
from tests.adapters.snapshot_places import CREDENTIALS, bucket_of


def store(**given: str) -> StoreSettings:
    return load_settings({f"AML_STORE_{name.upper()}": value for name, value in given.items()}).store


def save(places: SnapshotPlaces) -> None:
    arrays = {"codes": np.arange(3)}
    places.of("legs-7").write(arrays, position=5, clock_us=1, layout="x", format_version=11)


def keys(client: Any, bucket: str) -> list[str]:
    return [each["Key"] for each in client.list_objects_v2(Bucket=bucket).get("Contents", [])]


def test_without_a_bucket_they_lie_in_folders_of_the_store_folder(tmp_path: Path):
    places = SnapshotPlaces(store(folder=str(tmp_path / "state")))
    places.check()
    save(places)
    assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("engine-*"))] == [
        f"state/legs-7/engine-{5:016d}.{ending}" for ending in ("arrow", "json")
    ]


@pytest.mark.s3
@pytest.mark.parametrize(("place", "prefix"), [("", ""), ("/", ""), ("/aml", "aml/"), ("/aml/eu/", "aml/eu/")])
def test_in_a_bucket_they_lie_under_the_prefix_and_the_check_leaves_nothing(s3_endpoint: str, place: str, prefix: str):
    client, bucket = bucket_of(s3_endpoint)
    places = SnapshotPlaces(store(snapshots=f"s3://{bucket}{place}", endpoint=s3_endpoint, **CREDENTIALS))
    places.check()
    assert keys(client, bucket) == []
    save(places)
    assert keys(client, bucket) == [f"{prefix}legs-7/engine-{5:016d}.{ending}" for ending in ("arrow", "json")]


@pytest.mark.s3
def test_a_wrong_bucket_is_found_out_at_the_start_and_one_that_is_away_is_waited_for(s3_endpoint: str):
    wrong = SnapshotPlaces(store(snapshots="s3://nowhere-at-all", endpoint=s3_endpoint, **CREDENTIALS))
    with pytest.raises(ObjectStoreError, match="Make the bucket") as found:
        wrong.check()
    assert reason_of(found.value) == "no_bucket"
    (port,) = free_ports(1)
    away = SnapshotPlaces(store(snapshots="s3://bucket", endpoint=f"http://127.0.0.1:{port}", **CREDENTIALS))
    away.check()
    with pytest.raises(ObjectStoreError, match="it is tried again"):
        save(away)


def test_without_the_client_of_s3_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(ObjectStoreError, match=r"pip install 'aml-monitor\[s3\]'"):
        SnapshotPlaces(store(snapshots="s3://bucket"))


def test_what_a_disk_says_is_one_word():
    assert reason_of(OSError(28, "No space left on device")) == "enospc"
    assert reason_of(OSError("something else")) == "unknown"
