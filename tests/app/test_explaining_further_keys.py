"""An alert whose key is a person, a pair, a link or an agent is computed again from the history, end to end."""

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from monitor.app.embedded import RunSettings, run
from monitor.app.explaining import Explainer
from monitor.app.inputs import GivenInputs
from tests.app.rough_bank import THREE, profiles, rule_text, transactions

SUBJECTS = {"person": "person", "pair": "customer", "link": "link", "agent": "agent"}
"""Whom the alert of a key is about."""


def _rule(by: str, measures: str) -> dict[str, str]:
    window = f"  w:\n    over: 30d\n    by: {by}\n    currency: USD\n    measures: {{{measures}}}"
    return {"parameters": THREE, "windows": window, "when": "w.n >= few", "text": "{w.n} payments.", "quiet": "1d",
            "subject": SUBJECTS[by]}  # fmt: skip


def _with_parties(record: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """The record with what these keys are made of."""
    more = {"on_behalf_of": rng.choice(["P1", "C2", None]), "link": rng.choice(["K1", "K2", None])}
    for side in ("debtor", "creditor"):
        more[f"{side}_agent"] = rng.choice(["BNKAUS2X", "BNKADE2X", None])
    return record | {name: value for name, value in more.items() if value is not None}


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    (folder / "rules" / "behaviour").mkdir(parents=True)
    for number, by in enumerate(SUBJECTS, 1):
        measures = "n: count()" if by in ("person", "pair") else "n: count(), who: distinct(customer)"
        path = folder / "rules" / "behaviour" / f"rule_{number}.yaml"
        path.write_text(rule_text(number, _rule(by, f"{measures}, total: sum(amount)")))
    rng = random.Random(11)
    lines = {
        "profiles": profiles(rng),
        "transactions": [_with_parties(each, random.Random(n)) for n, each in enumerate(transactions(rng, 250))],
    }
    for name, records in lines.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(each) + "\n" for each in records))
    (folder / "entities.yaml").write_text(
        "default: NEW-YORK\nentities:\n"
        "  NEW-YORK: {country: US, zone: America/New_York}\n  OSLO: {country: NO, zone: Europe/Oslo}\n"
    )
    done = run(RunSettings(
        (str(folder / "transactions.jsonl"),), folder / "bank.db", profiles=folder / "profiles.jsonl",
        inputs=GivenInputs((folder / "rules",), (), None, folder / "entities.yaml", True),
        alerts=folder / "alerts.jsonl",
    ))  # fmt: skip
    assert done.rule_errors == []
    return folder


@pytest.mark.parametrize("by", SUBJECTS)
def test_alerts_of_a_further_key_are_explained_by_the_slow_evaluator(bank: Path, by: str):
    rule = f"AML-BEH-{[*SUBJECTS].index(by) + 1:03}"
    lines = [json.loads(line) for line in (bank / "alerts.jsonl").read_text().splitlines()]
    found = [line for line in lines if line["source"]["id"] == rule]
    assert {line["subject"]["kind"] for line in found} == {SUBJECTS[by]}
    assert Counter(line["status"] for line in found)["new"] >= 3
    assert len({line["subject"]["id"] for line in found}) >= 2
    with Explainer(bank / "bank.db") as explainer:
        for line in found[:12]:
            explained = explainer.explain(line["alert_id"])
            assert (explained.differences, explained.lost) == ((), ()), line
