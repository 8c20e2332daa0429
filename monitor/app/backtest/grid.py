"""A rule at many thresholds over one pass of recorded history.

Every point of the grid is a copy of the rule in one program. The planner measures equal windows once, so a threshold of
the condition costs a decision and no measuring; only a threshold within a window's filter measures again. Each copy has
its own quiet periods, as it would have live.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import product

from monitor.app.backtest.changes import RulesInForce, parse_value, with_value
from monitor.app.backtest.history import FileHistory, StoreHistory
from monitor.app.backtest.judging import Progress, Variant, judge
from monitor.app.backtest.match import Raised
from monitor.app.backtest.problem import BacktestError
from monitor.app.backtest.truth import Truth, TruthSet
from monitor.casework.intervals import Share
from monitor.domain.time import DAY_US, UNKNOWN
from monitor.domain.units import Kind
from monitor.rulebook.mutation import shown_value
from monitor.rulebook.parameters import value_in_force
from monitor.rulebook.rule import Parameter, Rule

STEPS_MAX = 100
"""Most values of one parameter."""
POINTS_MAX = 200
"""Most points of a grid."""
_MONTH_DAYS = 30.4375
_SHARE_DECIMALS = 3
"""Steps of a share are rounded to so many decimals, or to as many as its ends have."""

_NOTHING = Share(0, 0)

Value = int | Decimal


@dataclass(frozen=True, slots=True)
class Axis:
    """A parameter that is walked: its values, ascending, and which of them is in force."""

    parameter: Parameter
    segment: str | None
    values: tuple[Value, ...]
    current: int

    def shown(self, index: int) -> str:
        """A value as a rule file writes it."""
        return shown_value(self.values[index], self.parameter.unit)


@dataclass(frozen=True, slots=True)
class Walk:
    """One ``--parameter`` as given: ``name`` or ``name[segment]``, from, to and the number of values."""

    name: str
    first: str
    last: str
    steps: int


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the history: alerts a month, and recall of the cases that lie in it."""

    per_month: float
    recall: Share


_EMPTY = Part(0.0, _NOTHING)


@dataclass(slots=True)
class Point:
    """What one set of values gives. ``first`` and ``last`` are the two parts of the history."""

    at: tuple[int, ...]
    """Index of the value on each axis."""
    alerts: list[Raised] = field(default_factory=list)
    customers: int = 0
    by_segment: dict[str, int] = field(default_factory=dict)
    per_month: float = 0.0
    recall: Share = _NOTHING
    precision: Share = _NOTHING
    first: Part = _EMPTY
    last: Part = _EMPTY


@dataclass(slots=True)
class Grid:
    """The points of a walk, in the order of the axes' values, the last axis fastest."""

    rule: Rule
    axes: tuple[Axis, ...]
    points: list[Point]
    first_us: int
    last_us: int
    split_us: int
    payments: int
    truth: TruthSet

    @property
    def current(self) -> Point:
        """The point in force."""
        wanted = tuple(axis.current for axis in self.axes)
        return next(point for point in self.points if point.at == wanted)

    def words(self, point: Point) -> str:
        """The values of a point, as ``--with`` writes them."""
        parts = []
        for axis, index in zip(self.axes, point.at, strict=True):
            scope = f"[{axis.segment}]" if axis.segment else ""
            parts.append(f"{self.rule.id}.{axis.parameter.name}{scope}={axis.shown(index)}")
        return " ".join(parts)


def axes_of(rule: Rule, walks: Sequence[Walk], *, time_us: int) -> tuple[Axis, ...]:
    """The values to walk, the one in force at ``time_us`` among them.

    Raises:
        BacktestError: A parameter or a value is not understood, or the grid is too large.
    """
    if not 1 <= len(walks) <= 2:
        raise BacktestError(f"{rule.id}: a walk has one or two parameters; {len(walks)} were given with --parameter.")
    axes = tuple(_axis(rule, walk, time_us) for walk in walks)
    points = 1
    for axis in axes:
        points *= len(axis.values)
    if points > POINTS_MAX:
        raise BacktestError(f"{rule.id}: the grid has {points} points; {POINTS_MAX} is the limit. Take fewer --steps.")
    return axes


def _axis(rule: Rule, walk: Walk, time_us: int) -> Axis:
    name, _, scope = walk.name.partition("[")
    segment = scope.removesuffix("]") or None
    if name not in rule.parameters:
        names = ", ".join(rule.parameters) or "none"
        raise BacktestError(f"--parameter {walk.name}: {rule.id} has no such parameter. It has: {names}.")
    parameter = rule.parameters[name]
    if parameter.unit.kind not in (Kind.MONEY, Kind.COUNT, Kind.SHARE, Kind.DURATION):
        raise BacktestError(
            f"--parameter {walk.name}: it is a word, and a walk needs numbers. Try words with aml replay."
        )
    if not 2 <= walk.steps <= STEPS_MAX:
        raise BacktestError(f"--steps {walk.steps}: take 2 to {STEPS_MAX} values.")
    row = value_in_force(parameter, time_us=time_us, segment=segment, jurisdiction=None)
    if row is None:
        raise BacktestError(
            f"--parameter {walk.name}: no value of it is in force for this scope. Name the segment: {name}[segment]."
        )
    first, last = (_number(text, parameter, option) for text, option in ((walk.first, "--from"), (walk.last, "--to")))
    if first >= last:
        raise BacktestError(f"--from {walk.first} --to {walk.last}: the first value must be below the last.")
    current = row.value
    assert isinstance(current, int | Decimal)
    values = tuple(sorted({*_steps(first, last, walk.steps), current}))
    return Axis(parameter, segment, values, values.index(current))


def _number(text: str, parameter: Parameter, option: str) -> Value:
    value = parse_value(text, parameter.unit, place=f"{option} of {parameter.name}")
    assert isinstance(value, int | Decimal)
    return value


def _steps(first: Value, last: Value, steps: int) -> list[Value]:
    """Evenly spaced values from first to last, whole numbers where the unit has whole ones."""
    if isinstance(first, int) and isinstance(last, int):
        return [first + (last - first) * number // (steps - 1) for number in range(steps)]
    low, high = Decimal(first), Decimal(last)
    decimals = max(_SHARE_DECIMALS, *(-int(each.as_tuple().exponent) for each in (low, high)))
    exact = [low + (high - low) * number / (steps - 1) for number in range(steps)]
    return [each.quantize(Decimal(1).scaleb(-decimals)).normalize() for each in exact]


def walk(
    history: StoreHistory | FileHistory,
    rule: Rule,
    axes: tuple[Axis, ...],
    truth: Truth,
    *,
    split: float,
    on_progress: Progress = lambda payments: None,
) -> Grid:
    """Judge the history by every point of the grid, in one pass.

    Args:
        history: The log.
        rule: The rule, as it is in force or as a file has it.
        axes: What is walked.
        truth: What is known of cases; read after the walk, when the log was seen.
        split: The share of the time that is the first part.
    """
    places = list(product(*(range(len(axis.values)) for axis in axes)))
    copies = {f"{rule.id}~{number:03d}": _copy(rule, axes, at, number) for number, at in enumerate(places)}
    variant = Variant(
        f"{rule.id} at {len(places)} points", lambda rules: RulesInForce(copies, frozenset(copies)), only_new=True
    )
    judged = judge(history, [variant], on_progress=on_progress)
    if judged.first_us == UNKNOWN:
        raise BacktestError(f"{history.name}: there is no payment in it that could be judged.")
    grid = Grid(
        rule, axes, [Point(at) for at in places], judged.first_us, judged.last_us + 1,
        judged.first_us + int((judged.last_us + 1 - judged.first_us) * split), judged.payments, TruthSet("", [], {}),
    )  # fmt: skip
    for alert in judged.alerts[0]:
        grid.points[int(alert.rule.rpartition("~")[2])].alerts.append(replace(alert, rule=rule.id))
    grid.truth = truth.of(history, rule, [alert for point in grid.points for alert in point.alerts])
    for point in grid.points:
        _weigh(grid, point)
    return grid


def _copy(rule: Rule, axes: tuple[Axis, ...], at: tuple[int, ...], number: int) -> Rule:
    for axis, index in zip(axes, at, strict=True):
        rule = with_value(rule, axis.parameter.name, axis.values[index], segment=axis.segment)
    return replace(rule, id=f"{rule.id}~{number:03d}", status="active")


def _weigh(grid: Grid, point: Point) -> None:
    truth = grid.truth
    point.customers = len({alert.subject for alert in point.alerts})
    point.by_segment = dict(Counter(alert.segment or "(unknown)" for alert in point.alerts).most_common())
    point.per_month = _monthly(len(point.alerts), grid.first_us, grid.last_us)
    found = truth.found(point.alerts)
    point.recall, point.precision = truth.recall(found), truth.precision(point.alerts)
    first = [alert for alert in point.alerts if alert.judged_at_us < grid.split_us]
    early = {case.name for case in truth.cases if case.at_us < grid.split_us}
    late = {case.name for case in truth.cases} - early
    point.first = Part(_monthly(len(first), grid.first_us, grid.split_us), truth.recall(found, among=early))
    rest = len(point.alerts) - len(first)
    point.last = Part(_monthly(rest, grid.split_us, grid.last_us), truth.recall(found, among=late))


def _monthly(count: int, first_us: int, last_us: int) -> float:
    return count * _MONTH_DAYS * DAY_US / max(last_us - first_us, DAY_US)
