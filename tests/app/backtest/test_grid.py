"""Each point of a walk raises what the rule alone would raise live at those values."""

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from monitor.adapters.sql.store import open_store
from monitor.app.backtest.advice import advise
from monitor.app.backtest.changes import RulesInForce, read_changes
from monitor.app.backtest.grid import Axis, Grid, Part, Point, Walk, axes_of, walk
from monitor.app.backtest.judging import Variant, changed, judge
from monitor.app.backtest.match import Raised
from monitor.app.backtest.problem import BacktestError
from monitor.app.backtest.truth import Truth, TruthCase, TruthSet, positions_of, read_labels
from monitor.casework.intervals import Share
from monitor.rulebook.load import load_rules, shipped_rules
from tests.app.backtest.bank import Bank, alerted, decide

STR, FAN, PAS = "AML-STR-001", "AML-FAN-001", "AML-PAS-001"
NOW = 1_800_000_000_000_000
RULES = {rule.id: rule for rule in load_rules([shipped_rules()])[0]}


def walked(bank: Bank, rule: str, *walks: Walk, truth: Truth | None = None, split: float = 0.6) -> Grid:
    axes = axes_of(RULES[rule], walks, time_us=NOW)
    return walk(bank.store_history(), RULES[rule], axes, truth or Truth(), split=split)


@pytest.mark.parametrize(
    ("rule", "walks"),
    [
        (STR, [Walk("total_above", "6000.00", "14000.00", 5)]),
        # Within a window's filter: each value has a window of its own.
        (STR, [Walk("report_above", "3000.00", "9000.00", 4)]),
        (STR, [Walk("total_above[cash_business]", "20000.00", "60000.00", 3), Walk("report_above", "8000", "9000", 2)]),
        # Against the peer group, with hubs.
        (FAN, [Walk("payers_min", "3", "9", 3)]),
    ],
)
def test_every_point_raises_what_the_rule_alone_raises_at_those_values(bank: Bank, rule: str, walks: list[Walk]):
    grid = walked(bank, rule, *walks)
    history = bank.store_history()
    assert len({len(point.alerts) for point in grid.points}) > 1
    for point in grid.points:
        texts = grid.words(point).split()
        changes = read_changes(texts, known=RULES, lists=history.epochs[-1].lists)

        def alone(rules: RulesInForce, changes: list = changes) -> RulesInForce:  # type: ignore[type-arg]
            after = changed(changes)(rules)
            return RulesInForce({rule: after.rules[rule]}, frozenset([rule]))

        judged = judge(history, [Variant("alone", alone)])
        expected = [alert for alert in judged.alerts[0] if alert.kind == "new"]
        given = [(a.position, a.subject, a.leg_role, a.transactions, a.segment) for a in point.alerts]
        assert given == [(a.position, a.subject, a.leg_role, a.transactions, a.segment) for a in expected]
        assert point.customers == len({alert.subject for alert in expected})
        assert sum(point.by_segment.values()) == len(expected)


def test_the_value_in_force_is_always_among_the_values_and_ends_are_kept():
    (axis,) = axes_of(RULES[STR], [Walk("total_above", "6000.00", "13000.00", 3)], time_us=NOW)
    assert [axis.shown(n) for n in range(len(axis.values))] == ["6000.00", "9500.00", "10000.00", "13000.00"]
    assert axis.current == 2
    (axis,) = axes_of(RULES[STR], [Walk("total_above[cash_business]", "1.00", "2.00", 2)], time_us=NOW)
    assert axis.shown(axis.current) == "45000.00"


def test_shares_are_walked_in_steps_that_can_be_written():
    parameters = {name: each for name, each in RULES[PAS].parameters.items() if str(each.unit) == "share"}
    (name, *_) = parameters
    (axis,) = axes_of(RULES[PAS], [Walk(name, "0.7", "0.9", 4)], time_us=NOW)
    assert set(axis.values) >= {Decimal("0.7"), Decimal("0.767"), Decimal("0.833"), Decimal("0.9")}


@pytest.mark.parametrize(
    ("walks", "words"),
    [
        ([Walk("nothing", "1", "2", 2)], "It has: report_above, total_above"),
        ([Walk("total_above", "2", "1", 2)], "must be below the last"),
        ([Walk("total_above", "x", "1", 2)], "--from of total_above: 'x' is no value in USD"),
        ([Walk("total_above", "1", "2", 1)], "take 2 to 100 values"),
        ([Walk("total_above", "1", "2000", 60), Walk("report_above", "1", "2000", 60)], "200 is the limit"),
        ([], "one or two parameters"),
    ],
)
def test_a_walk_that_makes_no_sense_says_why(walks: list[Walk], words: str):
    with pytest.raises(BacktestError) as caught:
        axes_of(RULES[STR], walks, time_us=NOW)
    assert words in str(caught.value)


# Truth ----------------------------------------------------------------------------------------------------


def test_labelled_payments_are_found_in_the_log_of_a_store_and_of_files(bank: Bank):
    wanted = [row[0] for row in read_labels(bank.folder / "labels.csv")]
    expected = {}
    for position, line in enumerate((bank.folder / "transactions.jsonl").read_text().splitlines()):
        for name in wanted:
            if f'"{name}"' in line.split(",")[0]:
                expected.setdefault(name, position)
    assert len(expected) > 10
    for history in (bank.store_history(), bank.file_history()):
        assert {name: position for name, (position, _) in positions_of(history, wanted).items()} == expected
        assert positions_of(history, ["T-nobody"]) == {}


def labelled(bank: Bank, path: Path, *, typology: str) -> dict[str, set[str]]:
    """Labels: some payments behind alerts at a loose value, by case."""
    history = bank.store_history()
    loose = walked(bank, STR, Walk("total_above", "3000.00", "4000.00", 2)).points[0]
    cases = {
        f"CASE-{number}": {history.transaction_id(position) for position in alert.transactions[:2]}
        for number, alert in enumerate(loose.alerts[::5])
    }
    assert len(cases) > 8
    rows = [f"{payment},{typology},{case}" for case, payments in cases.items() for payment in sorted(payments)]
    path.write_text("transaction_id,typology,case_id\n" + "\n".join(rows) + "\n")
    return cases


def test_recall_counts_labelled_cases_with_an_alert_on_one_of_their_payments(bank: Bank, tmp_path: Path):
    cases = labelled(bank, tmp_path / "labels.csv", typology="structuring")
    truth = Truth(tmp_path / "labels.csv")
    grid = walked(bank, STR, Walk("total_above", "6000.00", "12000.00", 4), truth=truth)
    history = bank.store_history()
    for point in grid.points:
        named = [{history.transaction_id(position) for position in alert.transactions} for alert in point.alerts]
        found = {case for case, payments in cases.items() if any(payments & each for each in named)}
        assert point.recall.of == len(cases)
        assert point.recall.found == len(found)
        everything = set.union(*cases.values())
        assert point.precision == Share(sum(bool(each & everything) for each in named), len(named))
    assert 0 < grid.points[-1].recall.found < grid.points[0].recall.found < len(cases)


def test_labels_of_other_typologies_count_only_where_the_walk_can_find_them(bank: Bank, tmp_path: Path):
    cases = labelled(bank, tmp_path / "labels.csv", typology="smurfing")
    steps = Walk("total_above", "6000.00", "20000.00", 4)
    grid = walked(bank, STR, steps, truth=Truth(tmp_path / "labels.csv"))
    assert grid.points[0].recall.found == grid.points[0].recall.of < len(cases)
    chosen = walked(bank, STR, steps, truth=Truth(tmp_path / "labels.csv", ("smurfing",)))
    assert chosen.points[0].recall == Share(grid.points[0].recall.found, len(cases))


def test_wrong_labels_are_refused(bank: Bank, tmp_path: Path):
    bad = tmp_path / "bad.csv"
    bad.write_text("a,b\n1,2\n")
    with pytest.raises(BacktestError, match="the columns transaction_id, typology, case_id are needed"):
        read_labels(bad)
    bad.write_text("transaction_id,typology,case_id\nnobody,structuring,C1\n")
    with pytest.raises(BacktestError, match="none of its payments is in"):
        walked(bank, STR, Walk("total_above", "1", "2", 2), truth=Truth(bad))
    with pytest.raises(BacktestError, match="has no such label"):
        walked(bank, STR, Walk("total_above", "1", "2", 2), truth=Truth(bad, ("smurfs",)))


def test_decisions_of_the_store_are_the_cases_where_there_are_no_labels(bank: Bank, tmp_path: Path):
    made = bank.copy(tmp_path / "decided")
    with open_store(made.db) as store:
        cases = list(dict.fromkeys(case for case, _ in alerted(store, STR)))
        for number, case in enumerate(cases):
            decide(store, case, ("reported", "false_positive")[number % 2])
        pairs = alerted(store, STR)
    grid = walked(made, STR, Walk("total_above", "9000.00", "14000.00", 3))
    good = set(cases[::2])
    assert grid.current.recall == Share(len(good), len(good))
    assert grid.current.precision == Share(sum(case in good for case, _ in pairs), len(pairs))
    strictest = grid.points[-1]
    assert 0 < strictest.recall.found < len(good)
    assert grid.current.first.recall.of + grid.current.last.recall.of == len(good)
    assert grid.current.first.recall.of > 0
    assert grid.current.last.recall.of > 0


# Advice ---------------------------------------------------------------------------------------------------


def made_grid(points: list[tuple[int, int, float, int]], *, cases: int = 40) -> Grid:
    """A grid of one axis: (found first, found last, alerts a month in the first part, alerts); the second in force."""
    rule = RULES[STR]
    axis = Axis(rule.parameters["total_above"], None, tuple(100 * (n + 1) for n in range(len(points))), 1)
    truth = TruthSet("x", [TruthCase(f"C{n}", True, n) for n in range(2 * cases)], {})
    alert = Raised("A", STR, "s", 0, "debtor", 0, "new", ())
    found = [
        Point((n,), [alert] * alerts, 1, {}, monthly, Share(one + two, 2 * cases), Share(0, 0),
              Part(monthly, Share(one, cases)), Part(monthly, Share(two, cases)))
        for n, (one, two, monthly, alerts) in enumerate(points)
    ]  # fmt: skip
    return Grid(rule, (axis,), found, 0, 2 * cases, cases, 1, truth)


def test_the_fewest_alerts_that_keep_recall_in_the_first_part_are_advised_if_they_hold_in_the_last():
    advice = advise(made_grid([(30, 30, 90.0, 90), (30, 30, 60.0, 60), (30, 30, 40.0, 40), (29, 30, 20.0, 20)]))
    assert advice.point.at == (2,)
    assert "finds as many cases" in advice.sentences[0]
    assert "It holds in the last part" in advice.sentences[1]


def test_a_value_that_fails_in_the_last_part_is_not_advised_and_not_exchanged_for_another():
    advice = advise(made_grid([(30, 30, 90.0, 90), (30, 30, 60.0, 60), (30, 30, 50.0, 50), (30, 25, 20.0, 20)]))
    assert advice.point.at == (1,)
    assert "5 cases lost" in advice.sentences[1]


def test_a_looser_value_that_finds_more_is_named():
    advice = advise(made_grid([(35, 30, 90.0, 90), (30, 30, 60.0, 60), (20, 20, 40.0, 40)]))
    assert advice.point.at == (1,)
    assert advice.sentences[0].startswith("Keep")
    assert "5 more cases" in advice.sentences[1]


def test_without_cases_nothing_is_advised():
    grid = made_grid([(0, 0, 9.0, 9), (0, 0, 6.0, 6)], cases=0)
    assert advise(grid).point is grid.current
    assert "speaks for no value" in advise(grid).sentences[0]


def test_few_cases_are_called_few():
    grid = made_grid([(3, 3, 9.0, 9), (3, 3, 6.0, 6), (3, 3, 4.0, 4)], cases=3)
    assert any("There are few cases (6)" in sentence for sentence in advise(grid).sentences)


def test_a_month_is_a_twelfth_of_a_year(bank: Bank):
    grid = walked(bank, STR, Walk("total_above", "9000.00", "14000.00", 3))
    days = (grid.last_us - grid.first_us) / 86_400_000_000
    for point in grid.points:
        assert point.per_month == pytest.approx(len(point.alerts) / days * 365.25 / 12)
        parts = point.first.per_month * 0.6 + point.last.per_month * 0.4
        assert parts == pytest.approx(point.per_month, rel=1e-6)
    assert np.diff([len(point.alerts) for point in grid.points]).max() <= 0
    assert Counter(replace(a, alert_id="") for a in grid.current.alerts).most_common(1)[0][1] == 1
