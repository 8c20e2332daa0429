"""Objects of snapshots in a bucket, through the API of S3: that of Amazon, or of a store of the bank's own.

An object is filled in parts of 16 MiB and appears when the last one is there; a small one is put at once. So memory is
bounded, and who reads sees a whole object or none. Parts that a killed worker left behind are given up when another
one opens the same place an hour later or after that; until then it cannot be known that nobody writes them.

Whatever goes wrong is an :class:`ObjectStoreError`, whose message has neither secrets nor content.
"""

import io
from collections.abc import Iterator
from contextlib import closing, contextmanager
from email.utils import parsedate_to_datetime
from io import BufferedIOBase
from pathlib import Path
from typing import Any

from monitor.adapters.snapshot_objects import ObjectStoreError, Write

PART_BYTES = 16 << 20
"""Size of a part; with the 10,000 parts that S3 allows, an object has at most 156 GiB."""
READ_BYTES = 1 << 20
CONNECT_SECONDS, ANSWER_SECONDS, ATTEMPTS = 3, 20, 3
"""How long to wait for a connection and for an answer, and how often one request is tried in all."""
LEFT_AFTER_SECONDS = 3600.0
"""So old an upload is that of a killed worker: writing a state takes minutes."""
_ABSENT = ("NoSuchKey", "404")
_REFUSED = {
    "AccessDenied": "access_denied",
    "403": "access_denied",
    "InvalidAccessKeyId": "access_denied",
    "SignatureDoesNotMatch": "access_denied",
    "ExpiredToken": "access_denied",
    "NoSuchBucket": "no_bucket",
    "PermanentRedirect": "other_region",
    "AuthorizationHeaderMalformed": "other_region",
}
_REMEDIES = {
    "access_denied": "Correct the credentials, or give them the rights that docs/deploying.md lists.",
    "no_bucket": "Make the bucket, or correct AML_STORE_SNAPSHOTS.",
    "other_region": "Name the region of the bucket in AML_STORE_REGION.",
    "no_credentials": "Give AML_STORE_ACCESS_KEY and AML_STORE_SECRET_KEY, or the role that the worker runs as.",
    "not_trusted": "Name its authority in AML_STORE_CA.",
    "no_answer": "See whether the store runs and AML_STORE_ENDPOINT leads to it; it is tried again.",
    "refused": "See what the store says; it is tried again.",
}
_PASSING = ("no_answer", "refused")


def new_client(
    *,
    endpoint: str | None = None,
    region: str | None = None,
    ca: Path | None = None,
    access_key: str | None = None,
    secret_key: str | None = None,
) -> Any:
    """A client, which threads may share; what is not given comes from where the library looks for it.

    Raises:
        ObjectStoreError: The library is not installed, or what is given is no endpoint or region.
    """
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError:
        raise ObjectStoreError(
            "AML_STORE_SNAPSHOTS names a bucket, and the client of S3 is not installed. Install the extra:  "
            "pip install 'aml-monitor[s3]'", reason="not_installed", is_lasting=True,
        ) from None  # fmt: skip
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=ANSWER_SECONDS,
        retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
        # The signature covers each body, which every store checks; newer checksums are not known to all of them.
        s3={"addressing_style": "path" if endpoint else "auto", "payload_signing_enabled": True},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    try:
        return boto3.session.Session().client(
            "s3", endpoint_url=endpoint, region_name=region, verify=str(ca) if ca else None,
            aws_access_key_id=access_key, aws_secret_access_key=secret_key, config=config,
        )  # fmt: skip
    except (BotoCoreError, ValueError) as error:
        raise ObjectStoreError(
            f"The object store cannot be used with these settings: {error}. Correct AML_STORE_ENDPOINT or "
            "AML_STORE_REGION.", reason="wrong_setting", is_lasting=True,
        ) from None  # fmt: skip


class S3Objects:
    """Objects under one prefix of a bucket.

    Args:
        client: That of :func:`new_client`.
        bucket: The bucket, which is there.
        prefix: What the keys begin with, without a slash at its end. Only the worker that had the partition before may
            write there too, for the moment that it takes it to end.
        left_after_seconds: So long after its beginning an upload that is not finished is one of a killed worker, by the
            clock of the store; it is given up.

    Raises:
        ObjectStoreError: The store does not answer or refuses something.
    """

    def __init__(
        self, client: Any, bucket: str, prefix: str, *, left_after_seconds: float = LEFT_AFTER_SECONDS
    ) -> None:
        self._client, self._bucket, self._prefix = client, bucket, f"{prefix}/"
        with self._telling(""):
            pages = client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=self._prefix)
            for left in [each for page in pages for each in _left(page, left_after_seconds)]:
                client.abort_multipart_upload(Bucket=bucket, Key=left["Key"], UploadId=left["UploadId"])

    def names(self) -> list[str]:
        """The keys under the prefix, without it."""
        with self._telling(""):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
            keys = [each["Key"] for page in pages for each in page.get("Contents", ())]
        return sorted(key.removeprefix(self._prefix) for key in keys)

    def put(self, name: str, write: Write) -> None:
        """Send what ``write`` writes, in parts where it is long."""
        upload = _Upload(self._client, self._bucket, self._prefix + name)
        with self._telling(name):
            try:
                write(upload)  # type: ignore[arg-type]
                upload.finish()
            except BaseException:
                upload.give_up()
                raise

    def read(self, name: str) -> BufferedIOBase | None:
        """The object, in memory."""
        from botocore.exceptions import ClientError

        found = io.BytesIO()
        with self._telling(name):
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + name)
            except ClientError as error:
                if _code(error) in _ABSENT:
                    return None
                raise
            with closing(answer["Body"]) as body:
                for piece in body.iter_chunks(READ_BYTES):
                    found.write(piece)
        found.seek(0)
        return found

    def remove(self, name: str) -> None:
        """Delete the object."""
        with self._telling(name):
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + name)

    @contextmanager
    def _telling(self, name: str) -> Iterator[None]:
        """What goes wrong inside is told by place, fact and remedy."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (BotoCoreError, ClientError) as error:
            reason, fact = _reason(error), str(error).rstrip(".")
            raise ObjectStoreError(
                f"s3://{self._bucket}/{self._prefix}{name}: {fact}. {_REMEDIES[reason]}",
                reason=reason, is_lasting=reason not in _PASSING,
            ) from error  # fmt: skip


class _Upload(io.RawIOBase):
    """A stream into an object, part by part."""

    def __init__(self, client: Any, bucket: str, key: str) -> None:
        super().__init__()
        self._client, self._place = client, {"Bucket": bucket, "Key": key}
        self._held = bytearray()
        self._upload: dict[str, Any] | None = None
        self._parts: list[dict[str, Any]] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        given = memoryview(data).cast("B")
        start = 0
        while start < len(given):
            stop = start + PART_BYTES - len(self._held)
            self._held += given[start:stop]
            start = stop
            if len(self._held) == PART_BYTES:
                self._send_part()
        return len(given)

    def finish(self) -> None:
        """Send the rest and let the object appear."""
        if self._upload is None:
            self._client.put_object(**self._place, Body=bytes(self._held))
            return
        if self._held:
            self._send_part()
        self._client.complete_multipart_upload(**self._upload, MultipartUpload={"Parts": self._parts})

    def give_up(self) -> None:
        """Let the parts go, if the store still answers; otherwise whoever opens the place next does it."""
        from botocore.exceptions import BotoCoreError, ClientError

        if self._upload is not None:
            try:
                self._client.abort_multipart_upload(**self._upload)
            except (BotoCoreError, ClientError):
                return

    def _send_part(self) -> None:
        if self._upload is None:
            begun = self._client.create_multipart_upload(**self._place)
            self._upload = self._place | {"UploadId": begun["UploadId"]}
        number, body = len(self._parts) + 1, bytes(self._held)
        self._held.clear()
        sent = self._client.upload_part(**self._upload, PartNumber=number, Body=body)
        self._parts.append({"PartNumber": number, "ETag": sent["ETag"]})


def _left(page: Any, after_seconds: float) -> Iterator[Any]:
    """The uploads of a list that began so long before the store made it; to whole seconds, as it tells its time."""
    now = parsedate_to_datetime(page["ResponseMetadata"]["HTTPHeaders"]["date"])
    for each in page.get("Uploads", ()):
        if (now - each["Initiated"].replace(microsecond=0)).total_seconds() >= after_seconds:
            yield each


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _reason(error: Any) -> str:
    """What went wrong, as one of the words of ``_REMEDIES``."""
    from botocore import exceptions

    if isinstance(error, exceptions.ClientError):
        return _REFUSED.get(_code(error), "refused")
    if isinstance(error, exceptions.NoCredentialsError | exceptions.PartialCredentialsError):
        return "no_credentials"
    if isinstance(error, exceptions.SSLError):
        return "not_trusted"
    return "no_answer"
