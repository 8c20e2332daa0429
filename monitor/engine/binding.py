"""A program bound to the codes of this run: words, lists, parameter values and jurisdictions as numbers.

Binding happens when a rulebook, a list or a rate table takes effect. The kernels see arrays only.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from monitor.domain.countries import COUNTRY_CODE
from monitor.domain.flow import FLOW_NAMES
from monitor.domain.identifiers import IdentifierKind
from monitor.domain.money import CURRENCY_CODE
from monitor.domain.time import UNKNOWN
from monitor.domain.transaction import Int32s, Int64s
from monitor.domain.units import Kind
from monitor.domain.vocabulary import CLOSED
from monitor.engine.further_keys import HOLDER, KEY_KINDS
from monitor.engine.layout import Outputs, TableLayout, bit_of, lay_out, mark_words_of
from monitor.engine.sharing import Sharing, shared
from monitor.rulebook.dispatch import CLASSES, IS_FALSE, IS_OPEN, IS_PLAIN, IS_TRUE
from monitor.rulebook.parameters import value_in_force
from monitor.rulebook.plan import FilterPlan, Program, RulePlan, TablePlan
from monitor.rulebook.rule import ANY, Call, Name, Parameter, ParameterRow, Rule
from monitor.rulebook.walk import nodes, walk

Encode = Callable[[IdentifierKind, str], int]
"""Gives the code of an identifier, a new one where it is new."""

OPEN_VOCABULARIES = {kind.name.lower(): kind for kind in IdentifierKind}


@dataclass(frozen=True, slots=True)
class NamedList:
    """A named list as it stands: its version and its words."""

    name: str
    version: str
    words: tuple[str, ...]


class ListMissing(LookupError):
    """A rule uses a list that was not given."""


def word_code(vocabulary: str, word: str, encode: Encode) -> int:
    """The code of a word: its place in a closed vocabulary, or its identifier code."""
    if vocabulary == "":
        return int(word)
    if vocabulary in CLOSED:
        return CLOSED[vocabulary].index(word)
    if vocabulary == "country":
        return COUNTRY_CODE[word]
    if vocabulary == "currency":
        return CURRENCY_CODE[word]
    return encode(OPEN_VOCABULARIES[vocabulary], word)


@dataclass(frozen=True, slots=True)
class Bound:
    """What the kernels need of a program. ``parameters[combination]`` holds the values in force."""

    program: Program
    layouts: tuple[TableLayout, ...]
    constants: Int64s
    sets: Int64s
    set_values: Int64s
    segment_index: dict[int, int]
    jurisdiction_index: dict[str, int]
    breaks_us: Int64s
    parameters: npt.NDArray[np.int64]
    parameter_rows: list[list[ParameterRow | None]]
    filter_spans: Int64s
    """Shape (2, filters, 2): where the instructions start and stop, the whole ones and those for plain payments."""
    filters_by_class: tuple["FiltersByClass", ...]
    """For each table."""
    rule_spans: Int64s
    rule_groups: "RuleGroups"
    outputs: tuple[Outputs, ...]
    """For each table, what it shows to which group."""
    tables_touched: npt.NDArray[np.bool_]
    """Shape (tables, classes): whether a leg enters the table or shows a measure of it to any rule."""
    is_looked_at: npt.NDArray[np.bool_]
    """Shape (kinds of legs, classes): whether any rule or filter of the kind is not settled as false."""
    extra_kinds: tuple[int, ...]
    list_versions: dict[str, str]


class FiltersByClass(NamedTuple):
    """What of a table's filters is settled by a leg's class: bits that are set, and the filters still to be asked."""

    settled: npt.NDArray[np.int64]
    """Shape (classes, words of marks)."""
    sharing: Sharing
    """Places of filters in the table, by classes."""


class RuleGroups(NamedTuple):
    """Legs in groups that are asked the same rules and shown the same measures."""

    group_of: Int32s
    """Shape (kinds of legs, jurisdictions, classes, 2); the last is 1 for bare legs."""
    sharing: Sharing
    """Rules by the groups that they apply to and are not settled as false for."""
    is_shown: npt.NDArray[np.bool_]
    """Shape (groups, measures): a rule that is asked reads the measure, or peers are measured by it."""
    asks_for_money: npt.NDArray[np.bool_]
    """Shape (groups of ``group_of``,): whether a rule that is asked is about the flow of money. Where one can be, group
    ``g`` has two more: ``g + len(asks_for_money)`` without such rules, and again so much further with nothing else."""


def bind(program: Program, *, encode: Encode, lists: Mapping[str, NamedList]) -> Bound:
    """Bind a program.

    Raises:
        ListMissing: A rule names a list that is not in ``lists``.
    """
    sets = [_set_values(*entry, encode, lists) for entry in program.sets]
    starts = np.concatenate(([0], np.cumsum([len(values) for values in sets]))).astype(np.int64)
    segments, jurisdictions = _scopes(program)
    breaks = sorted({row.from_us for parameter in program.parameters for row in parameter.rows})
    values, rows = _parameter_table(program, segments, jurisdictions, breaks, encode)
    leg_kinds = [HOLDER if rule.leg_kind == "holder" else KEY_KINDS.index(rule.leg_kind) for rule in program.rules]
    used = {name for _, _, name in program.sets if name is not None}
    layouts = tuple(lay_out(table) for table in program.tables)
    rule_groups = _rule_groups(program, leg_kinds, _applies(program, jurisdictions))
    return Bound(
        program=program,
        layouts=layouts,
        constants=np.array([word_code(v, w, encode) for v, w in program.literals], np.int64),
        sets=starts,
        set_values=np.concatenate(sets).astype(np.int64) if sets else np.zeros(0, np.int64),
        segment_index={encode(IdentifierKind.SEGMENT, word): n + 1 for n, word in enumerate(segments)},
        jurisdiction_index={word: n + 1 for n, word in enumerate(jurisdictions)},
        breaks_us=np.array(breaks, np.int64),
        parameters=values,
        parameter_rows=rows,
        filter_spans=_spans(program.filters),
        filters_by_class=tuple(_filters_by_class(program, table) for table in program.tables),
        rule_spans=_spans(program.rules),
        rule_groups=rule_groups,
        outputs=tuple(_outputs(layout, rule_groups.is_shown) for layout in layouts),
        tables_touched=_touched(program),
        is_looked_at=_looked_at(program, leg_kinds),
        extra_kinds=tuple(sorted({kind for kind in leg_kinds if kind != HOLDER})),
        list_versions={name: lists[name].version for name in sorted(used)},
    )


def _spans(plans: Sequence[FilterPlan] | Sequence[RulePlan]) -> Int64s:
    spans = ([(each.start, each.stop) for each in plans], [each.plain for each in plans])
    return np.array(spans, np.int64).reshape(2, -1, 2)


def _filters_by_class(program: Program, table: TablePlan) -> FiltersByClass:
    verdicts = np.array([program.filters[number].by_class for number in table.filters], np.int8)
    settled = np.zeros((CLASSES, mark_words_of(len(table.filters))), np.int64)
    for place, by_class in enumerate(verdicts):
        bit = bit_of(place)
        settled[:, bit >> 6] |= np.where(by_class == IS_TRUE, np.int64(1) << (bit & 63), 0)
    return FiltersByClass(settled, shared(verdicts == IS_OPEN, IS_PLAIN))


def _rule_groups(program: Program, leg_kinds: list[int], applies: npt.NDArray[np.bool_]) -> RuleGroups:
    """For each kind of leg, jurisdiction and class the rules that are not settled as false."""
    verdicts = np.array([(rule.by_class, rule.of_bare) for rule in program.rules], np.int8).reshape(-1, 2, CLASSES)
    can_match = (verdicts != IS_FALSE).transpose(2, 1, 0)
    is_kind = np.array(leg_kinds, np.int64)[None, :] == np.arange(len(KEY_KINDS))[:, None]
    chosen = is_kind[:, None, None, None] & applies.T[None, :, None, None] & can_match[None, None]
    shape = chosen.shape[:4]
    is_holder = np.broadcast_to((np.arange(len(KEY_KINDS)) == HOLDER)[:, None, None, None], shape)
    facts = np.stack((np.broadcast_to(IS_PLAIN[:, None], shape), is_holder), axis=4)
    groups, group_of = np.unique(np.concatenate((chosen, facts), 4).reshape(-1, len(leg_kinds) + 2), axis=0,
                                 return_inverse=True)  # fmt: skip
    of_money = np.array([_asks_for_money(rule) for rule in program.rulebook.rules] + [False] * 2)
    asks_for_money = np.array(groups[:, of_money].any(axis=1))
    if of_money.any():
        is_fact = np.arange(len(of_money)) >= len(leg_kinds)
        groups = np.concatenate((groups, groups & ~of_money, groups & (of_money | is_fact)))
    reads = np.zeros((len(leg_kinds) + 2, len(program.measures)), bool)
    for number, rule in enumerate(program.rules):
        reads[number, [column for pair in rule.measures.values() for column in pair if column >= 0]] = True
    reads[-1, [program.hub_measure, *(column for column, _ in program.peers)]] = True
    return RuleGroups(
        group_of.reshape(shape).astype(np.int32),
        shared(groups[:, :-2].T, np.ascontiguousarray(groups[:, -2])),
        np.array((groups[:, :, None] & reads[None]).any(axis=1)),
        asks_for_money,
    )


def _asks_for_money(rule: Rule) -> bool:
    return any(isinstance(each, Name) and each.name in FLOW_NAMES for each in walk(rule.when))


def _outputs(layout: TableLayout, is_shown: npt.NDArray[np.bool_]) -> Outputs:
    """Which of a table's outputs each group is shown; the simple ones stand first, as in the layout."""
    outputs, simple = layout.shape.outputs, layout.shape.simple
    wanted = is_shown[:, outputs[:, 5]]
    stops = np.cumsum(wanted.sum(axis=1))
    starts = np.concatenate(([0], stops[:-1]))
    spans = np.stack((starts, starts + wanted[:, :simple].sum(axis=1), stops), axis=1).astype(np.int32)
    return Outputs(spans, np.ascontiguousarray(outputs[np.nonzero(wanted)[1]]))


def _touched(program: Program) -> npt.NDArray[np.bool_]:
    """By table and class: a filter may pass, a rule that reads a measure may match, or peers are measured by it."""
    published = {program.hub_measure, *(measure for measure, _ in program.peers)}
    touched = np.zeros((len(program.tables), CLASSES), bool)
    for number, table in enumerate(program.tables):
        columns = {column for _, column in table.measures}
        touched[number] = bool(columns & published)
        for each in table.filters:
            touched[number] |= np.array(program.filters[each].by_class) != IS_FALSE
        for rule in program.rules:
            if columns & {column for pair in rule.measures.values() for column in pair}:
                touched[number] |= np.array(rule.by_class) != IS_FALSE
    return touched


def _looked_at(program: Program, leg_kinds: list[int]) -> npt.NDArray[np.bool_]:
    """By kind and class, whether a leg can matter.

    A holder's always does: peers and hubs are measured over all of them. So does any of a kind whose rules ask for what
    occurs first or for the time since the last, because that is remembered of every leg.
    """
    looked_at = np.zeros((len(KEY_KINDS), CLASSES), bool)
    looked_at[HOLDER] = True
    for rule, kind, source in zip(program.rules, leg_kinds, program.rulebook.rules, strict=True):
        looked_at[kind] |= np.array(rule.by_class) != IS_FALSE
        if any(isinstance(node, Call) and node.function in ("first_seen", "since_last") for node in nodes(source)):
            looked_at[kind] = True
    for table in program.tables:
        kind = KEY_KINDS.index(table.by)
        for number in table.filters:
            looked_at[kind] |= np.array(program.filters[number].by_class) != IS_FALSE
    return looked_at


def _set_values(
    vocabulary: str, words: tuple[str, ...], name: str | None, encode: Encode, lists: Mapping[str, NamedList]
) -> Int64s:
    if name is not None:
        if name not in lists:
            raise ListMissing(f"list.{name}: no list of this name was given; put it in the lists folder (--lists)")
        words = lists[name].words
    return np.unique(np.array([word_code(vocabulary, word, encode) for word in words], np.int64))


def _scopes(program: Program) -> tuple[list[str], list[str]]:
    """Segments and jurisdictions that values or rules depend on."""
    rows = [row for parameter in program.parameters for row in parameter.rows]
    segments = sorted({row.segment for row in rows if row.segment is not None})
    jurisdictions = {row.jurisdiction for row in rows if row.jurisdiction is not None}
    for rule in program.rulebook.rules:
        jurisdictions |= set(rule.jurisdictions) - {ANY}
    return segments, sorted(jurisdictions)


def _parameter_table(
    program: Program, segments: list[str], jurisdictions: list[str], breaks: list[int], encode: Encode
) -> tuple[npt.NDArray[np.int64], list[list[ParameterRow | None]]]:
    """Values and rows of every parameter in every combination of segment, jurisdiction and time between breaks.

    A parameter is asked only for the scopes that it has rows for; in all others it has its general values.
    """
    times = (UNKNOWN, *breaks)
    columns: list[list[int]] = []
    chosen: list[list[ParameterRow | None]] = []
    for parameter, scale in zip(program.parameters, program.parameter_scales, strict=True):
        own = {row.segment for row in parameter.rows}, {row.jurisdiction for row in parameter.rows}
        known: dict[tuple[str | None, str | None], tuple[list[int], list[ParameterRow | None]]] = {}
        columns.append([])
        chosen.append([])
        for segment in (None, *segments):
            for jurisdiction in (None, *jurisdictions):
                scope = segment if segment in own[0] else None, jurisdiction if jurisdiction in own[1] else None
                if scope not in known:
                    rows = [
                        value_in_force(parameter, time_us=t, segment=scope[0], jurisdiction=scope[1]) for t in times
                    ]
                    numbers = [UNKNOWN if row is None else _number(parameter, scale, row, encode) for row in rows]
                    known[scope] = numbers, rows
                columns[-1] += known[scope][0]
                chosen[-1] += known[scope][1]
    combinations = (len(segments) + 1) * (len(jurisdictions) + 1) * len(times)
    values = np.array(columns, np.int64).reshape(len(columns), combinations).T
    return np.ascontiguousarray(values), [list(rows) for rows in zip(*chosen, strict=True)] or [[]] * combinations


def _number(parameter: Parameter, scale: int, row: ParameterRow, encode: Encode) -> int:
    if isinstance(row.value, str) and parameter.unit.kind is Kind.CATEGORY:
        return word_code(parameter.unit.detail or "", row.value, encode)
    return int(Decimal(row.value) * scale)


def _applies(program: Program, jurisdictions: list[str]) -> npt.NDArray[np.bool_]:
    """Rule by jurisdiction index. Index 0 is any other jurisdiction; the last is an unknown one, to which every rule
    applies: not to know where a payment was booked is no reason to look away."""
    applies = np.ones((len(program.rules), len(jurisdictions) + 2), bool)
    for number, rule in enumerate(program.rulebook.rules):
        for index, word in enumerate(("", *jurisdictions)):
            applies[number, index] = ANY in rule.jurisdictions or word in rule.jurisdictions
    return applies
