"""Machine code of kernels on disk, made once: of processes that need the same at one moment, one compiles.

numba keeps what it compiled, but processes that start together on an empty cache each compile everything: all workers
of a machine after an upgrade, all workers of a test run. Here whoever does not find a kernel's code locks the kernel's
file in the cache folder and looks again; so the others wait for the first, and load what it made. A kernel is locked
while the kernels that it calls are compiled; calls have no cycle, so nobody waits for who waits for them. A process
that ends, by SIGKILL too, loses its locks with it.
"""

import fcntl
import os
from pathlib import Path
from typing import Any


def make_once(compiled: Any, stamp: str) -> None:
    """Keep the machine code of a numba dispatcher as long as ``stamp`` is the same, and have it made by one process.

    numba's own stamp is the age of the function's file, which says nothing of what is compiled into the function.
    """
    kept = compiled._cache
    kept._cache_file._source_stamp = stamp
    load, save, make = kept.load_overload, kept.save_overload, compiled.compile
    lock = _Lock(Path(kept.cache_path) / f"{kept._impl.filename_base}.lock")

    def load_overload(signature: Any, context: Any) -> Any:
        found = load(signature, context)
        if found is None and lock.take():
            found = load(signature, context)  # another process may have made it meanwhile
        return found

    def save_overload(signature: Any, data: Any) -> None:
        save(signature, data)
        lock.release()

    def compile_(signature: Any) -> Any:
        try:
            return make(signature)
        finally:
            lock.release()

    kept.load_overload, kept.save_overload, compiled.compile = load_overload, save_overload, compile_


class _Lock:
    """A lock between processes; where the folder cannot be written to, there is none."""

    def __init__(self, path: Path) -> None:
        self._path, self._file = path, -1

    def take(self) -> bool:
        """Wait for the lock; whether there is one."""
        if self._file >= 0:
            return True
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            fcntl.flock(self._file, fcntl.LOCK_EX)
        except OSError:
            self.release()
            return False
        return True

    def release(self) -> None:
        """Let the next one go on."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
