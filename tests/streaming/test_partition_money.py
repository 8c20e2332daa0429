"""Partitions follow money through their logs, however these are cut, repeated or taken up again."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from monitor.adapters.kafka import flow_records
from monitor.adapters.kafka.flow_records import FlowRecordError
from monitor.app.inputs import LoadedInputs, load_inputs
from monitor.app.streaming.partition import BANK, FLOW, POSITIONS, LogRecord
from tests.app.embedded_stores import simulated
from tests.streaming.legs_stream import LegsStream
from tests.streaming.money_logs import MoneyLogs, following

PAYMENTS = 2_000


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> tuple[LoadedInputs, LegsStream]:
    source = simulated(tmp_path_factory.mktemp("bank"), customers=150, days=20, seed=6)
    loaded = following(load_inputs(source.inputs()))
    stream = LegsStream.of(source.payments, loaded)
    return loaded, replace(stream, batch=stream.batch.slice(0, min(PAYMENTS, len(stream.batch))))


@pytest.fixture(scope="module")
def logs(bank: tuple[LoadedInputs, LegsStream]) -> MoneyLogs:
    """Three partitions and payments in chunks, so that what is told comes after later payments too."""
    loaded, stream = bank
    return MoneyLogs(loaded, 3).run(stream.records(rows=150))


def test_money_that_is_told_before_the_next_payment_raises_the_alerts_of_one_engine(
    bank: tuple[LoadedInputs, LegsStream],
):
    loaded, stream = bank
    stream = replace(stream, batch=stream.batch.slice(0, 900))
    run = MoneyLogs(loaded, 2).run(stream.records(rows=1))
    # Each payment has a place in either log, and so has each record between that tells of money; none of customers has.
    counted = [[each for each in log if each.kind != BANK] for log in run.logs]
    rows_of = [
        {at: row for row, at in enumerate(n for n, each in enumerate(log) if each.kind != FLOW)} for log in counted
    ]

    def in_stream(position: int) -> int:
        number, row = divmod(position, POSITIONS)
        return rows_of[number][row]

    found = sorted(
        (alert.alert_id, str(alert.measures), alert.status, tuple(sorted({*map(in_stream, alert.transactions)})))
        for alerts in run.alerts
        for alert in alerts
    )
    wanted = sorted(
        (each.alert_id, str(each.measures), each.status, each.transactions) for each in stream.alerts(loaded)
    )
    assert found == wanted
    assert len(wanted) > 20
    ways = [{position // POSITIONS for position in each.transactions} for alerts in run.alerts for each in alerts]
    assert sum(len(way) > 1 for way in ways) > 5


def test_a_saved_state_goes_on_as_if_nothing_had_been_and_what_comes_again_changes_nothing(logs: MoneyLogs):
    assert sum(kind == FLOW for _, kind, _ in logs.told[0]) > 10
    for number, log in enumerate(logs.logs):
        rng, part, at, alerts, told = np.random.default_rng(number), logs.new(number), 0, [], []
        while at < len(log):
            stop = at + int(rng.integers(1, 9))
            judged = part.step(log[max(at - 2, 0) : stop])
            alerts += judged.alerts
            told += judged.messages
            arrays = {name: values.copy() for name, values in part.save().items()}
            again = logs.new(number)
            again.load(arrays, offset=part.offset, clock_us=part.clock_us)
            part, at = again, part.offset
        assert {each.alert_id: each for each in alerts} == {each.alert_id: each for each in logs.alerts[number]}
        assert told_rows(told) == told_rows(logs.told[number])


def told_rows(messages: list[tuple[int, str, bytes]]) -> list[tuple[int, list[int]]]:
    """To whom, and the words of the records that were told, one by one."""
    found = []
    for partition, kind, value in messages:
        if kind != FLOW:
            continue
        record = flow_records.decode(value, 3)
        words = record.message.records
        rows = [words.words[a:b].tolist()[:2] for a, b in zip(words.starts[:-1], words.starts[1:], strict=True)]
        found += [(partition, row) for row in rows]
    return sorted(found)


def test_a_message_that_comes_twice_adds_nothing(logs: MoneyLogs):
    part, log = logs.new(1), logs.logs[1]
    offset, found = 0, []
    for record in log:
        for _ in range(2 if record.kind == FLOW else 1):
            judged = part.step([msgspec.structs.replace(record, offset=offset)])
            found += judged.alerts
            offset += 1
    assert offset > len(log)
    assert sorted(each.alert_id for each in found) == sorted(each.alert_id for each in logs.alerts[1])


def test_a_partition_that_counts_its_positions_anew_is_heard_and_its_former_life_is_not(logs: MoneyLogs):
    told = [value for to, kind, value in logs.told[0] if to == 1 and kind == FLOW]
    first = flow_records.decode(told[0], 3)
    anew = flow_records.encode(replace(first, began=7_000))
    part = logs.new(1)

    def held(value: bytes) -> int:
        assert part.step([LogRecord(part.offset, FLOW, value)]).damaged == []
        assert part.engine.flow is not None
        return part.engine.flow.table.inflows_held

    counts = [held(value) for value in (told[0], told[0], anew, anew, told[0])]
    assert 0 < counts[0] == counts[1] < counts[2] == counts[3] == counts[4]


def test_records_of_money_that_cannot_be_read_are_told_and_their_place_is_counted(logs: MoneyLogs):
    value = next(value for to, kind, value in logs.told[0] if to == 1 and kind == FLOW)
    part = logs.new(1)
    judged = part.step(
        [LogRecord(0, FLOW, value[:-1] + b"\1"), LogRecord(1, FLOW, b"money"), LogRecord(2, FLOW, value)]
    )
    assert [offset for offset, _ in judged.damaged] == [0, 1]
    assert "check sum" in judged.damaged[0][1]
    assert part.rows == 3
    assert part.engine.flow is not None
    assert part.engine.flow.table.inflows_held > 0


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (lambda value: b"AML?" + value[4:], "does not begin"),
        (lambda value: value[:20], "does not begin"),
        (lambda value: value[:4] + b"\2\0" + value[6:], "version 2; this release reads 1"),
        (lambda value: value[:-1], "check sum"),
        (lambda value: value[:40] + b"\7" + value[41:], "check sum"),
    ],
)
def test_other_bytes_are_refused(logs: MoneyLogs, changed, says: str):
    with pytest.raises(FlowRecordError, match=says):
        flow_records.decode(changed(logs.told[0][0][2]), 3)


def test_nobody_tells_for_another_partition(logs: MoneyLogs):
    record = flow_records.decode(logs.told[0][0][2], 3)
    for wrong in (2, 3):
        with pytest.raises(FlowRecordError, match="tells for partition"):
            flow_records.decode(flow_records.encode(replace(record, teller=wrong)), 3)
    again = flow_records.decode(flow_records.encode(record), 3)
    assert flow_records.encode(again) == logs.told[0][0][2]
