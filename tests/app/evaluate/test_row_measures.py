"""PR-AUC and F1 are those of scikit-learn; their chance is that of drawing, their intervals are of drawn cases."""

from pathlib import Path

import numpy as np
import pytest

from monitor.app.evaluate.row_measures import average_precision, f1, f1_of_chance, row_figures, row_scores
from monitor.app.evaluate.truth import Truth
from tests.app.evaluate.labelled_streams import Plan, stream_of

metrics = pytest.importorskip("sklearn.metrics", reason="needs scikit-learn, of the extra evaluate")


@pytest.mark.parametrize("seed", range(20))
def test_average_precision_and_f1_are_those_of_scikit_learn(seed: int) -> None:
    generator = np.random.default_rng(seed)
    is_bad = generator.random(200) < 0.1
    is_bad[0] = True
    scores = generator.integers(0, 15, 200).astype(float)
    assert average_precision(is_bad, scores) == pytest.approx(metrics.average_precision_score(is_bad, scores))
    assert f1(is_bad, scores > 7) == pytest.approx(metrics.f1_score(is_bad, scores > 7, zero_division=0))


def test_the_chance_of_f1_is_what_drawing_as_many_rows_gives() -> None:
    generator = np.random.default_rng(3)
    is_bad = np.arange(400) < 40
    drawn = [f1(is_bad, generator.permutation(400) < 60) for _ in range(2_000)]
    assert f1_of_chance(40, 60, 400) == pytest.approx(np.mean(drawn), rel=0.02)
    assert f1_of_chance(40, 0, 400) == f1_of_chance(0, 60, 400) == 0.0


@pytest.mark.parametrize("seed", range(4))
def test_intervals_are_those_of_rows_written_out_as_often_as_their_case_is_drawn(seed: int, tmp_path: Path) -> None:
    stream = stream_of(Plan(60 + seed, days=200, rows=900, cases=60), tmp_path)
    scores = np.random.default_rng(seed).integers(0, 9, (len(stream.rows), 2)).astype(float)
    scores[stream.is_laundering] += 2
    scores[np.flatnonzero(~stream.is_laundering & (stream.days >= stream.cut.last_fifth))[:9]] += 20
    figures = row_figures(Truth.of(stream), scores, has_labels=True, seed=seed)

    last = stream.days >= stream.cut.last_fifth
    bad, best, case = stream.is_laundering[last], row_scores(scores)[last], stream.case[last]
    groups = [(f"case {c}" if c >= 0 else f"row {row}") if is_bad else ""
              for row, (is_bad, c) in enumerate(zip(bad, case, strict=True))]  # fmt: skip
    # The order of the cases decides which is drawn: by number, then the rows of no case.
    names = sorted(set(groups) - {""}, key=lambda name: (name.startswith("row"), int(name.split()[1])))
    generator, found = np.random.default_rng(seed), []
    for _ in range(200):
        drawn = [names[number] for number in generator.integers(0, len(names), len(names))]
        rows = [row for row, group in enumerate(groups) for _ in range(drawn.count(group) if group else 1)]
        reached = best[rows] >= figures.f1_threshold
        found.append((average_precision(bad[rows], best[rows]), f1(bad[rows], reached)))
    assert (~bad & (best >= figures.f1_threshold)).sum() > 3
    low, high = np.quantile(found, [0.025, 0.975], axis=0)
    assert figures.pr_auc_interval == pytest.approx((low[0], high[0]))
    assert figures.f1_interval == pytest.approx((low[1], high[1]))
    assert figures.f1_interval[0] < figures.f1 < figures.f1_interval[1]
