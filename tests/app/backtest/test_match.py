"""Alerts of two runs are paired by id, then by completing payment, then by payments in common; each at most once."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from monitor.app.backtest.match import Raised, match

ONE = Raised("A-1", "R-1", "ann", 5, "debtor", 0, "new", (3, 4, 5))


def test_a_moved_threshold_changes_the_id_and_not_the_alert():
    assert match([ONE], [replace(ONE, alert_id="A-2")]).same == [(0, 0)]


def test_an_alert_that_comes_earlier_at_some_of_the_same_payments_is_the_same():
    earlier = replace(ONE, alert_id="A-2", position=4, transactions=(3, 4))
    assert match([ONE], [earlier]).same == [(0, 0)]


def test_another_subject_rule_side_or_other_payments_make_another_alert():
    others = [
        replace(ONE, alert_id="A-2", subject="bob"),
        replace(ONE, alert_id="A-3", rule="R-2"),
        replace(ONE, alert_id="A-5", position=9, transactions=(8, 9)),
    ]
    matched = match([ONE], others)
    assert (matched.same, matched.lost, matched.new) == ([], [0], [0, 1, 2])
    both_sides = match(
        [replace(ONE, transactions=())], [replace(ONE, alert_id="A-4", leg_role="creditor", transactions=())]
    )
    assert both_sides.lost == [0]


def test_the_pair_with_more_payments_in_common_wins():
    little = replace(ONE, alert_id="A-2", position=6, transactions=(5, 6))
    much = replace(ONE, alert_id="A-3", position=7, transactions=(4, 5, 7))
    matched = match([ONE], [little, much])
    assert (matched.same, matched.new) == ([(0, 1)], [0])


def test_the_same_completing_payment_goes_before_payments_in_common():
    first = replace(ONE, alert_id="A-2", position=4, transactions=(3, 4, 5, 6))
    exact = replace(ONE, alert_id="A-3", transactions=(5,))
    assert match([ONE], [first, exact]).same == [(0, 1)]


alert = st.builds(
    Raised,
    alert_id=st.text("AB", min_size=1, max_size=3), rule=st.sampled_from(["R-1", "R-2"]), subject=st.sampled_from("ab"),
    position=st.integers(0, 6), leg_role=st.just("debtor"), judged_at_us=st.just(0), kind=st.just("new"),
    transactions=st.frozensets(st.integers(0, 6), max_size=4).map(lambda each: tuple(sorted(each))),
)  # fmt: skip
runs = st.lists(alert, max_size=9, unique_by=lambda each: each.alert_id)


@given(runs, runs)
def test_each_alert_is_paired_at_most_once_and_nothing_pairable_is_left(before: list[Raised], after: list[Raised]):
    matched = match(before, after)
    assert sorted([i for i, _ in matched.same] + matched.lost) == list(range(len(before)))
    assert sorted([j for _, j in matched.same] + matched.new) == list(range(len(after)))

    def could_be(one: Raised, other: Raised) -> bool:
        is_one = (one.rule, one.subject) == (other.rule, other.subject)
        common = set(one.transactions) & set(other.transactions) or one.position == other.position
        return one.alert_id == other.alert_id or (is_one and bool(common))

    assert all(could_be(before[i], after[j]) for i, j in matched.same)
    assert not any(could_be(before[i], after[j]) for i in matched.lost for j in matched.new)


@given(runs)
def test_a_run_is_the_same_as_itself(run: list[Raised]):
    assert match(run, run).same == [(n, n) for n in range(len(run))]
