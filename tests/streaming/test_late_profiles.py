"""Versions that could not be had are missed by name, and what lacked them is judged again when they come.

The log decides: which versions a partition went on without stands in it, and so does when they came. Compared is which
alerts are raised: after all versions have come, those of an undisturbed run are there, and every other one is marked.
No rule asks here for what a verdict that is made again cannot know as it was (docs/adr/0036).
"""

import asyncio
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from monitor.adapters.kafka.missing_profiles import LATE, MISSING, decode_missing, encode_late
from monitor.adapters.redis.profiles import profile_key
from monitor.app.streaming import late_profiles
from monitor.app.streaming.announced_profiles import AnnouncedProfiles
from monitor.app.streaming.late_profiles import LateProfiles
from monitor.app.streaming.partition import Blocked, Damaged, LogRecord
from monitor.app.streaming.token_table import TokenTable
from monitor.domain.alert import DEGRADED, REEVALUATED, Alert
from monitor.engine import kept_verdicts
from tests.streaming.late_versions import (
    LateBank,
    judged,
    late_bank,
    loaded_bank,
    with_missing,
)
from tests.streaming.legs_stream import KEY
from tests.streaming.profile_versions import MemoryProfiles, Version, kept

SEEDS = (1, 2)


@pytest.fixture(scope="module")
def banks(tmp_path_factory: pytest.TempPathFactory) -> list[LateBank]:
    given = loaded_bank(tmp_path_factory.mktemp("bank"), customers=150, days=45, seed=5)
    return [late_bank(*given, random.Random(seed), share=0.3, rows=40) for seed in SEEDS]


@pytest.fixture(scope="module")
def runs(banks: list[LateBank]) -> list[tuple[list[Alert], list[Alert], list[bytes]]]:
    """Of each bank the alerts of an undisturbed run and of a disturbed one, and what the latter went on without."""
    found = []
    for bank in banks:
        right, missing = judged(bank.partition(is_whole=True), bank.records, 64)
        assert not missing
        found.append((right, *judged(bank.partition(is_whole=False), bank.records, 64)))
    return found


def test_when_the_versions_have_come_all_is_raised_that_an_undisturbed_run_raises(banks: list[LateBank], runs: Any):
    again, seen = 0, set[str]()
    for bank, (right, late, missing) in zip(banks, runs, strict=True):
        assert len(missing) == len(bank.withheld) > 20
        wanted, found = ({each.alert_id: each for each in alerts} for alerts in (right, late))
        assert wanted.keys() - found.keys() == set()
        assert all(DEGRADED in found[each].marks for each in found.keys() - wanted.keys())
        reevaluated = [each for each in late if REEVALUATED in each.marks]
        assert all(DEGRADED not in each.marks for each in reevaluated)
        again += len(reevaluated)
        seen |= {each.source.id for each in reevaluated}
        ids = [each.alert_id for each in late]
        assert len(ids) == len(set(ids)), "an alert was raised twice"
        for each in reevaluated:
            if each.alert_id in wanted:
                assert said(each) == said(wanted[each.alert_id])
    assert again > 50
    assert len(seen) >= 7, seen


def said(alert: Alert) -> Alert:
    """What a verdict says, without when it was made and what casework decides by the order of alerts."""
    marks = tuple(mark for mark in alert.marks if mark not in (REEVALUATED, "quiet"))
    return msgspec.structs.replace(
        alert, judged_at_us=0, marks=marks, status="", transactions=(), transactions_total=0, bank_snapshot=None
    )


def test_cuts_and_restores_change_nothing_also_where_the_versions_are_there_by_then(banks: list[LateBank], runs: Any):
    for bank, (_, late, missing) in zip(banks, runs, strict=True):
        rng, found, part = random.Random(7), [], bank.partition(is_whole=False)
        records, at, restores = with_missing(bank, missing), 0, 0
        while at < len(records):
            step = part.step(records[at : at + rng.randrange(1, 30)])
            found += step.alerts
            at += step.records
            if rng.random() < 0.4:
                arrays = {name: values.copy() for name, values in part.save().items()}
                restored = bank.partition(is_whole=True)
                restored.load(arrays, offset=part.offset, clock_us=part.clock_us)
                for record in records[part.offset :]:
                    if record.kind == MISSING:
                        restored.go_without(record.value)
                part, restores = restored, restores + 1
        assert restores > 5
        assert found == late


def test_a_version_that_comes_twice_or_was_never_missed_raises_nothing(banks: list[LateBank], runs: Any):
    bank, (_, late, _) = banks[0], runs[0]
    twice: list[LogRecord] = []
    for record in bank.records:
        twice += [record, record] if record.kind == LATE else [record]
    twice.append(LogRecord(0, LATE, encode_late(list(bank.values.values())[:50])[0]))
    twice = [msgspec.structs.replace(each, offset=offset) for offset, each in enumerate(twice)]
    assert judged(bank.partition(is_whole=False), twice, 64)[0] == late


def test_what_is_kept_has_a_limit_and_what_goes_is_counted(banks: list[LateBank], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(kept_verdicts, "KEPT_MAX", 25)
    part, most = banks[0].partition(is_whole=False), 0
    for start in range(0, len(banks[0].records), 3):
        part.step(banks[0].records[start : start + 3])
        most = max(most, part.engine.kept.count)
    assert most == 25
    assert part.engine.kept.left_out > 0
    assert part.engine.kept.decided > 0
    assert part.engine.kept.count == 0
    assert part.wanted() == []


def test_damaged_records_about_missing_versions_are_told_and_change_nothing(banks: list[LateBank]):
    part = banks[0].partition(is_whole=False)
    part.go_without(b"nothing")
    step = part.step(
        [LogRecord(0, MISSING, b"nothing"), LogRecord(1, LATE, b"nothing"), LogRecord(2, LATE, encode_late([b"x"])[0])]
    )
    assert [offset for offset, _ in step.damaged] == [0, 1, 2]
    assert "profiles_missing is damaged" in step.damaged[0][1]
    assert "profiles_late is damaged" in step.damaged[1][1]
    assert "no profile version" in step.damaged[2][1]
    assert part.offset == 3


def test_a_partition_waits_and_then_goes_on_without_the_versions_that_are_absent_and_no_others():
    store, seconds = MemoryProfiles(), [0.0]
    tokens = TokenTable(KEY)
    profiles = AnnouncedProfiles(store, tokens, wait_seconds=30, tick=lambda: seconds[0])
    announced = kept([Version(name, 1, 0).line() for name in ("C1", "C2", "C3")], store)
    value = late_record_of(announced)
    absent = announced.rows()[1][:2]
    gone = store.values.pop(profile_key(*absent))
    with pytest.raises(Blocked, match="1 of 3 announced"):
        profiles.apply(value, 7)
    assert profiles.take_decided() == []
    seconds[0] = 30.0
    assert [each.customer for each in profiles.apply(value, 7)] == [announced.rows()[n][0] for n in (0, 2)]
    [decided] = profiles.take_decided()
    offset, versions = decode_missing(decided)
    assert (offset, versions.rows()) == (7, announced.rows()[1:2])
    assert profiles.pending == [absent]
    assert profiles.fetch([absent]) == []
    store.values[profile_key(*absent)] = gone
    assert profiles.fetch([absent]) == [gone]
    assert profiles.pending == [absent], "asking changes nothing"
    # Another worker, to which the version is there, is told and goes on without it as well.
    other = AnnouncedProfiles(store, TokenTable(KEY), wait_seconds=30, tick=lambda: 0.0)
    other.go_without(decided)
    other.apply(value, 7)
    assert other.pending == [absent]
    assert other.take_decided() == []
    other.arrive(encode_late([gone])[0])
    assert other.pending == []
    with pytest.raises(Damaged):
        other.go_without(b"")


def late_record_of(announced: Any) -> bytes:
    from monitor.adapters.kafka.profile_records import encode

    return encode(announced)


def test_missing_versions_are_asked_for_more_and_more_seldom_and_sent_once():
    seconds, asked, sent, wanted = [0.0], [], [], [(b"1" * 16, 3)]
    store = MemoryProfiles()
    kept([Version("C1", 3, 0).line()], store)
    [content] = store.values.values()
    there: list[bytes] = []

    def fetch(versions: Sequence[Any]) -> list[bytes]:
        asked.append((seconds[0], len(versions)))
        return list(there)

    class Outbox:
        async def late(self, number: int, versions: Sequence[bytes]) -> None:
            sent.extend((number, each) for each in versions)

    part: Any = SimpleNamespace(number=2, wanted=lambda: list(wanted), profiles=SimpleNamespace(fetch=fetch))

    async def until(stop: float) -> None:
        while seconds[0] < stop:
            late.look([part])
            if (task := late._asking[2].task if 2 in late._asking else None) is not None:
                await task
            seconds[0] += 0.5

    with ThreadPoolExecutor(1) as reading:
        late = LateProfiles(Outbox(), reading, tick=lambda: seconds[0])

        async def run() -> None:
            await until(200)
            assert [at for at, _ in asked[:5]] == [1.0, 3.0, 7.0, 15.0, 31.0]
            gaps = [after - before for (before, _), (after, _) in pairwise(asked)]
            assert max(gaps) == late_profiles.WAIT_SECONDS_MAX
            assert (list(late._asking), sent) == ([2], [])
            from monitor.adapters.redis.stored_profile import decode

            wanted[0] = (decode(content).customer, 3)
            there.append(content)
            await until(400)
            assert sent == [(2, content)], "what is on its way is not sent again"
            wanted.clear()
            late.look([part])
            assert late._asking == {}

        asyncio.run(run())
