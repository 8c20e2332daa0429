"""Anomaly models in the engine: what they raise, however the log is cut, saved, or broken."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.drift import Guard
from models.ensemble import Ensemble, Member
from models.new_edges import NewEdges
from monitor.app.table_engine import UtcEntities
from monitor.domain.alert import Alert
from monitor.domain.time import DAY_US
from monitor.domain.vocabulary import MODELS_LIVE, MODELS_OFF, MODELS_SHADOW
from monitor.engine import anomalies, state
from monitor.engine.anomalies import MODEL_ID
from monitor.engine.engine import Engine, EngineInputs
from monitor.rulebook.plan import plan
from monitor.rulebook.rule import Rulebook
from tests.engine.payment_columns import BURST_DAY, INFLOWS, OUTFLOWS, START_US, Payments, payments
from tests.oracle.streams import EVERY_MEASURE, SMALL
from tests.rulebook.small_rules import parameter, rule, window

SEED = 3


def engine(stream: Payments, models: str = MODELS_LIVE) -> Engine:
    """A fresh engine with one rule that matches now and then."""
    two = parameter("two", "count", ("2",))
    one = rule(
        "w.n >= two",
        window("24h", EVERY_MEASURE, parameters=(SMALL, two)),
        parameters=(SMALL, two),
        rule_id="AML-TST-001",
    )
    program = plan(Rulebook((one,), one.digest))
    inputs = EngineInputs(
        stream.identifiers, UtcEntities(stream.identifiers), live=frozenset({one.id}), models=models
    )  # fmt: skip
    return Engine(program, inputs)


def fed(
    made: Engine, stream: Payments, cuts: Sequence[int] = (), start: int = 0, stop: int | None = None
) -> list[Alert]:
    """The alerts of the stream from ``start`` to ``stop``, divided before each of ``cuts``."""
    stop = len(stream.batch) if stop is None else stop
    edges = [start, *sorted({cut for cut in cuts if start < cut < stop}), stop]
    return [a for b, e in pairwise(edges) for a in made.step(stream.batch.slice(b, e), stream.profiles).alerts]


def of_models(alerts: Sequence[Alert]) -> list[Alert]:
    return [alert for alert in alerts if alert.source.kind == "model"]


def saved(made: Engine) -> dict[str, Any]:
    """The saved state of the models, comparable."""
    assert made.anomalies is not None
    return {name: (array.dtype.str, array.shape, array.tobytes()) for name, array in made.anomalies.save().items()}


@pytest.fixture(scope="module")
def stream() -> Payments:
    return payments(SEED)


@pytest.fixture(scope="module")
def whole(stream: Payments) -> tuple[list[Alert], dict[str, Any]]:
    made = engine(stream)
    return fed(made, stream), saved(made)


def test_a_burst_of_first_ever_payments_is_raised_and_says_why(stream: Payments, whole: Any):
    alerts = [alert for alert in of_models(whole[0]) if alert.subject.token == stream.identifiers.token(stream.mule)]
    first = alerts[0]
    assert (first.source.id, first.source.digest) == (MODEL_ID, anomalies.digest())
    assert (first.subject.kind, first.leg_role, first.typology, first.status) == (
        "customer",
        "debtor",
        "anomaly",
        "new",
    )
    assert first.position in stream.burst[INFLOWS:]
    # The mule pays on one of its inflows; all of them are first-ever payments into it.
    assert set(stream.burst[:INFLOWS]) <= set(first.transactions)
    assert "Paid on 97 % of what came in" in first.text
    assert "5 new payers in 7 days" in first.text
    measures = {name: float(q.value) for name, q in first.measures.items() if q.unit == "points" and q.value}
    parts = sum(value for name, value in measures.items() if name.count(".") == 1)
    families = sum(value for name, value in measures.items() if "." not in name and name not in ("score", "threshold"))
    assert parts == pytest.approx(measures["score"], abs=0.01)
    assert families == pytest.approx(measures["score"], abs=0.01)
    assert measures["score"] >= measures["threshold"]
    assert first.measures["flow.carried_on.share"].value == "0.9700"
    assert float(first.measures["tail"].value or 1) <= 0.01
    assert first.inputs["model snapshot"] == str(BURST_DAY + 1)


def test_the_new_payees_of_a_burst_are_named(stream: Payments, whole: Any):
    made = engine(stream)
    before = stream.burst[-1]
    fed(made, stream, stop=before)
    assert made.anomalies is not None
    # Had it not been raised yet that day, the last payment of the burst would be.
    made.anomalies.budget._marks[:, 2] = -1
    last = of_models(fed(made, stream, start=before, stop=before + 1))
    assert len(last) == 1
    assert set(stream.burst[INFLOWS:]) <= set(last[0].transactions)
    assert f"{OUTFLOWS} new payees in 3 days" in last[0].text


@pytest.fixture(scope="module")
def busy() -> Payments:
    """A stream in which new contacts are usual, so that much is raised."""
    return payments(5, rows=40_000, days=80, customers=1_000, burst=False, strangers=0.3)


@pytest.fixture(scope="module")
def raised(busy: Payments) -> list[Alert]:
    return of_models(fed(engine(busy), busy, range(0, 40_000, 4_000)))


def test_nothing_is_raised_before_the_rates_are_known(raised: list[Alert]):
    until_us = START_US + 28 * DAY_US
    times = [alert.event_time_us for alert in raised]
    assert min(times) >= until_us
    assert min(times) < until_us + 20 * DAY_US


def test_an_account_is_raised_once_a_day(whole: Any):
    days = Counter((alert.subject.token, alert.event_time_us // DAY_US) for alert in of_models(whole[0]))
    assert set(days.values()) == {1}


@settings(max_examples=4, deadline=None, print_blob=True)
@given(cuts=st.lists(st.integers(1, 6_000), max_size=25), alone=st.integers(0, 6_000))
def test_however_the_log_is_cut_the_same_is_raised_and_learned(
    stream: Payments, whole: Any, cuts: list[int], alone: int
):
    around = (*range(alone, alone + 20), *range(stream.burst[0], stream.burst[-1] + 2))
    made = engine(stream)
    alerts = fed(made, stream, (*cuts, *around))
    assert alerts == whole[0]
    assert saved(made) == whole[1]


@settings(max_examples=4, deadline=None, print_blob=True)
@given(at=st.integers(1, 6_000), seed=st.integers(0, 99))
def test_records_out_of_order_are_judged_the_same_however_they_are_cut(at: int, seed: int):
    late = payments(seed, rows=2_000, days=40, customers=60, burst=False)
    rng = np.random.default_rng(seed)
    booked = late.batch.booked_at_us
    booked -= (rng.random(len(booked)) < 0.2) * rng.integers(0, 3 * DAY_US, len(booked))
    one, other = engine(late), engine(late)
    assert fed(one, late) == fed(other, late, (at, at // 2, at // 3, *range(at, at + 9)))
    assert saved(one) == saved(other)


@settings(max_examples=4, deadline=None, print_blob=True)
@given(cut=st.integers(1, 6_000))
def test_a_saved_state_goes_on_bit_for_bit(stream: Payments, whole: Any, cut: int):
    first, second = engine(stream), engine(stream)
    before = fed(first, stream, stop=cut)
    state.load(second, {name: np.array(array) for name, array in state.save(first).items()})
    assert saved(second) == saved(first)
    assert before + fed(second, stream, start=cut) == whole[0]
    assert saved(second) == whole[1]


def test_off_gives_the_alerts_of_rules_alone_and_shadow_makes_none_new(stream: Payments, whole: Any):
    off = fed(engine(stream, MODELS_OFF), stream)
    assert off == [alert for alert in whole[0] if alert.source.kind == "rule"]
    shadow = of_models(fed(engine(stream, MODELS_SHADOW), stream))
    assert [alert.alert_id for alert in shadow] == [alert.alert_id for alert in of_models(whole[0])]
    assert {alert.status for alert in shadow} == {"shadow"}
    assert state.layout_key(engine(stream, MODELS_OFF)) != state.layout_key(engine(stream, MODELS_SHADOW))
    assert state.layout_key(engine(stream, MODELS_LIVE)) == state.layout_key(engine(stream, MODELS_SHADOW))


class Breaking(NewEdges):
    """Raises, or gives a ready NaN, at the 4,000th payment or later."""

    is_raising = True
    rows = 0

    def _run(self, columns: Any, values: Any, *rest: Any) -> None:
        super()._run(columns, values, *rest)
        self.rows += len(values)
        if self.rows >= 4_000:
            if self.is_raising:
                raise ZeroDivisionError("a division")
            values[-1] = np.nan


class Silent(Breaking):
    is_raising = False


@pytest.mark.parametrize("broken", [Breaking, Silent])
def test_a_broken_model_is_flagged_and_the_rules_go_on(stream: Payments, whole: Any, broken: type[NewEdges]):
    made = engine(stream)
    assert made.anomalies is not None
    model = broken()
    weights = {part.name: weight for part, weight in zip(model.parts, model.weights, strict=True)}
    made.anomalies.ensemble = Ensemble([Member(Guard(model), weights)], segments=anomalies.SEGMENTS)
    alerts = fed(made, stream, range(0, 6_000, 500))
    assert list(made.anomalies.flags) == ["new-edges"]
    assert "broken" in made.anomalies.flags["new-edges"]
    assert [a for a in alerts if a.source.kind == "rule"] == [a for a in whole[0] if a.source.kind == "rule"]
    assert of_models(alerts) == [alert for alert in of_models(whole[0]) if alert.position < 3_500]


def test_whatever_else_breaks_is_flagged_and_stays_so_in_a_saved_state(stream: Payments, whole: Any):
    made, again = engine(stream), engine(stream)
    assert made.anomalies is not None
    assert again.anomalies is not None
    made.anomalies.rows.segment_of = np.zeros((1, 1), np.int64)
    alerts = fed(made, stream, range(0, 6_000, 500))
    assert alerts == [alert for alert in whole[0] if alert.source.kind == "rule"]
    assert list(made.anomalies.flags) == [MODEL_ID]
    again.anomalies.load(made.anomalies.save())
    assert again.anomalies.flags == made.anomalies.flags


def test_the_budget_of_each_segment_is_held(busy: Payments, raised: list[Alert]):
    day, payer = busy.batch.booked_at_us // DAY_US, busy.batch.debtor_holder
    is_after = day >= START_US // DAY_US + anomalies.WARM_UP_DAYS
    holders = np.unique(np.stack([payer[is_after], day[is_after]]), axis=1)[0]
    found = Counter(alert.customer_segment for alert in raised)
    for number, name in enumerate(("retail", "corporate")):
        account_days = int((busy.profiles.row_of[holders] % 2 == number).sum())
        assert account_days > 10_000
        assert 0 < found[name] <= 2 * anomalies.BUDGET * account_days
