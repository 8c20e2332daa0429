"""From checked rules to one program: windows planned once for all rules, conditions as byte code.

Equal windows of different rules are measured once: a window is identified by its key, its filter and its
length, a measure further by function and argument. A filter is identified by its
meaning (its text with the parameters' values), so rules that differ only in a threshold of ``when`` share all.

The program names things by words (fields, parameters, literals, lists); the engine binds them to
codes when it loads the program.
"""

from dataclasses import dataclass, field, replace
from hashlib import sha256

from monitor.domain.bank_part import NAME_BYTES
from monitor.domain.flow import FLOW_NAMES
from monitor.domain.time import DAY_US
from monitor.domain.transaction import Int32s, Int64s
from monitor.domain.units import Kind
from monitor.rulebook.bytecode import Code
from monitor.rulebook.codegen import ConditionCompiler, parameters_in, scale_of
from monitor.rulebook.dispatch import channels_open_to, residual, verdicts_by_class
from monitor.rulebook.rule import Measure, Node, Parameter, Rule, Rulebook, Window

HOLDER_KEYS = ("customer", "account")
FILTERS_PER_TABLE_MAX = 62
DISTINCTS_PER_TABLE_MAX = 24
RARE_CHANNELS = (frozenset({"cash", "atm"}), frozenset({"wire", "crypto", "cheque"}))
"""Channels that few payments go by; windows that see no other ones have tables of their own."""
HUB_OVER_US = 30 * DAY_US
"""Hubs are recognised by their distinct counterparties over this length."""


class PlanError(ValueError):
    """A rule asks for something the engine does not do; the text names rule, reason and remedy."""


@dataclass(frozen=True, slots=True)
class FieldUse:
    """A column of the leg matrix: a field and, for money, the currency it is read in.

    ``since_last()`` and ``first_seen(x)`` are columns too: they are known when the leg is admitted.
    """

    name: str
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class FilterPlan:
    """A window's filter: its instructions, and where they need not be looked at."""

    start: int
    stop: int
    by_class: tuple[int, ...]
    """What it says of each class of legs: see :mod:`monitor.rulebook.dispatch`."""
    plain: tuple[int, int]
    """The instructions of what is left to ask of plain payments: (start, stop)."""


@dataclass(frozen=True, slots=True)
class WindowMeasure:
    """One number that is kept per key: filter, length or calendar period, function, argument."""

    by: str
    filter: int
    over_us: int
    calendar: str | None
    function: str
    argument: FieldUse | None


@dataclass(frozen=True, slots=True)
class TablePlan:
    """Windows of one kind of key that share an event log: filters, and measures with their output columns."""

    by: str
    filters: tuple[int, ...]
    measures: tuple[tuple[WindowMeasure, int], ...]


@dataclass(frozen=True, slots=True)
class RulePlan:
    """A rule's condition, and where its names stand in the program's columns."""

    start: int
    stop: int
    by_class: tuple[int, ...]
    of_bare: tuple[int, ...]
    """What it says of the legs of each class that have none of the fields that are seldom given."""
    plain: tuple[int, int]
    leg_kind: str
    """``holder`` or the key of its windows."""
    measures: dict[tuple[str, str], tuple[int, int]]
    """Columns of each ``window.measure``: (value, -1), or (sum, count) for a mean."""
    parameters: dict[str, int]
    filters: dict[str, int]
    """Filter of each window, for the transactions behind an alert."""


@dataclass(frozen=True, slots=True)
class Program:
    """A rulebook, ready to be bound: all that the kernels need but the codes of words."""

    rulebook: Rulebook
    instructions: Int32s
    operands: Int64s
    fields: tuple[FieldUse, ...]
    parameters: tuple[Parameter, ...]
    parameter_scales: tuple[int, ...]
    literals: tuple[tuple[str, str], ...]
    """(vocabulary, word) of every constant; a number has the vocabulary ``""``."""
    sets: tuple[tuple[str, tuple[str, ...], str | None], ...]
    """(vocabulary, words, name of a list or None)."""
    filters: tuple[FilterPlan, ...]
    meanings: tuple[str, ...]
    """The meaning of each filter, as text."""
    tables: tuple[TablePlan, ...]
    rules: tuple[RulePlan, ...]
    measures: tuple[WindowMeasure, ...]
    peers: tuple[tuple[int, str], ...]
    """(measure column, name of the quantile)."""
    hub_measure: int
    """Column of the measure by which hubs are recognised."""

    @property
    def follows_money(self) -> bool:
        """Whether a rule asks for the flow of money."""
        return any(use.name in FLOW_NAMES for use in self.fields)

    def name_of(self, column: int) -> bytes:
        """Eight bytes that name a measure by what it is, the same in every program that has it."""
        measure = self.measures[column]
        meaning = replace(measure, filter=0), self.meanings[measure.filter]
        return sha256(repr(meaning).encode()).digest()[:NAME_BYTES]


@dataclass(slots=True)
class Columns:
    """What the rules need, numbered in the order of first use."""

    code: Code = field(default_factory=Code)
    fields: dict[FieldUse, int] = field(default_factory=dict)
    parameters: dict[tuple[object, ...], tuple[int, Parameter]] = field(default_factory=dict)
    literals: dict[tuple[str, str], int] = field(default_factory=dict)
    sets: dict[tuple[str, tuple[str, ...], str | None], int] = field(default_factory=dict)
    filters: dict[str, int] = field(default_factory=dict)
    filter_plans: list[FilterPlan] = field(default_factory=list)
    measures: dict[WindowMeasure, int] = field(default_factory=dict)
    peers: dict[tuple[int, str], int] = field(default_factory=dict)

    def of_field(self, name: str, currency: str | None = None) -> int:
        return self.fields.setdefault(FieldUse(name, currency), len(self.fields))

    def of_parameter(self, parameter: Parameter) -> int:
        rows = tuple((r.from_us, r.value, r.segment, r.jurisdiction) for r in parameter.rows)
        return self.parameters.setdefault((parameter.unit, rows), (len(self.parameters), parameter))[0]

    def of_literal(self, vocabulary: str, word: str) -> int:
        return self.literals.setdefault((vocabulary, word), len(self.literals))

    def of_set(self, vocabulary: str, words: tuple[str, ...], list_name: str | None) -> int:
        return self.sets.setdefault((vocabulary, words, list_name), len(self.sets))

    def of_measure(self, measure: WindowMeasure) -> int:
        if measure.argument is not None:
            self.of_field(measure.argument.name, measure.argument.currency)
        return self.measures.setdefault(measure, len(self.measures))

    def of_peer(self, measure: int, quantile: str) -> int:
        return self.peers.setdefault((measure, quantile), len(self.peers))


def plan(rulebook: Rulebook) -> Program:
    """The program of a rulebook.

    Raises:
        PlanError: A rule uses something the engine does not do.
    """
    columns = Columns()
    everything = _filter(columns, None, None)
    hub = WindowMeasure("customer", everything, HUB_OVER_US, None, "distinct", FieldUse("counterparty"))
    hub_measure = columns.of_measure(hub)
    rules = tuple(_plan_rule(columns, rule) for rule in rulebook.rules)
    instructions, operands = columns.code.arrays()
    parameters = tuple(parameter for _, parameter in columns.parameters.values())
    return Program(
        rulebook=rulebook,
        instructions=instructions,
        operands=operands,
        fields=tuple(columns.fields),
        parameters=parameters,
        parameter_scales=tuple(scale_of(parameter) for parameter in parameters),
        literals=tuple(columns.literals),
        sets=tuple(columns.sets),
        filters=tuple(columns.filter_plans),
        meanings=tuple(columns.filters),
        tables=_tables(columns.measures, columns.filter_plans, {hub_measure, *(m for m, _ in columns.peers)}),
        rules=rules,
        measures=tuple(columns.measures),
        peers=tuple(columns.peers),
        hub_measure=hub_measure,
    )


def _filter(columns: Columns, where: Node | None, rule: Rule | None) -> int:
    """The number of a filter; it is compiled when its meaning is new."""
    key = _meaning(where, rule)
    if key not in columns.filters:
        start, stop = ConditionCompiler(columns, rule, {}).condition(where)
        columns.filters[key] = len(columns.filter_plans)
        plain = ConditionCompiler(columns, rule, {}).condition(residual(where))
        columns.filter_plans.append(FilterPlan(start, stop, tuple(verdicts_by_class(where).tolist()), plain))
    return columns.filters[key]


def _meaning(where: Node | None, rule: Rule | None) -> str:
    """A text equal for filters that select the same payments: each parameter stands with its values."""
    if where is None or rule is None:
        return ""
    rows = {
        name: [(row.from_us, str(row.value), row.segment, row.jurisdiction) for row in rule.parameters[name].rows]
        for name in sorted(parameters_in(where))
    }
    return f"{where!r} {rows!r}"


def _plan_rule(columns: Columns, rule: Rule) -> RulePlan:
    measures: dict[tuple[str, str], tuple[int, int]] = {}
    filters: dict[str, int] = {}
    for window in rule.windows.values():
        number = filters[window.name] = _filter(columns, window.where, rule)
        for measure in window.measures:
            measures[window.name, measure.name] = _plan_measure(columns, rule, window, number, measure)
    start, stop = ConditionCompiler(columns, rule, measures).condition(rule.when)
    keys = {window.by for window in rule.windows.values()} - set(HOLDER_KEYS)
    return RulePlan(
        start=start,
        stop=stop,
        by_class=tuple(verdicts_by_class(rule.when).tolist()),
        of_bare=tuple(verdicts_by_class(rule.when, is_bare=True).tolist()),
        plain=ConditionCompiler(columns, rule, measures).condition(residual(rule.when)),
        leg_kind=keys.pop() if keys else "holder",
        measures=measures,
        parameters={name: columns.of_parameter(parameter) for name, parameter in rule.parameters.items()},
        filters=filters,
    )


def _plan_measure(columns: Columns, rule: Rule, window: Window, number: int, measure: Measure) -> tuple[int, int]:
    argument = None
    if measure.argument is not None:
        is_money = measure.argument.unit.kind is Kind.MONEY
        currency = measure.argument.unit.detail or window.currency if is_money else None
        if is_money and measure.argument.name != "amount":
            raise PlanError(
                f"{rule.id}: {measure.function}({measure.argument.name}): only 'amount' adds up in a window."
            )
        argument = FieldUse(measure.argument.name, currency)

    def column(function: str, of: FieldUse | None) -> int:
        over_us = window.over_us or 0
        return columns.of_measure(WindowMeasure(window.by, number, over_us, window.calendar, function, of))

    if measure.function == "mean":
        return column("sum", argument), column("count_known", argument)
    return column(measure.function, argument), -1


def _tables(
    measures: dict[WindowMeasure, int], filters: list[FilterPlan], published: set[int]
) -> tuple[TablePlan, ...]:
    """Measures by kind of key and by what their filters can see; what does not fit in one table gets a second.

    Windows over rare channels stand apart, because their tables need not be touched by all other payments. All measures
    of one filter stand together. ``published`` are the columns that every leg of a holder must show: those of peers.
    """
    common = {measure.filter for measure, column in measures.items() if column in published}
    groups: dict[tuple[str, int], dict[int, list[tuple[WindowMeasure, int]]]] = {}
    for measure, column in measures.items():
        reach = 0 if measure.filter in common else _reach(filters[measure.filter])
        groups.setdefault((measure.by, reach), {}).setdefault(measure.filter, []).append((measure, column))
    tables: list[TablePlan] = []
    for (by, _), of_filter in groups.items():
        kept: list[list[tuple[WindowMeasure, int]]] = []
        for members in of_filter.values():
            if not kept or not _fits([measure for measure, _ in (*kept[-1], *members)]):
                kept.append([])
            kept[-1] += members
        tables += [TablePlan(by, tuple(dict.fromkeys(m.filter for m, _ in one)), tuple(one)) for one in kept]
    return tuple(tables)


def _reach(plan: FilterPlan) -> int:
    """0: payments of any kind; beyond: the number of the rare channels, one of :data:`RARE_CHANNELS`."""
    channels = channels_open_to(plan.by_class) - {None}
    return next((n for n, rare in enumerate(RARE_CHANNELS, 1) if channels and channels <= rare), 0)


def _fits(members: list[WindowMeasure]) -> bool:
    distincts = {(m.filter, m.argument) for m in members if m.function == "distinct"}
    return len({m.filter for m in members}) <= FILTERS_PER_TABLE_MAX and len(distincts) <= DISTINCTS_PER_TABLE_MAX
