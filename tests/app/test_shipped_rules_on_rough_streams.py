"""Whole runs of the ten shipped rules say of every leg what the slow evaluator says of it."""

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from monitor.adapters.input_archive import InputArchive
from monitor.adapters.sql.store import open_store
from monitor.app import kept_inputs
from monitor.app.embedded import RUN, Progress, RunSettings, run
from monitor.app.inputs import load_inputs
from monitor.app.rerun_inputs import InputsThen
from monitor.app.resolving import open_resolver
from monitor.app.store import data_folder
from monitor.domain.alert import Quantity
from monitor.engine.sentences import quantity_of_parts
from monitor.rulebook.reference import BankSnapshot, PlainInputs, ReferenceEngine, Value, Verdict
from monitor.rulebook.rule import Rule
from tests.app.shipped_bank import ENTITIES, PATTERNS, ShippedBank, plain_log, plain_rates, shipped_bank
from tests.strategies.searching import further

_ROLES = {"debit": "debtor", "credit": "creditor"}


def judged_by_the_run(bank: ShippedBank) -> tuple[Progress, list[dict[str, Any]]]:
    """The run, and its alerts with the source's own identifiers."""
    done = run(RunSettings(
        (str(bank.folder / "transactions.jsonl"),), bank.folder / "bank.db", inputs=bank.inputs,
        profiles=bank.folder / "profiles.jsonl", alerts=bank.folder / "alerts.jsonl",
    ))  # fmt: skip
    assert done.rule_errors == []
    return done, [json.loads(line) for line in (bank.folder / "alerts.jsonl").read_text().splitlines()]


def snapshots(db: Path, records: int) -> tuple[tuple[int, BankSnapshot], ...]:
    """The bank as a whole, as the run published it: to the slow evaluator it is an input."""
    archive, resolve = InputArchive(data_folder(db)), open_resolver(db)
    with open_store(db) as store:
        noted = InputsThen(archive, store.inputs(RUN), records).versions("bank_snapshot", "bank")
    found = []
    for first, one in noted:
        kept = kept_inputs.kept_snapshot(archive, str(one.content))
        quantiles = {
            (segment or None, name): value
            for segment, values in kept.quantiles.items()
            for name, value in values.items()
        }
        hubs = frozenset(str(resolve(token)) for token in kept.hubs)
        found.append((first, BankSnapshot(kept.version, quantiles, hubs)))
    return tuple(found)


def judged_slowly(bank: ShippedBank) -> list[tuple[Rule, Verdict]]:
    loaded = load_inputs(bank.inputs)
    inputs = PlainInputs(
        rates=plain_rates(bank),
        lists={name: ((0, frozenset(each.words)),) for name, each in loaded.lists.items()},
        entities=ENTITIES,
        snapshots=snapshots(bank.folder / "bank.db", len(bank.records)),
    )
    rules = {rule.id: rule for rule in loaded.program.rulebook.rules}
    verdicts = ReferenceEngine(in_full=True).judge(list(rules.values()), plain_log(bank), inputs)
    return [(rules[each.rule_id], each) for each in verdicts]


def said(rule: Rule, verdict: Verdict) -> dict[str, Any]:
    """What an alert must say of a verdict."""
    units = {f"{w.name}.{m.name}": m.unit for w in rule.windows.values() for m in w.measures}
    return {
        "status": {"alert": "new", "quiet": "quiet"}[str(verdict.status)],
        "measures": {name: _quantity(value, units[name]) for name, value in verdict.measures.items()},
        "payments": verdict.transactions,
    }


def _quantity(value: Value, unit: Any) -> Quantity:
    if value.is_unknown or value.value is None:
        return Quantity(None, str(unit), "unknown")
    assert not isinstance(value.value, str)
    return quantity_of_parts(value.value.as_integer_ratio(), unit, value.bound)


def said_by(alert: dict[str, Any], verdict: Verdict, ids: list[str]) -> dict[str, Any]:
    """The same of an alert; payments go by position, since a corrected or repeated one has the id of another."""
    measures = {name: Quantity(each["value"], each["unit"], each["bound"]) for name, each in alert["measures"].items()}
    return {
        "status": alert["status"],
        "measures": {name: measures[name] for name in verdict.measures},
        "payments": tuple(sorted(ids.index(each) for each in alert["transactions"])),
    }


def check(bank: ShippedBank) -> dict[str, Counter[str]]:
    """Compare every leg under every rule; how often each rule said what."""
    done, alerts = judged_by_the_run(bank)
    slowly = judged_slowly(bank)
    by_leg = {(a["source"]["id"], a["position"], a["leg_role"], a["subject"]["id"]): a for a in alerts}
    outcomes: dict[str, Counter[str]] = {rule: Counter() for rule in PATTERNS}
    for rule, verdict in slowly:
        outcomes[rule.id][verdict.status or verdict.verdict] += 1
    expected = {_leg(bank, rule, verdict): (rule, verdict) for rule, verdict in slowly if verdict.status}
    assert sorted(by_leg) == sorted(expected)
    ids = [record["transaction_id"] for record in bank.records]
    for leg, (rule, verdict) in expected.items():
        assert said_by(by_leg[leg], verdict, ids) == said(rule, verdict), leg
    for rule_id, counted in outcomes.items():
        missing = sum(n for name, n in done.counts.items() if name.startswith(f"undecided:{rule_id}:"))
        assert (rule_id, missing) == (rule_id, counted["unknown"])
    return outcomes


def _leg(bank: ShippedBank, rule: Rule, verdict: Verdict) -> tuple[str, int, str, str]:
    """Rule, position, role and subject, as alerts name them."""
    side = _ROLES[verdict.leg_role]
    is_named = bank.records[verdict.position].get(f"{side}_customer") == verdict.subject
    return rule.id, verdict.position, side if is_named else f"{side}_joint", str(verdict.subject)


def test_of_every_leg_each_shipped_rule_says_what_its_definition_says(tmp_path: Path):
    outcomes: dict[str, Counter[str]] = {rule: Counter() for rule in PATTERNS}
    for seed in (1, 2, 3):
        folder = tmp_path / str(seed)
        folder.mkdir()
        for rule, counted in check(shipped_bank(folder, seed=seed)).items():
            outcomes[rule] += counted
    one_sided = {
        rule: dict(counted)
        for rule, counted in outcomes.items()
        if min(counted[said] for said in ("alert", "unknown", "false")) < 1
    }
    assert one_sided == {}


@pytest.mark.slow
@pytest.mark.parametrize("n", range(further(1)))
def test_further_streams_agree_as_well(tmp_path: Path, n: int):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    check(shipped_bank(tmp_path, seed))
