"""Payments over the REST interface: verdict, refusal, repeats, and what happens when no engine can answer."""

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.app.embedded import RunSettings
from monitor.app.inputs import GivenInputs
from monitor.app.live_run import LiveRun, NotTaken
from monitor.web.app import make_app
from tests.app.changing_bank import ChangingBank
from tests.web.robots import Robots, fault
from tests.web.workbench import Workbench, workbench

SECONDS = 300


@pytest.fixture
def bank(tmp_path: Path) -> ChangingBank:
    made = ChangingBank(tmp_path)
    made.rule(1)
    return made


@pytest.fixture
def robots(bank: ChangingBank) -> Iterator[Robots]:
    with workbench(bank.folder, cases=1) as bench:
        live = LiveRun(RunSettings((), bank.db, inputs=GivenInputs((bank.folder / "rules",)), watch_seconds=None))
        bench.app = make_app(replace(bench.app.state.desk, live=live, verdict_seconds=60.0))
        live.start()
        live.wait_until_ready(SECONDS)
        yield Robots(bench)
        live.stop()


def payments(bank: ChangingBank, count: int) -> list[dict[str, object]]:
    return [json.loads(line) for line in bank.payments(count).read_text().splitlines()]


def test_a_payment_is_answered_with_its_verdict_and_joins_a_case_that_the_source_does_not_see(
    bank: ChangingBank, robots: Robots
):
    source = robots.add("core", "source")
    answers = [source.post("/v1/transactions", json=payment) for payment in payments(bank, 3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    body = answers[2].json()
    assert (body["transaction_id"], body["accepted"], body["is_duplicate"], body["position"]) == ("T2", True, False, 2)
    (alert,) = body["alerts"]
    assert alert["sentence"] == "2 deposits of 200.00 USD."
    assert 0 <= alert["score"] <= 1
    assert 0 < body["latency_us"] < 60_000_000
    assert "case" not in answers[2].text
    assert fault(source.get("/v1/cases")) == (403, "not-allowed")
    analyst = robots.add("robot", "analyst")
    found = analyst.get(f"/v1/cases/{alert['alert_id']}").json()
    assert found["alerts_list"][0]["text"] == alert["sentence"]
    assert fault(analyst.post("/v1/transactions", json=payments(bank, 1)[0])) == (403, "not-allowed")


def test_sent_again_or_asked_later_the_verdict_is_the_same(bank: ChangingBank, robots: Robots):
    source = robots.add("core", "source")
    first = [source.post("/v1/transactions", json=payment).json() for payment in payments(bank, 3)][2]
    again = source.post("/v1/transactions", json=payments(bank, 3)[2]).json()
    asked = source.get("/v1/transactions/T2").json()
    assert again["is_duplicate"] is True
    for body in (again, asked):
        assert (body["alerts"], body["position"]) == (first["alerts"], first["position"])
    assert fault(source.get("/v1/transactions/T9")) == (404, "not-found")
    assert robots.actions()[-1] == "verdict_viewed"
    assert robots.bench.store.verify().findings == ()


def test_an_id_with_any_characters_is_asked_for(bank: ChangingBank, robots: Robots):
    source = robots.add("core", "source")
    payment = payments(bank, 1)[0] | {"transaction_id": "a/b ?#%é"}
    assert source.post("/v1/transactions", json=payment).status_code == 200
    assert source.get("/v1/transactions/a%2Fb%20%3F%23%25%C3%A9").json()["transaction_id"] == "a/b ?#%é"


@pytest.mark.parametrize(
    ("change", "kind", "place", "code"),
    [
        ({"amount": "1.001"}, (422, "payment-refused"), "body.amount", "amount_too_precise"),
        ({"currency": "XXX"}, (422, "payment-refused"), "body.currency", "currency_unknown"),
        ({"more": "x"}, (422, "payment-refused"), None, "field_unknown"),
        ({"creditor_customer": None}, (422, "payment-refused"), None, "no_party_of_ours"),
    ],
)
def test_a_refusal_says_place_fact_reason_and_remedy(bank: ChangingBank, robots: Robots, change, kind, place, code):
    answer = robots.add("core", "source").post("/v1/transactions", json=payments(bank, 1)[0] | change)
    assert fault(answer) == kind
    body = answer.json()
    assert (body["code"], body["position"]) == (code, 0)
    if place is not None:
        assert body["place"] == place


def test_another_payment_of_the_same_id_is_a_conflict(bank: ChangingBank, robots: Robots):
    source = robots.add("core", "source")
    payment = payments(bank, 1)[0]
    assert source.post("/v1/transactions", json=payment).status_code == 200
    assert fault(source.post("/v1/transactions", json=payment | {"amount": "7.00"})) == (409, "payment-differs")


@pytest.mark.parametrize("body", [b"", b"  \n", b"{", b"\x00", b"[]", b'"x"', b"\xff"])
def test_what_is_no_payment_is_refused(robots: Robots, body: bytes):
    answer = robots.add("core", "source").post("/v1/transactions", content=body)
    assert fault(answer)[0] == 422
    assert robots.client("core").get("/v1/health").json()["engine"] == "ready"


def test_many_at_once_are_each_answered(bank: ChangingBank, robots: Robots):
    robots.add("core", "source")
    robots.client("core").get("/v1/health")

    def send(payment: dict[str, object]) -> tuple[int, str]:
        answer = robots.client("core").post("/v1/transactions", json=payment)
        return answer.status_code, answer.json()["transaction_id"]

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(send, payments(bank, 48)))
    assert answers == [(200, f"T{number}") for number in range(48)]


def test_a_key_for_repeats_gives_the_kept_answer_and_refuses_another_payment(bank: ChangingBank, robots: Robots):
    source, (one, other) = robots.add("core", "source"), payments(bank, 2)
    key = {"Idempotency-Key": "p1"}
    first = source.post("/v1/transactions", json=one, headers=key)
    again = source.post("/v1/transactions", json=one, headers=key)
    assert (again.json(), again.headers["idempotency-replayed"]) == (first.json(), "true")
    assert fault(source.post("/v1/transactions", json=other, headers=key)) == (422, "repeat-differs")


class Slow(LiveRun):
    """A run that answers nothing, or takes nothing."""

    def __init__(self, *, takes: bool) -> None:
        super().__init__(RunSettings((), Path("none.db")))
        self.takes = takes

    def submit(self, record: bytes, *, by: str, key_id: str) -> "Future[object]":  # type: ignore[override]
        if not self.takes:
            raise NotTaken("4096 payments wait already")
        return Future()


def test_a_verdict_that_takes_long_is_asked_for_later(bench: Workbench):
    bench.app = make_app(replace(bench.app.state.desk, live=Slow(takes=True), verdict_seconds=0.05))
    answer = Robots(bench).add("core", "source").post("/v1/transactions", json={"transaction_id": "a/b"})
    assert answer.status_code == 202
    assert answer.headers["location"] == answer.json()["ask"] == "/v1/transactions/a%2Fb"


def test_who_cannot_be_served_now_is_told_when_to_try_again(bench: Workbench):
    source = Robots(bench).add("core", "source")
    without = source.post("/v1/transactions", json={})
    assert (fault(without), without.headers["retry-after"]) == ((503, "no-engine"), "5")
    bench.app = make_app(replace(bench.app.state.desk, live=Slow(takes=False)))
    full = bench.client().post("/v1/transactions", json={}, headers=dict(source.headers))
    assert fault(full) == (503, "not-taken")
