"""Alerts of the streaming shell are computed again from the recorded log of their partition, and come out the same."""

import pytest

from monitor.app.explaining import Explained, Explainer
from tests.app.rough_bank import RULES, RoughBank, rough_bank
from tests.streaming.legs_stream import KEY
from tests.streaming.recorded_logs import RecordedBank, of_rough

SEED, COUNT = 2, 300
FLOW = f"AML-BEH-{len(RULES):03}"
"""The rule that follows money."""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> RoughBank:
    return rough_bank(tmp_path_factory.mktemp("rough"), seed=SEED, count=COUNT)


@pytest.fixture(scope="module")
def embedded(source: RoughBank) -> dict[str, Explained]:
    """The explanation of every alert of an embedded run over the same payments."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AML_TOKEN_KEY", KEY.hex())
        source.run()
        with Explainer(source.db) as explainer:
            return {each: explainer.explain(each) for each in explainer.store.alert_ids("A-", limit=100_000)}


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
        return {each: explainer.explain(each) for each in explainer.store.alert_ids("A-", limit=100_000)}


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
    assert len(found) - len(lost) > 100
