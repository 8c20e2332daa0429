"""The order of the queue is learned from outcomes that a bank would have, suppresses nothing, and helps."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from monitor.app.evaluate.evaluation import EvaluateRequest, evaluate
from monitor.app.evaluate.learned_order import LearnedOrder
from monitor.app.evaluate.reading import read_stream
from monitor.app.evaluate.registry import methods
from monitor.app.evaluate.running import AUDIT_SHARE, Passed, run
from monitor.app.evaluate.scorer import Outcomes, Scores, nothing
from monitor.app.evaluate.stream import SOURCE, Rows, Stream
from monitor.app.evaluate.truth import Truth
from tests.app.evaluate.labelled_streams import START, written

DAYS, A_DAY = 100, 40


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Stream:
    """Forty payments a day, all of other accounts; the first four of a day are laundering."""
    rows = [
        {
            "tx_id": f"T{day:03}{number:02}",
            "ts": (START + timedelta(days=day, hours=9, minutes=number)).isoformat(),
            "src": f"S{day}-{number}", "dst": f"T{day}-{number}", "amount": "10.00", "currency": "EUR",
            "tx_type": "TRANSFER", "is_laundering": "1" if number < 4 else "0",
            "typology": "stack" if number < 4 else "", "case_id": f"C{day}" if number < 4 else "",
        }
        for day in range(DAYS) for number in range(A_DAY)
    ]  # fmt: skip
    return read_stream(written(rows, tmp_path_factory.mktemp("order") / "order.csv"))


class Suspicious:
    """Twelve of a day get the same score; that four of them are true only the evidence tells."""

    name = "suspicious"
    tracks: tuple[str, ...] = ("U", "D", "S")

    def __init__(self) -> None:
        self.known: list[Outcomes] = []

    def step(self, rows: Rows) -> Scores:
        found = nothing(len(rows))
        number = rows.number % A_DAY
        found[:, SOURCE] = np.where(number < 12, 5.0, 0.0)
        evidence = np.full((len(rows), 2, 2), np.nan)
        evidence[:, SOURCE, 0] = np.where(number < 4, 3.0, 1.0) + np.sin(rows.number)
        evidence[:, SOURCE, 1] = np.cos(rows.number)
        return Scores(found, evidence=evidence)

    def told(self, outcomes: Outcomes, *, day: int) -> None:
        self.known.append(outcomes)


def passed(stream: Stream, track: str = "D", **how: int) -> Passed:
    return run(LearnedOrder(Suspicious()), stream, track, budget=0.15, seed=3, **how)


def test_the_learned_order_puts_true_alerts_first_and_changes_no_score(stream: Stream) -> None:
    found = passed(stream)
    np.testing.assert_array_equal(found.score, run(Suspicious(), stream, "D", budget=0.15, seed=3).score)
    assert found.order is not None
    alerted = (found.score[:, SOURCE] == 5) & (stream.days >= stream.cut.last_fifth)
    is_true = stream.is_laundering[alerted]
    order = found.order[alerted, SOURCE]
    assert np.isfinite(order).all(), "an alert without a place in the queue"
    first = np.argsort(-order)[: is_true.sum()]
    assert is_true[first].mean() > 0.75 > 2 * is_true.mean()


def test_the_order_of_a_prefix_is_the_prefix_of_the_order_whatever_the_batches(stream: Stream) -> None:
    whole = passed(stream).order
    assert whole is not None
    for rows, how in ((len(stream.rows), {"rows_max": 7}), (3_210, {}), (2_001, {"rows_max": 13})):
        np.testing.assert_array_equal(passed(stream.prefix(rows), **how).order, whole[:rows])


def test_the_order_knows_nothing_before_outcomes_are_fourteen_days_old(stream: Stream) -> None:
    found = passed(stream)
    assert found.order is not None
    early = stream.days < stream.cut.thresholds + 14
    np.testing.assert_array_equal(found.order[early], found.score[early])


def test_audited_outcomes_say_with_which_chance_they_were_looked_at(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.app.evaluate.running.AUDIT_SHARE", 0.2)
    scorer = Suspicious()
    found = run(scorer, stream, "D", budget=0.15, seed=3)
    truth = Truth.of(stream, stream.cut.first)
    row, side, is_true, propensity = (
        np.concatenate([getattr(each, name) for each in scorer.known]) for name in Outcomes.__slots__
    )
    is_alert = propensity == 1
    assert set(propensity.tolist()) == {1.0, 0.2}
    assert (found.score[row, side][is_alert] == 5).all()
    assert not (found.score[row, side][~is_alert] == 5).any()
    np.testing.assert_array_equal(is_true, truth.is_true[truth.days.of_row[row, side]])
    looked_at = (stream.days >= stream.cut.thresholds) & (stream.days < stream.cut.end - 14)
    assert is_alert.sum() == (looked_at & (found.score[:, SOURCE] == 5)).sum()
    assert 0.15 < (~is_alert).sum() / (2 * looked_at.sum() - is_alert.sum()) < 0.25
    assert AUDIT_SHARE == 0.001


def test_parts_of_the_product_have_an_order_in_d_only(tmp_path: Path, stream: Stream) -> None:
    for track in ("D", "U"):
        makers = methods(track=track)
        found = evaluate(EvaluateRequest(Path(stream.name), track, only=("models",)), makers=makers)
        assert (found.figures[0].queue[0] is not None) == (track == "D")
