"""Whether the rules of today would still alert; how numbers came to their thresholds; the profile then and now."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.app.courses import peers
from monitor.app.customer import Customer
from monitor.app.explaining import Explainer
from monitor.app.rerunning import Evidence, Rerun
from monitor.app.today import GONE, HIDDEN, NO, UNDECIDED, YES, Today, by_inputs_of_now
from monitor.domain.time import TIME_MAX_US, parse_time_us
from monitor.rulebook.load import load_lists, read_rule
from monitor.rulebook.reference import BankSnapshot, PlainInputs, PlainSide, PlainTransaction, ReferenceEngine, legs_of
from tests.app.rough_bank import CUSTOMERS, RULES, RoughBank, rough_bank


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> RoughBank:
    made = rough_bank(tmp_path_factory.mktemp("rough"), seed=2, count=300)
    made.run()
    return made


@pytest.fixture
def copy(bank: RoughBank, tmp_path: Path) -> RoughBank:
    """The bank, to go on with other rules."""
    shutil.copytree(bank.folder, tmp_path / "copy")
    moved = tmp_path / "copy"
    inputs = replace(bank.inputs, rules=(moved / "rules",), rates=moved / "rates.csv", entities=moved / "entities.yaml")
    return RoughBank(moved, inputs)


def evidence_of(records: Explainer, rule: str) -> Evidence:
    """An alert of a rule, with as few marks as there are."""
    found = [
        evidence
        for alert in records.store.alert_ids("A-", limit=100_000)
        if (evidence := records.store.evidence(alert)) and evidence["source"]["id"] == rule
    ]
    assert found, f"no alert of {rule}"
    return min(found, key=lambda evidence: len(evidence["marks"]))


def goes_on(bank: RoughBank, **changes: object) -> None:
    """One more payment, so that the log takes the inputs of now up."""
    last = json.loads((bank.folder / "transactions.jsonl").read_text().splitlines()[-1])
    more = bank.folder / "more.jsonl"
    more.write_text(json.dumps(last | {"transaction_id": "MORE"}) + "\n")
    bank.run(files=(str(more),), **changes)


def today(bank: RoughBank, rule: str) -> Today:
    with Explainer(bank.db) as records:
        return records.today(evidence_of(records, rule)["alert_id"], records.in_force())


def test_where_nothing_has_changed_every_alert_would_come_again(bank: RoughBank):
    with Explainer(bank.db) as records:
        in_force = records.in_force()
        found = {
            f"AML-BEH-{n:03}": records.today(evidence_of(records, f"AML-BEH-{n:03}")["alert_id"], in_force)
            for n in range(1, len(RULES) + 1)
        }
    assert {rule: each.answer for rule, each in found.items()} == dict.fromkeys(found, YES)
    assert all(each.parts and each.parts[0].truth == "true" for each in found.values())
    assert [each.changed for each in found.values()] == [()] * len(found)


def test_a_threshold_that_was_raised_answers_no_and_says_which(copy: RoughBank):
    path = copy.folder / "rules" / "behaviour" / "rule_4.yaml"
    path.write_text(path.read_text().replace("value: 1200.00", "value: 999999.00").replace("version: 1", "version: 2"))
    goes_on(copy)
    found = today(copy, "AML-BEH-004")
    assert found.answer == NO
    assert found.why == ("This does not hold: m.total is more than top.",)
    assert ("top", "120000 USD", "99999900 USD") in {(each.what, each.then, each.now) for each in found.changed}
    (part,) = [each for each in found.parts if each.threshold is not None]
    assert part.threshold is not None
    assert part.threshold.value == "999999.00"
    assert today(copy, "AML-BEH-006").answer == YES


def test_a_rule_that_is_gone_says_so(copy: RoughBank):
    (copy.folder / "rules" / "behaviour" / "rule_4.yaml").unlink()
    goes_on(copy)
    assert today(copy, "AML-BEH-004").answer == GONE


def test_a_rule_that_is_no_longer_approved_is_found_and_shown_to_nobody(copy: RoughBank):
    path = copy.folder / "rules" / "behaviour" / "rule_4.yaml"
    path.write_text(path.read_text().replace("status: active", "status: shadow"))
    goes_on(copy)
    found = today(copy, "AML-BEH-004")
    assert found.answer == HIDDEN
    assert any("not approved" in words for words in found.why)


def test_what_lacks_a_value_is_undecided_and_names_it(copy: RoughBank):
    path = copy.folder / "rules" / "behaviour" / "rule_4.yaml"
    path.write_text(path.read_text().replace("m.total > top", "m.total > top and profile.is_pep"))
    goes_on(copy)
    found = today(copy, "AML-BEH-004")
    assert (found.answer, "profile.is_pep" in found.why[0]) == (UNDECIDED, True)


def test_of_the_bank_only_what_was_measured_before_the_payment_is_known(bank: RoughBank):
    with Explainer(bank.db) as records:
        evidence = evidence_of(records, "AML-BEH-009")
        kept = by_inputs_of_now(evidence, records.rerunner).noted
        measured = [each for each in records.rerunner.noted if each.kind == "bank_snapshot"]
        before = [each for each in measured if each.position <= evidence["position"]]
        assert [each for each in kept if each.kind == "bank_snapshot"] == before
        assert 0 < len(before) < len(measured)
        others = [each for each in records.rerunner.noted if each.kind != "bank_snapshot"]
        assert [each for each in kept if each.kind != "bank_snapshot"] == others


def test_the_answer_depends_on_all_that_is_in_force(copy: RoughBank):
    with Explainer(copy.db) as records:
        before = records.in_force().digest
        assert records.in_force().digest == before
    path = copy.folder / "rules" / "behaviour" / "rule_4.yaml"
    path.write_text(path.read_text().replace("value: 1200.00", "value: 1300.00"))
    goes_on(copy)
    with Explainer(copy.db) as records:
        assert records.in_force().digest != before


# Courses and peers --------------------------------------------------------------------------------------


def test_a_course_ends_with_the_numbers_of_the_alert_and_goes_through_those_before(bank: RoughBank):
    with Explainer(bank.db) as records:
        records.points_max = 30
        evidence = evidence_of(records, "AML-BEH-001")
        found = records.explain(evidence["alert_id"])
        (course,) = found.courses
        last = course.points[-1]
        assert last.actual_words.value == evidence["measures"]["w.total"]["value"]
        assert last.threshold_words.value == evidence["parameters"]["total_min"]["value"]
        assert 1 < len(course.points) <= 30
        assert [each.booked_us for each in course.points][-1] == parse_time_us(evidence["event_time"])
        # Each point is the number that an alert of its payment has.
        others = {parse_time_us(other["event_time"]): other["measures"]["w.total"]["value"]
                  for alert in records.store.alert_ids("A-", limit=100_000)
                  if (other := records.store.evidence(alert)) and other["source"]["id"] == "AML-BEH-001"
                  and other["subject"] == evidence["subject"] and not set(other["marks"]) - {"quiet"}}  # fmt: skip
        met = [(each.actual_words.value, others[each.booked_us]) for each in course.points if each.booked_us in others]
        assert len(met) >= 1
        assert all(one == other for one, other in met)


def test_courses_are_computed_for_who_asks_only(bank: RoughBank):
    with Explainer(bank.db) as records:
        assert records.explain(evidence_of(records, "AML-BEH-001")["alert_id"]).courses == ()


def test_a_rule_that_asks_for_peers_says_what_they_stay_below(bank: RoughBank):
    lists, _ = load_lists([bank.folder / "rules"])
    text = (bank.folder / "rules" / "behaviour" / "rule_9.yaml").read_text()
    rule = read_rule(text, "behaviour/rule_9.yaml", lists, is_kept=True)
    legs = legs_of([
        PlainTransaction(n, f"T{n}", n, 100, "USD", debtor=PlainSide(account=f"X{n}"), creditor=PlainSide(holder="C1"))
        for n in range(4)
    ])  # fmt: skip
    known = BankSnapshot(1, {(None, "peer.y.who.p50"): 2}, frozenset())
    for snapshots, expected in (((), []), (((0, known),), [("p50", "4", "2")])):
        recomputed = ReferenceEngine().at(rule, legs[-1], legs, PlainInputs(snapshots=snapshots))
        found = peers(Rerun(rule, recomputed, "C1", {}, None, None))
        assert [(each.quantile, each.actual.value, each.peers.value) for each in found] == expected


def test_a_rule_that_follows_money_shows_its_way(bank: RoughBank):
    with Explainer(bank.db) as records:
        evidence = evidence_of(records, "AML-BEH-019")
        found = records.explain(evidence["alert_id"])
        assert found.path is not None
        assert len(found.path.steps) == len(evidence["transactions"])
        assert found.path.missing == 0
        assert records.explain(evidence_of(records, "AML-BEH-001")["alert_id"]).path is None


# The customer -------------------------------------------------------------------------------------------


def customer(bank: RoughBank, evidence: Evidence, now_us: int = TIME_MAX_US) -> Customer | None:
    with Explainer(bank.db) as records:
        return records.customer(evidence, now_us=now_us)


def test_the_profile_is_that_of_the_alert_and_that_of_now(bank: RoughBank):
    versions = [json.loads(line) for line in (bank.folder / "profiles.jsonl").read_text().splitlines()]
    met = set()
    with Explainer(bank.db) as records:
        for alert in records.store.alert_ids("A-", limit=100_000):
            evidence = records.store.evidence(alert)
            assert evidence is not None
            name = records.rerunner.tokens.text(evidence["subject"]["id"])
            if evidence["subject"]["kind"] != "customer" or (name, evidence["profile_version"]) in met:
                continue
            met.add((name, evidence["profile_version"]))
            found = records.customer(evidence, now_us=TIME_MAX_US)
            assert found is not None
            own = {each["version"]: each for each in versions if each["customer"] == name}
            assert found.identifier == name
            assert (found.then or (None,))[0] == evidence["profile_version"]
            assert (found.now or (None,))[0] == (max(own) if own else None)
            for each in found.fields:
                if each.name in ("segment", "risk_rating"):
                    then, now = own.get(evidence["profile_version"], {}), own[max(own)]
                    assert (each.then, each.now) == (then.get(each.name), now.get(each.name))
    assert {version for _, version in met} >= {None, 1, 2}
    assert len(met) > len(CUSTOMERS) // 2


def test_a_version_that_is_recorded_later_is_not_known_now(bank: RoughBank):
    with Explainer(bank.db) as records:
        for alert in records.store.alert_ids("A-", limit=100_000):
            evidence = records.store.evidence(alert)
            assert evidence is not None
            if evidence["subject"]["kind"] == "customer" and evidence["profile_version"] == 1:
                whole = records.customer(evidence, now_us=TIME_MAX_US)
                if whole and len(whole.versions) == 2:
                    break
        else:
            raise AssertionError("nobody has two versions")
    recorded_us = whole.versions[1][1]
    before, at = customer(bank, evidence, recorded_us - 1), customer(bank, evidence, recorded_us)
    assert before is not None
    assert at is not None
    assert before.now == whole.versions[0]
    assert at.now == whole.versions[1]
    assert any(each.is_changed for each in at.fields)


def test_an_alert_about_an_account_is_about_its_customer(bank: RoughBank):
    with Explainer(bank.db) as records:
        evidence = evidence_of(records, "AML-BEH-002")
        found = records.customer(evidence, now_us=TIME_MAX_US)
        assert found is not None
        account = records.rerunner.tokens.text(evidence["subject"]["id"])
    lines = (bank.folder / "transactions.jsonl").read_text().splitlines()
    users = {record.get(f"{side}_customer") for record in map(json.loads, lines) for side in ("debtor", "creditor")
             if record.get(f"{side}_account") == account}  # fmt: skip
    assert found.identifier in users
