"""One suite that every model passes, river's detectors through the adapter included."""

import io
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from models.contract import Family, Model, ModelError, State, StateError, by_family, reasons
from tests.models.model_cases import CASES, Case
from tests.models.model_streams import Stream, part, row_at, strange_row, stream

pytestmark = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def same(a: State, b: State) -> bool:
    left, right = a.as_arrays(), b.as_arrays()
    return left.keys() == right.keys() and all(
        left[name].dtype == right[name].dtype and left[name].tobytes() == right[name].tobytes() for name in left
    )


def halves(case: Case, seed: int = 1) -> tuple[Stream, Stream]:
    columns = stream(case.rows + 300, seed=seed)
    return part(columns, slice(case.rows)), part(columns, slice(case.rows, None))


def through_a_file(state: State) -> State:
    """The state as a snapshot keeps it: named arrays in an .npz, no pickles."""
    file = io.BytesIO()
    np.savez(file, **state.as_arrays())  # type: ignore[arg-type]
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        return State.from_arrays(dict(arrays))


def test_it_is_a_model_with_a_name_a_version_and_parts(case: Case):
    model = case.made()
    assert isinstance(model, Model)
    assert model.id
    assert model.version >= 1
    assert model.parts
    assert len({each.name for each in model.parts}) == len(model.parts)
    assert all(isinstance(each.family, Family) for each in model.parts)
    assert model.limit.bytes_max > 0
    assert model.limit.at_limit


def test_a_cold_model_is_not_ready_which_is_not_normal(case: Case):
    scores = case.made().score_many(stream(5, seed=1))
    assert not scores.ready.any()
    assert np.isnan(scores.values).all()


def test_a_warm_model_is_ready_and_its_scores_are_numbers(case: Case):
    learned, later = halves(case)
    scores = case.ready(learned).score_learn_many(later)
    assert scores.ready.mean() > 0.9
    assert np.isfinite(scores.values[scores.ready]).all()
    assert np.isnan(scores.values[~scores.ready]).all()
    assert len(np.unique(scores.values[scores.ready])) > 20


def test_an_unusual_row_scores_above_nearly_all_usual_ones(case: Case):
    learned, later = halves(case)
    model = case.ready(learned)
    usual = model.score_learn_many(later)
    strange = model.score_many(strange_row(later))
    assert strange.ready.all()
    assert (usual.values[usual.ready] < strange.values[0]).mean() > 0.99


def test_scoring_changes_nothing(case: Case):
    learned, later = halves(case)
    model = case.ready(learned)
    before = model.state()
    model.score_many(later, why=True)
    model.score_one(row_at(later, 0))
    model.score_many(strange_row(later))
    model.score_many(stream(500, seed=4, keys=5000))
    assert same(before, model.state())


def test_a_row_is_scored_before_it_is_learned(case: Case):
    learned, later = halves(case)
    model = case.ready(learned)
    alone = model.score_many(part(later, slice(1)))
    assert model.score_learn_many(later).values[:1].tobytes() == alone.values.tobytes()


def test_a_prefix_is_scored_as_if_nothing_came_after(case: Case):
    learned, later = halves(case)
    whole = case.ready(learned).score_learn_many(later)
    prefix = case.ready(learned).score_learn_many(part(later, slice(120)))
    assert prefix.values.tobytes() == whole.values[:120].tobytes()


@pytest.mark.parametrize("cuts", [[1] * 300, [7, 1, 250, 42], [150, 0, 150]], ids=["one at a time", "uneven", "halves"])
def test_how_a_stream_is_cut_changes_no_bit(case: Case, cuts: list[int]):
    learned, later = halves(case)
    whole, cut = case.ready(learned), case.ready(learned)
    expected = whole.score_learn_many(later, why=True)
    ends = np.cumsum([0, *cuts])
    assert ends[-1] == 300
    got = [cut.score_learn_many(part(later, slice(a, b)), why=True) for a, b in pairwise(ends)]
    assert np.concatenate([each.values for each in got]).tobytes() == expected.values.tobytes()
    assert np.concatenate([each.ready for each in got]).tobytes() == expected.ready.tobytes()
    assert expected.why is not None
    assert np.concatenate([np.asarray(each.why) for each in got]).tobytes() == expected.why.tobytes()
    assert same(whole.state(), cut.state())


def test_river_verbs_row_by_row_equal_the_batch(case: Case):
    learned, later = halves(case)
    batch, single = case.ready(learned), case.ready(learned)
    expected = batch.score_learn_many(part(later, slice(60))).values
    got = []
    for i in range(60):
        x = row_at(later, i)
        got.append(single.score_one(x))
        single.learn_one(x)
    assert np.array(got).tobytes() == expected.tobytes()
    assert same(batch.state(), single.state())


def test_learning_alone_teaches_what_scoring_and_learning_does(case: Case):
    learned, later = halves(case)
    a, b = case.ready(learned), case.ready(learned)
    a.learn_many(later)
    b.score_learn_many(later)
    assert same(a.state(), b.state())


def test_asking_for_reasons_changes_neither_scores_nor_state(case: Case):
    learned, later = halves(case)
    a, b = case.ready(learned), case.ready(learned)
    plain, explained = a.score_learn_many(later), b.score_learn_many(later, why=True)
    assert plain.values.tobytes() == explained.values.tobytes()
    assert same(a.state(), b.state())


def test_two_models_made_alike_agree(case: Case):
    learned, later = halves(case)
    a, b = case.ready(learned), case.ready(learned)
    assert a.score_learn_many(later).values.tobytes() == b.score_learn_many(later).values.tobytes()
    assert same(a.state(), b.state())


def test_a_restored_model_goes_on_bit_for_bit(case: Case):
    learned, later = halves(case)
    model = case.ready(learned)
    saved = through_a_file(model.state())
    expected = model.score_learn_many(later, why=True)
    restored = case.made()
    restored.restore(saved)
    got = restored.score_learn_many(later, why=True)
    assert got.values.tobytes() == expected.values.tobytes()
    assert np.asarray(got.why).tobytes() == np.asarray(expected.why).tobytes()
    assert same(model.state(), restored.state())


def test_a_saved_state_stays_as_it_was(case: Case):
    learned, later = halves(case)
    model = case.ready(learned)
    saved = model.state()
    copy = through_a_file(saved)
    model.learn_many(later)
    assert same(saved, copy)
    assert not same(saved, model.state())


@pytest.mark.parametrize("changed", ["model", "version", "format", "settings"])
def test_a_state_of_another_model_is_refused(case: Case, changed: str):
    state = case.made().state()
    other: dict[str, Any] = {**state.header, changed: "another"}
    with pytest.raises(StateError, match=changed):
        case.made().restore(State(other, state.arrays))


def test_a_state_with_an_array_missing_is_refused(case: Case):
    state = case.made().state()
    name = sorted(state.arrays)[0]
    with pytest.raises(StateError, match=name.replace(".", r"\.")):
        case.made().restore(State(state.header, {key: a for key, a in state.arrays.items() if key != name}))


def test_reasons_add_up_to_the_score(case: Case):
    learned, later = halves(case)
    model = case.ready(learned)
    scores = model.score_learn_many(later, why=True)
    assert scores.why is not None
    sums = scores.why[:, :, 0].sum(axis=1) + model.base
    np.testing.assert_allclose(sums[scores.ready], scores.values[scores.ready], rtol=1e-9, atol=1e-9)
    assert not scores.why[~scores.ready].any()


def test_reasons_name_families_the_largest_first(case: Case):
    learned, later = halves(case)
    model = case.ready(learned)
    scores = model.score_many(strange_row(later), why=True)
    found = reasons(model, scores, 0)
    assert found
    assert [each.contribution for each in found] == sorted((each.contribution for each in found), reverse=True)
    assert found[0].contribution > 0
    families = by_family(found)
    assert sum(families.values()) + model.base == pytest.approx(scores.values[0])


def test_reasons_not_asked_for_are_refused(case: Case):
    with pytest.raises(ModelError, match="why=True"):
        reasons(case.made(), case.made().score_many(stream(1, seed=1)), 0)


def test_memory_stays_within_its_limit(case: Case):
    model = case.made()
    case.prepare(model)
    wide = stream(case.rows, seed=3, keys=100_000)
    model.learn_many(wide)
    model.score_learn_many(wide)
    assert 0 < model.bytes_used() <= model.limit.bytes_max


def test_unknown_values_break_nothing(case: Case):
    learned, later = halves(case)
    model = case.ready(learned)
    blank = part(later, slice(20))
    for name, column in blank.items():
        if name != "time_us":
            column[:] = np.nan if column.dtype == np.float64 else -1
    scores = model.score_learn_many(blank)
    assert np.isfinite(scores.values[scores.ready]).all()
    after = model.score_learn_many(later)
    assert np.isfinite(after.values[after.ready]).all()
    assert after.ready.any()


def test_an_empty_batch_is_nothing(case: Case):
    model = case.made()
    before = model.state()
    assert len(model.score_learn_many(stream(10, seed=1) | part(stream(10, seed=1), slice(0)))) == 0
    assert same(before, model.state())


def test_columns_that_do_not_fit_are_refused_by_name(case: Case):
    model, columns = case.made(), stream(4, seed=1)
    name = model.inputs[0].name
    with pytest.raises(ModelError, match=f"'{name}' is missing"):
        model.score_many({each: column for each, column in columns.items() if each != name})
    with pytest.raises(ModelError, match=f"'{name}' is int8"):
        model.score_many({**columns, name: np.zeros(4, np.int8)})
    if len(model.inputs) > 1:
        with pytest.raises(ModelError, match="differ in length"):
            model.score_many({**columns, name: columns[name][:2]})
