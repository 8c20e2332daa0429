"""With which inputs a partition was judged: kept by scoring workers in the folder that all workers share.

Rules, lists, rates, entities and approvals lie in ``inputs/`` under the SHA-256 of their content, as an embedded run
keeps them. Where a worker takes a partition up, at an offset of its log, it notes which of them it judges with:

| path | |
|---|---|
| ``judged/<topic>-<partition>/<offset>-<digest>/inputs.json`` | kinds, names, versions, digests, where each is kept |
| ``judged/<topic>-<partition>/<offset>-<digest>/bank-<row>.json`` | the bank snapshot in force from a row on |

A note is written once and never changed. Two workers that both believe to hold a partition write different notes or the
same. Rows are those of the state that judges; the note says which row belongs to its offset, so that whoever counts
from another beginning of the log can tell them apart.
"""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from monitor.adapters.durable import make_folder, replace_file
from monitor.adapters.input_archive import InputArchive
from monitor.app.inputs import GivenInputs, LoadedInputs
from monitor.app.kept_inputs import keep_input, peer_columns, snapshot_content
from monitor.app.streaming.partition import Partition
from monitor.casework.position import LogInput
from monitor.domain.time import UNKNOWN
from monitor.engine.engine import Step
from monitor.engine.peers import BankSnapshot

FOLDER = "judged"
_INPUTS = "inputs.json"
_DIGITS = 16
RETRY_SECONDS = 10.0
"""How long nothing is tried after the folder did not take something."""


@dataclass(frozen=True, slots=True)
class Note:
    """What a partition is judged with from an offset of its log on.

    Attributes:
        offset: Where a worker took the partition up.
        row: The row of the next payment there, as the state counts.
        began: The offset at which the state began and its row 0 is: 0 unless the beginning of the log was gone.
        partitions: How many partitions the log has.
        inputs: What it judges with; positions are 0.
        snapshots: Bank snapshots by the row from which on each is in force, ascending.
        since: The offset from which on the state that judges was measured with these inputs: at most ``offset``, as a
            worker begins at a saved state and measures up to where it judges. Notes of former releases do not say it.
    """

    offset: int
    row: int
    began: int
    partitions: int
    inputs: tuple[LogInput, ...]
    snapshots: tuple[LogInput, ...] = ()
    since: int | None = None

    @property
    def rulebook(self) -> str:
        """The digest of the rulebook."""
        return next((each.digest for each in self.inputs if each.kind == "rulebook"), "")

    @property
    def models(self) -> LogInput | None:
        """What the anomaly models did and were; ``None`` where they were off."""
        return next((each for each in self.inputs if each.kind == "models"), None)


@dataclass(frozen=True, slots=True)
class _Unwritten:
    """A file that could not be written yet, and the bank snapshot that it names, if any, which comes first."""

    body: str
    snapshot: bytes | None = None


@dataclass(slots=True)
class JudgedWith:
    """What a scoring worker keeps of its inputs. Writing is beside judging: it can fail without stopping that.

    What failed stays here and is tried again, at most every :data:`RETRY_SECONDS`.

    Args:
        folder: The folder that all workers share.
        topic: The topic of legs.
        loaded: The inputs.
        given: The files that they come from.
        tick: A clock that never goes back, seconds.

    Raises:
        OSError: The folder cannot be written.
    """

    folder: Path
    topic: str
    loaded: LoadedInputs
    given: GivenInputs
    tick: Callable[[], float] = time.monotonic
    archive: InputArchive = field(init=False)
    _inputs: list[LogInput] = field(init=False)
    _digest: str = field(init=False)
    _notes: dict[int, Path] = field(default_factory=dict)
    """The folder of the note of each partition held."""
    _unwritten: dict[Path, _Unwritten] = field(default_factory=dict)
    """In the order of writing."""
    _again_at: float = field(default=float("-inf"), init=False)

    def __post_init__(self) -> None:
        make_folder(self.folder)
        self.archive = InputArchive(self.folder)
        self._inputs = [
            LogInput(0, kind, name, version, digest,
                     keep_input(self.archive, kind, name, loaded=self.loaded, given=self.given, profiles=None))
            for kind, name, version, digest in self.loaded.digests()
        ]  # fmt: skip
        body = json.dumps([[each.kind, each.name, each.version, each.digest] for each in self._inputs])
        self._digest = sha256(body.encode()).hexdigest()

    def took_up(self, partition: Partition) -> None:
        """A partition has come to the first record that it will judge.

        Raises:
            OSError: The folder cannot be written; it is tried again later.
        """
        name = f"{partition.offset:0{_DIGITS}d}-{self._digest[:_DIGITS]}"
        folder = self._notes[partition.number] = _folder(self.folder, self.topic, partition.number) / name
        began = partition.offset if partition.began == UNKNOWN else partition.began
        body = {
            "offset": partition.offset,
            "row": partition.rows,
            "began": began,
            "since": began if partition.loaded_at == UNKNOWN else partition.loaded_at,
            "partitions": partition.engine.admission.ownership.partition.count,
            "inputs": [[each.kind, each.name, each.version, each.digest, each.content] for each in self._inputs],
        }
        self._unwritten[folder / _INPUTS] = _Unwritten(json.dumps(body))
        if partition.engine.peers.snapshot is not None:
            self._keep(partition, partition.engine.peers.snapshot, partition.rows)
        self._write()

    @property
    def is_behind(self) -> bool:
        """Whether something waits for the disk."""
        return bool(self._unwritten)

    def has_something_of(self, steps: Iterable[Step]) -> bool:
        """Whether :meth:`stepped` would have something to do."""
        return (bool(self._unwritten) and self.tick() >= self._again_at) or any(step.snapshots for step in steps)

    def stepped(self, partition: Partition, steps: Iterable[Step]) -> None:
        """Keep the bank snapshots of some steps.

        Raises:
            OSError: The folder cannot be written; it is tried again later.
        """
        for step in steps:
            for snapshot in step.snapshots:
                self._keep(partition, snapshot, snapshot.position)
        self._write()

    def _keep(self, partition: Partition, snapshot: BankSnapshot, row: int) -> None:
        # What its rows stand for is known now; the disk may take it much later.
        content = snapshot_content(partition.engine, snapshot, peer_columns(self.loaded.program))
        digest = sha256(content).hexdigest()
        body = {"version": snapshot.version, "digest": digest, "content": self.archive.name(content, ".json")}
        path = self._notes[partition.number] / f"bank-{row:0{_DIGITS}d}.json"
        self._unwritten[path] = _Unwritten(json.dumps(body), content)

    def _write(self) -> None:
        if self.tick() < self._again_at:
            return
        try:
            for path, each in list(self._unwritten.items()):
                self._put(path, each)
                self._unwritten.pop(path, None)  # Partitions are judged on several threads.
        except OSError:
            self._again_at = self.tick() + RETRY_SECONDS
            raise

    def _put(self, path: Path, file: _Unwritten) -> None:
        if path.exists():
            return
        if file.snapshot is not None:
            self.archive.keep(file.snapshot, ".json", durable=False)
        make_folder(path.parent)
        replace_file(path, lambda target: target.write_text(file.body), is_shared=True)


def notes_of(folder: Path, topic: str, partition: int) -> list[Note]:
    """All notes of a partition, by offset; of the same offset in the order of writing."""
    found = [(_read(path), path.stat().st_mtime_ns) for path in _folder(folder, topic, partition).glob(f"*/{_INPUTS}")]
    return [note for note, _ in sorted(found, key=lambda each: (each[0].offset, each[1]))]


def _read(path: Path) -> Note:
    body = json.loads(path.read_bytes())
    snapshots = []
    for each in sorted(path.parent.glob("bank-*.json")):
        kept = json.loads(each.read_bytes())
        row = int(each.stem.removeprefix("bank-"))
        snapshots.append(LogInput(row, "bank_snapshot", "bank", str(kept["version"]), kept["digest"], kept["content"]))
    inputs = tuple(LogInput(0, *each) for each in body["inputs"])
    offset, row, began, partitions = (int(body[name]) for name in ("offset", "row", "began", "partitions"))
    return Note(offset, row, began, partitions, inputs, tuple(snapshots), body.get("since"))


def _folder(folder: Path, topic: str, partition: int) -> Path:
    return folder / FOLDER / f"{topic}-{partition}"


def inputs_log(notes: Sequence[tuple[Note, int]], *, first: int) -> list[LogInput]:
    """The log of inputs that some notes give, by position.

    Args:
        notes: In the order of the log, each with the row of its offset as the history counts.
        first: The position of row 0 of the history.
    """
    found: list[LogInput] = []
    last: dict[tuple[str, str], str] = {}
    for note, row in notes:
        given = {(each.kind, each.name): each for each in note.inputs}
        for key in [key for key, digest in last.items() if digest and key not in given]:
            found.append(LogInput(first + row, *key, "", ""))
            last[key] = ""
        for key, each in given.items():
            if last.get(key) != each.digest:
                found.append(LogInput(first + row, each.kind, each.name, each.version, each.digest, each.content))
                last[key] = each.digest
        for each in note.snapshots:
            position = first + row + each.position - note.row
            found.append(LogInput(position, each.kind, each.name, each.version, each.digest, each.content))
    # A worker that took the partition up at an earlier place judged what the one before it had judged already.
    return sorted(found, key=lambda each: each.position)
