"""PR-AUC and F1 are those of scikit-learn."""

import numpy as np
import pytest

from monitor.app.evaluate.row_measures import average_precision, f1

metrics = pytest.importorskip("sklearn.metrics", reason="needs scikit-learn, of the extra evaluate")


@pytest.mark.parametrize("seed", range(20))
def test_average_precision_and_f1_are_those_of_scikit_learn(seed: int) -> None:
    generator = np.random.default_rng(seed)
    is_bad = generator.random(200) < 0.1
    is_bad[0] = True
    scores = generator.integers(0, 15, 200).astype(float)
    assert average_precision(is_bad, scores) == pytest.approx(metrics.average_precision_score(is_bad, scores))
    assert f1(is_bad, scores > 7) == pytest.approx(metrics.f1_score(is_bad, scores > 7, zero_division=0))
