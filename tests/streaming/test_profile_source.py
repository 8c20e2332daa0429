"""The profiles of a partition are those of an embedded run over the same log, whatever the order of announcements."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.adapters.kafka.profile_records import Announcements
from monitor.adapters.redis.profiles import ProfilesUnavailable
from monitor.app.profiles import ProfileTimeline
from monitor.app.streaming import profile_accounts
from monitor.app.streaming.profile_source import PartitionProfiles
from monitor.domain.time import HOUR_US, parse_time_us
from monitor.engine.profiles import HOLDERS_MAX
from monitor.intake.identifiers import IdentifierTable
from tests.streaming.profile_versions import KEY, Codes, MemoryProfiles, Version, by_token, by_token_of, kept

START_US = parse_time_us("2026-05-04T00:00:00Z")


def embedded(versions: Sequence[Version], clock_us: int) -> dict[str, Any]:
    """What an embedded run holds whose profiles file has these versions, by its own definition."""
    identifiers, timeline = IdentifierTable(KEY), ProfileTimeline()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "profiles.jsonl"
        path.write_bytes(b"".join(version.line() + b"\n" for version in versions))
        timeline.load(path, identifiers)
    timeline.advance(clock_us)
    return by_token_of(identifiers, timeline.table)


class Partition:
    """A partition, and everything that was announced to it."""

    def __init__(self) -> None:
        self.store, self.codes = MemoryProfiles(), Codes()
        self.profiles = PartitionProfiles(self.store, self.codes)
        self.announced: list[Version] = []

    def announce(self, *versions: Version) -> Announcements:
        self.announced += [each for each in versions if each not in self.announced]
        return kept([each.line() for each in versions], self.store)

    def shown(self) -> dict[str, Any]:
        return by_token(self.profiles.table, self.codes.tokens(), self.codes.texts.__getitem__)

    def expected(self) -> dict[str, Any]:
        return embedded(self.announced, self.profiles.clock_us)


CUSTOMERS, ACCOUNTS = ["C1", "C2", "C3", "C4"], ["A1", "A2", "A3"]
an_account = st.fixed_dictionaries(
    {"account": st.sampled_from(ACCOUNTS)},
    optional={
        "kind": st.sampled_from(["current", "savings"]),
        "opened_on": st.sampled_from(["2020-01-01", "2021-01-01", "2022-01-01"]),
        "holders": st.lists(st.sampled_from(CUSTOMERS), max_size=3),
    },
)
some_values = st.fixed_dictionaries(
    {"accounts": st.lists(an_account, max_size=3)},
    optional={
        "segment": st.sampled_from(["retail", "private"]),
        "risk_rating": st.sampled_from(["low", "high"]),
        "identity": st.just({"name": "Erika Beispiel", "birth_date": "1988-02-29"}),
        "income_currency": st.just("EUR"),
    },
)


@st.composite
def some_versions(draw: st.DrawFn) -> list[Version]:
    """Versions in the order of a log, which need not be that of recording; a number stands once a customer."""
    numbers = st.tuples(st.sampled_from(CUSTOMERS), st.integers(1, 4))
    which = draw(st.lists(numbers, min_size=1, max_size=10, unique=True))
    hours = st.integers(0, 5)
    return [Version(each, number, START_US + draw(hours) * HOUR_US, draw(some_values)) for each, number in which]


@given(st.data(), some_versions())
def test_after_every_step_the_table_is_that_of_an_embedded_run(data: st.DataObject, versions: list[Version]):
    partition = Partition()
    seen = 0
    while versions:
        count = data.draw(st.integers(1, 4))
        repeated = data.draw(st.lists(st.sampled_from(partition.announced), max_size=2)) if partition.announced else []
        partition.profiles.apply(partition.announce(*versions[:count], *repeated))
        versions = versions[count:]
        partition.profiles.advance(START_US + data.draw(st.integers(-1, 6)) * HOUR_US)
        if data.draw(st.booleans()):
            resumed = PartitionProfiles(partition.store, partition.codes)
            resumed.load({name: array.copy() for name, array in partition.profiles.save().items()})
            partition.profiles = resumed
        assert partition.shown() == partition.expected()
        seen += 1
    assert seen


@given(st.data(), some_versions())
def test_versions_that_could_not_be_had_are_in_force_once_they_are_there(data: st.DataObject, versions: list[Version]):
    partition = Partition()
    clock_us = START_US + data.draw(st.integers(0, 5)) * HOUR_US
    for version in versions:
        partition.profiles.advance(clock_us)
        announced = partition.announce(version)
        partition.profiles.apply(announced, without(announced) if data.draw(st.booleans()) else frozenset())
    partition.profiles.arrive(partition.profiles.fetch(partition.profiles.pending))
    assert partition.profiles.pending == []
    assert not partition.profiles.is_degraded
    assert partition.shown() == partition.expected()


def without(announced: Announcements) -> frozenset[tuple[bytes, int]]:
    return frozenset((token, version) for token, version, _ in announced.rows())


def joint(customer: str, number: int, hour: int, *holders: str, **more: Any) -> Version:
    accounts = [{"account": "A1", "holders": list(holders), **more}]
    return Version(customer, number, START_US + hour * HOUR_US, {"accounts": accounts})


def test_who_is_named_no_more_holds_no_more():
    partition = Partition()
    partition.profiles.advance(START_US + 9 * HOUR_US)
    partition.profiles.apply(partition.announce(joint("C1", 1, 0, "C2")))
    [(_, _, holders)] = partition.shown()["accounts"].values()
    assert len(holders) == 2
    partition.profiles.apply(partition.announce(joint("C1", 2, 1)))
    assert partition.shown()["accounts"] == {}


def test_a_version_that_is_announced_again_keeps_its_place():
    partition = Partition()
    first = joint("C1", 1, 4)
    for versions in ([first], [joint("C2", 1, 4)], [first]):
        partition.profiles.apply(partition.announce(*versions))
    partition.profiles.advance(START_US + 4 * HOUR_US)
    assert partition.shown() == partition.expected()


def test_more_holders_than_have_legs_are_cut_as_in_an_embedded_run():
    partition = Partition()
    partition.profiles.advance(START_US + 9 * HOUR_US)
    for number in range(6):
        names = [f"H{number}-{each}" for each in range(16)]
        version = joint(f"C{number}", 1, 5 - number, *names)
        version.values["accounts"].append({"account": "A2", "holders": ["C9"]})
        partition.profiles.apply(partition.announce(version))
    [one, other] = partition.shown()["accounts"].values()
    assert (len(one[2]), len(other[2])) == (HOLDERS_MAX, 7)
    assert partition.shown() == partition.expected()


def test_what_versions_left_behind_is_tidied_away_and_changes_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(profile_accounts, "_TIDY_FIRST", 4)
    partition = Partition()
    partition.profiles.advance(START_US + 900 * HOUR_US)
    largest = 0
    for number in range(1, 200):
        version = joint(f"C{number % 3}", number, number, f"C{number % 5}", kind="savings" if number % 2 else "current")
        partition.profiles.apply(partition.announce(version))
        largest = max(largest, len(partition.profiles.save()["accounts.entry.account"]))
    assert largest <= 2 * 3 + 4 + 1
    assert partition.shown() == partition.expected()


def test_one_request_is_made_for_a_step():
    partition = Partition()
    partition.profiles.apply(partition.announce(*(joint(f"C{number}", 1, 0) for number in range(50))))
    assert partition.store.reads == [50]


def test_a_version_waits_for_the_clock_and_cuts_the_batch_where_it_takes_effect():
    partition = Partition()
    partition.profiles.apply(partition.announce(joint("C1", 1, 2, kind="current"), joint("C1", 2, 4, kind="savings")))
    assert partition.profiles.waiting == 2
    assert partition.shown() == {"profiles": {}, "accounts": {}}
    hours = [1, 2, 2, 5, 3]
    seen = []
    for run, clock_us in partition.profiles.runs(payments_at(hours), START_US):
        versions = [row["version"] for row in partition.shown()["profiles"].values()]
        seen.append((len(run), (clock_us - START_US) // HOUR_US, versions))
    assert seen == [(1, 1, []), (2, 2, [1]), (2, 5, [2])]


def payments_at(hours: list[int]) -> Any:
    from monitor.app.table_engine import PlainIdentifiers
    from tests.oracle.engine_run import batch_of
    from tests.rulebook.small_rules import paid_in

    batch = batch_of([paid_in(number, "0h") for number in range(len(hours))], PlainIdentifiers())
    batch.booked_at_us[:] = START_US + np.array(hours) * HOUR_US
    return batch


def test_without_profiles_nothing_changes_and_who_goes_on_is_degraded():
    partition = Partition()
    profiles = partition.profiles
    profiles.advance(START_US + HOUR_US)
    profiles.apply(partition.announce(joint("C1", 1, 0)))
    before = {name: array.copy() for name, array in profiles.save().items()}
    announced = partition.announce(joint("C2", 1, 0), joint("C3", 1, 8))
    partition.store.is_down = True
    with pytest.raises(ProfilesUnavailable, match="it is down"):
        profiles.apply(announced)
    assert equal(profiles.save(), before)
    later = Announcements.of(announced.rows()[1:])
    profiles.apply(later, without(later))  # It is recorded later than the clock stands.
    assert (len(profiles.pending), profiles.is_degraded) == (1, False)
    profiles.apply(announced, without(announced))
    assert profiles.is_degraded
    assert set(profiles.pending) == without(announced)
    hours = payments_at([1, 2, 8, 9])
    lacking = [(len(run), profiles.table.lacking.copy()) for run, _ in profiles.runs(hours, START_US)]
    one, other = (partition.codes.code[token.tobytes()] for token in announced.token)
    assert lacking == [(2, {one: 1}), (2, {one: 1, other: 1})], "who lacks a version is known from when it is due"
    with pytest.raises(ProfilesUnavailable):
        profiles.fetch(profiles.pending)
    partition.store.is_down = False
    profiles.arrive(profiles.fetch(profiles.pending))
    assert (profiles.is_degraded, profiles.pending, profiles.waiting) == (False, [], 0)
    assert [dict(profiles.table.lacking) for _ in profiles.runs(hours, START_US)] == [{}]
    assert partition.shown() == partition.expected()


def test_a_missing_version_that_is_not_later_than_the_one_in_force_is_not_missed():
    partition = Partition()
    partition.profiles.advance(START_US + 2 * HOUR_US)
    partition.profiles.apply(partition.announce(joint("C1", 2, 1)))
    former = partition.announce(joint("C1", 1, 0))
    partition.profiles.apply(former, without(former))
    assert partition.profiles.pending == []


def test_a_version_that_is_gone_is_told_and_given_up_once_a_later_one_is_in_force():
    partition = Partition()
    profiles = partition.profiles
    profiles.advance(START_US + HOUR_US)
    first = partition.announce(joint("C1", 1, 0))
    partition.store.values.clear()
    with pytest.raises(ProfilesUnavailable, match=r"1 of 1 announced .* emptied.*--from-start"):
        profiles.apply(first)
    profiles.apply(first, without(first))
    profiles.apply(partition.announce(joint("C2", 1, 0)))
    assert set(profiles.pending) == without(first)
    profiles.apply(partition.announce(joint("C1", 2, 1)))
    assert (profiles.pending, profiles.is_degraded) == ([], False)
    assert partition.shown() == partition.expected()


def test_a_damaged_version_is_told_and_nothing_changes():
    partition = Partition()
    announced = partition.announce(joint("C1", 1, 0), joint("C2", 1, 0))
    before = partition.profiles.save()
    [one, other] = partition.store.values
    partition.store.values[one] = b"\x90"
    with pytest.raises(ProfilesUnavailable, match=rf"{one}: the bytes are no profile version"):
        partition.profiles.apply(announced)
    partition.store.values[one] = partition.store.values[other]
    with pytest.raises(ProfilesUnavailable, match=rf"{one}: the bytes are another version"):
        partition.profiles.apply(announced)
    assert equal(partition.profiles.save(), before)


def test_a_state_comes_back_bit_for_bit_without_asking():
    partition = Partition()
    profiles = partition.profiles
    profiles.advance(START_US + 2 * HOUR_US)
    profiles.apply(partition.announce(joint("C1", 1, 0, "C2"), joint("C3", 1, 1, "C1"), joint("C4", 1, 9)))
    missing = partition.announce(joint("C2", 1, 1))
    profiles.apply(missing, without(missing))
    saved = {name: array.copy() for name, array in profiles.save().items()}
    partition.store.is_down = True
    loaded = PartitionProfiles(partition.store, partition.codes)
    loaded.load(saved)
    assert equal(loaded.save(), saved)
    assert (loaded.pending, loaded.waiting, loaded.is_degraded) == (profiles.pending, 1, True)
    partition.store.is_down = False
    for each in (profiles, loaded):
        each.apply(partition.announce(joint("C2", 2, 2, "C4")))
        each.advance(START_US + 10 * HOUR_US)
    assert equal(loaded.save(), profiles.save())
    assert partition.shown() == partition.expected()


def test_a_state_of_another_format_is_refused():
    saved = Partition().profiles.save()
    saved["numbers"] = saved["numbers"] + 1
    with pytest.raises(ValueError, match="of format 2; this release knows 1"):
        Partition().profiles.load(saved)


def equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype and np.array_equal(one[name], other[name]) for name in one
    )
