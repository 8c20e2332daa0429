"""An alert of the anomaly models of the stream raised again: its partition's recorded log through fresh models.

An engine in the partition's place takes the recorded payments in the order of the log, with the profile versions that
the log announced, missed and brought later, and scores and learns as the worker's did. What partitions tell each other
of money and of the bank is not among it: the one takes a row of the log, the other none, and neither says anything to
the models.

What the models had learned when they raised an alert began with the state that judged. So the history must hold every
record from there on; one that is missing would change all that was learned behind it.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from monitor.adapters.block_log import DamagedError
from monitor.adapters.history import TOKENS_FOLDER
from monitor.adapters.history_parts import concatenated
from monitor.adapters.history_tokens import read_tokens
from monitor.adapters.input_archive import InputArchive
from monitor.adapters.kafka.missing_profiles import LATE, MISSING
from monitor.adapters.kafka.profile_records import Announcements
from monitor.adapters.leg_history import PlainPlaces, ProfileEvent, first_position, profile_events
from monitor.adapters.redis.profiles import ProfilesUnavailable
from monitor.app import kept_inputs
from monitor.app.backtest.changes import RulesInForce
from monitor.app.backtest.history import Epoch
from monitor.app.inputs import default_entities, models_rates
from monitor.app.rerun_history import HistoryLost
from monitor.app.rerun_inputs import InputsThen
from monitor.app.rerun_legs import BEHIND, LegRerunner, PartitionFiles, models_of
from monitor.app.rerun_log_profiles import Asked, contents_of, not_held
from monitor.app.rerun_models import Run, engine_of, must_be_of_this_release, raised_at
from monitor.app.streaming.judged_with import Note
from monitor.app.streaming.profile_source import PartitionProfiles, VersionsAbsent
from monitor.app.streaming.token_table import TokenTable
from monitor.domain.alert import DEGRADED, Alert
from monitor.domain.partitions import Partition
from monitor.domain.time import UNKNOWN
from monitor.engine.conversion import Rates
from monitor.intake.rates import load_rates

Places = list[tuple[int, Note]]
"""Notes, each with the row of the history from which on the state that judged was measured with it, ascending."""


def alert_again(files: PartitionFiles, evidence: Mapping[str, Any]) -> Alert | None:
    """What the models raise at the alert's payment, measured anew; ``None`` where they raise nothing.

    Args:
        files: The history of the partition. It knows by which notes the alert was judged.
        evidence: The alert with positions as the history counts (:meth:`PartitionFiles.placed`).

    Raises:
        InputNotKept: The alert is of other models than those of this release, or an input is lost.
        HistoryLost: The history does not hold all that the models had learned.
        DamagedError: A part of the history cannot be read.
    """
    must_be_of_this_release(evidence)
    rerunner, row = files.rerunner, int(evidence["position"]) - first_position(files.partition)
    places = _measured_with(files, row)
    note = places[-1][1]
    log = _RecordedRuns(files, start=places[0][0], stop=row + 1, began=note.began)
    if DEGRADED in evidence["marks"] and not log.went_without:
        raise HistoryLost(
            "the alert was judged without a profile version, and the record of the log that says so is not in the "
            f"history yet, which ends at offset {files.manifest.offset}. {BEHIND}"
        )
    engine = engine_of(_epoch(rerunner.archive, note), log.codes, Partition(files.partition, note.partitions))
    rates = [(at, _rates(rerunner.archive, each)) for at, each in places]
    return raised_at(engine, log.runs(rates), row)


def _measured_with(files: PartitionFiles, row: int) -> Places:
    """By which notes the state that judged a row was measured, from its beginning on."""
    notes, start = files.rerunner.notes, files.rerunner.history.start - first_position(files.partition)
    manifest, began, where = files.manifest, notes[-1].began, f"{files.topic} {files.partition}"
    lacking = [(first, stop) for first, stop, at in manifest.gaps if stop > began and at <= row]
    if began < manifest.begins:
        lacking.insert(0, (began, manifest.begins))
    if lacking:
        shown = ", ".join(f"{first} to {stop - 1}" for first, stop in lacking)
        raise HistoryLost(
            f"{files.rerunner.folder}: the models that raised the alert had learned from offset {began} of {where} on, "
            f"and the history lacks offsets {shown}, which had left the topic when they were to be read. Bring the "
            "folder back from a copy that has them; without one the alert cannot be raised again"
        )
    places = PlainPlaces(files.rerunner.folder)
    try:
        if (at := places.row_at(began)) != start:
            raise HistoryLost(
                f"{files.rerunner.folder}: the state that raised the alert began at offset {began} of {where}, at row "
                f"{start} of the history by its own count and at row {at} by that of the history: they do not hold "
                "the same records. Bring folder and notes (judged) back from one copy"
            )
        found: Places = []
        for note in _chain(files.rerunner):
            since = note.since if note.since is not None else note.offset
            # Records up to an offset that the topic does not have any more are behind the last that it had.
            held = start if not found else places.row_at(since)
            found.append((held if held is not None else manifest.rows, note))
        return found
    finally:
        places.close()


def _chain(rerunner: LegRerunner) -> list[Note]:
    """The notes by which a state came about, the last of which judged the alert.

    A worker goes on from the newest saved state of its rules and models, and measures the log from there on with its
    own lists and rates; one without such a state begins anew.
    """
    *before, last = rerunner.notes
    found, since = [last], last.since

    def made_by(note: Note) -> tuple[int, str, str | None]:
        return note.began, note.rulebook, models_of(rerunner.archive, note)

    for note in reversed(before):
        if since is not None and since <= last.began:
            break
        if note.offset <= (last.offset if since is None else since) and made_by(note) == made_by(last):
            found.insert(0, note)
            since = note.since if note.since is not None else note.offset
    if since is not None and since > last.began and found[0].since is not None:
        raise HistoryLost(
            f"the state that raised the alert was measured from offset {last.began} on, and the first note of scoring "
            f"workers that says with what begins at offset {since}. Bring the folder judged back from a copy"
        )
    return found


def _epoch(archive: InputArchive, note: Note) -> Epoch:
    then = InputsThen(archive, note.inputs, 0)
    lists, manifest = then.lists(), then.rulebook()
    rules = [
        kept_inputs.kept_rule(archive, manifest, rule, digest, lists)
        for rule, digest in kept_inputs.kept_digests(archive, manifest).items()
    ]
    entities = then.content("entities", "entities")
    assert note.models is not None
    return Epoch(
        position=0,
        rules=RulesInForce({rule.id: rule for rule in rules}, then.live(rules)),
        lists=lists,
        rates=None,  # They change from note to note; see `_rates`.
        entities=kept_inputs.kept_entities(archive, entities) if entities else default_entities(),
        profiles=None,
        models=note.models.version,
    )


def _rates(archive: InputArchive, note: Note) -> Rates | None:
    content = InputsThen(archive, note.inputs, 0).content("rates", "rates")
    return models_rates(load_rates(archive.path(content))) if content else None


class _Contents:
    """What profile versions hold, where the history has it; as :class:`monitor.adapters.redis.profiles.Profiles`."""

    def __init__(self, held: Mapping[Asked, bytes]) -> None:
        self._held = held

    def read(self, versions: Sequence[Asked]) -> list[bytes | None]:
        return [self._held.get(each) for each in versions]


class _RecordedRuns:
    """A stretch of a partition's log as its worker took it up: payments in runs between profile versions.

    Args:
        files: The history.
        start: The row of the history at which the state began.
        stop: The row behind the last.
        began: The offset at ``start``.
    """

    def __init__(self, files: PartitionFiles, *, start: int, stop: int, began: int) -> None:
        self._first, self._start, self._stop = first_position(files.partition), start, stop
        self._history = files.rerunner.history
        self.codes = _codes(files)
        whole = profile_events(files.rerunner.folder, stop=files.manifest.offset)
        self._events = [each for each in whole if each.offset >= began]
        self._profiles = PartitionProfiles(_Contents(contents_of(whole)), self.codes.add_texts)
        self.went_without: dict[int, frozenset[Asked]] = {}
        """By offset of an announcement the versions that the partition went on without."""
        for event in self._events:
            if event.kind == MISSING:
                versions = frozenset((token, version) for token, version, *_ in event.versions)
                self.went_without[event.about] = self.went_without.get(event.about, frozenset()) | versions

    def runs(self, rates: Sequence[tuple[int, Rates | None]]) -> Iterator[Run]:
        """The payments; positions are rows of the history. ``rates`` are those in force by row, the first always.

        Raises:
            HistoryLost: The history does not hold what a version says.
        """
        events, clock_us = deque(self._events), UNKNOWN
        until = [*(row for row, _ in rates[1:]), self._stop]
        stretches = deque((behind, each) for behind, (_, each) in zip(until, rates, strict=True))
        changes = np.unique([*(each.row for each in events), *until])
        for batch in self._history.batches(start=self._first + self._start, stop=self._first + self._stop):
            rows = batch.position - self._first
            # Columns of its own: kernels compiled for what a worker decodes do not take mapped files.
            whole = replace(concatenated([batch, batch.slice(0, 0)]), position=rows)
            within = changes[np.searchsorted(changes, rows[0]) : np.searchsorted(changes, rows[-1], side="right")]
            cuts = np.searchsorted(rows, within).tolist()
            for start, stop in pairwise(np.unique([0, *cuts, len(rows)]).tolist()):
                while events and events[0].row <= rows[start]:
                    self._take(events.popleft())
                while stretches[0][0] <= rows[start]:
                    stretches.popleft()
                for run, after_us in self._profiles.runs(whole.slice(start, stop), clock_us):
                    yield run, self._profiles.table, stretches[0][1]
                    clock_us = after_us

    def _take(self, event: ProfileEvent) -> None:
        if event.kind == LATE:
            self._profiles.arrive([content for *_, content in event.versions if content is not None])
        elif event.kind != MISSING:
            rows = [(token, version, us) for token, version, us, _ in event.versions]
            try:
                self._profiles.apply(Announcements.of(rows), self.went_without.get(event.offset, frozenset()))
            except VersionsAbsent as error:
                token, version = min(error.absent)
                raise HistoryLost(not_held(token.hex(), version)) from None
            except ProfilesUnavailable as error:
                raise HistoryLost(str(error)) from None


def _codes(files: PartitionFiles) -> TokenTable:
    """The identifiers of the history by their codes there; what rules and profiles name gets further ones."""
    count, folder = files.manifest.codes, files.rerunner.folder
    tokens = read_tokens(folder / "history" / TOKENS_FOLDER)[:count]
    kinds, offsets, texts = files.vault.identifiers()
    if min(len(tokens), len(kinds)) < count:
        raise DamagedError(
            f"{folder}: the history has {len(tokens)} tokens, the vault {len(kinds)} kinds, and {count} were "
            "committed. Restore the folder from a copy."
        )

    def text(row: int) -> str | None:
        return texts[int(offsets[row]) : int(offsets[row + 1])].decode() or None

    table = TokenTable(files.rerunner.key)
    table.add(tokens, kinds[:count], text)
    return table
