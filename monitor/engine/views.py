"""What an alert of a rule shows, worked out once per rule: which columns to read and how to word them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from monitor.domain.alert import RULE, ParameterInForce, Quantity, Source
from monitor.domain.countries import COUNTRIES
from monitor.domain.flow import FLOW_NAMES, finding_of
from monitor.domain.money import CURRENCIES
from monitor.domain.time import UNKNOWN, format_time
from monitor.domain.units import Kind
from monitor.domain.vocabulary import CALENDARS, CLOSED
from monitor.engine.further_keys import KEY_KINDS
from monitor.engine.sentences import fill, quantity_of_parts, writer
from monitor.rulebook.codegen import denominator_of
from monitor.rulebook.duty import duty_terms
from monitor.rulebook.plan import FieldUse, RulePlan
from monitor.rulebook.rule import (
    Arithmetic,
    Call,
    Compare,
    Logic,
    MeasureName,
    Membership,
    Name,
    Node,
    Parameter,
    ParameterName,
    ParameterRow,
    PeerName,
    Rule,
)
from monitor.rulebook.walk import walk

if TYPE_CHECKING:
    from monitor.engine.engine import Engine

Parts = tuple[int, int] | None
"""A value as numerator and denominator; None where it is not known."""

WindowEvents = tuple[list[int], int]
"""Positions of the payments in a window, and how many there are."""

SPOKEN = {**CLOSED, "country": COUNTRIES, "currency": tuple(CURRENCIES)}
"""Vocabularies whose words an alert's sentence may name; the others hold identifiers."""


@dataclass(frozen=True, slots=True)
class LegValues:
    """The columns of one leg, as Python's own numbers: they are read one by one."""

    fields: list[int]
    measures: list[int]
    bounds: list[int]
    combination: int
    segment: int


Reader = Callable[[LegValues], Parts]
Writer = Callable[[int, int], str]


@dataclass(frozen=True, slots=True)
class WindowView:
    """Where the events of a window are found."""

    table: int
    place: int
    is_of_account: bool
    over_us: int
    calendar: int
    """Index in :data:`monitor.domain.vocabulary.CALENDARS`, or -1."""


class RuleView:
    """Readers for everything that an alert of one rule shows."""

    def __init__(self, engine: "Engine", number: int) -> None:
        self.engine = engine
        self.rule: Rule = engine.program.rulebook.rules[number]
        self.plan: RulePlan = engine.program.rules[number]
        self.windows = [self._window(window.name) for window in self.rule.windows.values()]
        self.shown: list[tuple[str, str, Writer, Reader, int]] = [
            (f"{w.name}.{m.name}", str(m.unit), writer(m.unit), self._measure(w.name, m.name),
             self.plan.measures[w.name, m.name][0])
            for w in self.rule.windows.values()
            for m in w.measures
        ]  # fmt: skip
        nodes = list(walk(self.rule.when))
        known = {name for name, *_ in self.shown}
        self.computed: dict[str, Node] = {}
        for node in nodes:
            if isinstance(node, Name | Call | PeerName) and _is_number(node) and node.text not in known:
                known.add(node.text)
                self.computed[node.text] = node
                self.shown.append((node.text, str(node.unit), writer(node.unit), self.reader(node), -1))
        self.duty = duty_terms(self.rule)
        ways = self.duty.by_way if self.duty else {}
        self.left_out = {
            way: tuple(f"{w.name}.{m.name}" for w in self.rule.windows.values() if w.name not in terms.windows
                       for m in w.measures)
            for way, terms in ways.items()
        }  # fmt: skip
        """By direction of an obligation, the measures of windows that do not belong to it."""
        self.source = Source(RULE, self.rule.id, self.rule.version, self.rule.digest)
        self.words = {
            node.text: (self.reader(node), SPOKEN[node.unit.detail or ""], str(node.unit))
            for node in nodes
            if isinstance(node, Name) and node.unit.detail in SPOKEN and f"{{{node.text}}}" in self.rule.alert.text
        }
        self.excesses = [
            (self.reader(node.left), self.reader(node.right))
            for node in _conjuncts(self.rule.when)
            if isinstance(node, Compare) and node.op in (">", ">=") and isinstance(node.right, ParameterName)
        ]
        wheres = [window.where for window in self.rule.windows.values() if window.where is not None]
        parts = [part for root in (self.rule.when, *wheres) for part in walk(root)]
        self.lists = sorted({p.list_name for p in parts if isinstance(p, Membership) and p.list_name})
        self.currencies = sorted({p.unit.detail for p in parts if p.unit.kind is Kind.MONEY and p.unit.detail})
        found = {finding_of(part.name) for part in parts if isinstance(part, Name) and part.name in FLOW_NAMES}
        self.flow_findings = sorted(found - {-1})
        """Findings of flow tracing that the rule asks for: their ways stand behind its alerts."""
        self.parameters_of = lru_cache(maxsize=4096)(self._parameters)

    # Readers ------------------------------------------------------------------------------------------

    def reader(self, node: Node) -> Reader:
        """A function that reads the node's exact value; lower bounds are read as they stand."""
        program = self.engine.program
        match node:
            case MeasureName():
                return self._measure(node.window, node.measure)
            case ParameterName():
                column = self.plan.parameters[node.name]
                scale, bound = program.parameter_scales[column], self.engine.bound
                return lambda leg: _parts(int(bound.parameters[leg.combination, column]), scale)
            case PeerName():
                column = program.peers.index((self.plan.measures[node.window, node.measure][0], node.quantile))
                return lambda leg: _parts(int(self.engine.peers.table[leg.segment, column]))
            case Arithmetic():
                left, right, sign = self.reader(node.left), self.reader(node.right), 1 if node.op == "+" else -1
                return lambda leg: _sum(left(leg), right(leg), sign)
            case Call(function="share" | "ratio"):
                part, whole = (self.reader(argument) for argument in node.arguments)
                return lambda leg: _quotient(part(leg), whole(leg))
        use = _field_use(node)
        if use not in program.fields:
            return lambda leg: None
        column = program.fields.index(use)
        over = denominator_of(node) if isinstance(node, Name) else 1
        return lambda leg: _parts(leg.fields[column], over)

    def _measure(self, window: str, measure: str) -> Reader:
        value, count = self.plan.measures[window, measure]
        if count >= 0:
            return lambda leg: _quotient(_parts(leg.measures[value]), _parts(leg.measures[count]))
        over = 2 if self.engine.program.measures[value].function == "median" else 1
        return lambda leg: _parts(leg.measures[value], over)

    def _window(self, name: str) -> WindowView:
        window = self.rule.windows[name]
        table, place = self.engine.table_of_filter[window.by, self.plan.filters[name]]
        calendar = CALENDARS.index(window.calendar) if window.calendar else -1
        return WindowView(table, place, window.by == KEY_KINDS[1], window.over_us or 0, calendar)

    def _bound(self, node: Node, leg: LegValues) -> str:
        """How far a computed number is known: what is taken away from, or divided by, a lower bound is not."""
        match node:
            case MeasureName():
                return "at_least" if leg.bounds[self.plan.measures[node.window, node.measure][0]] else "exact"
            case Arithmetic() | Call(function="share" | "ratio"):
                parts = (node.left, node.right) if isinstance(node, Arithmetic) else node.arguments
                left, right = (self._bound(part, leg) for part in parts)
                is_sum = isinstance(node, Arithmetic) and node.op == "+"
                if "unknown" in (left, right) or (right == "at_least" and not is_sum):
                    return "unknown"
                return "at_least" if "at_least" in (left, right) else "exact"
        return "exact"

    def shared(self, behind: list[WindowEvents], *, is_credit: bool) -> list[WindowEvents]:
        """What stands behind a match, of ``behind`` by window: an obligation leaves the other direction out."""
        if self.duty is None:
            return behind
        own = self.duty.by_way[self.duty.way(is_credit=is_credit)].windows
        return [one for name, one in zip(self.rule.windows, behind, strict=True) if name in own]

    # What is shown ------------------------------------------------------------------------------------

    def quantities(self, leg: LegValues) -> dict[str, Quantity]:
        """All measures of the rule's windows, and the other numbers its condition asks for."""
        found, is_exact = {}, not any(leg.bounds)
        for name, unit, write, read, column in self.shown:
            if is_exact:
                bound = "exact"
            elif column >= 0:
                bound = "at_least" if leg.bounds[column] else "exact"
            else:
                bound = self._bound(self.computed[name], leg)
            parts = None if bound == "unknown" else read(leg)
            found[name] = Quantity(None, unit, "unknown") if parts is None else Quantity(write(*parts), unit, bound)
        return found

    def sentence(self, measures: dict[str, Quantity], parameters: dict[str, ParameterInForce], leg: LegValues) -> str:
        """The alert's sentence; it may name words of closed vocabularies too."""
        words = {}
        for name, (read, spoken, unit) in self.words.items():
            parts = read(leg)
            if parts is not None:
                words[name] = Quantity(spoken[parts[0]], unit)
        return fill(self.rule.alert.text, measures, parameters, words)

    def excess(self, leg: LegValues) -> float:
        """How far the measures exceed their thresholds, from 0 to 1: the mean of ``1 - threshold / actual``."""
        shares = []
        for left, right in self.excesses:
            actual, threshold = left(leg), right(leg)
            if actual is not None and threshold is not None and actual[0] > 0:
                shares.append(max(0.0, 1.0 - threshold[0] * actual[1] / (threshold[1] * actual[0])))
        return sum(shares) / len(shares) if shares else 0.0

    def _parameters(self, combination: int) -> dict[str, ParameterInForce]:
        """The values in force for a combination of segment, jurisdiction and period."""
        chosen, found = self.engine.bound.parameter_rows[combination], {}
        for name, column in self.plan.parameters.items():
            shared, parameter = chosen[column], self.rule.parameters[name]
            if shared is not None:
                row = _own_row(parameter, shared)
                value = row.value
                text = (
                    value
                    if isinstance(value, str)
                    else quantity_of_parts(value.as_integer_ratio(), parameter.unit).value
                )
                found[name] = ParameterInForce(
                    text or "",
                    str(parameter.unit),
                    row.cite,
                    format_time(row.from_us)[:10],
                    row.segment,
                    row.jurisdiction,
                )
        return found


def _own_row(parameter: Parameter, shared: ParameterRow) -> ParameterRow:
    """The rule's own row: parameters of other rules with the same values share a column, not a source."""
    scope = (shared.from_us, shared.segment, shared.jurisdiction)
    return next(row for row in parameter.rows if (row.from_us, row.segment, row.jurisdiction) == scope)


def _parts(value: int, over: int = 1) -> Parts:
    return None if value == UNKNOWN else (value, over)


def _sum(left: Parts, right: Parts, sign: int) -> Parts:
    if left is None or right is None:
        return None
    return left[0] * right[1] + sign * right[0] * left[1], left[1] * right[1]


def _quotient(part: Parts, whole: Parts) -> Parts:
    if part is None or whole is None or whole[0] == 0:
        return None
    return part[0] * whole[1], part[1] * whole[0]


def _field_use(node: Node) -> FieldUse:
    match node:
        case Name():
            return FieldUse(node.name, node.unit.detail if node.unit.kind is Kind.MONEY else None)
        case Call(function="since_last"):
            return FieldUse("since_last()")
        case Call(function="first_seen"):
            return FieldUse(f"first_seen({node.arguments[0].text})")
    return FieldUse("")


def _is_number(node: Node) -> bool:
    is_test = isinstance(node, Call) and node.function in ("known", "multiple_of", "first_seen")
    return node.unit.kind not in (Kind.CATEGORY, Kind.BOOLEAN) and not is_test


def _conjuncts(node: Node) -> tuple[Node, ...]:
    if isinstance(node, Logic) and node.op == "and":
        return tuple(part for child in node.parts for part in _conjuncts(child))
    return (node,)
