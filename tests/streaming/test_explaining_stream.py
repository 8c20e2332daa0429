"""Alerts of the streaming shell are computed again from the recorded log of their partition, and come out the same."""

import random
import shutil
from pathlib import Path

import pytest

from monitor.adapters.leg_history import HistoryBusy, history_folder
from monitor.app.explaining import Explained, Explainer
from monitor.app.streaming.judged_with import JudgedWith
from monitor.app.streaming.leg_log import RecordedLog
from monitor.engine import peers
from tests.app.rough_bank import RULES, RoughBank, rough_bank
from tests.streaming.legs_stream import KEY
from tests.streaming.recorded_logs import RecordedBank, of_rough

SEED, COUNT, SAMPLE = 2, 300, 25
FLOW = f"AML-BEH-{len(RULES):03}"
"""The rule that follows money."""
PEERS = "AML-BEH-009"
"""The rule that compares with peers."""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> RoughBank:
    return rough_bank(tmp_path_factory.mktemp("rough"), seed=SEED, count=COUNT)


@pytest.fixture(scope="module")
def embedded(source: RoughBank) -> dict[str, Explained]:
    """Explanations of alerts of an embedded run over the same payments."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AML_TOKEN_KEY", KEY.hex())
        source.run()
        with Explainer(source.db) as explainer:
            return {each: explainer.explain(each) for each in some_of(explainer)}


def some_of(explainer: Explainer, most: int = SAMPLE) -> list[str]:
    """Alerts of a store: at least one of each rule, and some more, the same of the same alerts."""
    ids = explainer.store.alert_ids("A-", limit=100_000)
    random.Random(SEED).shuffle(ids)
    by_rule: dict[str, str] = {}
    for alert in ids:
        evidence = explainer.store.evidence(alert)
        assert evidence is not None
        by_rule.setdefault(evidence["source"]["id"], alert)
    return list(dict.fromkeys([*by_rule.values(), *ids[:most]]))


@pytest.fixture(scope="module")
def one(source: RoughBank, tmp_path_factory: pytest.TempPathFactory) -> RecordedBank:
    bank = of_rough(tmp_path_factory.mktemp("one"), source.folder, source.inputs, partitions=1)
    bank.judge()
    bank.record()
    return bank


@pytest.fixture(scope="module")
def three(source: RoughBank, tmp_path_factory: pytest.TempPathFactory) -> RecordedBank:
    bank = of_rough(tmp_path_factory.mktemp("three"), source.folder, source.inputs, partitions=3)
    bank.judge()
    bank.record()
    return bank


def explained(bank: RecordedBank) -> dict[str, Explained]:
    with bank.explainer() as explainer:
        return {each: explainer.explain(each) for each in some_of(explainer)}


def what_differs(found: dict[str, Explained]) -> list[str]:
    return [f"{each.evidence['source']['id']} {name}: {line}"
            for name, each in found.items() for line in (*each.differences, *each.lost)]  # fmt: skip


def numbers(found: Explained) -> dict[str, object]:
    return {each.name: (each.stored, each.again) for each in found.measures}


def test_the_recorded_log_explains_an_alert_with_the_numbers_of_an_embedded_run(
    embedded: dict[str, Explained], one: RecordedBank
):
    found = explained(one)
    assert what_differs(found) == []
    assert found.keys() == embedded.keys()
    assert len({each.evidence["source"]["id"] for each in found.values()}) == len(RULES)
    for name, each in found.items():
        assert numbers(each) == numbers(embedded[name])
        of_payments = [
            [(p.booked_at, p.direction, p.amount_minor, p.currency, p.channel, p.counterparty, p.windows) for p in some]
            for some in (each.payments, embedded[name].payments)
        ]
        assert of_payments[0] == of_payments[1]
        assert each.subject == embedded[name].subject


def test_alerts_of_three_partitions_come_out_the_same(three: RecordedBank):
    found = explained(three)
    lost = {name: each for name, each in found.items() if each.lost}
    assert {each.evidence["source"]["id"] for each in lost.values()} <= {FLOW}
    assert all("follows money over all 3 partitions" in each.lost[0] for each in lost.values())
    assert what_differs({name: each for name, each in found.items() if name not in lost}) == []
    assert all(each.payments for each in found.values())
    assert len({each.evidence["position"] >> 40 for each in found.values()}) == 3
    assert len(found) - len(lost) > SAMPLE


def test_a_comparison_with_the_whole_bank_comes_out_the_same_in_each_partition(
    source: RoughBank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """No partition has so many customers; the bank has."""
    monkeypatch.setattr(peers, "CUSTOMERS_MIN", 9)
    bank = of_rough(tmp_path, source.folder, source.inputs, partitions=3)
    bank.judge()
    bank.record()
    compared = [each.alert_id for each in bank.alerts if each.source.id == PEERS]
    with bank.explainer() as explainer:
        found = {each: explainer.explain(each) for each in compared}
    assert what_differs(found) == []
    quantiles = [numbers(each).get("peer.y.who.p50") for each in found.values()]
    known = [each.evidence["position"] >> 40 for each, value in zip(found.values(), quantiles, strict=True) if value]
    assert len(set(known)) > 1, quantiles


def test_a_state_that_began_later_in_the_log_is_told_from_the_history(source: RoughBank, tmp_path: Path):
    """Rules changed when the topic had lost its beginning: rows are counted anew, and windows begin there."""
    bank = of_rough(tmp_path, source.folder, source.inputs, partitions=1)
    bank.judge()
    bank.record()
    began, took_up = 3, 5
    part = bank.partition(0)
    part.step(bank.logs[0][began:took_up])
    judged_with = JudgedWith(bank.store, "legs", bank.loaded, bank.inputs)
    judged_with.took_up(part)
    judged = part.step(bank.logs[0][took_up:])
    judged_with.stepped(part, judged.steps)
    assert part.rows < len(bank.stream.batch)
    bank.db.unlink()
    bank.store_alerts(judged.alerts)
    with bank.explainer() as explainer:
        found = {each: explainer.explain(each) for each in some_of(explainer, 15)}
    assert len(found) >= 15
    assert what_differs(found) == []
    assert {each.evidence["profile_version"] for each in found.values()} == {None}


def one_of(bank: RecordedBank, rule: str = "AML-BEH-001") -> str:
    return next(each.alert_id for each in reversed(bank.alerts) if each.source.id == rule)


def lost(bank: RecordedBank, alert: str) -> str:
    with bank.explainer() as explainer:
        found = explainer.explain(alert)
    assert found.evidence["alert_id"] == alert
    assert len(found.lost) == 1
    return found.lost[0]


def test_what_is_missing_is_named_with_the_command_that_helps(source: RoughBank, tmp_path: Path):
    bank = of_rough(tmp_path, source.folder, source.inputs, partitions=1)
    bank.judge()
    alert = one_of(bank)
    said = lost(bank, alert)
    assert "there is no history of this partition" in said
    assert "aml worker history" in said
    whole = bank.logs[0]
    bank.logs[0] = whole[:2]
    bank.record()
    said = lost(bank, alert)
    assert "ends at offset 2, before the payment of this alert" in said
    assert "aml worker history" in said
    bank.logs[0] = whole
    bank.record()
    with bank.explainer() as explainer:
        assert explainer.explain(alert).is_same
    shutil.move(bank.store / "judged", bank.store / "moved")
    assert "no scoring worker has noted" in lost(bank, alert)
    with bank.explainer() as explainer:
        assert explainer.explain(alert).payments
    shutil.move(bank.store / "moved", bank.store / "judged")
    for path in (bank.store / "inputs").glob("*.yaml"):
        path.write_text(path.read_text().replace("700.00", "701.00"))
    assert "was changed since it was kept" in lost(bank, alert)


def test_a_version_that_redis_had_lost_is_named(source: RoughBank, tmp_path: Path):
    bank = of_rough(tmp_path, source.folder, source.inputs, partitions=1)
    bank.judge()
    bank.kept.values.clear()
    bank.record()
    alert = next(each.alert_id for each in bank.alerts if each.profile_version == 1)
    said = lost(bank, alert)
    assert "version 1 of the profile" in said
    assert "aml worker profiles --from-start" in said


def test_records_that_were_gone_make_a_place_uncertain(source: RoughBank, tmp_path: Path):
    bank = of_rough(tmp_path, source.folder, source.inputs, partitions=1)
    bank.judge()
    log = RecordedLog(history_folder(bank.store, "legs", 0), 0, bank.kept)
    log.take(bank.logs[0][:2])
    with pytest.raises(ValueError, match="records 2 to 2 of the log were not read"):
        log.take(bank.logs[0][3:])
    log.skip_to(3)
    log.take(bank.logs[0][3:])
    log.commit()
    with pytest.raises(HistoryBusy, match="writes it"):
        RecordedLog(history_folder(bank.store, "legs", 0), 0, bank.kept)
    log.close()
    assert "lacks offsets 2 to 2" in lost(bank, bank.alerts[-1].alert_id)
