"""Places for snapshots, a folder and a bucket, and what a test does to an object behind their backs."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from monitor.adapters.s3_objects import S3Objects, new_client
from monitor.adapters.snapshot_objects import FolderObjects, SnapshotObjects

CREDENTIALS = {"access_key": "worker", "secret_key": "a secret of a test"}


@dataclass(frozen=True)
class Place:
    """Where the snapshots of one partition lie; ``open`` opens it, as another worker would."""

    open: Callable[[], SnapshotObjects]

    def damage(self, name: str) -> None:
        """Change one byte in the middle of an object."""
        objects = self.open()
        stream = objects.read(name)
        assert stream is not None
        with stream:
            held = bytearray(stream.read())
        held[len(held) // 2] ^= 1
        objects.put(name, lambda target: target.write(bytes(held)))


def folder_place(folder: Path) -> Place:
    return Place(lambda: FolderObjects(folder / "legs-0"))


def bucket_of(endpoint: str, **given: Any) -> tuple[Any, str]:
    """A client and a new bucket."""
    client, bucket = new_client(endpoint=endpoint, region="eu-central-1", **(CREDENTIALS | given)), f"b-{uuid4().hex}"
    client.meta.events.register("after-call.s3.ListMultipartUploads", _begun_now)
    client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    return client, bucket


def _begun_now(parsed: dict[str, Any], **_: Any) -> None:
    """The store of the tests says of each upload that it began in 2010."""
    for each in parsed.get("Uploads", ()):
        each["Initiated"] = datetime.now(UTC)


def bucket_place(endpoint: str) -> Place:
    client, bucket = bucket_of(endpoint)
    return Place(lambda: S3Objects(client, bucket, "aml/legs-0"))
