"""A partition of the log of legs on its way into its history: records in, payments with their positions out.

Rows are counted as :class:`monitor.app.streaming.partition.Partition` counts them: each payment of a chunk that can be
read, and each record about money, takes one. What the log says of profile versions is kept with what they hold, which
is read from Redis once: there it may be gone next year.

Not knowing the rules, nothing is judged here; whoever explains an alert judges.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from monitor.adapters.kafka import flow_records, profile_records
from monitor.adapters.kafka.missing_profiles import LATE, MISSING, decode_late, decode_missing
from monitor.adapters.kafka.payment_chunks import KIND as PAYMENTS
from monitor.adapters.kafka.payment_chunks import ChunkError, PaymentChunk, decode
from monitor.adapters.kafka.profile_records import ProfileRecordError
from monitor.adapters.leg_history import Codes, LegHistory, Manifest, ProfileEvent
from monitor.adapters.redis.profiles import ProfilesUnavailable
from monitor.adapters.redis.stored_profile import ProfileDamaged
from monitor.adapters.redis.stored_profile import decode as decode_profile
from monitor.app.streaming.token_table import TokenTable

Version = tuple[bytes, int, int, bytes | None]
"""Token of the customer, number, time of recording, and content, where it is known."""

ROWS_MAX = 32_768
"""With so many rows since the last commit another is due: the history then writes each row once."""


class LogEntry(Protocol):
    """A record of the log."""

    @property
    def offset(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def value(self) -> bytes: ...


class VersionsRead(Protocol):
    """Where the content of profile versions is read."""

    def read(self, versions: Sequence[tuple[bytes, int]]) -> list[bytes | None]:
        """See :class:`monitor.adapters.redis.profiles.Profiles`."""


@dataclass(slots=True)
class Recorded:
    """What came of some records. ``records`` were taken, with so many ``rows``."""

    records: int = 0
    rows: int = 0
    damaged: int = 0
    """Records that cannot be read: scoring refuses them, and they take no row."""
    absent: int = 0
    """Announced profile versions that Redis does not hold."""
    blocked: str | None = None
    """Why the record behind those taken waits."""


class RecordedLog:
    """The history of one partition, open for the log.

    Args:
        folder: Where it lies.
        partition: Which partition it is.
        kept: Where versions are read.
        tick: A clock that never goes back, seconds.

    Raises:
        HistoryBusy: Another living process writes it.
        DamagedError: What was committed is not there any more.
        OSError: The folder cannot be written.
    """

    def __init__(
        self, folder: Path, partition: int, kept: VersionsRead, *, tick: Callable[[], float] = time.monotonic
    ) -> None:
        self._files = LegHistory(folder, partition)
        self._kept, self._tick = kept, tick
        # Words come with their tokens: no key is needed.
        self._tokens = TokenTable(b"")
        try:
            tokens, codes = self._files.codes()
            texts = _texts(codes)
            self._tokens.add(tokens, codes.kinds, lambda row: texts(row) or None)
        except BaseException:
            self._files.close()
            raise
        self.offset, self.rows = self._files.manifest.offset, self._files.manifest.rows
        self._committed_at = tick()

    @property
    def manifest(self) -> Manifest:
        """What is committed."""
        return self._files.manifest

    def take(self, records: Sequence[LogEntry]) -> Recorded:
        """Take records over in their order, without those that were taken before.

        Where one is blocked, because Redis does not answer, those before it are taken; hand it in again later.

        Raises:
            ValueError: Records are missing in front of one.
            Exception: Writing failed; open the history again.
        """
        done = Recorded()
        for record in records:
            if record.offset > self.offset:
                raise ValueError(f"records {self.offset} to {record.offset - 1} of the log were not read")
            if record.offset == self.offset:
                before = self.rows
                try:
                    self._take(record, done)
                except ProfilesUnavailable as error:
                    done.blocked = str(error)
                    break
                except (ChunkError, ProfileRecordError):
                    done.damaged += 1
                self._files.place(record.offset, before)
                self.offset = record.offset + 1
                done.rows += self.rows - before
            done.records += 1
        return done

    def _take(self, record: LogEntry, done: Recorded) -> None:
        if record.kind == PAYMENTS:
            self._payments(decode(record.value))
        elif record.kind == flow_records.KIND:
            self.rows += 1
        elif record.kind == profile_records.KIND:
            rows = profile_records.decode(record.value).rows()
            asked = list(dict.fromkeys((token, version) for token, version, _ in rows))
            values = dict(zip(asked, self._kept.read(asked) if asked else [], strict=True))
            whole = {each: _whole(value, *each) for each, value in values.items()}
            found = [(token, version, us, whole[token, version]) for token, version, us in rows]
            done.absent += sum(value is None for *_, value in found)
            self._files.profiles(ProfileEvent(record.kind, record.offset, self.rows, -1, found))
        elif record.kind == LATE:
            self._files.profiles(ProfileEvent(LATE, record.offset, self.rows, -1, list(_late(record.value))))
        elif record.kind == MISSING:
            about, versions = decode_missing(record.value)
            missing: list[Version] = [(token, version, us, None) for token, version, us in versions.rows()]
            self._files.profiles(ProfileEvent(MISSING, record.offset, self.rows, about, missing))

    def _payments(self, chunk: PaymentChunk) -> None:
        if not len(chunk):
            return
        codes = self._tokens.add_texts(chunk.tokens, chunk.kinds, chunk.texts)
        batch = chunk.batch(codes, first_position=self._files.first + self.rows)
        places = zip(chunk.source_partition.tolist(), chunk.source_offset.tolist(), strict=True)
        self._files.append(batch, [f"{partition}:{offset}" for partition, offset in places], self._tokens.tokens)
        self.rows += len(chunk)

    def is_due(self, *, seconds: float) -> bool:
        """Whether a commit is due: much waits, or something has waited so long."""
        if self.offset == self.manifest.offset:
            self._committed_at = self._tick()
            return False
        return self.rows - self.manifest.rows >= ROWS_MAX or self._tick() - self._committed_at >= seconds

    def commit(self) -> None:
        """Make what was taken durable, and count it.

        Raises:
            Exception: Writing failed; open the history again.
        """
        if self.offset > self.manifest.offset:
            new = Codes(*self._tokens.export(self.manifest.codes))
            self._files.commit(offset=self.offset, rows=self.rows, codes=len(self._tokens), new=new)
        self._committed_at = self._tick()

    def skip_to(self, offset: int) -> None:
        """Note that the records before an offset are gone from the topic and were never read."""
        self.commit()
        self._files.skip_to(offset)
        self.offset = offset

    def close(self) -> None:
        """Let go of the files; what was not committed is forgotten."""
        self._files.close()


def _texts(codes: Codes) -> Callable[[int], str]:
    def text(row: int) -> str:
        start, stop = int(codes.offsets[row]), int(codes.offsets[row + 1])
        return codes.texts[start:stop].decode()

    return text


def _whole(value: bytes | None, token: bytes, version: int) -> bytes | None:
    """The content of a version, where it is that version's."""
    if value is not None:
        with suppress(ProfileDamaged):
            profile = decode_profile(value)
            if (profile.customer, profile.version) == (token, version):
                return value
    return None


def _late(value: bytes) -> Iterator[Version]:
    try:
        for content in decode_late(value):
            profile = decode_profile(content)
            yield profile.customer, profile.version, profile.recorded_at_us, content
    except ProfileDamaged as error:
        raise ProfileRecordError(str(error)) from None
