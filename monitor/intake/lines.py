"""Whole lines out of files, gzip files and standard input, in chunks, with constant memory.

A chunk ends behind a newline, and its position says where to go on: the byte offset in the text, after
decompression. Reading from there gives the same lines with the same numbers. To know the numbers, the part before is
read again and only counted.

Limits: a chunk holds at most ``chunk_bytes`` and one record more. Of a record above 64 KiB the first 65,537 bytes are
handed on, enough for the decoder to refuse it as too long; the rest is skipped up to the next newline.

Standard input is handed on as it comes: whatever whole lines are there, at once. While nothing comes, a chunk without
lines is handed on each second, so that who reads can commit what was judged, or stop. A byte order mark at the
beginning of a file is skipped. Gzip is recognised by its first two bytes, also on standard input, also with several
members.
"""

import os
import select
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from monitor.intake.json_scan import RECORD_BYTES_MAX
from monitor.intake.records import RecordChunk, SourcePosition

CHUNK_BYTES = 1 << 20
"""About two thousand records: what is done once per chunk, and code and tables that come back into the processor's
caches, are shared by many. Per record 512 KiB took 1.1 to 1.4 times as long (three pairs of runs), 2 MiB 1.05 times
(one pair)."""

STANDARD_INPUT = "-"
IDLE_SECONDS = 1.0

_BOM = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"
_KEPT_MAX = RECORD_BYTES_MAX + 1
_WITH_GZIP_HEADER = 31


class SourceDamaged(Exception):
    """The source cannot be read to its end; all whole lines before have been handed on."""


def read_lines(
    path: Path | str, *, start: SourcePosition, chunk_bytes: int = CHUNK_BYTES, standard_input: int = 0
) -> Iterator[RecordChunk]:
    """Chunks of whole lines; the last line of the source may lack its newline.

    Args:
        path: A file, or ``-`` for standard input.
        start: Where to begin; the offset counts bytes after decompression. On standard input too, the bytes before
            are read and passed over, so that the same input given again goes on where it stopped.
        chunk_bytes: About how much a chunk holds.
        standard_input: File descriptor that ``-`` stands for.

    Raises:
        OSError: The file cannot be opened or read.
        SourceDamaged: The gzip data are damaged or end too early.
    """
    if str(path) == STANDARD_INPUT:
        yield from _chunks(
            "-", _expanded("-", _from_descriptor(standard_input, chunk_bytes, IDLE_SECONDS), chunk_bytes), start
        )
        return
    with open(path, "rb", buffering=0) as file:
        raw = iter(lambda: file.read(chunk_bytes), b"")
        yield from _chunks(str(path), _expanded(str(path), raw, chunk_bytes), start)


def _from_descriptor(descriptor: int, chunk_bytes: int, idle_seconds: float | None = None) -> Iterator[bytes]:
    """What is there, as soon as something is there; several reads are joined while more is waiting.

    With ``idle_seconds`` an empty piece is handed on whenever nothing came for so long.
    """
    while True:
        if idle_seconds is not None and not _is_waiting(descriptor, idle_seconds):
            yield b""
            continue
        pieces = [os.read(descriptor, chunk_bytes)]
        size = len(pieces[0])
        while pieces[-1] and size < chunk_bytes and _is_waiting(descriptor, 0):
            pieces.append(os.read(descriptor, chunk_bytes - size))
            size += len(pieces[-1])
        if size:
            yield b"".join(pieces)
        if not pieces[-1]:
            return


def _is_waiting(descriptor: int, seconds: float) -> bool:
    """Whether something, or the end, can be read within so long. ``poll``, unlike ``select``, takes any descriptor."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def _expanded(name: str, raw: Iterator[bytes], chunk_bytes: int) -> Iterator[bytes]:
    """The text of the raw bytes: themselves, or what they are the gzip of."""
    first = b""
    for piece in raw:
        if not piece:
            yield piece
        first += piece
        if len(first) >= len(_GZIP):
            break
    if not first.startswith(_GZIP):
        yield from _followed(first, raw)
        return
    try:
        yield from _unzipped(name, _followed(first, raw), chunk_bytes)
    except zlib.error as error:
        raise SourceDamaged(f"{name}: the gzip data are damaged ({error}); fetch the file again") from error


def _unzipped(name: str, raw: Iterator[bytes], chunk_bytes: int) -> Iterator[bytes]:
    """The text of one gzip member after the other, at most ``chunk_bytes`` at a time; zeros may follow a member."""
    member = zlib.decompressobj(_WITH_GZIP_HEADER)
    is_between = False
    for data in raw:
        if not data:
            yield data
        while data:
            if is_between:
                data = data.lstrip(b"\0")
                member, is_between = zlib.decompressobj(_WITH_GZIP_HEADER), not data
                continue
            text = member.decompress(data, chunk_bytes)
            while text:
                yield text
                text = member.decompress(member.unconsumed_tail, chunk_bytes)
            data, is_between = member.unused_data, member.eof
    if not is_between:
        raise SourceDamaged(f"{name}: the gzip data end too early, the file was cut; fetch it again")


def _followed(first: bytes, rest: Iterable[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def _chunks(name: str, pieces: Iterator[bytes], start: SourcePosition) -> Iterator[RecordChunk]:
    """Cut pieces behind their last newline; ``kept`` is the beginning of the line that is not whole yet."""
    line, pieces = _passed_over(pieces, start.offset)
    handed, read = start.offset, start.offset
    kept = b""
    error: SourceDamaged | None = None
    while True:
        try:
            coming = next(pieces, None)
        except SourceDamaged as damage:
            coming, error = None, damage
        if coming == b"":
            here = SourcePosition(start.file, handed)
            yield RecordChunk(name, here, here, line, lines=b"")
            continue
        piece = coming or b""
        read += len(piece)
        end = piece.rfind(b"\n") + 1
        if end:
            lines, kept = b"".join([kept, memoryview(piece)[:end]]), piece[end:]
            after = read - len(kept)
        elif piece:
            kept = b"".join([kept, memoryview(piece)[: max(0, _KEPT_MAX - len(kept))]])
            continue
        else:
            lines, after = kept, read
        if (lines and error is None) or end:
            newlines = lines.count(b"\n")
            text = lines[len(_BOM) :] if handed == 0 and lines.startswith(_BOM) else lines
            here, there = SourcePosition(start.file, handed), SourcePosition(start.file, after)
            yield RecordChunk(name, here, there, line, lines=text)
            handed, line = after, line + newlines
        kept = kept[:_KEPT_MAX]
        if not piece:
            break
    if error is not None:
        raise error


def _passed_over(pieces: Iterator[bytes], offset: int) -> tuple[int, Iterator[bytes]]:
    """The number of the line at ``offset``, and the pieces from there on."""
    line = 1
    while offset:
        piece = next(pieces, None)
        if piece is None:
            break
        line += piece.count(b"\n", 0, offset)
        if len(piece) > offset:
            return line, _followed(piece[offset:], pieces)
        offset -= len(piece)
    return line, pieces
