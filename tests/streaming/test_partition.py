"""A partition gives what an embedded engine gives, however its log is cut, repeated, damaged or taken up again."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from monitor.app.inputs import LoadedInputs, load_inputs
from monitor.app.streaming.partition import POSITIONS, LogRecord, Partition
from monitor.domain.alert import Alert
from monitor.domain.partitions import home_of
from tests.app.embedded_stores import simulated
from tests.streaming.legs_stream import KEY, LegsStream
from tests.streaming.no_profiles import NoProfiles


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> tuple[LoadedInputs, LegsStream]:
    source = simulated(tmp_path_factory.mktemp("bank"), customers=150, days=45, seed=5)
    loaded = load_inputs(replace(source.inputs(), models="live"))
    return loaded, LegsStream.of(source.payments, loaded)


def partition(loaded: LoadedInputs, number: int = 0, count: int = 1) -> Partition:
    return Partition(number, count, loaded, KEY, NoProfiles)


def judged(part: Partition, records: list[LogRecord], size: int) -> list[Alert]:
    found: list[Alert] = []
    for start in range(0, len(records), size):
        step = part.step(records[start : start + size])
        assert step.blocked is None
        found += step.alerts
    return found


def test_a_partition_raises_what_an_embedded_engine_raises(bank: tuple[LoadedInputs, LegsStream]):
    loaded, stream = bank
    wanted = stream.alerts(loaded)
    assert len(wanted) > 20
    for rows, size in ((4096, 3), (37, 5), (701, 1)):
        part = partition(loaded)
        assert judged(part, stream.records(rows=rows), size) == wanted
        assert part.rows == len(stream.batch)


def test_a_saved_state_goes_on_as_if_nothing_had_been_and_what_comes_again_changes_nothing(
    bank: tuple[LoadedInputs, LegsStream],
):
    loaded, stream = bank
    records, wanted = stream.records(rows=200), stream.alerts(loaded)
    half = len(records) // 2
    first = partition(loaded)
    before = judged(first, records[:half], 4)
    arrays = {name: values.copy() for name, values in first.save().items()}
    second = partition(loaded)
    assert second.layout == first.layout != partition(loaded, 3, 4).layout
    second.load(arrays, offset=first.offset, clock_us=first.clock_us)
    assert judged(second, records[half - 5 :], 7) == wanted[len(before) :]
    assert 0 < len(before) < len(wanted)


def test_each_of_several_partitions_judges_its_own_keys_at_positions_of_its_own(
    bank: tuple[LoadedInputs, LegsStream],
):
    loaded, stream = bank
    records, all_of_them = stream.records(rows=4096), {each.subject.token for each in stream.alerts(loaded)}
    found = set()
    for number in range(2):
        for alert in judged(partition(loaded, number, 2), records, 9):
            assert home_of(np.frombuffer(bytes.fromhex(alert.subject.token), np.uint8).reshape(1, 16), 2) == [number]
            assert {position // POSITIONS for position in (alert.position, *alert.transactions)} == {number}
            found.add(alert.subject.token)
    assert len(found & all_of_them) > 0.8 * len(all_of_them) > 8


def test_a_damaged_record_is_told_and_the_others_are_judged(bank: tuple[LoadedInputs, LegsStream]):
    loaded, stream = bank
    records = stream.records(rows=4096)
    damaged = [
        LogRecord(0, "payments", b"no chunk"), LogRecord(1, "words", b""),
        *(msgspec.structs.replace(each, offset=each.offset + 2) for each in records),
    ]  # fmt: skip
    part = partition(loaded)
    found = part.step(damaged)
    assert [offset for offset, _ in found.damaged] == [0, 1]
    assert "is no chunk of payments" in found.damaged[0][1]
    assert "'words'" in found.damaged[1][1]
    assert found.alerts == stream.alerts(loaded)


def test_a_record_that_is_blocked_waits_with_all_behind_it(bank: tuple[LoadedInputs, LegsStream]):
    loaded, stream = bank
    records = stream.records(rows=500)
    half = len(records) // 2
    records = [
        *records[:half], LogRecord(half, "profiles", b"versions"),
        *(msgspec.structs.replace(each, offset=each.offset + 1) for each in records[half:]),
    ]  # fmt: skip
    part = partition(loaded)
    part.profiles.is_blocked = True
    first = part.step(records)
    assert (first.blocked, first.records, part.offset) == ("Redis does not answer", half, half)
    part.profiles.is_blocked = False
    second = part.step(records[first.records :])
    assert part.profiles.applied == [b"versions"]
    assert first.alerts + second.alerts == stream.alerts(loaded)


def test_what_only_the_engine_refuses_is_named_by_its_source(bank: tuple[LoadedInputs, LegsStream]):
    loaded, stream = bank
    part = partition(loaded)
    part.step(stream.records(rows=4096))
    other = replace(stream, batch=replace(stream.batch.slice(0, 3), digest=stream.batch.digest[:3] + 1))
    changed = [msgspec.structs.replace(each, offset=part.offset) for each in other.records(rows=3)]
    refused = part.step(changed).refused
    assert [(each.source_partition, each.source_offset, each.reason.value) for each in refused] == [
        (0, row, "duplicate_differs") for row in range(3)
    ]
