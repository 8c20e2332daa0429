"""A case's name and score: weights add up with diminishing effect, in one order, and are explained."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.adapters.sql.store import open_store
from monitor.casework.joining import join_alert, scored, seen
from monitor.casework.policy import CaseworkPolicy
from monitor.casework.position import RunPosition
from monitor.casework.priority import reasons, risk
from monitor.casework.typologies import agreement, named, scored_by
from monitor.rulebook.groups import TypologyGroup, read_groups
from tests.casework.alert_building import START_US, stored, subject

FILE = """\
typologies:
  - name: Structuring
    means: Cash is cut up.
    threshold: 0.50
    rules: {AML-STR-002: 0.30, AML-STR-001: 0.60, AML-INC-001: 0.30}
  - name: Money mule
    means: Money passes through.
    threshold: 0.50
    rules: {AML-MUL-001: 0.60, AML-INC-001: 0.30}
"""
MULE, STRUCTURING = "Money mule", "Structuring"
weights = st.dictionaries(st.integers(0, 9).map("AML-STR-{:03}".format), st.floats(0.01, 0.99), min_size=1)


def groups() -> tuple[TypologyGroup, ...]:
    """The two groups of ``FILE``."""
    read, errors = read_groups(FILE, "typologies.yaml")
    assert errors == []
    return tuple(read)


POLICY = CaseworkPolicy(groups=groups())


def test_weights_add_up_with_diminishing_effect_and_the_heaviest_counts_first():
    found = scored_by(groups()[0], {"AML-STR-002", "AML-STR-001", "AML-INC-001", "AML-XXX-001"})
    assert found.parts == (("AML-STR-001", 0.6), ("AML-STR-002", 0.12), ("AML-INC-001", 0.084))
    assert found.score == 0.804


@given(weights, st.sets(st.integers(0, 9).map("AML-STR-{:03}".format)))
def test_the_parts_sum_up_to_the_score_and_a_further_rule_never_takes_away(given_weights, rules):
    group = groups()[0]
    group = TypologyGroup(group.name, group.means, 0.5, given_weights, group.place, {})
    found = scored_by(group, rules)
    assert sum(gave for _, gave in found.parts) == pytest.approx(found.score, abs=1e-5)
    assert 0 <= found.score <= scored_by(group, {*rules, next(iter(given_weights))}).score <= 1


def test_a_case_bears_the_highest_score_and_equals_go_by_the_order_of_the_file():
    assert named(groups(), ["AML-STR-001", "AML-MUL-001"]).name == STRUCTURING
    assert named(groups()[::-1], ["AML-STR-001", "AML-MUL-001"]).name == MULE
    assert named(groups(), ["AML-STR-001", "AML-MUL-001", "AML-INC-001", "AML-STR-002"]).name == STRUCTURING
    assert named(groups(), ["AML-STR-002", "AML-MUL-001"]).name == MULE


def test_below_every_threshold_a_case_has_no_name_and_at_the_threshold_it_has():
    assert named(groups(), ["AML-INC-001"]) is None
    at = TypologyGroup("At", "m", 0.3, {"AML-INC-001": 0.3}, groups()[0].place, {})
    assert named([at], ["AML-INC-001"]).score == 0.3


def test_a_case_takes_its_name_from_all_its_rules_and_not_from_the_first():
    first = join_alert(None, stored(0, rule="AML-INC-001"), POLICY)
    assert first.case.typology is None
    second = join_alert(first.case, stored(1, rule="AML-MUL-001"), POLICY)
    assert (second.case.typology.name, second.case.typology.score) == (MULE, 0.72)
    assert "typology" not in json.loads(first.draft.payload)
    assert json.loads(second.draft.payload)["typology"] == MULE
    third = join_alert(second.case, stored(2, rule="AML-MUL-001"), POLICY)
    assert third.case.typology == second.case.typology
    assert "typology" not in json.loads(third.draft.payload)


def test_rules_that_agree_raise_the_risk_and_one_alone_does_not():
    alone = join_alert(None, stored(0, rule="AML-MUL-001"), POLICY).case
    assert alone.risk == join_alert(None, stored(0, rule="AML-MUL-001"), CaseworkPolicy()).case.risk
    both = join_alert(alone, stored(1, rule="AML-INC-001"), POLICY).case
    assert agreement(both.typology) == 0.12
    assert both.risk == risk(both.strength, 2, both.risk_rating, 0.12) > risk(both.strength, 2, both.risk_rating)
    # Whoever acts on the case later has no file of typologies at hand: the stored name counts.
    assert scored(both).risk == both.risk == seen(both).risk


def test_the_reasons_say_which_rule_gave_how_much():
    case = join_alert(join_alert(None, stored(0, rule="AML-INC-001"), POLICY).case, stored(1, rule="AML-MUL-001"),
                      POLICY).case  # fmt: skip
    assert reasons(case, START_US)[-1] == "Typology Money mule 0.72: AML-MUL-001 gave 0.60, AML-INC-001 gave 0.12."


def test_the_name_is_stored_and_read_back(tmp_path):
    with open_store(tmp_path / "cases.db", create=True, policy=POLICY) as store:
        alerts = [stored(0, rule="AML-INC-001"), stored(1, rule="AML-MUL-001"), stored(2, customer="bob")]
        position = RunPosition("embedded", 0, 0, 3, START_US, None, True, {})
        store.commit_batch(alerts, position, recorded_at_us=START_US)
    with open_store(tmp_path / "cases.db") as store, store.reading() as connection:
        from monitor.adapters.sql.rows import case_of
        from monitor.adapters.sql.schema import cases

        found = {case.subject: case for case in map(case_of, connection.execute(cases.select()).all())}
        assert store.verify().entries == 3
    assert found[subject("ann")].typology == named(groups(), ["AML-MUL-001", "AML-INC-001"])
    assert found[subject("bob")].typology.parts == (("AML-STR-001", 0.6),)
