"""No scorer looks ahead, and where batches are cut changes nothing; labels come when the track says so."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from monitor.app.evaluate.problem import EvaluateError
from monitor.app.evaluate.reading import read_stream
from monitor.app.evaluate.registry import BASELINES, LEARNERS, PARTS, TRACKS_OF
from monitor.app.evaluate.rules_scorer import RulesInputs
from monitor.app.evaluate.running import run
from monitor.app.evaluate.scorer import Outcomes, Scorer, Scores, Setting, nothing
from monitor.app.evaluate.stream import Rows, Stream
from monitor.app.evaluate.together import Together
from monitor.app.evaluate.truth import Truth
from tests.app.evaluate.labelled_streams import Plan, rows_of, smurfing, written

MADE = {**PARTS, **LEARNERS, **BASELINES}
RULES = Path(__file__).parents[2] / "bench" / "ten_rules"


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Stream:
    """Smurfing now and then, so that rules have something to say; rows enough for the models to be ready."""
    rows = rows_of(Plan(11, days=70, rows=1_500))
    for day in range(2, 70, 9):
        rows += smurfing(day, f"SMURF{day % 2}")
    return read_stream(written(rows, tmp_path_factory.mktemp("streams") / "stream.csv"))


def made(name: str, stream: Stream, track: str) -> Scorer:
    try:
        return MADE[name](Setting(stream, track, 1), RulesInputs.of(Path(stream.name), (RULES,)))
    except EvaluateError as error:
        pytest.skip(str(error))


def scores(name: str, stream: Stream, **how: int) -> np.ndarray:
    track = "U" if "U" in TRACKS_OF.get(name, "U") else "S"
    return run(made(name, stream, track), stream, track, budget=0.01, seed=1, **how).score


@pytest.mark.parametrize("name", MADE)
def test_the_scores_on_a_prefix_are_the_prefix_of_the_scores(name: str, stream: Stream) -> None:
    whole = scores(name, stream)
    assert np.isfinite(whole).any(), "nothing was scored, so nothing was compared"
    for rows in (len(stream.rows) // 2 + 3, len(stream.rows) * 5 // 6):
        np.testing.assert_array_equal(scores(name, stream.prefix(rows)), whole[:rows])


@pytest.mark.parametrize("name", MADE)
def test_where_batches_are_cut_changes_no_score(name: str, stream: Stream) -> None:
    np.testing.assert_array_equal(scores(name, stream, rows_max=3), scores(name, stream))


class Deviation:
    """A part for tests: how far a side's amount is from the account's last one."""

    name = "deviation"
    tracks: tuple[str, ...] = ("U", "D", "S")

    def __init__(self, sign: int) -> None:
        self.sign, self.last = sign, dict[int, float]()
        self.known: list[tuple[int, Outcomes]] = []

    def step(self, rows: Rows) -> Scores:
        found = nothing(len(rows))
        for row in range(len(rows)):
            for side, account in enumerate((int(rows.source[row]), int(rows.target[row]))):
                if account in self.last:
                    found[row, side] = self.sign * (rows.value[row] - self.last[account])
                self.last[account] = float(rows.value[row])
        return Scores(found)

    def told(self, outcomes: Outcomes, *, day: int) -> None:
        self.known.append((day, outcomes))


def test_parts_together_neither_look_ahead_nor_depend_on_batches(stream: Stream) -> None:
    def together(of: Stream, **how: int) -> np.ndarray:
        parts = Together("both", [Deviation(1), Deviation(-1)], seed=1)
        return run(parts, of, "U", budget=0.01, seed=1, **how).score

    whole = together(stream)
    np.testing.assert_array_equal(together(stream.prefix(300)), whole[:300])
    np.testing.assert_array_equal(together(stream, rows_max=3), whole)
    assert np.isfinite(whole[100:]).mean() > 0.9


def test_parts_together_rank_what_both_find_above_what_one_finds(stream: Stream) -> None:
    class Fixed(Deviation):
        def __init__(self, marked: Callable[[Rows], np.ndarray]) -> None:
            super().__init__(1)
            self.marked = marked

        def step(self, rows: Rows) -> Scores:
            return Scores(np.repeat(np.where(self.marked(rows), 5.0, 1.0)[:, None], 2, axis=1))

    every = Fixed(lambda rows: rows.number % 40 == 0)
    other = Fixed(lambda rows: rows.number % 80 == 0)
    score = run(Together("both", [every, other], seed=1), stream, "U", budget=0.01, seed=1).score[200:, 0]
    number = np.arange(200, 200 + len(score))
    both, one = number % 80 == 0, number % 80 == 40
    assert score[both].min() > score[one].max() > score[~both & ~one].max()


def test_labels_never_come_in_u(stream: Stream) -> None:
    scorer = Deviation(1)
    run(scorer, stream, "U", budget=0.01, seed=1)
    assert not scorer.known


def test_every_label_comes_after_fourteen_days_in_s(stream: Stream) -> None:
    scorer = Deviation(1)
    run(scorer, stream, "S", budget=0.01, seed=1)
    seen = [(row, side) for _, outcomes in scorer.known for row, side in zip(outcomes.row, outcomes.side, strict=True)]
    assert len(seen) == len(set(seen)) > 300
    for day, outcomes in scorer.known:
        assert (stream.days[outcomes.row] <= day - 14).all()
        np.testing.assert_array_equal(outcomes.is_true, stream.is_laundering[outcomes.row])
    last_day = int(stream.days[-1])
    assert {row for row, _ in seen} == set(np.flatnonzero(stream.days <= last_day - 14).tolist())


def test_in_d_outcomes_come_after_fourteen_days_for_what_was_alerted(stream: Stream) -> None:
    scorer = Deviation(1)
    found = run(scorer, stream, "D", budget=0.05, seed=1).score
    truth = Truth.of(stream, stream.cut.first)
    assert sum(len(outcomes) for _, outcomes in scorer.known) > 10
    shares = []
    for day, outcomes in scorer.known:
        assert (stream.days[outcomes.row] == day - 14).all()
        assert (stream.days[outcomes.row] >= stream.cut.thresholds).all()
        at = truth.days.of_row[outcomes.row, outcomes.side]
        np.testing.assert_array_equal(outcomes.is_true, truth.is_true[at])
        assert len(np.unique(at)) == len(at)
        shares += found[outcomes.row, outcomes.side].tolist()
    assert np.nanmin(shares) > np.nanmedian(found)


def test_rules_score_the_sides_that_their_alerts_are_about(tmp_path: Path) -> None:
    rows = rows_of(Plan(12, days=40, rows=200, cases=3)) + smurfing(24, "SMURF")
    stream = read_stream(written(rows, tmp_path / "rules.csv"))
    scorer = made("rules", stream, "U")
    passed = run(scorer, stream, "U", budget=0.01, seed=1)
    about = {(stream.ids[row], side) for row, side in zip(*np.nonzero(~np.isnan(passed.score)), strict=True)}
    assert ("S24-5", 1) in about
    assert any(words.startswith("AML-STR-") for (row, side), words in passed.reasons.items() if side == 1)
    assert ("S24-0", 0) not in about
    assert ("S24-0", 1) not in about
