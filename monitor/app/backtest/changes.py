"""A change of the rulebook, as ``--with`` names it, and the rulebook after it.

=============================  ==========================================================================
``rules/us/.../x.yaml``        the rule replaces that of the same id, or is added; a folder holds several
``RULE@active``                takes the rule in with that status (``draft`` and ``retired`` take it out)
``RULE.parameter=value``       moves a value; ``RULE.parameter[cash_business]=value`` that of a segment,
                               ``[US]`` that of a jurisdiction, ``[cash_business,US]`` that of both
``-RULE``                      removes the rule
``lists/x.yaml``               the named list replaces that of the same name; a folder holds several
=============================  ==========================================================================

A moved value and a changed list hold for the whole history: the question is what would have come out had they been in
force.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path

from monitor.app.backtest.problem import BacktestError
from monitor.domain.countries import COUNTRY_CODE
from monitor.domain.money import parse_amount_minor
from monitor.domain.time import parse_duration_us
from monitor.domain.units import Kind, Unit
from monitor.domain.vocabulary import RULE_STATUSES
from monitor.rulebook.canonical import rule_digest, rulebook_digest
from monitor.rulebook.lists import NamedList, load_list
from monitor.rulebook.load import load_lists, load_rules
from monitor.rulebook.rule import Membership, Parameter, ParameterRow, Rule, Rulebook
from monitor.rulebook.rule_error import RuleError
from monitor.rulebook.walk import nodes

_RULE = r"[A-Z]+-[A-Z]+-[0-9]+"
_STATUS = re.compile(rf"({_RULE})@(\w+)")
_VALUE = re.compile(rf"({_RULE})\.(\w+)(?:\[([^\]]*)\])?=(.*)")
_IS_LIST = re.compile(r"^vocabulary:", re.MULTILINE)
_REMOVAL = re.compile(rf"-({_RULE})")


@dataclass(frozen=True, slots=True)
class RulesInForce:
    """Rules by id, and the ids of those that raise alerts; the others run in shadow."""

    rules: Mapping[str, Rule]
    live: frozenset[str]

    def rulebook(self) -> Rulebook:
        """The rules as one rulebook, ordered by id."""
        ordered = tuple(self.rules[name] for name in sorted(self.rules))
        return Rulebook(ordered, rulebook_digest(iter(ordered)))


@dataclass(frozen=True, slots=True)
class Change:
    """One ``--with``: its words, the rule it is about, and what it does. ``new_lists`` are lists in other words."""

    words: str
    rule: str
    apply: Callable[[RulesInForce], RulesInForce]
    new_lists: Mapping[str, NamedList]
    note: str = ""


def read_changes(texts: Sequence[str], *, known: Mapping[str, Rule], lists: Mapping[str, NamedList]) -> list[Change]:
    """The changes that ``--with`` names, in their order.

    Args:
        texts: The words of ``--with``.
        known: Rules that may be named: those in force and those of the folders given.
        lists: Named lists in force, for the rules in files.

    Raises:
        BacktestError: A change is not understood, or names a rule that nobody knows.
    """
    found: list[Change] = []
    pool, named = dict(known), dict(lists)
    for text in texts:
        changes = _read(text, pool, named)
        found += changes
        for change in changes:
            named |= change.new_lists
    return found


def _read(text: str, pool: dict[str, Rule], lists: Mapping[str, NamedList]) -> list[Change]:
    if match := _REMOVAL.fullmatch(text):
        return [_removal(text, _known(text, match[1], pool).id)]
    if match := _STATUS.fullmatch(text):
        return [_status(text, _known(text, match[1], pool), match[2])]
    if match := _VALUE.fullmatch(text):
        return [_value(text, _known(text, match[1], pool), match[2], match[3], match[4])]
    path = Path(text)
    if path.exists():
        files = _list_files(path)
        return [_list(text, file, pool, lists) for file in files] or _files(text, path, pool, lists)
    raise BacktestError(
        f"--with {text}: no change is named so, and there is no such file. Write a rule file or folder, RULE@active, "
        "RULE.parameter=value, RULE.parameter[segment]=value, -RULE, or a file or folder of named lists."
    )


def _known(text: str, rule_id: str, pool: Mapping[str, Rule]) -> Rule:
    if rule_id not in pool:
        raise BacktestError(
            f"--with {text}: there is no rule {rule_id}. The rules are: {', '.join(sorted(pool)) or 'none'}. A "
            "rule that is not in force comes with its file or folder: name that first with another --with."
        )
    return pool[rule_id]


def _removal(text: str, rule_id: str) -> Change:
    def apply(before: RulesInForce) -> RulesInForce:
        rules = {name: rule for name, rule in before.rules.items() if name != rule_id}
        return RulesInForce(rules, before.live - {rule_id})

    return Change(text, rule_id, apply, {})


def _status(text: str, known: Rule, status: str) -> Change:
    if status not in RULE_STATUSES:
        raise BacktestError(f"--with {text}: there is no status {status!r}. The words are: {', '.join(RULE_STATUSES)}.")

    def apply(before: RulesInForce) -> RulesInForce:
        rule = replace(before.rules.get(known.id, known), status=status)
        if status in ("draft", "retired"):
            return _removal(text, known.id).apply(before)
        live = before.live | {known.id} if status == "active" else before.live - {known.id}
        return RulesInForce({**before.rules, known.id: rule}, live)

    return Change(text, known.id, apply, {})


def _value(text: str, known: Rule, name: str, scope: str | None, value: str) -> Change:
    if name not in known.parameters:
        raise BacktestError(
            f"--with {text}: {known.id} has no parameter {name!r}. It has: {', '.join(known.parameters) or 'none'}."
        )
    segment, jurisdiction = _scope(text, scope)
    parsed = parse_value(value, known.parameters[name].unit, place=f"--with {text}")

    def apply(before: RulesInForce) -> RulesInForce:
        if known.id not in before.rules:
            return before
        rule = with_value(before.rules[known.id], name, parsed, segment=segment, jurisdiction=jurisdiction)
        return RulesInForce({**before.rules, known.id: rule}, before.live)

    if scope is None and not any(_is_of(row, None, None) for row in known.parameters[name].rows):
        scopes = ", ".join(sorted({scope_words(row) for row in known.parameters[name].rows}))
        raise BacktestError(f"--with {text}: {name} has no general value, only values for {scopes}. Name one of them.")
    return Change(text, known.id, apply, {})


def _files(text: str, path: Path, pool: dict[str, Rule], lists: Mapping[str, NamedList]) -> list[Change]:
    beside, list_errors = load_lists([path])
    rules, errors = load_rules([path], {**beside, **lists})
    if list_errors or errors:
        raise BacktestError(str([*list_errors, *errors][0]))
    if not rules:
        raise BacktestError(f"--with {text}: there is no rule in it. Rules are *.yaml files in a folder per typology.")
    pool |= {rule.id: rule for rule in rules}
    new = {name: each for name, each in beside.items() if name not in lists}
    passed_over = ", ".join(sorted(name for name, each in beside.items() if name in lists and _differs(each, lists)))
    note = f"{text}: lists beside it are not taken where one is in force ({passed_over}). Name each with --with."
    found = [_file(text, rule, new) for rule in rules]
    if passed_over and path.is_dir():
        found[0] = replace(found[0], note=". ".join(filter(None, (found[0].note, note))))
    return found


def _differs(one: NamedList, lists: Mapping[str, NamedList]) -> bool:
    return set(one.words) != set(lists[one.name].words)


def _list_files(path: Path) -> list[Path]:
    """The lists that a path names: itself, or all files of a folder of lists; none where it holds rules."""
    files = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
    is_lists = files and all(_IS_LIST.search(file.read_text(encoding="utf-8", errors="replace")) for file in files)
    return files if is_lists else []


def _list(text: str, file: Path, pool: Mapping[str, Rule], lists: Mapping[str, NamedList]) -> Change:
    try:
        new = load_list(file)
    except RuleError as error:
        raise BacktestError(str(error)) from None
    former = lists.get(new.name)
    if former is not None and former.vocabulary != new.vocabulary:
        raise BacktestError(
            f"--with {text}: the list {new.name} in force holds words of the vocabulary {former.vocabulary}, this one "
            f"of {new.vocabulary}, so no rule could ask it. Give it another name, or the words of that vocabulary."
        )
    before = set(former.words) if former is not None else set()
    note = (
        f"list {new.name}: {len(set(new.words) - before)} words added and {len(before - set(new.words))} taken out, "
        "over the whole log"
    )
    if not any(isinstance(each, Membership) and each.list_name == new.name for r in pool.values() for each in nodes(r)):
        note = f"list {new.name}: no rule asks it, so it changes nothing"
    return Change(text, "", lambda rules: rules, {new.name: new}, note)


def _file(text: str, rule: Rule, new_lists: Mapping[str, NamedList]) -> Change:
    if rule.status == "retired":
        return replace(_removal(text, rule.id), note=f"{rule.id} is retired in {text}: it is taken out.")
    note = f"{rule.id} is a draft: it is judged in shadow. Add --with {rule.id}@active to see it as alerts."

    def apply(before: RulesInForce) -> RulesInForce:
        replaced = before.rules.get(rule.id)
        # A rule that nobody has approved stays in shadow when its file changes.
        is_live = rule.status == "active" and (
            replaced is None or replaced.status != "active" or rule.id in before.live
        )
        live = before.live | {rule.id} if is_live else before.live - {rule.id}
        return RulesInForce({**before.rules, rule.id: rule}, live)

    return Change(text, rule.id, apply, new_lists, note if rule.status == "draft" else "")


def _scope(text: str, scope: str | None) -> tuple[str | None, str | None]:
    """Segment and jurisdiction that ``[...]`` names."""
    words = [word.strip() for word in scope.split(",")] if scope is not None else []
    if scope is not None and (not all(words) or len(words) > 2):
        raise BacktestError(f"--with {text}: [{scope}] names no scope. Write [segment], [US] or [segment,US].")
    jurisdictions = [word for word in words if word in COUNTRY_CODE]
    segments = [word for word in words if word not in COUNTRY_CODE]
    if len(jurisdictions) > 1 or len(segments) > 1:
        raise BacktestError(f"--with {text}: [{scope}] names two of a kind. Write [segment], [US] or [segment,US].")
    return (segments or [None])[0], (jurisdictions or [None])[0]  # type: ignore[list-item]


def parse_value(text: str, unit: Unit, *, place: str) -> int | Decimal | str:
    """A parameter's value as a rule file writes it: ``10000.00``, ``3``, ``0.9``, ``24h``, a word.

    Raises:
        BacktestError: It is no value of the unit.
    """
    try:
        match unit.kind:
            case Kind.MONEY:
                return parse_amount_minor(text, unit.detail or "USD")
            case Kind.COUNT:
                return int(text)
            case Kind.SHARE:
                return _share(text)
            case Kind.DURATION:
                return parse_duration_us(text)
        if not text:
            raise ValueError
        return text
    except ValueError:
        forms = {Kind.MONEY: "10000.00", Kind.COUNT: "3", Kind.SHARE: "0.9", Kind.DURATION: "24h"}
        raise BacktestError(
            f"{place}: '{text}' is no value in {unit}. Write for example {forms.get(unit.kind, 'a word')}."
        ) from None


def _share(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError from None
    if not value.is_finite() or value < 0:
        raise ValueError
    return value


def with_value(
    rule: Rule, name: str, value: int | Decimal | str, *, segment: str | None = None, jurisdiction: str | None = None
) -> Rule:
    """The rule with one value of a parameter moved, for all time; a scope without a row of its own gets one."""
    parameter = rule.parameters[name]
    rows = tuple(replace(row, value=value) if _is_of(row, segment, jurisdiction) else row for row in parameter.rows)
    if not any(_is_of(row, segment, jurisdiction) for row in parameter.rows):
        first = min(parameter.rows, key=lambda row: row.from_us)
        added = replace(first, value=value, segment=segment, jurisdiction=jurisdiction, cite="change under test")
        rows = (*rows, added)
    return with_rows(rule, parameter, rows)


def with_rows(rule: Rule, parameter: Parameter, rows: tuple[ParameterRow, ...]) -> Rule:
    """The rule with other rows of a parameter, and the digest that goes with them."""
    moved = replace(rule, parameters={**rule.parameters, parameter.name: replace(parameter, rows=rows)})
    return replace(moved, digest=rule_digest(moved))


def scope_words(row: ParameterRow) -> str:
    """The scope of a row as ``--with`` writes it."""
    scope = ",".join(each for each in (row.segment, row.jurisdiction) if each)
    return f"[{scope}]" if scope else "general"


def _is_of(row: ParameterRow, segment: str | None, jurisdiction: str | None) -> bool:
    return row.segment == segment and row.jurisdiction == jurisdiction
