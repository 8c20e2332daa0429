"""Every alert is computed again from history and kept inputs by the slow evaluator, and comes out the same.

This sets the engine against the reference on whole runs: intake, profiles, joint accounts, rates, calendars, peers.
"""

import json
import random
import shutil
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from monitor.app.embedded import RunSettings, run
from monitor.app.explaining import AlertUnknown, CannotExplain, Explained, Explainer
from monitor.app.inputs import GivenInputs
from monitor.app.profiles import ProfileTimeline
from monitor.app.resolving import open_resolver
from monitor.app.simulate import simulate
from monitor.intake.identifiers import IdentifierTable
from monitor.rulebook.load import shipped_rules
from tests.app.rough_bank import RULES, RoughBank, rough_bank
from tests.strategies.searching import further

ROUGH_SEED, SAMPLE = 2, 60


def explain_some(db: Path, *, seed: int, most: int) -> list[Explained]:
    """Explanations of a random sample of the alerts, at least one of every rule."""
    print(f"sample of alerts with seed {seed}")
    with Explainer(db) as explainer:
        ids = explainer.store.alert_ids("A-", limit=100_000)
        random.Random(seed).shuffle(ids)
        by_rule: dict[str, str] = {}
        for alert in ids:
            evidence = explainer.store.evidence(alert)
            assert evidence is not None
            by_rule.setdefault(evidence["source"]["id"], alert)
        return [explainer.explain(alert) for alert in dict.fromkeys([*by_rule.values(), *ids[:most]])]


def what_differs(found: list[Explained]) -> list[str]:
    return [f"{each.evidence['alert_id']}: {line}" for each in found for line in (*each.differences, *each.lost)]


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> RoughBank:
    made = rough_bank(tmp_path_factory.mktemp("rough"), seed=ROUGH_SEED, count=300)
    done = made.run()
    assert done.rule_errors == []
    return made


@pytest.fixture
def copy(bank: RoughBank, tmp_path: Path) -> RoughBank:
    """The bank, to be tampered with."""
    shutil.copytree(bank.folder, tmp_path / "copy")
    return RoughBank(tmp_path / "copy", bank.inputs)


def one_alert(db: Path, rule: str) -> str:
    with Explainer(db) as explainer:
        for alert in explainer.store.alert_ids("A-", limit=100_000):
            evidence = explainer.store.evidence(alert)
            if evidence and evidence["source"]["id"] == rule and len(evidence["transactions"]) > 2:
                return alert
    raise AssertionError(f"no alert of {rule}")


def test_alerts_of_a_rough_stream_come_out_the_same(bank: RoughBank):
    found = explain_some(bank.db, seed=3, most=SAMPLE)
    assert what_differs(found) == []
    assert {each.evidence["source"]["id"] for each in found} == {f"AML-BEH-{n:03}" for n in range(1, len(RULES) + 1)}
    marks = {mark for each in found for mark in each.evidence["marks"]}
    assert {"quiet", "late", "no_profile", "lower_bound"} <= marks


@pytest.mark.slow
@pytest.mark.parametrize("n", range(further(1)))
def test_alerts_of_further_rough_streams_come_out_the_same(tmp_path: Path, n: int):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    made = rough_bank(tmp_path, seed=seed, count=300)
    made.run()
    assert what_differs(explain_some(made.db, seed=seed, most=200)) == []


def test_alerts_of_the_shipped_rules_on_a_simulated_bank_come_out_the_same(tmp_path: Path):
    bank = tmp_path / "bank"
    simulate(customers=400, days=21, seed=7, out=bank)
    rules = shutil.copytree(shipped_rules(), tmp_path / "rules", ignore=shutil.ignore_patterns("rules.lock"))
    for path in rules.rglob("*.yaml"):
        path.write_text(path.read_text().replace("\nstatus: draft\n", "\nstatus: shadow\n"))
    inputs = GivenInputs((rules,), (), bank / "rates.csv", bank / "entities.yaml", True)
    files = (str(bank / "transactions.jsonl"), str(_handmade(tmp_path / "handmade.jsonl")))
    run(RunSettings(files=files, db=tmp_path / "bank.db", inputs=inputs, profiles=bank / "profiles.jsonl"))
    found = explain_some(tmp_path / "bank.db", seed=7, most=40)
    assert what_differs(found) == []
    assert len({each.evidence["source"]["id"] for each in found}) >= 7
    wanted = {"AML-DOR-001", "AML-RND-001", "AML-CYC-002", "AML-LAY-002"}
    assert wanted <= {each.evidence["source"]["id"] for each in found}
    ways = [each.evidence["transactions"] for each in found if each.evidence["source"]["id"] == "AML-CYC-002"]
    assert {len(way) for way in ways} == {4}


def _handmade(path: Path) -> Path:
    """Payments for rules that a short simulation does not reach: a sleeper wakes, round sums, money in a circle."""
    moved = [("2026-02-01", "500.00", "creditor", "cash"), ("2026-09-01", "12000.00", "creditor", "wire")]
    moved += [(f"2026-09-{day:02}", "11000.00", "debtor", "wire") for day in range(2, 9)]
    lines = [
        {"transaction_id": f"H{number}", "booked_at": f"{day}T09:00:00Z", "amount": amount, "currency": "USD",
         f"{side}_customer": "H-1", f"{side}_account": "H-1-A", "channel": channel}
        for number, (day, amount, side, channel) in enumerate(moved)
    ]  # fmt: skip
    circle = ("H-2", "H-3", "H-4", "H-5", "H-2")
    lines += [
        {"transaction_id": f"HC{number}", "booked_at": f"2026-09-0{number + 1}T10:00:00Z", "amount": "9000.00",
         "currency": "USD", "channel": "wire", "debtor_customer": payer, "debtor_account": f"{payer}-A",
         "creditor_customer": payee, "creditor_account": f"{payee}-A"}
        for number, (payer, payee) in enumerate(pairwise(circle))
    ]  # fmt: skip
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_a_changed_amount_in_the_history_is_found(copy: RoughBank):
    alert = one_alert(copy.db, "AML-BEH-001")
    with Explainer(copy.db) as explainer:
        position = int(explainer.explain(alert).evidence["transactions"][0])
    (part,) = (copy.folder / "bank.data" / "history").glob("day=*/*.parquet")
    table = pq.read_table(part, partitioning=None)
    amounts = table.column("amount_minor").to_pylist()
    row = table.column("position").to_pylist().index(position)
    amounts[row] += 1_000  # one minor unit of a foreign currency may convert to the same cents
    index = table.schema.get_field_index("amount_minor")
    pq.write_table(table.set_column(index, table.schema.field(index), [amounts]), part)
    with Explainer(copy.db) as explainer:
        found = explainer.explain(alert)
    assert not found.is_same
    assert [line.split(":")[0] for line in found.differences] == ["sentence", "w.total"]


def test_a_changed_rule_is_not_taken_for_the_one_that_was_kept(copy: RoughBank):
    alert = one_alert(copy.db, "AML-BEH-001")
    for path in (copy.folder / "bank.data" / "inputs").glob("*.yaml"):
        path.write_text(path.read_text().replace("700.00", "701.00"))
    with Explainer(copy.db) as explainer:
        found = explainer.explain(alert)
    assert "was changed since it was kept" in found.lost[0]
    assert found.evidence["text"]


def test_lost_profiles_are_named_and_the_stored_evidence_still_shown(copy: RoughBank):
    shutil.rmtree(copy.folder / "bank.data" / "vault" / "inputs")
    with Explainer(copy.db) as explainer:
        found = explainer.explain(one_alert(copy.db, "AML-BEH-001"))
    assert "vault/inputs" in found.lost[0]
    assert found.rule is not None


def test_the_rules_lists_and_profiles_of_the_bank_may_go_after_the_run(copy: RoughBank):
    for name in ("rules", "profiles.jsonl", "rates.csv", "entities.yaml", "transactions.jsonl"):
        path = copy.folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert what_differs(explain_some(copy.db, seed=1, most=1)) == []


def test_kept_profiles_are_readable_by_the_owner_only(bank: RoughBank):
    kept = list((bank.folder / "bank.data" / "vault" / "inputs").iterdir())
    assert kept
    assert all(path.stat().st_mode & 0o077 == 0 for path in kept)


def test_explaining_changes_no_byte_of_the_store(bank: RoughBank):
    def state() -> dict[str, tuple[int, int]]:
        files = (path for path in (bank.folder / "bank.data").rglob("*") if path.is_file())
        return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}

    before = state()
    explain_some(bank.db, seed=1, most=1)
    assert state() == before


def test_tokens_become_the_sources_identifiers_again(bank: RoughBank):
    resolve = open_resolver(bank.db)
    with Explainer(bank.db) as explainer:
        evidence = explainer.store.evidence(one_alert(bank.db, "AML-BEH-001"))
    assert evidence is not None
    assert str(resolve(evidence["subject"]["id"])).startswith("C")
    assert resolve("0" * 32) is None


def test_an_unknown_alert_and_a_store_without_history_are_said_so(bank: RoughBank, tmp_path: Path):
    with Explainer(bank.db) as explainer, pytest.raises(AlertUnknown, match="no alert has this id"):
        explainer.explain("A-0")
    with Explainer(bank.db) as explainer, pytest.raises(AlertUnknown, match="several alerts begin so"):
        explainer.explain("A-")
    shutil.copy(bank.db, tmp_path / "alone.db")
    with pytest.raises(CannotExplain, match="no history beside"):
        Explainer(tmp_path / "alone.db")


def test_two_versions_of_one_profile_make_no_joint_account(tmp_path: Path):
    line = (
        '{"customer":"C1","version":%d,"recorded_at":"2026-01-01T00:00:00Z","kind":"person",'
        '"accounts":[{"account":"A"}]}\n'
    )
    (tmp_path / "profiles.jsonl").write_text(line % 1 + line % 2)
    timeline = ProfileTimeline()
    timeline.load(tmp_path / "profiles.jsonl", IdentifierTable(b"k" * 32))
    timeline.advance(timeline.recorded_us[-1])
    assert timeline.table.joint.live == 0
