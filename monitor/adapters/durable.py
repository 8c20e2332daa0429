"""Files that are whole or absent after a power cut.

A file that is replaced is written beside its place under a name that starts with ``.writing-``, flushed to the disk
and renamed; then the folder is flushed. So a reader sees the old file, the new one or none, never a half.
A leftover of a killed process is recognised by its name and removed at the next start. Where several processes put
files in place, a file that is being written is locked, and no other process takes it for a leftover: the lock ends with
the process that held it.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

UNFINISHED_PREFIX = ".writing-"


def replace_file(path: Path, write: Callable[[Path], object], *, durable: bool = True, is_shared: bool = False) -> None:
    """Call ``write`` with a path beside ``path`` and put what it wrote in place, at once and for good.

    ``durable=False`` leaves the flush to the operating system: whole after a killed process, but
    perhaps not after a power cut; the caller calls :func:`flush_file` later. With ``is_shared`` several processes may
    put the same file in place at one time.
    """
    with _own_name(path) if is_shared else nullcontext(path.with_name(UNFINISHED_PREFIX + path.name)) as unfinished:
        try:
            write(unfinished)
            if durable:
                flush_file(unfinished)
            unfinished.replace(path)
        except BaseException:  # On a full disk a half of it would take the room that is left.
            unfinished.unlink(missing_ok=True)
            raise
    if durable:
        flush_folder(path.parent)


@contextmanager
def _own_name(path: Path) -> Iterator[Path]:
    """An empty file beside ``path``, locked, with a name that nobody else has."""
    while True:
        unfinished = path.with_name(f"{UNFINISHED_PREFIX}{os.urandom(4).hex()}-{path.name}")
        handle = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if os.fstat(handle).st_nlink:  # Else it was taken for a leftover before it was locked.
                yield unfinished
                return
        finally:
            os.close(handle)


def flush_file(path: Path) -> None:
    """Wait until the file's bytes are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def flush_folder(folder: Path) -> None:
    """Wait until the folder's names are on the disk."""
    flush_file(folder)


def make_folder(folder: Path) -> None:
    """Create the folder and its parents where they are missing, durably."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing:
        flush_folder(path.parent)


def remove_unfinished(folder: Path) -> int:
    """Remove what a killed process left half written, at any depth; how many there were."""
    return sum(map(_is_removed, list(folder.rglob(UNFINISHED_PREFIX + "*"))))


def _is_removed(leftover: Path) -> bool:
    try:
        handle = os.open(leftover, os.O_RDWR)
    except FileNotFoundError:  # It is in its place meanwhile.
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        leftover.unlink(missing_ok=True)
    except BlockingIOError:  # Another process writes it.
        return False
    finally:
        os.close(handle)
    return True
