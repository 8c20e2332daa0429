"""An alert of the streaming shell computed again: from the recorded log of the partition that judged it.

Positions of alerts count the rows of the state that judged. That state may have begun later in the log than the history
did, where rules changed after the topic had lost its beginning. Scoring notes at which offset it counted which row
(:mod:`monitor.app.streaming.judged_with`), and the history knows the row of each offset: so one is told from the other.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from monitor.adapters.history import TOKENS_FOLDER
from monitor.adapters.history_tokens import read_tokens
from monitor.adapters.identity_files import KnownIdentities
from monitor.adapters.input_archive import InputArchive, InputNotKept
from monitor.adapters.leg_history import (
    Manifest,
    PlainPlaces,
    first_position,
    history_folder,
    profile_events,
    read_manifest,
)
from monitor.adapters.vault import PlainVault, Texts
from monitor.app.kept_inputs import kept_models
from monitor.app.rerun_flow import flow_names
from monitor.app.rerun_history import HistoryLost
from monitor.app.rerun_inputs import InputsThen
from monitor.app.rerun_log_profiles import LogProfiles
from monitor.app.rerun_profiles import ProfileVersions
from monitor.app.rerunning import Evidence, Rerun, Rerunner
from monitor.app.streaming.judged_with import Note, inputs_log, notes_of
from monitor.domain.alert import DEGRADED, MODEL, REEVALUATED
from monitor.domain.flow import OFFSET_BITS
from monitor.domain.identifiers import PERSONAL_KINDS, TOKEN_BYTES, IdentifierKind
from monitor.domain.partitions import home_of
from monitor.domain.time import format_time

_ROW = (1 << OFFSET_BITS) - 1
BEHIND = "Start it, or wait until it has caught up:  aml worker history"


def partition_of(position: int) -> int:
    """The partition in whose log a position lies."""
    return position >> OFFSET_BITS


class PartitionTokens:
    """What the tokens of one partition stand for: words out of its log, personal identifiers out of ``identities``.

    A personal identifier that is not recorded yet is found with its token in place of its text.
    """

    def __init__(self, folder: Path, vault: PlainVault, identities: KnownIdentities) -> None:
        self._tokens = read_tokens(folder / "history" / TOKENS_FOLDER)
        self._kinds, self._offsets, self._texts = vault.identifiers()
        count = min(len(self._tokens), len(self._kinds))
        self._codes = {self._tokens[code].tobytes(): code for code in range(count)}
        self._identities = identities

    def find(self, token: str) -> tuple[IdentifierKind, str] | None:
        """Kind and text of a token (hex); ``None`` where the partition has never met it."""
        code = self._codes.get(bytes.fromhex(token))
        if code is None:
            return self._identities.find(bytes.fromhex(token))
        kind = IdentifierKind(int(self._kinds[code]))
        if kind in PERSONAL_KINDS:
            return kind, self.text(token) or token
        return kind, self._texts[int(self._offsets[code]) : int(self._offsets[code + 1])].decode() or token

    def text(self, token: str) -> str | None:
        """The identifier with this token; ``None`` where it is not recorded."""
        known = self._identities.find(bytes.fromhex(token))
        if known is not None:
            return known[1]
        code = self._codes.get(bytes.fromhex(token))
        if code is None or int(self._kinds[code]) in PERSONAL_KINDS:
            return None
        return self._texts[int(self._offsets[code]) : int(self._offsets[code + 1])].decode() or None


class PartitionTexts:
    """Where each payment of a partition stands in topic ``transactions``; names are in no log that is recorded."""

    def __init__(self, vault: PlainVault, first: int) -> None:
        self._vault, self._first = vault, first

    def transaction_id(self, position: int) -> str | None:
        """Partition and offset of the payment's record in ``transactions``."""
        return self._vault.transaction_id(position - self._first)

    def texts(self, position: int) -> Texts | None:
        """Nothing is known."""
        return None

    def close(self) -> None:
        """The vault belongs to whoever opened it."""


class LegRerunner(Rerunner):
    """The recorded log of one partition, for one alert after the other."""

    def open(self, store: Path, partition: int, manifest: Manifest) -> None:
        """Name the partition whose log this is."""
        self.archive = InputArchive(store)
        self.partition, self.manifest = partition, manifest
        self.partitions = 1
        self.notes: list[Note] = []
        """By which the partition was judged up to the alert in hand, the last by which it was."""
        self._found_later: dict[int, int] = {}
        self._profiles: LogProfiles | None = None
        self._began = 0

    def judged_by(self, notes: Sequence[tuple[Note, int]], *, start: int) -> None:
        """Take over with what the alert in hand was judged, by a state whose row 0 is at the position ``start``."""
        self._began, self.history.start = notes[-1][0].began, start
        self.notes = [note for note, _ in notes]
        self.noted = inputs_log(notes, first=first_position(self.partition))
        self.partitions = notes[-1][0].partitions
        self.is_owned = None if self.partitions == 1 else self._is_home

    def rerun(self, evidence: Evidence) -> Rerun:
        """Compute the alert's rule again; as :meth:`Rerunner.rerun`."""
        marks, position, version = evidence["marks"], int(evidence["position"]), evidence["profile_version"]
        self._found_later = {position: version} if REEVALUATED in marks and version is not None else {}
        self._profiles = None
        if DEGRADED in marks and not self._log_profiles().went_without:
            raise HistoryLost(
                "the alert was judged without a profile version, and the record of the log that says so is not in the "
                f"history yet, which ends at offset {self.manifest.offset}. {BEHIND}"
            )
        rule = self.rule(evidence)
        if self.partitions > 1 and flow_names(rule):
            raise HistoryLost(
                f"rule {rule.id} follows money over all {self.partitions} partitions, and the history of partition "
                f"{self.partition} has not recorded what the others told it of money, so no number can be computed "
                "again. The alert stands as it was raised; judge it by its payments, which are those of all partitions"
            )
        return super().rerun(evidence)

    def profiles(self, then: InputsThen) -> Sequence[tuple[int, ProfileVersions | None]]:
        """What the log says of profile versions holds from its beginning."""
        return [(first_position(self.partition), self._log_profiles())]

    def name(self, token: bytes) -> str | None:
        """Profiles go by tokens here."""
        return token.hex()

    def names(self, tokens: set[bytes], kind: IdentifierKind) -> set[str]:
        """Profiles go by tokens here."""
        return {token.hex() for token in tokens}

    def token_of_name(self, kind: IdentifierKind, name: str) -> str:
        """Profiles go by tokens here."""
        return name

    def _log_profiles(self) -> LogProfiles:
        if self._profiles is None:
            events = profile_events(self.folder, start=self._began, stop=self.manifest.offset)
            first = first_position(self.partition)
            self._profiles = LogProfiles(events, first=first, found_later=self._found_later)
        return self._profiles

    def _is_home(self, holder: str) -> bool:
        token = np.frombuffer(bytes.fromhex(holder), np.uint8).reshape(1, TOKEN_BYTES)
        return int(home_of(token, self.partitions)[0]) == self.partition


@dataclass(slots=True)
class PartitionFiles:
    """The history of one partition, open for reading."""

    store: Path
    topic: str
    partition: int
    manifest: Manifest
    vault: PlainVault
    rerunner: LegRerunner

    @property
    def texts(self) -> PartitionTexts:
        """What names its payments."""
        return PartitionTexts(self.vault, first_position(self.partition))

    def placed(self, evidence: Evidence) -> Evidence:
        """The evidence with positions as the history counts; the rerunner knows by which inputs it was judged.

        Raises:
            HistoryLost: The history does not reach the alert, or does not hold the beginning of what judged it.
            InputNotKept: With what it was judged was not noted.
        """
        known, row = self._known_notes(), int(evidence["position"]) & _ROW
        matching = [at for at, (note, _) in enumerate(known) if self._is_by(note, evidence)]
        if not matching:
            models = f" and the models {evidence['source']['digest'][:12]}" if _is_of_models(evidence) else ""
            raise InputNotKept(
                f"{self.store}: no scoring worker has noted that it judged {self.topic} {self.partition} by the "
                f"rulebook {evidence['rulebook'][:12]}{models}. Bring the folder judged back from a copy; alerts of "
                "releases that kept no such notes cannot be computed again"
            )
        placed = [(at, row + known[at][1] - known[at][0].row) for at in matching
                  if known[at][0].row <= row and self._is_certain(known[at], row)]  # fmt: skip
        if not placed:
            gaps = ", ".join(f"{first} to {stop - 1}" for first, stop, _ in self.manifest.gaps)
            raise HistoryLost(
                f"the history of {self.topic} {self.partition} begins at offset {self.manifest.begins}"
                f"{f' and lacks offsets {gaps}' if gaps else ''}, so the place of the alert in it is not "
                "certain. What is lacking had left the topic when it was to be read"
            )
        if all(at_row >= self.manifest.rows for _, at_row in placed):
            raise HistoryLost(
                f"the history of {self.topic} {self.partition} ends at offset {self.manifest.offset}, before the "
                f"payment of this alert. {BEHIND}"
            )
        at, at_row = next((each for each in reversed(placed) if self._is_it(evidence, each[1])), placed[-1])
        self.rerunner.judged_by(known[: at + 1], start=first_position(self.partition) + at_row - row)
        return self._moved(evidence, at_row - row)

    def _is_by(self, note: Note, evidence: Evidence) -> bool:
        """Whether what raised the alert judged by this note."""
        if note.rulebook != evidence["rulebook"]:
            return False
        if not _is_of_models(evidence):
            return True
        return models_of(self.rerunner.archive, note) == str(evidence["source"]["digest"])

    def _known_notes(self) -> list[tuple[Note, int]]:
        """The notes of scoring, each with the row of the history at its offset."""
        places = PlainPlaces(self.rerunner.folder)
        found = []
        try:
            for note in notes_of(self.store, self.topic, self.partition):
                at = self.manifest.rows if note.offset == self.manifest.offset else places.row_at(note.offset)
                if note.offset < self.manifest.offset and at is not None:
                    found.append((note, at))
                elif note.offset == self.manifest.offset:
                    found.append((note, self.manifest.rows))
        finally:
            places.close()
        return found

    def _is_certain(self, known: tuple[Note, int], row: int) -> bool:
        """Whether no records are missing between the note and the row."""
        note, at = known
        last = row + at - note.row
        return not any(first >= note.offset and gap_row <= last for first, _, gap_row in self.manifest.gaps)

    def _is_it(self, evidence: Evidence, row: int) -> bool:
        position = first_position(self.partition) + row

        def wanted(table: pa.Table) -> npt.NDArray[np.bool_]:
            return np.asarray(table.column("position").to_numpy() == position, bool)

        for found in self.rerunner.history.rows(wanted, columns=(), stop=position + 1).to_pylist():
            return (format_time(found["booked_at_us"]), found["amount_minor"]) == (
                evidence["event_time"], evidence["amount_minor"],
            )  # fmt: skip
        return False

    def has(self, evidence: Evidence) -> bool:
        """Whether the alert's payment stands where the alert says, as the history counts."""
        return self._is_it(evidence, int(evidence["position"]) & _ROW)

    def _moved(self, evidence: Evidence, rows: int) -> Evidence:
        if not rows:
            return evidence

        def moved(position: int) -> int:
            return position + rows if partition_of(position) == self.partition else position

        positions = [str(moved(int(each))) for each in evidence["transactions"]]
        return evidence | {"position": moved(int(evidence["position"])), "transactions": positions}


def models_of(archive: InputArchive, note: Note) -> str | None:
    """The digest of the models that judged by a note; ``None`` where they were off.

    Raises:
        InputNotKept: What they were is lost.
    """
    kept = note.models
    return None if kept is None else kept_models(archive, kept.content or "")["digest"]


def _is_of_models(evidence: Evidence) -> bool:
    return bool(evidence["source"]["kind"] == MODEL)


@contextmanager
def partition_files(
    store: Path, topic: str, partition: int, *, key: bytes, identities: KnownIdentities
) -> Iterator[PartitionFiles]:
    """The history of a partition, as far as it is committed.

    Raises:
        HistoryAbsent: There is none.
        DamagedError: It cannot be read.
    """
    folder = history_folder(store, topic, partition)
    manifest = read_manifest(folder)
    vault = PlainVault(folder / "vault", read_only=True)
    try:
        tokens = PartitionTokens(folder, vault, identities)
        rerunner = LegRerunner(folder, key, tokens, [])
        rerunner.open(store, partition, manifest)
        yield PartitionFiles(store, topic, partition, manifest, vault, rerunner)
    finally:
        vault.close()


def payments_by_partition(evidence: Evidence) -> dict[int, list[str]]:
    """The positions of the payments behind an alert, by partition."""
    found: dict[int, list[str]] = {}
    for each in evidence["transactions"]:
        found.setdefault(partition_of(int(each)), []).append(each)
    return found


def only(evidence: Evidence, positions: list[str]) -> dict[str, Any]:
    """The evidence with some of its payments."""
    return evidence | {"transactions": positions}
