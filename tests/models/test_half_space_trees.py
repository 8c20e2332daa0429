"""Half-space trees: river's scores from river's trees, and a place of its own for each peer group."""

from typing import Any

import numpy as np
import pytest
from river import anomaly

from models.contract import Input, ModelError
from models.half_space_trees import HalfSpaceTrees
from models.peers import Peers

NAMES = ("a", "b", "c", "d")
FEATURES = tuple(Input(name) for name in NAMES)


def heap_of(tree: Any, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Features and thresholds of a tree of river's, in heap order."""
    feature, threshold = np.zeros(2**height - 1, np.int32), np.zeros(2**height - 1)
    nodes = [(0, tree)]
    while nodes:
        at, node = nodes.pop()
        if at < len(feature):
            feature[at], threshold[at] = NAMES.index(node.feature), node.threshold
            nodes += [(2 * at + 1, node.children[0]), (2 * at + 2, node.children[1])]
    return feature, threshold


def both(*, trees: int, height: int, window: int) -> tuple[anomaly.HalfSpaceTrees, HalfSpaceTrees]:
    """A fresh river instance and ours with its trees."""
    planted = anomaly.HalfSpaceTrees(n_trees=trees, height=height, window_size=window, seed=11)
    planted.learn_one(dict.fromkeys(NAMES, 0.5))
    heaps = [heap_of(tree, height) for tree in planted.trees]
    ours = HalfSpaceTrees.with_trees(
        FEATURES, np.stack([heap[0] for heap in heaps]), np.stack([heap[1] for heap in heaps]), window=window
    )
    return anomaly.HalfSpaceTrees(n_trees=trees, height=height, window_size=window, seed=11), ours


@pytest.mark.parametrize(("trees", "height"), [(1, 3), (4, 6), (10, 8), (7, 5)])
@pytest.mark.parametrize("unknown_share", [0.0, 0.2])
def test_with_rivers_trees_the_scores_are_rivers(trees: int, height: int, unknown_share: float):
    window, rows = 60, 400
    river, ours = both(trees=trees, height=height, window=window)
    rng = np.random.default_rng(5)
    x = np.clip(rng.normal(0.4, 0.15, (rows, len(NAMES))), 0, 1)
    x[rng.random(rows) < 0.05] = rng.random(len(NAMES))
    x[rng.random(x.shape) < unknown_share] = np.nan
    expected = []
    for row in x.tolist():
        known = {name: value for name, value in zip(NAMES, row, strict=True) if value == value}
        expected.append(river.score_one(known))
        # River plants its trees over the features of the first row it learns.
        river.learn_one(known if river.trees else dict.fromkeys(NAMES, 0.0) | known)
    x[0] = np.nan_to_num(x[0])
    scores = ours.score_learn_many({name: np.ascontiguousarray(x[:, j]) for j, name in enumerate(NAMES)})
    assert scores.ready.tolist() == [i >= window for i in range(rows)]
    assert scores.values[window:].tolist() == expected[window:]
    assert len(set(expected[window:])) > 20


def test_shapes_that_are_no_whole_trees_are_refused():
    with pytest.raises(ModelError, match="heap order"):
        HalfSpaceTrees.with_trees(FEATURES, np.zeros((2, 6), np.int32), np.zeros((2, 6)), window=10)


def small_and_large_customers(rows: int, seed: int) -> dict[str, np.ndarray]:
    """Segment 1 pays about 4, segment 2 about 9 (logarithms)."""
    rng = np.random.default_rng(seed)
    segment = rng.integers(1, 3, rows)
    return {"amount": 4.0 + 5.0 * (segment == 2) + 0.3 * rng.standard_normal(rows), "segment": segment}


def test_what_is_usual_for_one_segment_is_strange_for_another():
    features = (Input("amount"),)
    peers = Peers(features, segments=3)
    model = HalfSpaceTrees(features, trees=12, height=6, window=400)
    columns = small_and_large_customers(4000, seed=1)
    peers.learn_many(columns)
    model.use(peers.publish())
    model.learn_many(columns)
    of_nine = {"amount": np.array([9.0, 9.0]), "segment": np.array([1, 2])}
    small, large = model.score_many(of_nine).values
    usual = model.score_many(small_and_large_customers(500, seed=2)).values
    assert (usual < small).mean() > 0.99
    assert (usual < large).mean() < 0.9


def test_nothing_is_learned_before_a_scale_is_in_force():
    model = HalfSpaceTrees((Input("amount"),), window=10)
    columns = small_and_large_customers(50, seed=1)
    before = model.state().as_arrays()
    assert not model.score_learn_many(columns).ready.any()
    assert all(array.tobytes() == before[name].tobytes() for name, array in model.state().as_arrays().items())


def test_a_snapshot_of_other_features_is_refused():
    with pytest.raises(ModelError, match="features"):
        HalfSpaceTrees((Input("amount"),)).use(Peers((Input("count"),)).publish())


def test_the_feature_that_is_out_of_place_is_the_first_reason():
    model = HalfSpaceTrees(FEATURES, trees=20, height=7, window=500, is_scaled=False, seed=2)
    rng = np.random.default_rng(3)
    model.learn_many({name: np.clip(rng.normal(0.5, 0.04, 1500), 0, 1) for name in NAMES})
    for strange in NAMES:
        row = {name: np.array([0.98 if name == strange else 0.5]) for name in NAMES}
        why = model.score_many(row, why=True).why
        assert why is not None
        assert NAMES[int(why[0, :, 0].argmax())] == strange
