"""Snapshots of engine state: immutable objects, written whole or not at all, the newest two kept.

``engine-<position>.arrow`` holds the arrays; ``engine-<position>.json`` is written last and names position, layout,
format and SHA-256. A snapshot without a manifest, or with another digest than its manifest says, does not exist. Where
the objects lie is said by :mod:`monitor.adapters.snapshot_objects`. How arrays are written is said by
:mod:`monitor.adapters.packed_arrays`; they go to the object as a stream.
"""

import io
from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass
from hashlib import file_digest, sha256
from typing import Any, BinaryIO

import msgspec

from monitor.adapters.packed_arrays import FAST, SMALL, Arrays, read_arrays, write_arrays
from monitor.adapters.snapshot_objects import SnapshotObjects

KEPT = 2
LOOKS_MAX = 5
"""How often snapshots are looked for again because whoever had the partition before has replaced them meanwhile."""
_START, _MANIFEST, _ARRAYS = "engine-", ".json", ".arrow"


class Manifest(msgspec.Struct, frozen=True):
    """What a snapshot is: ``position`` is the next log position, ``clock_us`` the clock of the log there,
    ``layout`` that of the program, ``format`` that of the arrays."""

    position: int
    clock_us: int
    layout: str
    sha256: str
    format: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A whole snapshot, read."""

    position: int
    clock_us: int
    arrays: Arrays
    format: int


class SnapshotStore:
    """The snapshots of one run or partition, among its objects; ``is_small`` writes smaller ones, and slowly."""

    def __init__(self, objects: SnapshotObjects, *, is_small: bool = False) -> None:
        self._objects, self._codec = objects, SMALL if is_small else FAST

    def write(self, arrays: Arrays, *, position: int, clock_us: int, layout: str, format_version: int) -> None:
        """Write a snapshot and drop those older than the newest two.

        Raises:
            OSError: It cannot be written; those before it are as they were.
        """
        digest = sha256()

        def fill(target: BinaryIO) -> None:
            write_arrays(_Digesting(target, digest), arrays, codec=self._codec)

        self._objects.put(_name(position, _ARRAYS), fill)
        manifest = msgspec.json.encode(Manifest(position, clock_us, layout, digest.hexdigest(), format_version))
        self._objects.put(_name(position, _MANIFEST), lambda target: target.write(manifest))
        kept = [each.position for each in self.manifests()[-KEPT:]]
        older = [name for name in self._objects.names() if name.startswith(_START) and name < _name(min(kept), "")]
        for name in sorted(older, reverse=True):  # Manifests first; and arrays whose manifest was never written.
            self._objects.remove(name)

    def manifests(self) -> list[Manifest]:
        """All snapshots that have their arrays, oldest first. Raises OSError."""
        names = self._objects.names()
        found, there = [], set(names)
        for name in names:
            if not (name.startswith(_START) and name.endswith(_MANIFEST)):
                continue
            stream = self._objects.read(name)
            if stream is None or name.removesuffix(_MANIFEST) + _ARRAYS not in there:
                continue
            with closing(stream):
                try:
                    manifest = msgspec.json.decode(stream.read(), type=Manifest)
                except (msgspec.DecodeError, UnicodeDecodeError):  # Damaged: as if it were not there.
                    continue
            if name == _name(manifest.position, _MANIFEST):
                found.append(manifest)
        return found

    def newest(self, *, layouts: Collection[str], at_most: int, at_least: int = 0) -> Snapshot | None:
        """The newest whole snapshot of one of these layouts from log position ``at_least`` to ``at_most``.

        Raises:
            OSError: The objects cannot be read.
        """
        there = self.manifests()
        for _ in range(LOOKS_MAX):
            for manifest in reversed(there):
                if manifest.layout in layouts and at_least <= manifest.position <= at_most:
                    arrays = self._arrays(manifest)
                    if arrays is not None:
                        return Snapshot(manifest.position, manifest.clock_us, arrays, manifest.format)
            before, there = there, self.manifests()
            if there == before:
                break
        return None

    def _arrays(self, manifest: Manifest) -> Arrays | None:
        """The arrays of a snapshot; None where they are not those that its manifest names."""
        stream = self._objects.read(_name(manifest.position, _ARRAYS))
        if stream is None:
            return None
        with closing(stream):
            if file_digest(stream, "sha256").hexdigest() != manifest.sha256:
                return None
            stream.seek(0)
            return read_arrays(stream)


class _Digesting(io.RawIOBase):
    """Passes on what is written, and digests it. It cannot be sought in, so each byte passes once."""

    def __init__(self, target: BinaryIO, digest: Any) -> None:
        super().__init__()
        self._target, self._digest = target, digest

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._digest.update(data)
        self._target.write(data)
        return memoryview(data).nbytes


def _name(position: int, end: str) -> str:
    return f"{_START}{position:016d}{end}"
