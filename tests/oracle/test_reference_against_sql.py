"""Two independent definitions of every window measure agree: plain Python and SQL."""

from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.rulebook.reference import PlainInputs, PlainTransaction, ReferenceEngine
from monitor.rulebook.rule import Window
from tests.oracle.sql_windows import Bounded, check_against_sql, sql_measures
from tests.oracle.streams import EVERY_MEASURE, FILTERS, RATES, SMALL, SMALL_MINOR, streams, windows
from tests.rulebook.small_rules import paid_in, rule, window
from tests.strategies.searching import further

PARAMETERS = {"small": SMALL_MINOR}


def measured_by_reference(
    payments: Sequence[PlainTransaction], kept: Sequence[Window]
) -> dict[tuple[str, str], list[Bounded]]:
    """The measures of each window at each leg, by the slow evaluator."""
    measured: dict[tuple[str, str], list[Bounded]] = {}
    for one in kept:
        # A condition that mentions status is evaluated for every leg, whatever its status.
        judging = rule('status == "booked"', one, parameters=(SMALL,))
        verdicts = ReferenceEngine(in_full=True).judge([judging], payments, PlainInputs(rates=RATES))
        for measure in one.measures:
            values = [verdict.measures[f"{one.name}.{measure.name}"] for verdict in verdicts]
            measured[one.name, measure.name] = [(value.value, value.bound) for value in values]  # type: ignore[misc]
    return measured


def compare(payments: list[PlainTransaction], one: Window) -> None:
    measured = measured_by_reference(payments, [one])
    judged = sum((p.debtor.holder is not None) + (p.creditor.holder is not None) for p in payments
                 if p.status not in ("reversed", "returned"))  # fmt: skip
    compared = check_against_sql(payments, [one], measured, parameters=PARAMETERS, rates=RATES)
    assert compared == judged * len(EVERY_MEASURE)


@settings(max_examples=50, deadline=None)
@given(payments=streams(), one=windows())
def test_python_and_sql_agree_on_random_streams(payments: list[PlainTransaction], one: Window):
    compare(payments, one)


@pytest.mark.slow
@settings(max_examples=further(120), deadline=None)
@given(payments=streams(max_size=40), one=windows())
def test_python_and_sql_agree_on_many_longer_streams(payments: list[PlainTransaction], one: Window):
    compare(payments, one)


@pytest.mark.parametrize("where", FILTERS)
def test_a_long_stream_of_ties_and_edges(where: str | None):
    payments = [
        paid_in(n, f"{(n * n * 7) % 60}h", f"{1 + n % 4}.0{n % 3}", sender=f"S{n % 5}" if n % 7 else None,
                customer=f"C{n % 2}", channel=("cash", "wire", None, "cash")[n % 4])
        for n in range(60)
    ]  # fmt: skip
    kept = [window(over, EVERY_MEASURE, where=where, name=f"w{n}", parameters=(SMALL,))
            for n, over in enumerate(("1h", "12h", "30d"))]  # fmt: skip
    compared = check_against_sql(payments, kept, measured_by_reference(payments, kept), parameters=PARAMETERS,
                                 rates=RATES)  # fmt: skip
    assert compared == 60 * 3 * len(EVERY_MEASURE)


def test_the_sql_itself_holds_the_edge_and_the_order():
    payments = [
        paid_in(0, "0h", "1.00"),
        paid_in(1, "24h", "2.00"),
        paid_in(2, "24h", "4.00"),
        paid_in(3, "1h", "8.00"),
    ]
    found = sql_measures(payments, window("24h", {"total": "sum(amount)", "mean": "mean(amount)"}))
    assert [value for value, _ in found["w", "total"]] == [100, 200, 600, 1400]
    assert found["w", "mean"][3] == (Fraction(1400, 3), "exact")


def test_a_wrong_measure_is_found_and_named():
    payments = [paid_in(0, "0h"), paid_in(1, "1h")]
    with pytest.raises(AssertionError, match=r"w\.n .*leg 1 of 2 measured \(1, 'exact'\), SQL finds \(2, 'exact'\)"):
        check_against_sql(payments, [window("24h", {"n": "count()"})], {("w", "n"): [(1, "exact"), (1, "exact")]})


@settings(max_examples=25, deadline=None)
@given(payments=streams(max_size=8), one=windows(), data=st.data())
def test_any_single_changed_value_is_noticed(payments: list[PlainTransaction], one: Window, data: st.DataObject):
    measured = measured_by_reference(payments, [one])
    name = data.draw(st.sampled_from(sorted(measured)))
    if not measured[name]:
        return
    at = data.draw(st.integers(0, len(measured[name]) - 1))
    value, bound = measured[name][at]
    measured[name][at] = (-1 if value is None else value + 1, bound)
    with pytest.raises(AssertionError, match=name[1]):
        check_against_sql(payments, [one], measured, parameters=PARAMETERS, rates=RATES)
