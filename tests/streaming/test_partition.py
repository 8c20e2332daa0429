"""A partition gives what an embedded engine gives, however its log is cut, repeated, damaged or taken up again."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from monitor.adapters.kafka.payment_chunks import decode
from monitor.app.inputs import LoadedInputs, load_inputs
from monitor.app.streaming.partition import POSITIONS, LogRecord, Partition
from monitor.domain.alert import Alert
from monitor.domain.identifiers import IdentifierKind
from monitor.domain.partitions import home_of
from tests.app.embedded_stores import simulated
from tests.streaming.legs_stream import KEY, LegsStream
from tests.streaming.no_profiles import NoProfiles

ACCOUNT, CUSTOMER = IdentifierKind.ACCOUNT, IdentifierKind.CUSTOMER


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


def test_a_payment_of_a_joint_account_goes_on_to_the_partition_of_a_further_holder(
    bank: tuple[LoadedInputs, LegsStream],
):
    loaded, stream = bank
    tokens, batch = stream.identifiers.tokens, stream.batch
    customers = np.unique(batch.debtor_holder[batch.debtor_holder >= 0])
    homes = home_of(tokens[customers], 2)
    named, further = customers[homes == 0][0], customers[homes == 1][0]
    account = int(batch.debtor_account[np.flatnonzero(batch.debtor_holder == named)[0]])
    named_in = [
        (holder == named) & (held == account)
        for holder, held in (
            (batch.debtor_holder, batch.debtor_account), (batch.creditor_holder, batch.creditor_account)
        )
    ]  # fmt: skip
    rows = np.flatnonzero(named_in[0] | named_in[1])
    part = partition(loaded, 0, 2)
    codes = part.tokens.add(
        tokens[[account, named, further]], np.array([ACCOUNT, CUSTOMER, CUSTOMER], np.int8), lambda row: None
    )
    part.profiles.table.joint.put(codes[:1], np.array([2]), codes[1:])
    forwards = [each for record in stream.records(rows=4096) for each in part.step([record]).forwards]
    assert {home for home, _ in forwards} == {1}
    chunks = [decode(value) for _, value in forwards]
    gone_on = set(np.concatenate([chunk.source_offset for chunk in chunks]).tolist())
    assert gone_on
    assert gone_on <= set(rows.tolist())
    for chunk in chunks:
        held = chunk.columns["debtor_holder"]
        of_ours = held >= 0
        was = batch.debtor_holder[chunk.source_offset[of_ours]]
        assert np.array_equal(chunk.tokens[held[of_ours]], tokens[was])
    other = partition(loaded, 1, 2)
    codes = other.tokens.add(
        tokens[[account, named, further]], np.array([ACCOUNT, CUSTOMER, CUSTOMER], np.int8), lambda row: None
    )
    other.profiles.table.joint.put(codes[:1], np.array([2]), codes[1:])
    taken = other.step([LogRecord(number, "payments", value) for number, (_, value) in enumerate(forwards)])
    assert taken.payments == sum(map(len, chunks))
    assert sum(step.legs for step in taken.steps) >= taken.payments
    assert taken.forwards == []
