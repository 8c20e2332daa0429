"""What a case shows of the recorded logs of workers is what it shows of an embedded run over the same payments."""

from pathlib import Path

import pytest

from monitor.app.activity import activity
from monitor.app.around import network
from monitor.app.explaining import CannotExplain, Explainer
from monitor.domain.identifiers import IdentifierKind, token_of
from monitor.domain.time import TIME_MAX_US
from tests.app.rough_bank import CUSTOMERS, RoughBank, rough_bank
from tests.streaming.legs_stream import KEY
from tests.streaming.recorded_logs import RecordedBank, of_rough


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> RoughBank:
    made = rough_bank(tmp_path_factory.mktemp("rough"), seed=2, count=200)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AML_TOKEN_KEY", KEY.hex())
        made.run()
    return made


@pytest.fixture(scope="module")
def three(source: RoughBank, tmp_path_factory: pytest.TempPathFactory) -> RecordedBank:
    bank = of_rough(tmp_path_factory.mktemp("three"), source.folder, source.inputs, partitions=3)
    bank.judge()
    bank.record()
    return bank


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AML_TOKEN_KEY", KEY.hex())


def home(bank: RecordedBank, customer: str) -> int:
    """A position in the log of the customer's alerts."""
    token = token_of(KEY, IdentifierKind.CUSTOMER, customer).hex()
    return next(each.position for each in bank.alerts if each.subject.token == token)


def moved(records: Explainer, customer: str, position: int) -> set[tuple[object, ...]]:
    token = token_of(KEY, IdentifierKind.CUSTOMER, customer)
    with records.books(position) as books:
        found = activity(
            books, token, "customer", from_us=0, until_us=TIME_MAX_US, movements_max=10_000, parties_max=100
        )
    return {(each.booked_us, each.direction, each.amount_minor, each.currency, each.other, each.status)
            for each in found.movements}  # fmt: skip


def around(records: Explainer, customer: str) -> tuple[set[tuple[object, ...]], set[tuple[object, ...]]]:
    token = token_of(KEY, IdentifierKind.CUSTOMER, customer)
    with records.all_books() as logs:
        found = network(logs, token, "customer", from_us=0, until_us=TIME_MAX_US)
    name = {node.number: node.identifier for node in found.nodes}
    nodes: set[tuple[object, ...]] = {(node.identifier, node.hop) for node in found.nodes}
    edges: set[tuple[object, ...]] = {
        (name[e.source], name[e.target], e.currency, e.count, e.amount_minor) for e in found.edges
    }
    return nodes, edges


@pytest.mark.parametrize("customer", CUSTOMERS[:4])
def test_payments_are_those_of_the_embedded_run(source: RoughBank, three: RecordedBank, customer: str):
    with Explainer(source.db) as embedded, three.explainer() as stream:
        expected = moved(embedded, customer, 0)
        assert moved(stream, customer, home(three, customer)) == expected
    assert len(expected) > 5


@pytest.mark.parametrize("customer", CUSTOMERS[:4])
def test_the_network_joins_the_logs_of_all_partitions_and_counts_each_payment_once(
    source: RoughBank, three: RecordedBank, customer: str
):
    with Explainer(source.db) as embedded, three.explainer() as stream:
        expected = around(embedded, customer)
        assert around(stream, customer) == expected
    assert len(expected[1]) > 20


def test_the_profile_is_that_which_the_log_tells_of(three: RecordedBank):
    met = 0
    with three.explainer() as stream:
        for alert in stream.store.alert_ids("A-", limit=40):
            evidence = stream.store.evidence(alert)
            assert evidence is not None
            if evidence["subject"]["kind"] != "customer":
                continue
            found = stream.customer(evidence, now_us=TIME_MAX_US)
            version = evidence["profile_version"]
            assert ((found.then if found else None) or (None,))[0] == version
            met += version is not None
            told = {each.name: each.then for each in found.fields} if found else {}
            assert told.get("segment") == (evidence["segment"] if version is not None else None)
            assert told.get("risk_rating") == (evidence["risk_rating"] if version is not None else None)
    assert met > 5


def test_todays_rules_are_not_asked_yet_and_it_says_so(three: RecordedBank, tmp_path: Path):
    with three.explainer() as stream, pytest.raises(CannotExplain, match="aml replay"):
        stream.today(stream.store.alert_ids("A-", limit=1)[0], stream.in_force())
