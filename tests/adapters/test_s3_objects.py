"""Objects in a bucket: whoever refuses or is away is named, nothing is left behind, TLS is checked."""

from pathlib import Path

import pytest

from deploy.servers.certificates import Authority
from deploy.servers.s3 import S3Server
from deploy.servers.server import free_ports
from monitor.adapters.s3_objects import S3Objects, new_client
from monitor.adapters.snapshot_objects import ObjectStoreError
from tests.adapters.snapshot_places import CREDENTIALS, bucket_of
from tests.conftest import StartServer, needed

pytestmark = pytest.mark.s3


@pytest.fixture(autouse=True)
def _no_credentials_of_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))


def put(objects: S3Objects, name: str = "one") -> None:
    objects.put(name, lambda target: target.write(b"content"))


def test_a_bucket_that_is_not_there_is_named_with_its_remedy(s3_endpoint: str):
    with pytest.raises(
        ObjectStoreError, match=r"s3://nowhere-at-all/aml/: .*Make the bucket, or correct AML_"
    ) as found:
        S3Objects(new_client(endpoint=s3_endpoint, **CREDENTIALS), "nowhere-at-all", "aml")
    assert (found.value.reason, found.value.is_lasting) == ("no_bucket", True)
    assert CREDENTIALS["secret_key"] not in str(found.value)


def test_a_store_that_is_away_is_said_to_be_and_is_asked_again_when_it_is_back(own_server: StartServer):
    server = own_server(S3Server)
    client, bucket = bucket_of(server.address)
    objects = S3Objects(client, bucket, "aml")
    put(objects)
    server.stop()
    for ask in (objects.names, lambda: put(objects), lambda: objects.read("one"), lambda: objects.remove("one")):
        with pytest.raises(ObjectStoreError, match="See whether the store runs and AML_STORE_ENDPOINT") as found:
            ask()
        assert (found.value.reason, found.value.is_lasting) == ("no_answer", False)
    server.restart()
    client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    put(objects, "two")
    assert objects.names() == ["two"]


def test_credentials_that_are_refused_and_credentials_that_are_missing_are_told_apart(own_server: StartServer):
    client, bucket = bucket_of(own_server(S3Server, open_requests=1).address)
    with pytest.raises(ObjectStoreError, match="give them the rights") as refused:
        S3Objects(client, bucket, "aml")
    assert (refused.value.reason, refused.value.is_lasting) == ("access_denied", True)
    (port,) = free_ports(1)
    with pytest.raises(ObjectStoreError, match="or the role that the worker runs as") as missing:
        S3Objects(new_client(endpoint=f"http://127.0.0.1:{port}"), "bucket", "aml")
    assert missing.value.reason == "no_credentials"


def test_a_store_is_trusted_by_its_authority_and_by_no_other(own_server: StartServer, tmp_path: Path):
    (tmp_path / "other").mkdir()
    with needed():
        authority, other = Authority.make(tmp_path), Authority.make(tmp_path / "other")
    server = own_server(S3Server, authority=authority)
    client, bucket = bucket_of(server.address, ca=authority.certificate)
    put(S3Objects(client, bucket, "aml"))
    assert S3Objects(client, bucket, "aml").names() == ["one"]
    with pytest.raises(ObjectStoreError, match="Name its authority in AML_STORE_CA") as found:
        S3Objects(new_client(endpoint=server.address, ca=other.certificate, **CREDENTIALS), bucket, "aml")
    assert found.value.reason == "not_trusted"


def test_parts_that_a_killed_worker_left_are_given_up_by_the_next_one_and_no_others(s3_endpoint: str):
    client, bucket = bucket_of(s3_endpoint)
    for key in ("aml/legs-1/engine.arrow", "aml/legs-10/engine.arrow"):
        begun = client.create_multipart_upload(Bucket=bucket, Key=key)
        client.upload_part(Bucket=bucket, Key=key, UploadId=begun["UploadId"], PartNumber=1, Body=b"left")
    S3Objects(client, bucket, "aml/legs-1")
    assert len(client.list_multipart_uploads(Bucket=bucket)["Uploads"]) == 2  # Somebody may still write them.
    S3Objects(client, bucket, "aml/legs-1", left_after_seconds=0)
    left = client.list_multipart_uploads(Bucket=bucket)["Uploads"]
    assert [each["Key"] for each in left] == ["aml/legs-10/engine.arrow"]


def test_a_place_has_its_own_objects_and_no_others(s3_endpoint: str):
    client, bucket = bucket_of(s3_endpoint)
    for key in ("aml/legs-10/other", "aml/legs-", "legs-1/other", "aml/legs-1", "aml/legs-1/two", "aml/legs-1/one"):
        client.put_object(Bucket=bucket, Key=key, Body=b"")
    assert S3Objects(client, bucket, "aml/legs-1").names() == ["one", "two"]
