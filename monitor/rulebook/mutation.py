"""Moving every tunable of a rule by one unit: a move that no test notices is a hole in the tests.

What is moved: each value up and down by its finest step (one minor unit, one, one hundredth of a share or its
last written decimal, one minute), each date but the first of a parameter by one day, each window's
length and the quiet period of a suspicion by one minute, a calendar day (of any kind: tables play where the kinds of
days are alike) against the month; and each row that narrows or replaces another is taken away. In the conditions each
``<`` is exchanged with ``<=``, each ``>`` with ``>=``, each ``==`` with ``!=``, each ``in`` with ``not in``, and each
truth such as ``known(...)`` with its opposite. ``and`` and ``or`` stay: where every part of a condition
has been turned round and noticed, so has what joins them.

A survivor is either a missing test or a dead parameter; one that cannot change any verdict is excused in
the rule under ``equivalent``, with the reason. An excuse must be needed (:func:`needless_excuses`).

The tables are judged by the reference evaluator: it needs no preparation for a changed rule, where the engine
compiles each, and it is fast on a dozen payments. That both agree on the tables is proven by tests of their own.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from monitor.domain.money import format_amount
from monitor.domain.time import DAY_US, MINUTE_US, format_duration, format_time
from monitor.domain.units import Kind, Unit
from monitor.rulebook.rule import (
    Call,
    Compare,
    Logic,
    Membership,
    Name,
    Node,
    Parameter,
    ParameterRow,
    PeerName,
    Place,
    Rule,
    TableTest,
)
from monitor.rulebook.testing import RuleEngine, run_test

_SHARE_DECIMALS = 2
_OPERATORS = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}


@dataclass(frozen=True, slots=True)
class Mutant:
    """A rule moved by one unit; ``name`` says what was moved, so that it can be excused."""

    name: str
    rule: Rule
    place: Place


@dataclass(frozen=True, slots=True)
class MutantResult:
    """``noticed_by`` is the first test that fails; ``excuse`` the reason given in the rule."""

    rule_id: str
    name: str
    place: Place
    noticed_by: str | None
    excuse: str | None

    @property
    def survived(self) -> bool:
        """Whether neither a test nor an excuse accounts for it."""
        return self.noticed_by is None and self.excuse is None


@dataclass(frozen=True, slots=True)
class NeedlessExcuse:
    """An entry of ``equivalent`` that excuses nothing; ``fact`` says why."""

    rule_id: str
    name: str
    place: Place
    fact: str


def needless_excuses(rule: Rule, results: Iterable[MutantResult]) -> list[NeedlessExcuse]:
    """Excuses that name no mutant of the rule, or one that a test notices."""
    noticed_by = {result.name: result.noticed_by for result in results}
    found = []
    for name in rule.equivalent:
        if name not in noticed_by:
            found.append(NeedlessExcuse(rule.id, name, rule.place, "there is no such mutant"))
        elif (killer := noticed_by[name]) is not None:
            found.append(NeedlessExcuse(rule.id, name, rule.place, f"the test '{killer}' notices it"))
    return found


def run_mutants(rule: Rule, engine: RuleEngine) -> list[MutantResult]:
    """Every mutant of a rule and what became of it. The rule's own tests must pass beforehand."""
    results = []
    order = list(rule.tests)
    for mutant in mutants(rule):
        killer = next((test for test in order if _notices(mutant.rule, test, engine)), None)
        if killer is not None:
            # The test that noticed one move is likely to notice its neighbour.
            order.remove(killer)
            order.insert(0, killer)
        excuse = rule.equivalent.get(mutant.name)
        results.append(MutantResult(rule.id, mutant.name, mutant.place, killer.name if killer else None, excuse))
    return results


def _notices(rule: Rule, test: TableTest, engine: RuleEngine) -> bool:
    return not run_test(rule, test, engine).passed


def mutants(rule: Rule) -> Iterator[Mutant]:
    """All rules that differ from ``rule`` by one unit in one tunable, each under a name of its own."""
    times: dict[str, int] = {}
    for mutant in _mutants(rule):
        times[mutant.name] = number = times.get(mutant.name, 0) + 1
        yield mutant if number == 1 else replace(mutant, name=f"{mutant.name} (place {number})")


def _mutants(rule: Rule) -> Iterator[Mutant]:
    for parameter in rule.parameters.values():
        for index, row in enumerate(parameter.rows):
            for name, moved in _moved_rows(parameter, row):
                rows = tuple(moved if i == index else each for i, each in enumerate(parameter.rows))
                yield Mutant(name, _with_rows(rule, parameter, tuple(r for r in rows if r is not None)), row.place)
    for window in rule.windows.values():
        if window.over_us is not None:
            for sign in (-1, 1):
                over_us = window.over_us + sign * MINUTE_US
                name = f"windows.{window.name}: {format_duration(window.over_us)} becomes {format_duration(over_us)}"
                if over_us > 0:
                    yield Mutant(name, _with_window(rule, replace(window, over_us=over_us)), window.place)
        else:
            other = "day" if window.calendar == "month" else "month"
            name = f"windows.{window.name}: {window.calendar} becomes {other}"
            yield Mutant(name, _with_window(rule, replace(window, calendar=other)), window.place)
    yield from _quiet(rule)
    yield from _operators(rule)


def _moved_rows(parameter: Parameter, row: ParameterRow) -> Iterator[tuple[str, ParameterRow | None]]:
    label = f"parameters.{parameter.name}{_scope(row)}"
    shown = shown_value(row.value, parameter.unit)
    for sign in (-1, 1):
        moved = _step(row.value, parameter.unit, sign)
        if moved is not None:
            yield f"{label}: {shown} becomes {shown_value(moved, parameter.unit)}", replace(row, value=moved)
    first_us = min(each.from_us for each in parameter.rows)
    if row.from_us > first_us:
        for sign in (-1, 1):
            from_us = row.from_us + sign * DAY_US
            yield f"{label}: from {_day(row.from_us)} becomes {_day(from_us)}", replace(row, from_us=from_us)
    if row.from_us > first_us or row.segment or row.jurisdiction:
        yield f"{label}: {shown} from {_day(row.from_us)} is taken away", None


def _scope(row: ParameterRow) -> str:
    scope = ", ".join(each for each in (row.segment, row.jurisdiction) if each)
    return f"[{scope}]" if scope else ""


def _day(time_us: int) -> str:
    return format_time(time_us)[:10]


def shown_value(value: int | Decimal | str, unit: Unit) -> str:
    """A parameter's value as a rule file writes it.

    >>> from monitor.domain.units import money
    >>> shown_value(1000000, money("USD"))
    '10000.00'
    """
    if unit.kind is Kind.MONEY and unit.detail and isinstance(value, int):
        return format_amount(value, unit.detail)
    return format_duration(value) if unit.kind is Kind.DURATION and isinstance(value, int) else str(value)


def _step(value: int | Decimal | str, unit: Unit, sign: int) -> int | Decimal | None:
    """The value one unit away, or ``None`` where there is none."""
    if isinstance(value, str):
        return None
    if isinstance(value, Decimal):
        decimals = max(_SHARE_DECIMALS, -int(value.as_tuple().exponent))
        share = value + sign * Decimal(1).scaleb(-decimals)
        return share if share >= 0 else None
    moved = value + sign * (MINUTE_US if unit.kind is Kind.DURATION else 1)
    return moved if moved >= 0 else None


def _with_rows(rule: Rule, parameter: Parameter, rows: tuple[ParameterRow, ...]) -> Rule:
    changed = dict(rule.parameters)
    changed[parameter.name] = replace(parameter, rows=rows)
    return replace(rule, parameters=changed)


def _with_window(rule: Rule, window: Any) -> Rule:
    changed = dict(rule.windows)
    changed[window.name] = window
    return replace(rule, windows=changed)


def _quiet(rule: Rule) -> Iterator[Mutant]:
    if rule.kind == "obligation":
        return
    for sign in (-1, 1):
        quiet_us = rule.alert.quiet_us + sign * MINUTE_US
        if quiet_us >= 0:
            name = f"alert.quiet: {format_duration(rule.alert.quiet_us)} becomes {format_duration(quiet_us)}"
            yield Mutant(name, replace(rule, alert=replace(rule.alert, quiet_us=quiet_us)), rule.place)


def _operators(rule: Rule) -> Iterator[Mutant]:
    for name, node in _exchanged(rule.when):
        yield Mutant(f"when: {name}", replace(rule, when=node), rule.place)
    for window in rule.windows.values():
        if window.where is not None:
            for name, node in _exchanged(window.where):
                mutant = _with_window(rule, replace(window, where=node))
                yield Mutant(f"windows.{window.name}.where: {name}", mutant, window.place)


def _exchanged(node: Node) -> Iterator[tuple[str, Node]]:
    """Copies of a condition with one comparison, membership or truth exchanged for its neighbour."""
    match node:
        case Logic():
            for index, part in enumerate(node.parts):
                for name, changed in _exchanged(part):
                    yield name, replace(node, parts=(*node.parts[:index], changed, *node.parts[index + 1 :]))
        case Compare():
            op = _OPERATORS[node.op]
            yield f"{node.text} becomes {op}", replace(node, op=op)
        case Membership():
            word = "in" if node.negated else "not in"
            yield f"{node.text} becomes {word}", replace(node, negated=not node.negated)
        case Name() | PeerName() | Call():
            opposite = f"not {node.text}"
            yield f"{node.text} becomes {opposite}", Logic(opposite, node.unit, "not", (node,))


def as_of_day(rule: Rule, time_us: int) -> Rule:
    """The rule with the values of one day in force at all times: what its tests would say of that day's values.

    Rows that begin later are left out; of one scope the latest stays.
    """
    parameters = {}
    for name, parameter in rule.parameters.items():
        latest: dict[tuple[str | None, str | None], ParameterRow] = {}
        for row in sorted(parameter.rows, key=lambda each: each.from_us):
            if row.from_us <= time_us:
                latest[row.segment, row.jurisdiction] = replace(row, from_us=0)
        parameters[name] = replace(parameter, rows=tuple(latest.values()))
    return replace(rule, parameters=parameters)
