"""Alerts of the anomaly models of the stream are raised again from the recorded log of their partition."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from monitor.adapters.kafka import bank_records, profile_records
from monitor.adapters.kafka.missing_profiles import LATE, MISSING, encode_late
from monitor.adapters.kafka.payment_chunks import KIND as PAYMENTS
from monitor.adapters.kafka.payment_chunks import decode as decode_chunk
from monitor.adapters.kafka.profile_records import decode
from monitor.adapters.leg_history import history_folder
from monitor.adapters.redis.profiles import profile_key
from monitor.app.explaining import Explained
from monitor.app.inputs import GivenInputs, load_inputs
from monitor.app.streaming.judged_with import JudgedWith, notes_of
from monitor.app.streaming.leg_log import RecordedLog
from monitor.app.streaming.partition import FLOW, Partition
from monitor.domain.alert import Alert
from tests.app.bursting_bank import MULE, as_source, bursting_bank
from tests.app.rough_bank import RULES, write_rules
from tests.engine.payment_columns import INFLOWS, OUTFLOWS
from tests.streaming.recorded_logs import RecordedBank

PARTITIONS, HOME = 3, 2
"""The home of the customer who passes money on."""


def burst(folder: Path) -> RecordedBank:
    """A bank one of whose customers passes money on in a burst, with a rule that follows money beside the models."""
    source, rules = as_source(bursting_bank(folder)), write_rules(folder / "rules")
    for number in range(2, len(RULES)):
        (rules / "behaviour" / f"rule_{number}.yaml").unlink()
    given = GivenInputs((rules,), approve_examples=True, models="live")
    return RecordedBank(folder, given, source.payments, source.profiles, PARTITIONS, rows=60)


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> RecordedBank:
    """The bank judged with the models live, and recorded."""
    made = burst(tmp_path_factory.mktemp("bank"))
    made.judge()
    made.record()
    return made


def elsewhere(bank: RecordedBank, folder: Path) -> RecordedBank:
    """The same bank with its logs, of which nothing is judged or recorded yet."""
    return replace(bank, folder=folder, logs=[list(each) for each in bank.logs], alerts=[])


def copied(bank: RecordedBank, folder: Path) -> RecordedBank:
    """The same bank with everything that was recorded."""
    shutil.copytree(bank.store, folder / "store")
    shutil.copy(bank.db, folder)
    return replace(bank, folder=folder)


def of_models(alerts: list[Alert]) -> list[Alert]:
    return [each for each in alerts if each.source.kind == "model"]


def explained(bank: RecordedBank) -> list[Explained]:
    """The explanations of all alerts of the models."""
    with bank.explainer() as explainer:
        return [explainer.explain(each.alert_id) for each in of_models(bank.alerts)]


def of_mule(found: list[Explained]) -> Explained:
    return next(each for each in found if each.subject == MULE)


def outcomes(found: list[Explained]) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    return [(each.differences, each.lost) for each in found]


def lost(bank: RecordedBank) -> str:
    (said,) = of_mule(explained(bank)).lost
    return said


def test_every_alert_of_the_models_comes_out_again_from_the_log_of_its_partition(bank: RecordedBank):
    found = explained(bank)
    assert len(found) > 1
    assert outcomes(found) == [((), ())] * len(found)
    one = of_mule(found)
    assert int(one.evidence["position"]) >> 40 == HOME
    assert {each.kind for each in bank.logs[HOME]} == {profile_records.KIND, PAYMENTS, FLOW, bank_records.KIND}
    assert len(one.measures) == len(one.evidence["measures"])
    assert [each.direction for each in one.payments if each.is_completing] == ["out"]
    assert sum(each.direction == "in" for each in one.payments) == INFLOWS
    assert one.cards


def test_a_changed_amount_in_the_history_of_a_partition_is_told(bank: RecordedBank, tmp_path: Path):
    bank = copied(bank, tmp_path)
    evidence = of_mule(explained(bank)).evidence
    behind = {int(each) for each in evidence["transactions"]} - {int(evidence["position"])}
    for part in (history_folder(bank.store, "legs", HOME) / "history").glob("day=*/*.parquet"):
        table = pq.read_table(part, partitioning=None)
        positions, amounts = table.column("position").to_pylist(), table.column("amount_minor").to_pylist()
        amounts = [each * 10 if at in behind else each for at, each in zip(positions, amounts, strict=True)]
        index = table.schema.get_field_index("amount_minor")
        pq.write_table(table.set_column(index, table.schema.field(index), [amounts]), part)
    one = of_mule(explained(bank))
    assert not one.lost
    assert any("score" in line or "carried_on" in line for line in one.differences)


def test_missing_notes_are_told_and_the_payments_are_shown(bank: RecordedBank, tmp_path: Path):
    bank = copied(bank, tmp_path)
    shutil.move(bank.store / "judged", bank.store / "moved")
    said = lost(bank)
    assert "no scoring worker has noted that it judged legs 2 by the rulebook" in said
    assert "and the models" in said
    assert "Bring the folder judged back from a copy" in said
    assert of_mule(explained(bank)).payments
    assert of_mule(explained(bank)).cards
    shutil.move(bank.store / "moved", bank.store / "judged")
    for path in (bank.store / "inputs").glob("*.json"):
        if "configuration" in path.read_text():
            path.unlink()
    assert "inputs" in lost(bank)


def test_a_history_that_lacks_what_the_models_learned_names_the_offsets(bank: RecordedBank, tmp_path: Path):
    """A worker took the partition up behind the gap, so the alert has a place in what is left."""
    bank = copied(bank, tmp_path)
    again, judged_with = judged_to(bank, len(bank.logs[HOME]) // 2)
    judged_with.took_up(again)
    shutil.rmtree(history_folder(bank.store, "legs", HOME))
    for first, stop, wanted in ((0, 4, "lacks offsets 0 to 3"), (6, 9, "lacks offsets 6 to 8")):
        log = RecordedLog(history_folder(bank.store, "legs", HOME), HOME, bank.kept)
        log.take(bank.logs[HOME][:first])
        log.skip_to(stop)
        log.take(bank.logs[HOME][stop:])
        log.commit()
        log.close()
        said = lost(bank)
        assert "had learned from offset 0 of legs 2 on" in said
        assert wanted in said
        assert "Bring the folder back from a copy" in said
        assert of_mule(explained(bank)).payments
        shutil.rmtree(history_folder(bank.store, "legs", HOME))


def judged_to(bank: RecordedBank, offset: int) -> tuple[Partition, JudgedWith]:
    part = bank.partition(HOME)
    part.step(bank.logs[HOME][:offset])
    return part, JudgedWith(bank.store, "legs", bank.loaded, bank.inputs)


def test_a_saved_state_is_measured_on_with_the_rates_of_who_takes_it_up(bank: RecordedBank, tmp_path: Path):
    """Money that came in euros; the second worker has the rates for it, and takes the log up behind that money."""
    lines = [json.loads(each) for each in bank.payments.read_text().splitlines()]
    into = [line for line in lines if line["creditor_customer"] == MULE]
    out = [line for line in lines if line["debtor_customer"] == MULE]
    assert (len(into), len(out)) == (INFLOWS, OUTFLOWS)
    for line in into:
        line |= {"currency": "EUR", "amount": f"{float(line['amount']) / 1.1:.2f}"}
    made = burst(tmp_path)
    made.payments.write_text("".join(json.dumps(line) + "\n" for line in lines))
    made.judge()
    mine = elsewhere(made, tmp_path / "mine")
    mine.folder.mkdir()
    log, loads = mine.logs[HOME], chunks_of(mine)
    saved_at, joined_at = (next(at for at, ids in loads if line in ids) for line in (into[0], out[0]))
    assert saved_at < joined_at
    first, kept = judged_to(mine, saved_at)
    kept.took_up(mine.partition(HOME))
    second = replace_inputs(mine, replace(mine.inputs, rates=tmp_path / "rates.csv"))
    part = second.partition(HOME)
    part.load({name: each.copy() for name, each in first.save().items()}, offset=first.offset, clock_us=first.clock_us)
    part.step(log[saved_at:joined_at])  # Measured again, without raising anything.
    judged_with = JudgedWith(mine.store, "legs", second.loaded, second.inputs)
    judged_with.took_up(part)
    judged = part.step(log[joined_at:])
    mine.store_alerts(judged.alerts)
    mine.alerts = judged.alerts
    mine.record()
    assert [(each.offset, each.since) for each in notes_of(mine.store, "legs", HOME)] == [
        (0, 0), (joined_at, saved_at),
    ]  # fmt: skip
    found = explained(mine)
    assert found
    assert outcomes(found) == [((), ())] * len(found)
    assert "Paid on 97 % of what came in" in of_mule(found).evidence["text"]
    shutil.rmtree(next((mine.store / "judged" / f"legs-{HOME}").glob(f"{0:016d}-*")))
    assert f"the first note of scoring workers that says with what begins at offset {saved_at}" in lost(mine)


def replace_inputs(bank: RecordedBank, inputs: GivenInputs) -> RecordedBank:
    made = replace(bank, inputs=inputs)
    assert made.loaded.rates is not None
    assert made.loaded.program.rulebook.digest == load_inputs(bank.inputs).program.rulebook.digest
    return made


def chunks_of(bank: RecordedBank) -> list[tuple[int, list[dict[str, str]]]]:
    """The records of payments of the partition's log by offset, with the lines that they hold."""
    lines = [json.loads(each) for each in bank.payments.read_text().splitlines()]
    return [
        (each.offset, [lines[row] for row in decode_chunk(each.value).source_offset.tolist()])
        for each in bank.logs[HOME] if each.kind == PAYMENTS
    ]  # fmt: skip


def test_versions_that_were_missing_and_came_late_are_missed_again(bank: RecordedBank, tmp_path: Path):
    """Half of the customers are without their profile, and so in no segment, for half of the stream."""
    mine = elsewhere(bank, tmp_path)
    announced, *rest = mine.logs[HOME]
    rows = decode(announced.value).rows()
    absent = {(token, version): mine.kept.values[profile_key(token, version)] for token, version, _ in rows[::2]}
    mine.kept = type(mine.kept)()
    mine.kept.values = {**bank.kept.values}
    for each in absent:
        del mine.kept.values[profile_key(*each)]
    part, judged_with = mine.partition(HOME), JudgedWith(mine.store, "legs", mine.loaded, mine.inputs)
    judged_with.took_up(part)
    mine.logs[HOME], half = [], len(rest) // 2

    def put(kind: str, value: bytes) -> None:
        mine.append(HOME, kind, value)
        judged = part.step(mine.logs[HOME][-1:])
        assert not judged.damaged
        mine.alerts.extend(judged.alerts)
        for missing in judged.missing:
            put(MISSING, missing)

    for record in rest[:5]:
        put(record.kind, record.value)
    put(announced.kind, announced.value)
    assert mine.logs[HOME][-1].kind == MISSING
    for record in rest[5:half]:
        put(record.kind, record.value)
    for value in encode_late(list(absent.values())):
        put(LATE, value)
    for record in rest[half:]:
        put(record.kind, record.value)
    mine.kept.values = {**bank.kept.values}
    mine.store_alerts(mine.alerts)
    mine.record(partitions=[HOME])
    found = explained(mine)
    assert MULE in {each.subject for each in found}
    assert outcomes(found) == [((), ())] * len(found)


def test_a_worker_without_models_is_not_taken_for_who_raised_the_alert(bank: RecordedBank, tmp_path: Path):
    bank = copied(bank, tmp_path)
    without = replace(bank, inputs=replace(bank.inputs, models="off"))
    part, judged_with = judged_to(without, len(bank.logs[HOME]) // 2)
    judged_with.took_up(part)
    assert [each.models is None for each in notes_of(bank.store, "legs", HOME)] == [False, True]
    assert of_mule(explained(bank)).is_same


def test_a_version_that_redis_had_lost_keeps_the_models_from_learning_again(bank: RecordedBank, tmp_path: Path):
    bank = copied(bank, tmp_path)
    shutil.rmtree(bank.store / "history")
    bank.kept = type(bank.kept)()
    bank.record()
    said = lost(bank)
    assert "version 1 of the profile of customer" in said
    assert "aml worker profiles --from-start" in said
