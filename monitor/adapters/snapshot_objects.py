"""Where snapshots lie: named objects that are whole or absent, in a folder or in an object store.

:class:`FolderObjects` keeps them as files, :class:`monitor.adapters.s3_objects.S3Objects` in a bucket.
``tests/adapters/test_snapshots.py`` is the suite of both.
"""

from collections.abc import Callable
from io import BufferedIOBase
from pathlib import Path
from typing import BinaryIO, Protocol

from monitor.adapters.durable import UNFINISHED_PREFIX, make_folder, remove_unfinished, replace_file

Write = Callable[[BinaryIO], object]


class ObjectStoreError(OSError):
    """An object store refuses something or does not answer.

    Args:
        message: Place, fact, reason and remedy; no secret.
        reason: The same in one word, for the log.
        is_lasting: Whether asking again cannot help, because a setting, a right or the bucket is wrong.
    """

    def __init__(self, message: str, *, reason: str, is_lasting: bool) -> None:
        super().__init__(message)
        self.reason, self.is_lasting = reason, is_lasting


class SnapshotObjects(Protocol):
    """The objects of one run or of one partition."""

    def names(self) -> list[str]:
        """The names of all whole objects, in the order of their names. Raises OSError."""

    def put(self, name: str, write: Write) -> None:
        """Let ``write`` fill an object, which is there when this returns and not before.

        ``write`` is given a stream that can only be written, from its beginning to its end. Raises OSError, and what
        ``write`` raises; there is no object then, or the one of this name that was there before.
        """

    def read(self, name: str) -> BufferedIOBase | None:
        """An object as a stream that can be sought in, to be closed; None where there is none. Raises OSError."""

    def remove(self, name: str) -> None:
        """Remove an object if it is there. Raises OSError."""


class FolderObjects:
    """Objects as files of a folder, which is made; what a killed process left half written is removed.

    Another process may still write there, such as the worker that had the partition before: its files stay.
    """

    def __init__(self, folder: Path) -> None:
        make_folder(folder)
        remove_unfinished(folder)
        self.folder = folder

    def names(self) -> list[str]:
        """The names of the files."""
        return sorted(path.name for path in self.folder.iterdir() if not path.name.startswith(UNFINISHED_PREFIX))

    def put(self, name: str, write: Write) -> None:
        """Write beside the file's place, flush, and rename."""

        def fill(path: Path) -> None:
            with path.open("wb") as file:
                write(file)

        replace_file(self.folder / name, fill, is_shared=True)

    def read(self, name: str) -> BufferedIOBase | None:
        """The file, open."""
        try:
            return (self.folder / name).open("rb")
        except FileNotFoundError:
            return None

    def remove(self, name: str) -> None:
        """Remove the file."""
        (self.folder / name).unlink(missing_ok=True)
