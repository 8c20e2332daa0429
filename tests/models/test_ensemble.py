"""All models in one step: cut anywhere, frozen one by one, saved as one, and laundering comes out on top."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from models.contract import DAY_US, ModelError, Scores, State, StateError, reasons
from models.drift import Guard
from models.ensemble import FROZEN_DAYS, HALF_LIFE_DAYS, Ensemble, Member, payment_ensemble
from models.half_space_trees import HalfSpaceTrees
from models.new_edges import NewEdges
from models.own_past import OwnPast
from models.peers import Peers
from models.rare import Rare
from tests.models.model_cases import INPUTS
from tests.models.model_streams import Stream, part, stream


class Breaking(OwnPast):
    """Deviation from the own past that raises at an amount of 14."""

    def _run(self, columns: Any, *rest: Any) -> None:
        if (columns["amount_log"] == 14.0).any():
            raise ZeroDivisionError("a division")
        super()._run(columns, *rest)


def ensemble(own_past: type[OwnPast] = OwnPast) -> Ensemble:
    edges = NewEdges(keys_max=3000, remembered=8, log2_blocks=12)
    return Ensemble(
        [
            Member(Guard(edges), {"carried on": 2.0, "new payees": 1.0}),
            Member(Guard(own_past(keys_max=500)), {"amount": 1.0, "rate": 1.0, "channel": 0.5}),
            Member(Guard(Rare(keys_max=500, log2_blocks=10)), {"counterparty": 1.0}),
            Member(Guard(Peers(INPUTS, segments=4)), {"amount_log": 1.0}),
        ],
        segments=4,
    )


@pytest.fixture(scope="module")
def columns() -> Stream:
    return stream(6000, seed=11)


@pytest.fixture(scope="module")
def whole(columns: Stream) -> Scores:
    return ensemble().score_learn_many(columns, why=True)


def test_most_rows_are_ready_in_the_end_and_reasons_add_up(whole: Scores):
    assert whole.ready[-2000:].mean() > 0.95
    assert not whole.ready[0]
    assert whole.why is not None
    sums = whole.why[:, :, 0].sum(axis=1)
    np.testing.assert_allclose(sums[whole.ready], whole.values[whole.ready], rtol=1e-9, atol=1e-9)


def test_what_the_models_observed_comes_with_the_same_scores(columns: Stream, whole: Scores):
    model, alone = ensemble(), NewEdges(keys_max=3000, remembered=8, log2_blocks=12)
    got = [model.score_learn_many(part(columns, slice(at, at + 977)), why=True) for at in range(0, 6000, 977)]
    assert np.concatenate([scores.values for scores in got]).tobytes() == whole.values.tobytes()
    edges = alone.score_learn_many(columns, why=True).why
    assert edges is not None
    observed = np.concatenate([scores.facts for scores in got if scores.facts is not None])
    for signal, name in enumerate(("carried on", "new payees")):
        place = [each.name for each in alone.parts].index(name)
        np.testing.assert_array_equal(observed[:, signal], edges[:, place, 1:])
    assert (observed[:, 1, 0] > 0).any()


def test_reasons_of_a_few_rows_are_those_of_all(columns: Stream, whole: Scores):
    model, got, segment = ensemble(), [], columns["segment"]
    days = columns["time_us"] // DAY_US
    for day in np.unique(days):
        rows = slice(*np.searchsorted(days, (day, day + 1)))
        scores = model.score_learn_many(part(columns, rows), facts=True)
        assert scores.why is None
        assert scores.facts is not None
        some = np.arange(1, len(scores), 3)
        got.append((rows.start + some, model.why_of(scores, segment[rows], some)))
    places = np.concatenate([place for place, _ in got])
    assert whole.why is not None
    assert len(got) > 2
    assert np.concatenate([why for _, why in got]).tobytes() == whole.why[places].tobytes()


@pytest.mark.parametrize("size", [1, 977])
def test_how_a_stream_is_cut_changes_no_bit(columns: Stream, whole: Scores, size: int):
    rows = 1500 if size == 1 else 6000
    model = ensemble()
    got = [model.score_learn_many(part(columns, slice(at, min(at + size, rows)))) for at in range(0, rows, size)]
    assert np.concatenate([each.values for each in got]).tobytes() == whole.values[:rows].tobytes()


def test_a_restored_ensemble_goes_on_bit_for_bit(columns: Stream, whole: Scores):
    model, again = ensemble(), ensemble()
    model.score_learn_many(part(columns, slice(4000)))
    again.restore(State.from_arrays(model.state().as_arrays()))
    got = again.score_learn_many(part(columns, slice(4000, None)))
    assert got.values.tobytes() == whole.values[4000:].tobytes()
    with pytest.raises(StateError, match="learn again"):
        payment_ensemble(keys_max=100).restore(model.state())


def test_a_model_that_breaks_is_flagged_and_the_others_go_on(columns: Stream, whole: Scores):
    model = ensemble(Breaking)
    model.score_learn_many(part(columns, slice(5000)))
    broken = part(columns, slice(5000, None))
    broken["amount_log"][0] = 14.0
    scores = model.score_learn_many(broken, why=True)
    assert list(model.flags) == ["own-past"]
    assert model.flags["own-past"].startswith("broken: ")
    assert scores.ready.mean() > 0.95
    assert scores.why is not None
    own = [number for number, each in enumerate(model.combination.parts) if each.name.startswith("own-past")]
    assert not scores.why[:, own, :].any()
    assert len(own) == 3


def test_what_snapshots_carry_is_used_from_the_next_day_on():
    peers, trees = Peers(INPUTS, segments=4), HalfSpaceTrees(INPUTS, trees=4, height=4, window=50, is_scaled=False)
    model = Ensemble([Member(Guard(peers), {"amount_log": 1.0}), Member(Guard(trees), {"amount_log": 1.0})], segments=4)
    rows = stream(3000, seed=12)
    day = rows["time_us"] // 86_400_000_000
    ready = model.score_learn_many(rows).ready
    assert not ready[day == day[0]].any()
    assert ready[day >= day[0] + 5].mean() > 0.9


def test_a_row_of_an_earlier_day_begins_no_day_anew():
    rows = stream(3000, seed=13)
    day = rows["time_us"] // 86_400_000_000
    cut = int(np.flatnonzero(day == day[0] + 5)[10])
    rows["time_us"][cut : cut + 3] -= 86_400_000_000
    whole, cut_up = ensemble(), ensemble()
    whole.score_learn_many(rows)
    for at in (slice(cut), slice(cut, cut + 20), slice(cut + 20, None)):
        cut_up.score_learn_many(part(rows, at))
    assert cut_up.combination.publish().version == whole.combination.publish().version
    one, other = whole.state().arrays, cut_up.state().arrays
    assert all(one[name].tobytes() == other[name].tobytes() for name in one)


def test_a_day_is_published_once_wherever_a_batch_begins(columns: Stream):
    day = columns["time_us"] // DAY_US
    whole, cut_up = ensemble(), ensemble()
    whole.score_learn_many(columns)
    for start, stop in pairwise([0, *(np.flatnonzero(np.diff(day)) + 1).tolist(), len(day)]):
        cut_up.score_learn_many(part(columns, slice(start, stop)))
    assert cut_up.combination.publish().version == whole.combination.publish().version == len(np.unique(day))


def steady(days: int, *, breaks: int, mended: int) -> Stream:
    """300 payments a day of 40 customers; from ``breaks`` to ``mended`` amounts are in minor units."""
    rng = np.random.default_rng(4)
    rows = 300 * days
    day = np.repeat(np.arange(days), 300)
    payer = rng.integers(0, 40, rows)
    return {
        "key": payer,
        "corridor": np.zeros(rows, np.int64),
        "payer": payer,
        "payee": (40 + payer * 3 + rng.integers(0, 3, rows)).astype(np.int64),
        "time_us": (20_000 + day) * DAY_US + np.sort(rng.integers(0, DAY_US, rows)),
        "amount_log": 5.0 + rng.standard_normal(rows) + np.log(100.0) * ((day >= breaks) & (day < mended)),
        "channel": np.zeros(rows, np.int64),
        "segment": np.zeros(rows, np.int64),
    }


def two() -> Ensemble:
    """Edges, which do not mind by how much all amounts are multiplied for long, and the own past, which does."""
    return Ensemble(
        [
            Member(Guard(NewEdges(keys_max=300, remembered=8, log2_blocks=12)), {"silence": 1.0, "new payees": 1.0}),
            Member(Guard(OwnPast(keys_max=300)), {"amount": 1.0}),
        ],
        segments=1,
    )


@pytest.mark.parametrize("size", [300 * 130, 1_111])
def test_one_model_is_frozen_for_a_time_and_the_other_goes_on(size: int):
    columns, model = steady(130, breaks=100, mended=106), two()
    got = [model.score_learn_many(part(columns, slice(at, at + size)), why=True) for at in range(0, 39_000, size)]
    frozen, on = model.take_freezings()
    assert (frozen.model, frozen.is_frozen, on.model, on.is_frozen) == ("own-past", True, "own-past", False)
    assert on.fact == "its payments are again as they were"
    first, last = frozen.day - 20_000, on.day - 20_000
    assert 100 <= first < 106 < last < first + FROZEN_DAYS
    why = np.concatenate([each.why for each in got if each.why is not None])
    ready = np.concatenate([each.ready for each in got])
    during = slice(300 * (first + 1), 300 * (last + 1))
    assert not why[during, 2, 0].any()
    assert why[300 * (first + 1) - 300 : 300 * (first + 1), 2, 0].any()
    assert why[300 * (last + 1) :, 2, 0].any()
    assert ready[during].all()
    # What it counted meanwhile is forgotten: of 130 days the frozen ones are missing.
    counted = model.combination.counts[0].sum(axis=1)
    assert counted[0] - counted[2] >= 300 * (last - first)


def test_nothing_is_frozen_while_a_model_is_young():
    model = two()
    model.score_learn_many(steady(90, breaks=60, mended=66))
    assert model.take_freezings() == []
    assert model.flags == {}


def test_what_was_counted_is_halved_at_each_change_of_a_year():
    model, columns = two(), steady(100, breaks=100, mended=100)
    model.score_learn_many(columns)
    # Day 20,075 begins 365 days; the first 1,000 payments have no edges yet.
    assert (20_000 + 75) % HALF_LIFE_DAYS == 0
    edges, amounts = model.combination.counts[0].sum(axis=1)[[0, 2]]
    assert edges == (300 * 75 - 1_000) // 2 + 300 * 25
    assert 300 * 25 < amounts < 300 * 75


def test_a_chain_of_money_handed_on_is_the_first_of_ten_thousand_rows():
    rng = np.random.default_rng(3)
    rows, people = 10_000, 300
    payer = rng.integers(0, people, rows)
    columns: Stream = {
        "payer": payer,
        "payee": (people + payer * 3 + rng.integers(0, 3, rows)).astype(np.int64),
        "time_us": 1_700_000_000_000_000 + np.sort(rng.integers(0, 60 * 86_400_000_000, rows)),
        "amount_log": 5.0 + rng.standard_normal(rows),
        "channel": np.zeros(rows, np.int64),
        "segment": np.zeros(rows, np.int64),
    }
    chain = [9000, 9200, 9400, 9600]
    for hop, row in enumerate(chain):
        columns["payer"][row], columns["payee"][row] = 2000 + hop, 2001 + hop
        columns["amount_log"][row] = 11.0 - 0.03 * hop
    model = payment_ensemble(keys_max=5000, segments=1)
    scores = model.score_learn_many(columns, why=True)
    order = np.argsort(-np.nan_to_num(scores.values, nan=-1.0))
    assert set(order[:3].tolist()) == set(chain[1:])
    assert reasons(model.combination, scores, chain[3])[0].name == "new-edges: carried on"


def test_a_part_that_a_model_does_not_have_is_refused():
    with pytest.raises(ModelError, match="no part 'shoe size'"):
        Ensemble([Member(Guard(OwnPast(keys_max=10)), {"shoe size": 1.0})])
