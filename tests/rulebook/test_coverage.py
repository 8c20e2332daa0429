"""The tables of rules/COVERAGE.md and rules/README.md are those of the rule files, and no candidate is passed over."""

from collections import Counter
from dataclasses import replace

import pytest

from monitor.rulebook.coverage import (
    BEGIN,
    COVERAGE_NAME,
    END,
    README_NAME,
    NoMarks,
    candidates,
    coverage_part,
    data_needed,
    pack_of,
    readme_part,
    with_generated,
)
from monitor.rulebook.load import load_rules, shipped_rules
from monitor.rulebook.template import PACKS

RULES, _ = load_rules([shipped_rules()])
COVERAGE = (shipped_rules() / COVERAGE_NAME).read_text(encoding="utf-8")
README = (shipped_rules() / README_NAME).read_text(encoding="utf-8")

CANDIDATES = """
    US-CTR-01 US-CTR-02 US-CTR-03 US-STR-01 US-STR-02 US-STR-03 US-MI-01 US-TRV-01 US-AVOID-01 CN-LVT-01 CN-LVT-02
    CN-LVT-03 CN-LVT-04 CN-LVT-05 CN-STR-01 CN-STR-02 CN-STR-03 CN-CDD-01 CN-LIST-01 EU-CASH-01 EU-CASH-02 EU-OCC-01
    EU-TFR-01 EU-TFR-02 EU-VA-01 INT-R16-01 CA-LCTR-01 CA-EFT-01 AU-TTR-01 AU-IFT-01 IN-CTR-01 IN-CBW-01 UK-DAML-01
    GEN-RAPID-01 GEN-FUNNEL-01 GEN-FANIN-01 GEN-FANOUT-01 GEN-SG-01 GEN-CYCLE-01 GEN-DORM-01 GEN-NEW-01 GEN-PROF-01
    GEN-BASE-01 GEN-PEER-01 GEN-CASHBIZ-01 GEN-ROUND-01 GEN-REP-01 GEN-HRJ-01 GEN-SANC-01 GEN-PEP-01 GEN-3PP-01
    GEN-MULE-01 GEN-DEV-01 GEN-ATO-01 GEN-ELD-01 GEN-VA-01 GEN-VA-02 GEN-TBML-01 GEN-LOAN-01 GEN-CARD-01 GEN-PREP-01
    GEN-TF-01 GEN-HT-01 GEN-COR-01 GEN-REJ-01 GEN-HIST-01 GEN-PEND-01
""".split()


def test_every_candidate_is_listed_once():
    assert len(CANDIDATES) == 67
    assert Counter(each.name for each in candidates(COVERAGE)) == Counter(CANDIDATES)


def test_every_candidate_has_a_rule_or_a_reason():
    for each in candidates(COVERAGE):
        assert each.meaning
        assert each.rules or len(each.verdict.split()) > 4, each.name


def test_a_rule_that_answers_no_candidate_is_named():
    assert "Beyond the candidates: AML-STR-001." in coverage_part(
        [rule for rule in RULES if rule.id in ("AML-STR-001", "AML-FAN-001")], candidates(COVERAGE)
    )


def test_the_coverage_document_is_current():
    assert with_generated(COVERAGE, coverage_part(RULES, candidates(COVERAGE)), COVERAGE_NAME) == COVERAGE


def test_the_table_of_the_readme_is_current():
    assert with_generated(README, readme_part(RULES), README_NAME) == README
    for rule in RULES:
        assert f"| `{rule.id}` | {rule.title} |" in README


def test_every_rule_lies_in_a_pack():
    assert {pack_of(rule) for rule in RULES} <= set(PACKS)


def test_a_candidate_whose_rule_is_not_here_is_named():
    some = [each for each in candidates(COVERAGE) if each.name in ("GEN-FANIN-01", "GEN-SG-01", "GEN-RAPID-01")]
    part = coverage_part([rule for rule in RULES if rule.id == "AML-FAN-001"], some)
    assert "Of 3 candidates, 1 are covered and 1 are left out" in part
    assert "Not here yet, 1: GEN-RAPID-01 (AML-PAS-001)." in part


def test_a_retired_rule_covers_nothing():
    [some] = [each for each in candidates(COVERAGE) if each.name == "GEN-FANIN-01"]
    rule = next(rule for rule in RULES if rule.id == "AML-FAN-001")
    assert "Not here yet" not in coverage_part([rule], [some])
    assert "Not here yet" in coverage_part([replace(rule, status="retired")], [some])


def test_the_data_of_a_rule_are_those_of_its_condition_filters_measures_keys_and_scopes():
    needs = {rule.id: data_needed(rule) for rule in RULES}
    assert needs["AML-STR-001"] == ("amount", "channel", "profile.segment")
    assert {"list.high_risk_countries", "counterparty_country"} <= set(needs["AML-COR-001"])
    assert {"peer.*", "peer.is_hub", "counterparty"} <= set(needs["AML-FAN-001"])
    assert "account" in needs["AML-NEW-001"]


def test_what_stands_outside_the_marks_stays():
    text = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert with_generated(text, "new", "a.md") == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    for broken in ("nothing", f"{END}\n{BEGIN}", f"{BEGIN} only"):
        with pytest.raises(NoMarks, match=r"a\.md"):
            with_generated(broken, "new", "a.md")
