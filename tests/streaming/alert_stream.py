"""Alerts of a simulated bank as scoring workers send them, and what a store holds that took them undisturbed."""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from monitor.adapters.kafka.alert_records import decode, encode
from monitor.adapters.sql.commit import CommitResult
from monitor.adapters.sql.store import CaseStore, open_store
from monitor.app.embedded import RUN, EmbeddedRun
from monitor.app.filing_days import FilingDays
from monitor.app.inputs import LoadedInputs, load_inputs
from monitor.app.store import StoreFiles
from monitor.casework.evidence import StoredAlert, stored_alert
from monitor.casework.policy import CaseworkPolicy
from monitor.casework.position import RunPosition
from monitor.domain.alert import Alert, Subject, alert_id
from tests.app.embedded_stores import Source, settings

LEGS, ALERTS = 3, 4
"""Partitions of the two topics."""
POSITIONS = 2**40


class RecordingStore(CaseStore):
    """A store that keeps what it was given, by commit."""

    given: list[list[Alert]]

    def commit_batch(self, alerts: Sequence[StoredAlert], *args: Any, **more: Any) -> CommitResult:
        self.given.append([each.alert for each in alerts])
        return super().commit_batch(alerts, *args, **more)


def judged(source: Source, folder: Path) -> list[list[Alert]]:
    """The alerts of an embedded run over the bank, by commit."""
    folder.mkdir(parents=True)
    asked = settings(source, folder, commit_records=1)
    loaded = load_inputs(asked.inputs)
    with open_store(asked.db, create=True) as plain:
        store = RecordingStore(plain.engine, plain.name, CaseworkPolicy(groups=loaded.groups.groups), 30)
        store.given = []
        store.claim_run(RUN)
        files = StoreFiles.open(asked.db)
        run = EmbeddedRun(asked, store, files, loaded)
        run.go(lambda progress: True)
        run.lines.close()
        files.close()
        store.close()
    return [some for some in store.given if some]


def home(token: str, partitions: int) -> int:
    """The partition of a token."""
    return int.from_bytes(bytes.fromhex(token)[:8], "big") % partitions


@dataclass(frozen=True, slots=True)
class Sent:
    """A record and its partition."""

    partition: int
    value: bytes
    headers: Mapping[str, bytes] = field(default_factory=dict)


def sent(steps: Iterable[Sequence[Alert]], rng: random.Random, *, repeats: float = 0.2) -> list[Sent]:
    """The records of some steps; a scoring worker that died sends some again, and not always cut alike."""
    found: list[Sent] = []
    by_place: dict[tuple[int, int], list[list[Alert]]] = {}
    for step in steps:
        placed: dict[tuple[int, int], list[Alert]] = {}
        for alert in step:
            legs, target = home(alert.subject.token, LEGS), home(alert.subject.token, ALERTS)
            moved = msgspec.structs.replace(alert, position=legs * POSITIONS + alert.position)
            placed.setdefault((legs, target), []).append(moved)
        for key in sorted(placed, key=lambda _: rng.random()):
            by_place.setdefault(key, []).append(placed[key])
            found.append(Sent(key[1], encode(placed[key])))
            if rng.random() < repeats:
                again = by_place[key][-rng.randint(1, 4) :]
                cut = rng.choice([again, [[alert for some in again for alert in some]]])
                found += [Sent(key[1], encode(some)) for some in cut]
    return found


def undisturbed(place: str | Path, records: Iterable[Sent], loaded: LoadedInputs) -> dict[str, str]:
    """The fingerprint of a store that takes the records one after the other, without what a run notes of itself."""
    filing = FilingDays(loaded.entities)
    with open_store(place, create=True, policy=CaseworkPolicy(groups=loaded.groups.groups)) as store:
        offsets: dict[int, int] = {}
        for record in records:
            offset = offsets[record.partition] = offsets.get(record.partition, 0) + 1
            alerts = [stored_alert(each, due_on=filing.due_of(each)) for each in decode(record.value)]
            position = RunPosition(f"alerts-{record.partition}", 0, offset, offset, 0)
            store.commit_batch(alerts, position, recorded_at_us=offset)
        return without_inputs(store.fingerprint())


def without_inputs(fingerprint: Mapping[str, str]) -> dict[str, str]:
    """A fingerprint without the log of inputs."""
    return {table: digest for table, digest in fingerprint.items() if table != "log_inputs"}


def multiplied(steps: Iterable[Sequence[Alert]], times: int) -> list[list[Alert]]:
    """The alerts of so many banks that are alike, each with its own subjects."""
    return [[_of_bank(alert, number) for number in range(times) for alert in step] for step in steps]


def _of_bank(alert: Alert, number: int) -> Alert:
    def moved(subject: Subject) -> Subject:
        return Subject(subject.kind, sha256(f"{subject.token} {number}".encode()).hexdigest()[:32])

    subject, duty = moved(alert.subject), alert.duty
    if duty is not None and duty.subject is not None:
        duty = msgspec.structs.replace(duty, subject=moved(duty.subject))
    new_id = alert_id(
        rule=alert.source.id, digest=alert.source.digest, subject_token=subject.token,
        transaction=(alert.position, 0), leg_role=alert.leg_role,
    )  # fmt: skip
    return msgspec.structs.replace(alert, alert_id=new_id, subject=subject, duty=duty)
