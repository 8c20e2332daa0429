"""The history of one partition of the log of legs: a folder that is read as that of an embedded run is.

``history/<topic>-<partition>/`` below the folder that all workers share holds

| path | |
|---|---|
| ``history/`` | every payment of the log in its order (:mod:`monitor.adapters.history`), by positions of alerts |
| ``vault/`` | kinds and words of the codes, and where each payment stands in topic ``transactions`` |
| ``vault/profiles.blocks`` | what the log says of profile versions, with what they hold |
| ``places.blocks`` | at which row each record of the log begins |
| ``manifest.json`` | up to where all of this is recorded |
| ``lock`` | held by the process that writes |

**Commits.** Everything is appended and flushed; then the manifest is replaced, which counts. Opening forgets what was
appended behind the manifest, so a process killed at any moment leaves a folder that goes on without a gap or a repeat.
The offset of the log stands in the manifest and nowhere else.
"""

import fcntl
import json
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from monitor.adapters.background import BackgroundWriter
from monitor.adapters.block_log import BlockLog, DamagedError
from monitor.adapters.durable import make_folder, replace_file
from monitor.adapters.history import HistoryStore
from monitor.adapters.vault import PlainVault
from monitor.domain.flow import OFFSET_BITS
from monitor.domain.transaction import Bytes16, Int64s, TransactionBatch
from monitor.intake.records import TextColumns

FORMAT = 1
FOLDER = "history"
"""Below the folder that all workers share."""
_MANIFEST, _LOCK = "manifest.json", "lock"
_ENCODE = msgspec.msgpack.Encoder().encode


class HistoryBusy(Exception):
    """Another process writes the folder; the message says which."""


class HistoryAbsent(Exception):
    """There is no history of the partition; the message says what helps."""


class ProfileEvent(msgspec.Struct, frozen=True, array_like=True):
    """What a record of the log says of profile versions."""

    kind: str
    """The kind of the record."""
    offset: int
    row: int
    """The row of the next payment: from there on it counts."""
    about: int
    """Of a record of kind ``profiles_missing`` the offset that it speaks of; else -1."""
    versions: list[tuple[bytes, int, int, bytes | None]]
    """Token of the customer, number, time of recording (µs UTC), and content; ``None`` where it could not be had."""


_DECODE = msgspec.msgpack.Decoder(ProfileEvent).decode


@dataclass(frozen=True, slots=True)
class Manifest:
    """Up to where a partition is recorded.

    Attributes:
        offset: The next offset of the log.
        rows: Rows so far: payments, and records about money, which take a row each.
        codes: Identifiers so far.
        begins: The first offset that was there; 0 unless the beginning of the log was gone.
        gaps: Offsets that were gone when they were to be read: first, behind the last, and the row there.
        partition: Which partition it is.
        format: Of the folder.
    """

    offset: int = 0
    rows: int = 0
    codes: int = 0
    begins: int = 0
    gaps: tuple[tuple[int, int, int], ...] = ()
    partition: int = 0
    format: int = FORMAT


class Codes(msgspec.Struct, frozen=True):
    """Kinds, offsets and texts of codes, as the vault takes them; the text of a personal one is empty."""

    kinds: npt.NDArray[np.int8]
    offsets: Int64s
    texts: bytes


def history_folder(store: Path, topic: str, partition: int) -> Path:
    """Where the history of a partition lies.

    >>> history_folder(Path("store"), "legs", 3).as_posix()
    'store/history/legs-3'
    """
    return store / FOLDER / f"{topic}-{partition}"


def recorded(store: Path, topic: str) -> list[int]:
    """The partitions of a topic that have a history below the folder that all workers share."""
    found = (store / FOLDER).glob(f"{topic}-*/{_MANIFEST}")
    return sorted(int(path.parent.name.rpartition("-")[2]) for path in found)


def first_position(partition: int) -> int:
    """The position of the first row of a partition."""
    return partition << OFFSET_BITS


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a folder.

    Raises:
        HistoryAbsent: There is none.
        DamagedError: It is none that this release reads.
    """
    path = folder / _MANIFEST
    try:
        found = json.loads(path.read_bytes())
        gaps = tuple((first, stop, row) for first, stop, row in found.pop("gaps"))
        manifest = Manifest(**found, gaps=gaps)
    except FileNotFoundError:
        raise HistoryAbsent(f"{folder}: there is no history of this partition. Start the worker that writes it, and "
                            "let it catch up:  aml worker history") from None  # fmt: skip
    except (ValueError, TypeError, KeyError) as error:
        raise DamagedError(f"{path}: it is damaged: {error}. Restore the folder from a copy.") from None
    if manifest.format != FORMAT:
        raise DamagedError(f"{path}: the history is of format {manifest.format} and this release reads {FORMAT}. "
                           "Use the release that wrote it.")  # fmt: skip
    return manifest


class PlainPlaces:
    """From offsets of the log to rows of the history."""

    def __init__(self, folder: Path) -> None:
        self._blocks = BlockLog(folder / "places.blocks", read_only=True)

    def row_at(self, offset: int) -> int | None:
        """The row of the first payment at or behind an offset; ``None`` where the history holds no record there."""
        block = self._blocks.find(offset)
        if block is None:
            return None
        offsets, rows = _unpacked(self._blocks.read(block))
        at = int(np.searchsorted(offsets, offset))
        return int(rows[at]) if at < len(rows) else None

    def close(self) -> None:
        """Let go of the file."""
        self._blocks.close()


@dataclass(slots=True)
class _Waiting:
    """Places since the last commit."""

    offsets: list[int] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)


class _Closable(Protocol):
    def close(self) -> None: ...


_Kept = TypeVar("_Kept", bound=_Closable)


class LegHistory:
    """The folder of one partition, open for appending. What is appended counts from :meth:`commit` on.

    Raises:
        HistoryBusy: Another living process writes it.
        DamagedError: What was committed is not there any more.
        OSError: The folder cannot be written.
    """

    def __init__(self, folder: Path, partition: int) -> None:
        make_folder(folder)
        folder.chmod(0o700)
        self.folder, self.first = folder, first_position(partition)
        self._waiting = _Waiting()
        self._lock = _locked(folder / _LOCK)
        self._open: list[_Closable] = []
        try:
            try:
                self.manifest = read_manifest(folder)
            except HistoryAbsent:
                self.manifest = Manifest(partition=partition)
            self._writer = self._kept_open(BackgroundWriter())
            self._vault = self._kept_open(PlainVault(folder / "vault", writer=self._writer))
            (folder / "vault").chmod(0o700)
            self._history = self._kept_open(HistoryStore(folder / "history", writer=self._writer))
            self._profiles = self._kept_open(BlockLog(folder / "vault" / "profiles.blocks"))
            self._places = self._kept_open(BlockLog(folder / "places.blocks"))
            self._go_back()
        except BaseException:
            # Else the next attempt of this process would find the folder held, by itself.
            self.close()
            raise

    def _kept_open(self, file: _Kept) -> _Kept:
        self._open.append(file)
        return file

    def _go_back(self) -> None:
        """Forget what was appended behind the manifest."""
        stands = self.manifest
        self._vault.truncate_to(stands.rows, stands.codes)
        self._history.truncate_to(self.first + stands.rows, stands.codes)
        self._profiles.truncate(stands.offset)
        self._places.truncate(stands.offset)

    def codes(self) -> tuple[Bytes16, Codes]:
        """Tokens of all codes, shape (n, 16), and what else is known of them."""
        tokens, codes = self._history.tokens, Codes(*self._vault.identifiers())
        if not len(tokens) == len(codes.kinds) == self.manifest.codes:
            raise DamagedError(
                f"{self.folder}: the history has {len(tokens)} tokens, the vault {len(codes.kinds)} kinds, and "
                f"{self.manifest.codes} were committed. Restore the folder from a copy."
            )
        return tokens, codes

    def place(self, offset: int, row: int) -> None:
        """Note that the record at an offset begins at a row."""
        self._waiting.offsets.append(offset)
        self._waiting.rows.append(row)

    def append(self, batch: TransactionBatch, sources: Sequence[str], tokens: Bytes16) -> None:
        """Take payments over; positions follow those before. ``sources`` says where each stands in ``transactions``."""
        self._history.append(batch, tokens)
        nothing = pa.nulls(len(batch), pa.string())
        texts = TextColumns(pa.array(sources, pa.string()), *[nothing] * 7)
        rows = batch.position - self.first
        self._vault.append_texts(rows, texts, stop=int(rows[-1]) + 1)

    def profiles(self, event: ProfileEvent) -> None:
        """Take over what the log says of profile versions."""
        body = _ENCODE(event)
        packed = bytes(pa.Codec("zstd", 1).compress(body, asbytes=True))
        self._profiles.append(event.offset, event.offset + 1, len(body).to_bytes(8, "little") + packed)

    def commit(self, *, offset: int, rows: int, codes: int, new: Codes) -> None:
        """Make everything appended durable, and count it. ``new`` are the codes since the last commit.

        Raises:
            Exception: Writing failed; open the folder again.
        """
        nothing = pa.array([], pa.string())
        self._vault.append_identifiers(new.kinds, new.offsets, new.texts)
        self._vault.append_texts(np.zeros(0, np.int64), TextColumns(*[nothing] * 8), stop=rows)
        self._vault.commit()
        self._history.commit()
        if self._waiting.offsets:
            payload = _packed(self._waiting.offsets, self._waiting.rows)
            self._places.append(self.manifest.offset, offset, payload)
        self._profiles.commit()
        self._places.commit()
        self._put(replace(self.manifest, offset=offset, rows=rows, codes=codes))
        self._waiting = _Waiting()

    def skip_to(self, offset: int) -> None:
        """Note that the records before an offset are gone from the topic and were never read.

        Nothing may be waiting for a commit.
        """
        stands = self.manifest
        is_new = not stands.rows and not stands.offset
        gaps = stands.gaps if is_new else (*stands.gaps, (stands.offset, offset, stands.rows))
        self._put(replace(stands, offset=offset, begins=offset if is_new else stands.begins, gaps=gaps))

    def _put(self, manifest: Manifest) -> None:
        body = json.dumps(asdict(manifest)).encode()
        replace_file(self.folder / _MANIFEST, lambda target: target.write_bytes(body))
        self.manifest = manifest

    def close(self) -> None:
        """Let go of everything; what was not committed is forgotten."""
        with ExitStack() as closing:
            closing.callback(os.close, self._lock)
            # Last in, first out. First the writer, which may still write into files that are open.
            for file in reversed(self._open):
                closing.callback(file.close)


def profile_events(folder: Path, *, start: int = 0, stop: int) -> list[ProfileEvent]:
    """What the log says of profile versions from one offset to before another, in its order.

    Raises:
        DamagedError: A record is damaged.
    """
    blocks = BlockLog(folder / "vault" / "profiles.blocks", read_only=True)
    try:
        found = []
        for block in blocks.blocks:
            if block.first >= stop:
                break
            if block.first < start:
                continue
            payload = blocks.read(block)
            size = int.from_bytes(payload[:8], "little")
            found.append(_DECODE(pa.Codec("zstd", 1).decompress(payload[8:], size, asbytes=True)))
        return found
    finally:
        blocks.close()


def _packed(offsets: list[int], rows: list[int]) -> bytes:
    body = np.array([offsets, rows], np.int64).tobytes()
    return len(body).to_bytes(8, "little") + bytes(pa.Codec("zstd", 1).compress(body, asbytes=True))


def _unpacked(payload: bytes) -> tuple[Int64s, Int64s]:
    size = int.from_bytes(payload[:8], "little")
    both = np.frombuffer(pa.Codec("zstd", 1).decompress(payload[8:], size, asbytes=True), np.int64).reshape(2, -1)
    return both[0], both[1]


def _locked(path: Path) -> int:
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 32, 0).decode(errors="replace").strip() or "another process"
            raise HistoryBusy(f"{path.parent}: process {holder} writes it. Wait until it ends.") from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
    except BaseException:
        os.close(handle)
        raise
    return handle
