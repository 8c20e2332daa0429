"""The quarantine: every refused record with its position, place, reason, detail and original bytes.

One JSON object a line in ``refused.jsonl``; the bytes stand as text where they are UTF-8 and as base 64 where they
are not, so nothing is lost and a person can read the file. ``header`` is the line that must stand in front of the
record when it is run again (the column names of a CSV file).

**Commits.** :meth:`Quarantine.append` writes, :meth:`Quarantine.commit` makes durable and gives the size to record.
After a crash :meth:`Quarantine.truncate_to` cuts the file back to that size. What was taken out to be run
again is noted in ``retried.jsonl`` beside it, so cutting back never forgets a retry, and a retry never removes
evidence.

Refused customer profiles stand in the same file, marked ``is_profile``. Their position counts in the profiles file, not
in the log, and they are not taken out: they are mended in the profiles file, which the next run reads anew.
"""

import base64
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from monitor.adapters.block_log import DamagedError
from monitor.adapters.durable import flush_folder, make_folder, replace_file
from monitor.domain.refusal import Reason, Refusal

QUARANTINE_FILE = "refused.jsonl"
RETRIED_FILE = "retried.jsonl"
_BLOCK_BYTES = 65_536


class _Line(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    position: int
    place: str
    reason: Reason
    detail: str
    refused_at: str
    original: str = ""
    original_base64: str = ""
    header: str = ""
    header_base64: str = ""
    is_profile: bool = False


class _Retry(msgspec.Struct, forbid_unknown_fields=True):
    position: int
    file: str
    retried_at: str


@dataclass(frozen=True, slots=True)
class RefusedRecord:
    """A refusal as stored. ``refused_at`` is ISO 8601 UTC; ``retried_to`` names the file it was written to, if any."""

    refusal: Refusal
    refused_at: str
    retried_to: str | None
    is_profile: bool = False


class Quarantine:
    """Refused records of one store, in a folder.

    >>> from tempfile import TemporaryDirectory
    >>> refusal = Refusal(7, "a.jsonl:8", Reason.NOT_JSON, "at byte 3", b"{}}")
    >>> with TemporaryDirectory() as folder:
    ...     quarantine = Quarantine(Path(folder))
    ...     quarantine.append([refusal], refused_at="2026-05-04T09:00:00Z")
    ...     [record.refusal == refusal for record in quarantine.read()]
    [True]
    """

    def __init__(self, folder: Path) -> None:
        make_folder(folder)
        self.path, self._retried = folder / QUARANTINE_FILE, folder / RETRIED_FILE
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        flush_folder(folder)
        _cut_torn_line(self._file)

    @property
    def size(self) -> int:
        """Bytes in the file; what :meth:`truncate_to` takes."""
        return os.fstat(self._file).st_size

    def append(self, refusals: Iterable[Refusal], *, refused_at: str, is_profile: bool = False) -> None:
        """Add refusals; ``refused_at`` is the time of the run, ISO 8601 UTC."""
        lines = (msgspec.json.encode(_line(refusal, refused_at, is_profile)) + b"\n" for refusal in refusals)
        _write(self._file, b"".join(lines))

    def commit(self) -> int:
        """Wait until everything appended is on the disk; the size to record."""
        os.fsync(self._file)
        return self.size

    def truncate_to(self, size: int) -> None:
        """Forget what was appended beyond a recorded size.

        Raises:
            DamagedError: The file is shorter than what was recorded.
        """
        if self.size < size:
            raise DamagedError(
                f"{self.path}: {self.size} bytes, but {size} were committed. Restore the file from a copy."
            )
        os.ftruncate(self._file, size)
        os.fsync(self._file)

    def read(self, reason: Reason | None = None, *, retried: bool = True) -> Iterator[RefusedRecord]:
        """Refused records in the order of the log, of one reason if given; ``retried=False`` leaves those out
        that were taken out to be run again."""
        for record in read_refused(self.path.parent):
            if (reason is None or record.refusal.reason is reason) and (retried or record.retried_to is None):
                yield record

    def counts(self) -> Counter[Reason]:
        """Number of refused records by reason, retried ones included."""
        return Counter(record.refusal.reason for record in self.read())

    def retry(self, out: Path, *, retried_at: str, reason: Reason | None = None) -> dict[Path, int]:
        """Write the original bytes of the payments that were not taken out yet, to be run again, and note them.

        Records under different headers go to different files: ``out``, then ``out`` with ``-2``, ``-3`` and so on.
        The files are whole before the note is made: a crash in between writes them again next time, and
        the duplicate filter of the run drops what comes twice. Called again, it finds nothing left to write.

        Returns:
            The files with their number of records; empty if there was nothing to write.

        Raises:
            FileExistsError: A file to be written exists.
        """
        by_header: dict[bytes, list[RefusedRecord]] = {}
        for record in self.read(reason, retried=False):
            if record.is_profile:
                continue
            by_header.setdefault(record.refusal.header, []).append(record)
        targets = {
            out if number == 1 else out.with_name(f"{out.stem}-{number}{out.suffix}"): records
            for number, records in enumerate(by_header.values(), 1)
        }
        for target in targets:
            if target.exists():
                raise FileExistsError(f"{target} exists. Records never replace a file; name another with --out.")
        for target, records in targets.items():
            body = b"".join(_ended(record.refusal.original) for record in records)
            body = (_ended(records[0].refusal.header) if records[0].refusal.header else b"") + body
            replace_file(target, partial(_write_body, body))
            self._note(records, target, retried_at)
        return {target: len(records) for target, records in targets.items()}

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _note(self, records: list[RefusedRecord], target: Path, retried_at: str) -> None:
        notes = [_Retry(record.refusal.position, str(target), retried_at) for record in records]
        file = os.open(self._retried, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            _cut_torn_line(file)
            _write(file, b"".join(msgspec.json.encode(note) + b"\n" for note in notes))
            os.fsync(file)
        finally:
            os.close(file)


def read_refused(folder: Path) -> Iterator[RefusedRecord]:
    """The refused records of a store in the order of the log; nothing is opened for writing, so a run may go on.

    A last line that is being written is left out.
    """
    path = folder / QUARANTINE_FILE
    if not path.exists():
        return
    taken = _taken(folder / RETRIED_FILE)
    with path.open("rb") as file:
        for text in file:
            if text.endswith(b"\n"):
                line = msgspec.json.decode(text, type=_Line)
                yield _record(line, None if line.is_profile else taken.get(line.position))


def _taken(path: Path) -> dict[int, str]:
    """By position, the file to which a record was taken out."""
    if not path.exists():
        return {}
    notes = [line for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
    return {note.position: note.file for note in (msgspec.json.decode(line, type=_Retry) for line in notes)}


def _line(refusal: Refusal, refused_at: str, is_profile: bool) -> _Line:
    line = _Line(refusal.position, refusal.place, refusal.reason, refusal.detail, refused_at, is_profile=is_profile)
    line.original, line.original_base64 = _packed(refusal.original)
    line.header, line.header_base64 = _packed(refusal.header)
    return line


def _record(line: _Line, retried_to: str | None) -> RefusedRecord:
    original = base64.b64decode(line.original_base64) or line.original.encode()
    header = base64.b64decode(line.header_base64) or line.header.encode()
    refusal = Refusal(line.position, line.place, line.reason, line.detail, original, header)
    return RefusedRecord(refusal, line.refused_at, retried_to, line.is_profile)


def _packed(body: bytes) -> tuple[str, str]:
    """As text, or else as base 64; the other one is empty."""
    try:
        return body.decode(), ""
    except UnicodeDecodeError:
        return "", base64.b64encode(body).decode()


def _write(file: int, body: bytes) -> None:
    rest = memoryview(body)
    while rest:
        rest = rest[os.write(file, rest) :]


def _write_body(body: bytes, path: Path) -> None:
    path.write_bytes(body)


def _ended(line: bytes) -> bytes:
    return line if line.endswith(b"\n") else line + b"\n"


def _cut_torn_line(file: int) -> None:
    """Cut off a last line that has no end: a process was killed while it wrote."""
    size = at = os.fstat(file).st_size
    tail = b""
    while at and b"\n" not in tail:
        at = max(0, at - _BLOCK_BYTES)
        tail = os.pread(file, size - at, at)
    os.ftruncate(file, at + tail.rfind(b"\n") + 1)
