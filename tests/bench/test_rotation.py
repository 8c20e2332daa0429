"""The choice is made on the streams that have a say, and the sum of tails is the product's score."""

from pathlib import Path

import pytest

from monitor.app.evaluate.evaluation import EvaluateRequest, evaluate
from monitor.app.evaluate.measures import AtBudget
from monitor.app.evaluate.registry import PARTS
from monitor.app.evaluate.stream import Stream
from monitor.casework.intervals import Share
from tests.app.evaluate.labelled_streams import Plan, stream_of
from tests.bench.rotation import BUDGETS, SHIPPED, Measured, candidates, chosen, measured_on, rotation


def at(found: int, true: int = 0) -> AtBudget:
    return AtBudget("0.1 %", 100, 1000, Share(found, 10), (0, 1), Share(true, 100), (0, 1), 0.1, 0.01, None)


def of(*found: int, true: int = 0) -> Measured:
    return [at(each, true) for each in found]


def test_the_candidates_are_the_product_and_one_change_each():
    found = candidates()
    shipped = found[SHIPPED]
    assert len(set(found.values())) == len(found) == 2 + 2 * len(shipped)
    for name, weights in found.items():
        if name not in (SHIPPED, "equal"):
            assert sum(one != other for one, other in zip(weights, shipped, strict=True)) == 1


def test_the_mean_recall_over_streams_and_budgets_decides_then_the_true_alerts_then_the_order():
    assert chosen([{"a": of(5, 5), "b": of(9, 0)}, {"a": of(5, 5), "b": of(9, 3)}]) == "b"
    assert chosen([{"a": of(5, 5), "b": of(8, 2, true=7)}]) == "b"
    assert chosen([{"a": of(5, 5), "b": of(8, 2)}]) == "a"


def test_the_stream_that_is_held_out_has_no_say():
    one, other = {"a": of(5, 5), "b": of(6, 6)}, {"a": of(5, 5), "b": of(5, 5)}
    for third in ({"a": of(9, 9), "b": of(0, 0)}, {"a": of(0, 0), "b": of(9, 9)}):
        streams = {name: mine | {SHIPPED: of(1, 1)} for name, mine in (("x", one), ("y", other), ("z", third))}
        turn = rotation(streams)[-1]
        assert (turn.held_out, turn.choice) == ("z", "b")
        assert [each.recall.found for each in turn.measured] == [each.recall.found for each in third["b"]]
        assert turn.best == ("a" if third["a"][0].recall.found else "b")


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Stream:
    return stream_of(Plan(51, days=60, accounts=60, rows=5_000, cases=40), tmp_path_factory.mktemp("rotation"))


def test_the_products_weights_give_what_an_evaluation_measures(stream: Stream):
    (models,) = evaluate(EvaluateRequest(Path(stream.name)), makers={"models": PARTS["models"]}).figures
    found = measured_on(stream, seed=1)
    assert [each.cutoff for each in found[SHIPPED]] == [each.cutoff for each in models.budgets[: len(BUDGETS)]]
    assert [each.recall for each in found[SHIPPED]] == [each.recall for each in models.budgets[: len(BUDGETS)]]
    assert len({tuple(each.cutoff for each in mine) for mine in found.values()}) == len(candidates())
