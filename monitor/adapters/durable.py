"""Files that are whole or absent after a power cut.

A file that is replaced is written beside its place under a name that starts with ``.writing-``, flushed to the disk
and renamed; then the folder is flushed. So a reader sees the old file, the new one or none, never a half.
A leftover of a killed process is recognised by its name and removed at the next start.
"""

import os
from collections.abc import Callable
from pathlib import Path

UNFINISHED_PREFIX = ".writing-"


def replace_file(path: Path, write: Callable[[Path], object], *, durable: bool = True, is_shared: bool = False) -> None:
    """Call ``write`` with a path beside ``path`` and put what it wrote in place, at once and for good.

    ``durable=False`` leaves the flush to the operating system: whole after a killed process, but
    perhaps not after a power cut; the caller calls :func:`flush_file` later. With ``is_shared`` several processes may
    put the same file in place at one time.
    """
    own = f"{os.urandom(4).hex()}-" if is_shared else ""
    unfinished = path.with_name(UNFINISHED_PREFIX + own + path.name)
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
    leftovers = list(folder.rglob(UNFINISHED_PREFIX + "*"))
    for leftover in leftovers:
        leftover.unlink(missing_ok=True)
    return len(leftovers)
