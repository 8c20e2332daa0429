"""The product's own parts in an evaluation: they judge as the product does, and say why in words."""

from itertools import pairwise

import numpy as np
import pytest

from models.ensemble import payment_ensemble
from monitor.app.evaluate.flow_scorer import CHAIN_MIN, FlowScorer
from monitor.app.evaluate.models_scorer import ModelsScorer
from monitor.app.evaluate.reading import read_stream
from monitor.app.evaluate.running import Passed, run
from monitor.app.evaluate.scorer import Scores, Setting, nothing
from monitor.app.evaluate.stream import Rows, Stream
from monitor.app.evaluate.together import Together
from tests.app.evaluate.labelled_streams import Plan, rows_of, written

WAY = ("START", "FIRST", "SECOND", "THIRD", "LAST")


def payment(day: int, number: int, source: str, target: str, amount: float) -> dict[str, str]:
    return {
        "tx_id": f"P{day:03}-{number:02}", "ts": f"2025-{3 + day // 30:02}-{1 + day % 30:02}T12:{number:02}:00",
        "src": source, "dst": target, "amount": f"{amount:.2f}", "currency": "EUR", "tx_type": "TRANSFER",
        "is_laundering": "0", "typology": "", "case_id": "",
    }  # fmt: skip


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Stream:
    """Sixty days of ordinary payments; on day 50 a sum goes on over three accounts, nearly whole."""
    rows = rows_of(Plan(21, days=60, rows=1_500, cases=6))
    for row in rows:
        row["currency"] = "EUR"
    rows += [
        payment(50, number, source, target, 90_000 * 0.97**number)
        for number, (source, target) in enumerate(pairwise(WAY))
    ]
    rows += [payment(52, number, f"ORIGIN{number % 2}", f"HAND{number}", 4_000) for number in range(6)]
    rows += [payment(52, 10 + number, f"HAND{number}", f"GOAL{number % 2}", 3_900) for number in range(6)]
    return read_stream(written(rows, tmp_path_factory.mktemp("parts") / "parts.csv"))


def passed(scorer: ModelsScorer | FlowScorer, stream: Stream) -> Passed:
    return run(scorer, stream, "U", budget=0.01, seed=1)


def row_of(stream: Stream, text: str) -> int:
    return list(stream.ids).index(text)


def test_models_judge_with_the_ensemble_of_the_product_and_only_the_payer(stream: Stream) -> None:
    found = passed(ModelsScorer(Setting(stream, "U", 1)), stream)
    rows = stream.rows
    said = payment_ensemble().score_learn_many({
        "payer": rows.source.astype(np.int64), "payee": rows.target.astype(np.int64), "time_us": rows.time_us,
        "amount_log": np.log(rows.value), "channel": rows.kind.astype(np.int64),
        "segment": np.zeros(len(rows), np.int64),
    })  # fmt: skip
    np.testing.assert_array_equal(found.score[:, 0], said.values)
    assert np.isfinite(found.score[:, 0]).any()
    assert np.isnan(found.score[:, 1]).all()


def test_models_say_why_in_words(stream: Stream) -> None:
    found = passed(ModelsScorer(Setting(stream, "U", 1)), stream)
    on = row_of(stream, "P050-02")
    assert "carried on, 1 in " in found.reasons[on, 0]
    assert found.score[on, 0] > np.nanquantile(found.score[:, 0], 0.99)
    high = np.nanquantile(found.score[:, 0], 0.95)
    assert all((int(row), 0) in found.reasons for row in np.flatnonzero(found.score[:, 0] >= high))


def test_flow_finds_a_chain_from_its_fourth_payment_on_and_names_its_way(stream: Stream) -> None:
    found = passed(FlowScorer(Setting(stream, "U", 1)), stream)
    chain = [row_of(stream, f"P050-{number:02}") for number in range(len(WAY) - 1)]
    assert np.isnan(found.score[chain[: CHAIN_MIN - 1], 0]).all()
    last = chain[CHAIN_MIN - 1]
    assert found.score[last, 0] > 2
    assert found.reasons[last, 0].endswith(": " + " → ".join(WAY))
    assert found.reasons[last, 0].startswith("4 payments in a row in 0.0 days, 91% of the first arrives")


def test_flow_counts_the_middlemen_of_the_payee(stream: Stream) -> None:
    found = passed(FlowScorer(Setting(stream, "U", 1)), stream)
    last = row_of(stream, "P052-14")
    assert found.score[last, 1] > found.score[row_of(stream, "P052-12"), 1] > 0
    assert found.reasons[last, 1] == "money of one origin has come over 3 others: ORIGIN0 → HAND4 → GOAL0"
    assert np.isnan(found.score[row_of(stream, "P052-10"), 1]), "one middleman is none"


def test_sums_of_tails_are_added_as_they_are(stream: Stream) -> None:
    """Two parts of which one has six decades: it outweighs the other, whose best rank is worth three."""

    class Fixed:
        tracks = ("U", "D", "S")

        def __init__(self, every: int, score: float, *, is_decades: bool) -> None:
            self.name, self.every, self.score, self.is_decades = "fixed", every, score, is_decades

        def step(self, rows: Rows) -> Scores:
            found = nothing(len(rows))
            found[rows.number % self.every == 0, 0] = self.score
            return Scores(found, is_decades=self.is_decades)

        def told(self, outcomes: object, *, day: int) -> None:
            pass

    both = Together("both", [Fixed(50, 6.0, is_decades=True), Fixed(70, 99.0, is_decades=False)], seed=1)
    score = run(both, stream, "U", budget=0.01, seed=1).score[:, 0]
    number = np.arange(len(score))
    np.testing.assert_array_equal(score[(number % 50 == 0) & (number % 70 != 0)], 6.0)
    late = number > 1_000
    assert score[late & (number % 350 == 0)].min() > 7
    assert score[late & (number % 70 == 0) & (number % 350 != 0)].max() < 3
