"""Engine snapshots in a folder: immutable files, written whole or not at all, the newest two kept.

``snapshots/engine-<position>.npz`` holds the arrays (NumPy's own format, no pickles);
``engine-<position>.json`` is written last and names position, layout and SHA-256. A
snapshot without a manifest, or with another digest than its manifest says, does not exist.
"""

import json
from dataclasses import asdict, dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from monitor.adapters.durable import make_folder, remove_unfinished, replace_file

KEPT = 2
Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a snapshot is: ``position`` is the next log position, ``clock_us`` the clock of the log there,
    ``layout`` that of the program."""

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


class SnapshotStore:
    """The snapshots of one run."""

    def __init__(self, folder: Path) -> None:
        make_folder(folder)
        remove_unfinished(folder)
        self.folder = folder

    def write(self, arrays: Arrays, *, position: int, clock_us: int, layout: str, format_version: int) -> None:
        """Write a snapshot and drop those older than the newest two."""
        path = self._arrays(position)

        def write_arrays(target: Path) -> None:
            with target.open("wb") as file:
                np.savez(file, allow_pickle=False, **arrays)

        replace_file(path, write_arrays)
        manifest = Manifest(position, clock_us, layout, _digest(path), format_version)
        replace_file(path.with_suffix(".json"), lambda target: target.write_text(json.dumps(asdict(manifest))))
        for old in self.manifests()[:-KEPT]:
            self._arrays(old.position).with_suffix(".json").unlink(missing_ok=True)
            self._arrays(old.position).unlink(missing_ok=True)

    def manifests(self) -> list[Manifest]:
        """All whole snapshots, oldest first."""
        found = []
        for path in sorted(self.folder.glob("engine-*.json")):
            manifest = Manifest(**json.loads(path.read_text()))
            if path.with_suffix(".npz").exists():
                found.append(manifest)
        return found

    def newest(self, *, layout: str, at_most: int, at_least: int = 0) -> Snapshot | None:
        """The newest whole snapshot of the layout from log position ``at_least`` to ``at_most``."""
        for manifest in reversed(self.manifests()):
            path = self._arrays(manifest.position)
            if (
                manifest.layout == layout
                and at_least <= manifest.position <= at_most
                and _digest(path) == manifest.sha256
            ):
                with np.load(path, allow_pickle=False) as file:
                    arrays = {name: file[name] for name in file.files}
                return Snapshot(manifest.position, manifest.clock_us, arrays)
        return None

    def _arrays(self, position: int) -> Path:
        return self.folder / f"engine-{position:016d}.npz"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
