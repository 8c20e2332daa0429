"""Verdicts over the legs of one key in one pass: running totals by period, where the definition would start afresh.

The slow evaluator walks over a key's earlier legs for each leg, which is right for one alert and too slow for the
busiest key of a day. Where every window of a rule is a calendar period and nothing is remembered beyond it, a leg
adds to the totals of its period and changes no other. Conditions, filters and amounts are still the slow evaluator's.
Nothing of a stretch is taken back and nothing comes late: it holds what stands, in the order of booking.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from monitor.rulebook.reference import PlainInputs, PlainLeg, Value
from monitor.rulebook.reference.conditions import Scene, truth_of, value_of
from monitor.rulebook.reference.history import History
from monitor.rulebook.reference.measures import Inside, measured
from monitor.rulebook.reference.values import TRUE
from monitor.rulebook.rule import Call, Measure, Rule, Window
from monitor.rulebook.walk import nodes

MEMORY = ("since_last", "first_seen")
"""Functions that look back beyond every window."""
PeriodOf = Callable[[PlainLeg, str], str]


@dataclass(slots=True)
class _Totals:
    """What a window holds of one period so far."""

    positions: list[int] = field(default_factory=list)
    doubt: str | None = None
    """The first field that its filter lacked."""
    sums: dict[str, Value] = field(default_factory=dict)
    values: dict[str, list[Value]] = field(default_factory=dict)


def is_plain(rule: Rule) -> bool:
    """Whether every window is a calendar period and nothing is remembered beyond it."""
    remembers = any(isinstance(node, Call) and node.function in MEMORY for node in nodes(rule))
    return not remembers and all(window.calendar is not None for window in rule.windows.values())


def verdicts(
    rule: Rule, legs: Iterable[PlainLeg], inputs: PlainInputs, period_of: PeriodOf
) -> Iterator[tuple[PlainLeg, Value]]:
    """Each leg in its order with the truth of the condition there; for rules that :func:`is_plain` holds of."""
    history = History([], inputs, {})
    totals: dict[tuple[str, str, str | None, str], _Totals] = {}
    for leg in sorted(legs, key=lambda each: each.order):
        here: dict[str, _Totals] = {}
        for window in rule.windows.values():
            if window.by in leg.keys:
                assert window.calendar is not None
                entity = leg.transaction.booking_entity
                key = (window.name, leg.keys[window.by], entity, period_of(leg, window.calendar))
                here[window.name] = totals.setdefault(key, _Totals())
                _add(here[window.name], rule, window, leg, history)

        def measure(name: str, one: str, here: dict[str, _Totals] = here) -> Value:
            window = rule.windows[name]
            if name not in here:
                return Value.unknown(window.by)
            return _value(here[name], window, next(each for each in window.measures if each.name == one))

        yield leg, truth_of(rule.when, Scene(rule, leg, history, measure))


def _add(totals: _Totals, rule: Rule, window: Window, leg: PlainLeg, history: History) -> None:
    scene = Scene(rule, leg, history, _no_measure)
    passed = Value(leg.transaction.status == "booked") if window.where is None else truth_of(window.where, scene)
    if passed.is_unknown:
        totals.doubt = totals.doubt or passed.missing or window.name
    if passed != TRUE:
        return
    totals.positions.append(leg.position)
    for measure in window.measures:
        if measure.argument is None:
            continue
        value = value_of(measure.argument, scene)
        if measure.function == "sum":
            known = totals.sums.get(measure.name)
            parts = [value] if known is None else [known, value]
            totals.sums[measure.name] = _sum(parts)
        else:
            totals.values.setdefault(measure.name, []).append(value)


def _sum(parts: list[Value]) -> Value:
    """The sum so far; once a part was not known it stays a lower bound, and names the first that was not."""
    missing = next((part.missing for part in parts if part.missing is not None), None)
    total = measured("sum", Inside((), None), parts, "")
    assert isinstance(total.value, int | Fraction)
    return Value(total.value) if missing is None else Value.at_least(total.value, missing)


def _value(totals: _Totals, window: Window, measure: Measure) -> Value:
    name = f"{window.name}.{measure.name}"
    if measure.function == "count":
        count = len(totals.positions)
        return Value(count) if totals.doubt is None else Value.at_least(count, totals.doubt)
    if measure.function == "sum":
        found = totals.sums.get(measure.name, Value(0))
        doubt = totals.doubt or found.missing
        assert isinstance(found.value, int | Fraction)
        return Value(found.value) if doubt is None else Value.at_least(found.value, doubt)
    inside = Inside(tuple(totals.positions), totals.doubt)
    return measured(measure.function, inside, totals.values.get(measure.name, []), name)


def _no_measure(window: str, name: str) -> Value:
    raise AssertionError(f"{window}.{name}: a filter cannot read a measure")
