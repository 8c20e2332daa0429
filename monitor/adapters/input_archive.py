"""The inputs that a run used, kept so that each of its alerts can be re-run in later years.

Files are named after the SHA-256 of their content and never changed; keeping the same input again does nothing.
What names no person lies in ``inputs/``; profiles are personal data and lie below the vault, in ``vault/inputs/``,
readable by the owner only. A name given out is the path relative to the store's folder; the log of inputs records it.
"""

import gzip
import os
import shutil
from hashlib import file_digest, sha256
from pathlib import Path

from monitor.adapters.durable import make_folder, replace_file

PUBLIC, PERSONAL = "inputs", "vault/inputs"
_GZIP = b"\x1f\x8b"


class InputNotKept(Exception):
    """An input that an alert depends on is gone or is not what was kept; the message says which."""


class InputArchive:
    """The kept inputs of one store.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     archive = InputArchive(Path(folder))
    ...     archive.read(archive.keep(b"words: [IR]", ".yaml"))
    b'words: [IR]'
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def name(self, data: bytes, suffix: str) -> str:
        """Under which name :meth:`keep` keeps bytes."""
        return f"{PUBLIC}/{sha256(data).hexdigest()}{suffix}"

    def keep(self, data: bytes, suffix: str, *, durable: bool = True) -> str:
        """Keep bytes that name no person; returns their name. ``durable=False`` leaves the flush to the system."""
        name = self.name(data, suffix)
        path = self.folder / name
        if not path.exists():
            make_folder(path.parent)
            replace_file(path, lambda target: target.write_bytes(data), durable=durable, is_shared=True)
        return name

    def keep_personal(self, source: Path) -> str:
        """Keep a copy of a file with personal data, packed with gzip; returns its name."""
        with source.open("rb") as file:
            digest = file_digest(file, "sha256").hexdigest()
        name = f"{PERSONAL}/{digest}.gz"
        path = self.folder / name
        if not path.exists():
            make_folder(path.parent)
            path.parent.chmod(0o700)
            replace_file(path, lambda target: _pack(source, target))
        return name

    def path(self, name: str) -> Path:
        """Where a kept input lies, checked to be what was kept.

        Raises:
            InputNotKept: It is not there, or its content is another.
        """
        path = self.folder / name
        if not path.is_file():
            raise InputNotKept(f"{path}: the kept input is missing. Restore the file from a copy of the store.")
        if path.name.partition(".")[0] not in _digests(path):
            raise InputNotKept(f"{path}: the kept input was changed since it was kept. Restore it from a copy.")
        return path

    def read(self, name: str) -> bytes:
        """The bytes of a kept input.

        Raises:
            InputNotKept: It is not there, or its content is another.
        """
        return self.path(name).read_bytes()


def _pack(source: Path, target: Path) -> None:
    """Copy a file for its owner only; one that is packed already is copied as it is."""
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with source.open("rb") as given, os.fdopen(handle, "wb") as out:
        if given.peek(2)[:2] == _GZIP:
            shutil.copyfileobj(given, out)
            return
        with gzip.GzipFile(filename="", mode="wb", fileobj=out, compresslevel=1, mtime=0) as packed:
            shutil.copyfileobj(given, packed)


def _digests(path: Path) -> set[str]:
    """SHA-256 of the file, and of what is packed in it."""
    with path.open("rb") as file:
        found = {file_digest(file, "sha256").hexdigest()}
    if path.suffix == ".gz":
        try:
            with gzip.open(path) as packed:
                found.add(file_digest(packed, "sha256").hexdigest())
        except (OSError, EOFError):
            return found
    return found
