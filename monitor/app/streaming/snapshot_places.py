"""Where the snapshots of each partition lie: a folder of the store folder, or a prefix in a bucket."""

from collections.abc import Callable
from urllib.parse import urlsplit

from monitor.adapters.durable import make_folder
from monitor.adapters.s3_objects import S3Objects, new_client
from monitor.adapters.snapshot_objects import FolderObjects, ObjectStoreError, SnapshotObjects
from monitor.adapters.snapshots import SnapshotStore
from monitor.app.settings import StoreSettings

_PROBE = "probe"


class SnapshotPlaces:
    """The snapshots of all partitions, as the settings name their place.

    Raises:
        ObjectStoreError: They name a bucket, and the client of S3 is not installed or cannot be made.
    """

    def __init__(self, store: StoreSettings) -> None:
        self._store = store
        self._objects: Callable[[str], SnapshotObjects] = lambda name: FolderObjects(store.folder / name)
        if store.snapshots is not None:
            place, secret = urlsplit(store.snapshots), store.secret_key
            client = new_client(
                endpoint=store.endpoint, region=store.region, ca=store.ca, access_key=store.access_key,
                secret_key=None if secret is None else secret.get_secret_value(),
            )  # fmt: skip
            prefix = f"{place.path.strip('/')}/".lstrip("/")
            self._objects = lambda name: S3Objects(client, place.netloc, prefix + name)

    def of(self, name: str) -> SnapshotStore:
        """The snapshots of a partition by its name, such as ``legs-7``. Raises OSError where the place is away."""
        return SnapshotStore(self._objects(name))

    def check(self) -> None:
        """Make the folder; or write, read and remove an object, to find wrong settings and rights at the start.

        Raises:
            OSError: The folder cannot be made.
            ObjectStoreError: The bucket refuses something. One that does not answer now is none: it is asked again.
        """
        if self._store.snapshots is None:
            make_folder(self._store.folder)
            return
        try:
            objects = self._objects(_PROBE)
            objects.put(_PROBE, lambda target: target.write(b"aml"))
            if (found := objects.read(_PROBE)) is not None:
                found.close()
            objects.names()
            objects.remove(_PROBE)
        except ObjectStoreError as error:
            if error.is_lasting:
                raise
