"""Feeds from the bank to ``aml totals`` through real brokers, with workers that are killed and repeats."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from monitor.adapters.kafka.refused_topic import RefusedTopic
from monitor.adapters.kafka.topics import Topic, TopicAdmin
from monitor.cli import app
from tests.intake.json_records import plain
from tests.streaming.cases_cluster import CHILD
from tests.streaming.intake_topics import KEY, TopicsHere

pytestmark = pytest.mark.kafka

SECONDS = 900
ROOT = Path(__file__).resolve().parents[2]


def paid(number: int, **fields: str) -> bytes:
    given = {"transaction_id": f"T{number}", "debtor_customer": f"C{number % 17}", "amount": f"{number + 1}.00"}
    given |= {"creditor_customer": f"C{number % 5}", "currency": ("EUR", "USD")[number % 2]}
    return plain(**given | {"booked_at": f"2026-05-04T{8 + number % 9:02}:00:00Z"} | fields).strip()


class Workers:
    """One intake, scoring and casework worker each, as processes that can be killed and are started again."""

    def __init__(self, here: TopicsHere, folder: Path, *, approve_examples: bool = False) -> None:
        name = here.topics.transactions
        TopicAdmin(here.client).create({f"{name}-alerts": Topic(partitions=2, purpose="x")}, replication=1)
        self.database = folder / "bank.db"
        (folder / "cases.json").write_text(json.dumps({
            "settings": {"kafka": {"bootstrap": here.bootstrap}, "database": {"url": str(self.database)},
                         "inputs": {"models": "off", "approve_examples": approve_examples}, "worker": {"port": 0}},
            "group": {"alerts": f"{name}-alerts", "refused": here.topics.refused, "name": f"{name}-cases",
                      "session_seconds": 6.0},
            "records_max": 50,
        }))  # fmt: skip
        self.commands = {
            "intake": ["tests/streaming/intake_process.py", here.bootstrap, f"{name}-intake", *astuple(here.topics)],
            "score": ["-m", "tests.streaming.child_score", f"{name}-score", here.topics.legs, f"{name}-alerts",
                      here.topics.refused],
            "cases": [str(CHILD), str(folder / "cases.json")],
        }  # fmt: skip
        self.env = os.environ | {
            "PYTHONPATH": ".", "AML_KAFKA_BOOTSTRAP": here.bootstrap, "AML_STORE_FOLDER": str(folder / "store"),
            "AML_STORE_TOKEN_KEY": KEY.hex(), "AML_WORKER_PORT": "0", "AML_WORKER_SNAPSHOT_SECONDS": "1",
            "AML_INPUTS_MODELS": "off", "AML_INPUTS_APPROVE_EXAMPLES": str(approve_examples).lower(),
        }  # fmt: skip
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        for each in self.commands:
            self.start(each)

    def start(self, name: str) -> None:
        self.running[name] = subprocess.Popen([sys.executable, *self.commands[name]], cwd=ROOT, env=self.env,
                                              stdout=subprocess.DEVNULL)  # fmt: skip

    def kill(self, name: str) -> None:
        self.running[name].kill()
        self.running[name].wait()
        self.start(name)


@contextmanager
def working(here: TopicsHere, folder: Path, **more: bool) -> Iterator[Workers]:
    workers = Workers(here, folder, **more)
    try:
        yield workers
    finally:
        for each in workers.running.values():
            each.send_signal(signal.SIGKILL)
            each.wait()


def said(database: Path, *words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["totals", *words], env={"AML_DB": str(database), "NO_COLOR": "1"})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def shown(database: Path) -> dict[tuple[str, str], dict[str, Any]]:
    _, output = said(database, "show", "--json")
    return {(each["feed"], each["currency"]): each for each in map(json.loads, output.splitlines())}


def wait_for(database: Path, count: Counter[str], refused: int) -> dict[tuple[str, str], dict[str, Any]]:
    until, found = time.monotonic() + SECONDS, dict[tuple[str, str], dict[str, Any]]()
    while time.monotonic() < until:
        with suppress(AssertionError, json.JSONDecodeError):
            found = shown(database) if database.exists() else {}
        payments: Counter[str] = Counter()
        for (feed, _), each in found.items():
            payments[feed] += each["payments"]
        if +payments == count and sum(each["refused"] for each in found.values()) == refused:
            return found
        time.sleep(1)
    raise AssertionError(f"{found} instead of {count} and {refused} refused")


def test_totals_are_exact_though_workers_are_killed_and_payments_come_twice(kafka_bootstrap: str, tmp_path: Path):
    here = TopicsHere.make(kafka_bootstrap)
    payments = {
        "cards": [paid(number) for number in range(0, 240)],
        "wires": [paid(number) for number in range(240, 400)],
    }
    bad = [
        plain(transaction_id=f"B{number}", booked_at="2026-05-04T09:00:00Z", currency="XXX").strip()
        for number in range(9)
    ]
    with working(here, tmp_path) as workers:
        for start in range(0, 240, 60):
            for feed, lines in payments.items():
                some = lines[start : start + 60]
                here.send([*some, *some[:7], *(bad[start // 60 : start // 60 + 1] if feed == "cards" else [])],
                          headers=[("feed", feed.encode())])  # fmt: skip
            time.sleep(2)
            workers.kill(("intake", "score", "cases", "intake")[start // 60])
        found = wait_for(workers.database, Counter({"cards": 240, "wires": 160}), 4)
        repeated = sum(each["repeated"] for each in found.values())
        assert repeated == 4 * 7 + 3 * 7
        totals = tmp_path / "totals.jsonl"
        stated: list[dict[str, Any]] = [
            {"feed": feed, "day": "2026-05-04", "currency": currency, "count": len(sums), "sum_minor": sum(sums)}
            for feed, lines in payments.items()
            for number, currency in enumerate(("EUR", "USD"))
            for sums in [[100 * (int(json.loads(line)["transaction_id"][1:]) + 1) for line in lines][number::2]]
        ]
        totals.write_text("\n".join(map(json.dumps, stated)))
        assert said(workers.database, "load", str(totals))[0] == 0
        status, output = said(workers.database, "show")
        assert status == 0, output
        assert output.splitlines()[-1] == "0 of 4 differ."
        stated[0] |= {"count": stated[0]["count"] + 4, "sum_minor": stated[0]["sum_minor"] + 1}
        stated[3] |= {"sum_minor": stated[3]["sum_minor"] + 1}
        totals.write_text("\n".join(map(json.dumps, stated)))
        said(workers.database, "load", str(totals))
        assert said(workers.database, "show")[0] == 1
        found = shown(workers.database)
        assert (found["cards", "EUR"]["finding"], found["wires", "USD"]["finding"]) == ("refused", "sum")
        refused = list(RefusedTopic(here.client, here.topics.refused).read("currency_unknown"))
        assert {each.payment.feed for each in refused} == {"cards"}
