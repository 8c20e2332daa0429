"""Payments handed in one by one: the same as from a file, durable before they are answered, and safe to send again."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from monitor.adapters.sql.store import StoreBusy, open_store
from monitor.app.embedded import RunSettings, run
from monitor.app.inputs import GivenInputs
from monitor.app.live_run import LiveRun, NotTaken, Outcome, RefusedPayment, Verdict
from monitor.domain.refusal import Reason
from tests.app.changing_bank import ChangingBank

SECONDS = 300


@pytest.fixture
def bank(tmp_path: Path) -> ChangingBank:
    made = ChangingBank(tmp_path)
    made.rule(1)
    return made


def settings_of(bank: ChangingBank, db: Path | None = None) -> RunSettings:
    return RunSettings((), db or bank.db, inputs=GivenInputs((bank.folder / "rules",)), watch_seconds=0)


@contextmanager
def living(bank: ChangingBank) -> Iterator[LiveRun]:
    live = LiveRun(settings_of(bank), tell=bank.messages.append)
    live.start()
    try:
        live.wait_until_ready(SECONDS)
        yield live
    finally:
        live.stop()


def lines(bank: ChangingBank, count: int, **more: int) -> list[bytes]:
    return bank.payments(count, **more).read_bytes().splitlines()


def submitted(live: LiveRun, records: list[bytes]) -> list[Outcome]:
    answers = [live.submit(record, by="robot", key_id="k1") for record in records]
    return [answer.result(SECONDS) for answer in answers]


def test_one_by_one_is_the_same_as_a_file(bank: ChangingBank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AML_TOKEN_KEY", "07" * 32)
    records = lines(bank, 12)
    records.insert(5, b'{"transaction_id": 5}')
    records.append(records[3])
    with living(bank) as live:
        for record in records:
            submitted(live, [record])
    (tmp_path / "all.jsonl").write_bytes(b"\n".join(records) + b"\n")
    run(RunSettings((str(tmp_path / "all.jsonl"),), tmp_path / "file.db", inputs=settings_of(bank).inputs))
    with open_store(bank.db) as one, open_store(tmp_path / "file.db") as other:
        ours, theirs = one.fingerprint(), other.fingerprint()
        assert {name: ours[name] for name in ours if name != "journal"} == {
            name: theirs[name] for name in theirs if name != "journal"
        }
        counts, expected = one.counters("embedded"), other.counters("embedded")
        assert counts == expected
        assert counts["alerts_new"] > 3
        assert one.verify().findings == ()


def test_the_verdict_names_what_the_payment_raised(bank: ChangingBank):
    with living(bank) as live:
        outcomes = submitted(live, lines(bank, 4))
    assert all(isinstance(outcome, Verdict) for outcome in outcomes)
    found = [[(each.source_id, each.text, each.status) for each in outcome.alerts] for outcome in outcomes]
    assert found[:2] == [[], []]
    assert [each[0][1] for each in found[2:]] == ["2 deposits of 200.00 USD."] * 2
    assert [outcome.transaction_id for outcome in outcomes] == ["T0", "T1", "T2", "T3"]
    assert [outcome.position for outcome in outcomes] == [0, 1, 2, 3]


def test_a_payment_that_comes_again_is_told_what_it_raised_the_first_time(bank: ChangingBank):
    records = lines(bank, 4)
    with living(bank) as live:
        first = submitted(live, records)
        (again,) = submitted(live, records[3:])
        assert live.ask("T3").result(SECONDS) == first[3]
        assert live.ask("T9").result(SECONDS) is None
    with living(bank) as live:
        (after_a_restart,) = submitted(live, records[3:])
        assert live.ask("T3").result(SECONDS) == first[3]
    assert (again.alerts, again.position, again.is_duplicate) == (first[3].alerts, 3, True)
    assert after_a_restart == again
    assert len(again.alerts) == 1


def test_the_same_payment_many_times_at_once_is_judged_once(bank: ChangingBank):
    records = lines(bank, 4)
    with living(bank) as live:
        submitted(live, records[:3])
        outcomes = submitted(live, records[3:] * 20)
    assert sum(not outcome.is_duplicate for outcome in outcomes) == 1
    assert {tuple(each.alert_id for each in outcome.alerts) for outcome in outcomes} == {
        tuple(each.alert_id for each in outcomes[0].alerts)
    }
    with open_store(bank.db) as store:
        assert store.counters("embedded")["judged"] == 4


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"amount": "100.001"}, Reason.AMOUNT_TOO_PRECISE),
        ({"currency": "XXX"}, Reason.CURRENCY_UNKNOWN),
        ({"more": 1}, Reason.FIELD_UNKNOWN),
        ({"transaction_id": "T0", "amount": "7.00"}, Reason.DUPLICATE_DIFFERS),
    ],
)
def test_what_is_refused_says_why_and_is_kept(bank: ChangingBank, change: dict[str, object], reason: Reason):
    records = lines(bank, 2)
    bad = json.dumps(json.loads(records[1]) | change).encode()
    with living(bank) as live:
        good, refused = submitted(live, [records[0], bad])
    assert isinstance(good, Verdict)
    assert isinstance(refused, RefusedPayment)
    assert (refused.reason, refused.position) == (reason, 1)
    assert refused.remedy
    kept = (bank.folder / "bank.data" / "refused.jsonl").read_text()
    assert reason.value in kept


@pytest.mark.parametrize(
    "body", [b"\x00", b"{", b"\xff\xfe", b"[]", b"null", b'{"a":\n\n1}', b"\x0b{}", b"x" * 100_000]
)
def test_no_body_ends_the_run(bank: ChangingBank, body: bytes):
    records = lines(bank, 1)
    with living(bank) as live:
        outcomes = submitted(live, [body, records[0], body])
        assert [type(outcome) for outcome in outcomes] == [RefusedPayment, Verdict, RefusedPayment]
    for blank in (b"", b" \n\t\r"):
        with pytest.raises(ValueError, match="blank"):
            live.submit(blank, by="robot", key_id="k")


def test_a_payment_over_several_lines_is_one(bank: ChangingBank):
    record = json.dumps(json.loads(lines(bank, 1)[0]), indent=2).encode()
    with living(bank) as live:
        (outcome,) = submitted(live, [record])
        (again,) = submitted(live, lines(bank, 1))
    assert (outcome.is_duplicate, again.is_duplicate) == (False, True)


def test_who_handed_in_payments_stands_in_the_journal(bank: ChangingBank):
    with living(bank) as live:
        submitted(live, lines(bank, 2))
    with open_store(bank.db) as store, store.reading() as connection:
        rows = connection.exec_driver_sql(
            "SELECT actor, payload FROM journal WHERE action = 'payments_judged' ORDER BY seq"
        ).all()
    assert {row.actor for row in rows} == {"robot"}
    assert sum(json.loads(row.payload)["payments"] for row in rows) == 2


def test_only_one_process_owns_the_run_and_a_file_can_follow(bank: ChangingBank):
    with living(bank) as live:
        submitted(live, lines(bank, 3))
        with pytest.raises(StoreBusy, match="already writing"):
            run(RunSettings((str(bank.payments(5)),), bank.db, inputs=settings_of(bank).inputs))
    done = run(RunSettings((str(bank.payments(5)),), bank.db, inputs=settings_of(bank).inputs))
    assert (done.counts["judged"], done.counts["duplicates"]) == (5, 3)


def test_a_run_that_cannot_start_says_why_and_takes_nothing(bank: ChangingBank):
    ended = threading.Event()
    with living(bank):
        other = LiveRun(settings_of(bank), tell=bank.messages.append, on_failure=ended.set)
        other.start()
        assert ended.wait(SECONDS)
        other.stop()
    assert (other.state, "already writing" in (other.failure or "")) == ("failed", True)
    assert any("Payments are taken no more" in message for message in bank.messages)
    with pytest.raises(NotTaken):
        other.submit(b"{}", by="robot", key_id="k")


def test_rules_that_change_are_taken_over_while_it_lives(bank: ChangingBank):
    with living(bank) as live:
        submitted(live, lines(bank, 3))
        bank.rule(1, few=3, version=2)
        for _ in range(200):
            if any("changed" in message for message in bank.messages):
                break
            live.ask("T0").result(SECONDS)
        assert any("rulebook" in message.lower() for message in bank.messages), bank.messages
        (outcome,) = submitted(live, lines(bank, 4)[3:])
    assert outcome.alerts == []


CHILD = """
import sys, json
from pathlib import Path
from monitor.app.embedded import RunSettings
from monitor.app.inputs import GivenInputs
from monitor.app.live_run import LiveRun
folder = Path(sys.argv[1])
live = LiveRun(RunSettings((), folder / "bank.db", inputs=GivenInputs((folder / "rules",)), watch_seconds=None))
live.start()
live.wait_until_ready(300)
print("ready", flush=True)
for line in sys.stdin.buffer:
    outcome = live.submit(line, by="robot", key_id="k").result(300)
    print(outcome.transaction_id, len(outcome.alerts), flush=True)
"""


@pytest.mark.slow(minutes=2)
def test_killed_at_any_moment_what_was_answered_stays_and_the_rest_can_be_sent_again(bank: ChangingBank):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    records = lines(bank, 40)
    answered: list[str] = []
    kills = 0
    while len(answered) < len(records):
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(bank.folder)], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])  # fmt: skip
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        for record in records[len(answered) :]:
            child.stdin.write(record + b"\n")
            child.stdin.flush()
            if kills < 3 and rng.random() < 0.15:
                threading.Event().wait(rng.uniform(0, 0.05))
                break
            answered.append(child.stdout.readline().decode())
        kills += len(answered) < len(records)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    assert kills > 0, seed
    with living(bank) as live:
        told = [live.ask(f"T{n}").result(SECONDS) for n in range(40)]
    assert [f"{each.transaction_id} {len(each.alerts)}\n" for each in told if each] == answered
    with open_store(bank.db) as store:
        counts = store.counters("embedded")
        assert (counts["judged"], counts.get("refused", 0)) == (40, 0)
        assert store.verify().findings == ()
    assert sum(len(each.alerts) for each in told if each) > 20
