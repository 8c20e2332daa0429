"""A bank's log in which the content of some profile versions cannot be had where they are announced."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from monitor.adapters.kafka import profile_records
from monitor.adapters.kafka.missing_profiles import LATE, MISSING, encode_late
from monitor.adapters.kafka.profile_records import Announcements
from monitor.adapters.redis.profiles import NewVersion, profile_key
from monitor.app.inputs import LoadedInputs, load_inputs, rulebook_of
from monitor.app.streaming.announced_profiles import AnnouncedProfiles
from monitor.app.streaming.partition import LogRecord, Partition
from monitor.app.streaming.profile_batch import ProfileMessage, read_batch
from monitor.app.streaming.profile_source import Asked
from monitor.domain.alert import Alert
from monitor.rulebook.plan import plan
from monitor.rulebook.rule import Rule
from tests.app.embedded_stores import simulated
from tests.rulebook.small_rules import parameter, rule, window
from tests.streaming.legs_stream import KEY, LegsStream
from tests.streaming.profile_versions import MemoryProfiles

MANY = parameter("many", "count", ("40",), ("3", None, "retail"))
TWO, SMALL, YOUNG = parameter("two", "count", ("2",)), parameter("small", "EUR", ("10.00",)), parameter(
    "young", "duration", ("2000d",)
)  # fmt: skip
NUMBERS = (MANY, TWO, SMALL, YOUNG)


def made(number: int, when: str, *, where: str | None = None, quiet: str = "6h") -> Rule:
    one = window("48h", {"n": "count", "total": "sum(amount)"}, where=where, currency="EUR", parameters=NUMBERS)
    return rule(when, one, parameters=NUMBERS, rule_id=f"AML-TST-{number:03}", quiet=quiet)


def rules() -> list[Rule]:
    """Rules whose verdicts depend on the profile in each way that can be made good, and one that asks none."""
    return [
        made(1, "w.n > many"),
        made(2, 'profile.risk_rating == "low" and w.n >= two'),
        made(3, "profile.declared_monthly_income > small and w.total > small"),
        made(4, 'profile.relationship_age > young and w.n >= two and direction == "credit"'),
        made(5, 'known(profile.screening) and profile.screening == "possible" and w.n >= two'),
        made(6, "w.n >= many and first_seen(counterparty)"),
        made(7, 'profile.account_kind == "current" and profile.account_age > young and w.n >= two'),
        made(8, "profile.age_years > two and since_last() < young"),
    ]


@dataclass
class LateBank:
    """Records of one partition, and the versions that are missing until their ``profiles_late`` record."""

    loaded: LoadedInputs
    values: dict[str, bytes]
    """All versions, by key."""
    records: list[LogRecord] = field(default_factory=list)
    withheld: dict[Asked, int] = field(default_factory=dict)
    """By version the offset at which it comes."""

    def store(self, *, is_whole: bool) -> MemoryProfiles:
        store = MemoryProfiles()
        gone = set() if is_whole else {profile_key(*each) for each in self.withheld}
        store.values = {key: value for key, value in self.values.items() if key not in gone}
        return store

    def partition(self, *, is_whole: bool) -> Partition:
        store = self.store(is_whole=is_whole)
        return Partition(
            0, 1, self.loaded, KEY, lambda tokens: AnnouncedProfiles(store, tokens, wait_seconds=0, tick=lambda: 0.0)
        )


def loaded_bank(folder: Path, *, customers: int, days: int, seed: int) -> tuple[LoadedInputs, LegsStream, list[bytes]]:
    """Inputs, payments and profiles of a simulated bank in which nobody holds an account jointly."""
    source = simulated(folder, customers=customers, days=days, seed=seed)
    loaded = load_inputs(replace(source.inputs(), models="off"))
    chosen = rules()
    loaded = replace(loaded, program=plan(rulebook_of(chosen)), live=frozenset(each.id for each in chosen))
    lines = []
    for line in source.profiles.read_bytes().splitlines():
        profile = json.loads(line)
        for account in profile.get("accounts", ()):
            account.pop("holders", None)
        if len(lines) % 3 == 0:
            profile["screening"] = "possible"
        lines.append(json.dumps(profile).encode())
    return loaded, LegsStream.of(source.payments, loaded), lines


def late_bank(
    loaded: LoadedInputs, stream: LegsStream, lines: Sequence[bytes], rng: random.Random, *, share: float, rows: int
) -> LateBank:
    """A log of payments and announcements in which a share of the versions is missing for a while."""
    batch = read_batch([ProfileMessage(0, at, line) for at, line in enumerate(lines)], key=KEY)
    assert not batch.refused
    bank = LateBank(loaded, {profile_key(each.customer, each.version): each.value for each in batch.versions})
    payments = [each.value for each in stream.records(rows=rows)]
    stops: dict[int, list[tuple[str, bytes]]] = {}
    here, late = [], []
    for each in batch.versions:
        announced = (each.customer, each.version, each.recorded_at_us)
        if rng.random() < share:
            at = rng.randrange(len(payments) // 2)
            stops.setdefault(at, []).append(
                (profile_records.KIND, profile_records.encode(Announcements.of([announced])))
            )
            late.append((each, rng.randrange(at + 1, len(payments) + 1)))
        else:
            here.append(announced)
    for each, at in late:
        stops.setdefault(at, []).append((LATE, encode_late([each.value])[0]))
        bank.withheld[each.customer, each.version] = at
    log = [(profile_records.KIND, profile_records.encode(Announcements.of(here)))]
    for at in range(len(payments) + 1):
        log += stops.get(at, [])
        log += [("payments", value) for value in payments[at : at + 1]]
    bank.records = [LogRecord(offset, kind, value) for offset, (kind, value) in enumerate(log)]
    return bank


def judged(part: Partition, records: Sequence[LogRecord], size: int) -> tuple[list[Alert], list[bytes]]:
    """The alerts of records taken so many at a time, and what the partition went on without."""
    found: list[Alert] = []
    missing: list[bytes] = []
    for start in range(0, len(records), size):
        step = part.step(records[start : start + size])
        assert (step.blocked, step.damaged) == (None, [])
        found += step.alerts
        missing += step.missing
    return found, missing


def with_missing(bank: LateBank, missing: Sequence[bytes]) -> list[LogRecord]:
    """The log with what the partition went on without at its end, as the brokers would have it."""
    more = [LogRecord(len(bank.records) + number, MISSING, value) for number, value in enumerate(missing)]
    return [*bank.records, *more]


def announcement(versions: Sequence[NewVersion]) -> LogRecord:
    """A record that announces versions."""
    rows = [(each.customer, each.version, each.recorded_at_us) for each in versions]
    return LogRecord(0, profile_records.KIND, profile_records.encode(Announcements.of(rows)))
