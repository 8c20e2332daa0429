"""What loads but deserves a second look: dead tunables, stale readings, fields nobody asks about."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from monitor.domain.fields import FIELDS
from monitor.domain.time import DAY_US
from monitor.rulebook.lists import NamedList
from monitor.rulebook.rule import Call, MeasureName, Membership, Name, Node, ParameterName, PeerName, Place, Rule
from monitor.rulebook.walk import nodes, walk

READ_DAYS_MAX = 365
"""A source that was last read longer ago should be read again."""
WARNING, ADVICE = "warning", "advice"
_ALWAYS_GIVEN = frozenset({"amount", "channel", "account"})
"""Fields that may be missing but that nearly every source gives; not worth a line in every rule."""


@dataclass(frozen=True, slots=True)
class LintFinding:
    """One remark on one rule. A warning fails ``aml rules lint``; an advice does not."""

    level: str
    rule_id: str
    place: Place
    fact: str
    remedy: str


def lint_rules(rules: Sequence[Rule], lists: Mapping[str, NamedList], *, today_us: int) -> list[LintFinding]:
    """All remarks, warnings first within each rule.

    Args:
        rules: The rules.
        lists: The lists loaded, to say which are old or unused.
        today_us: The day of the check; the core has no clock.
    """
    findings: list[LintFinding] = []
    for rule in rules:
        of_rule = [*_dead(rule), *_stale(rule, today_us), *_scopes(rule), *_text(rule), *_never_asked(rule)]
        findings += sorted(of_rule, key=lambda finding: finding.level == ADVICE)
    return findings + list(_lists(rules, lists, today_us))


def _dead(rule: Rule) -> Iterator[LintFinding]:
    used = {node.name for node in nodes(rule) if isinstance(node, ParameterName)}
    for parameter in rule.parameters.values():
        if parameter.name not in used:
            yield LintFinding(WARNING, rule.id, parameter.rows[0].place, f"no condition uses '{parameter.name}'",
                              "Remove it: analysts would tune it and nothing would change.")  # fmt: skip
    measured = {(n.window, n.measure) for n in nodes(rule) if isinstance(n, MeasureName | PeerName)}
    for window in rule.windows.values():
        for measure in window.measures:
            shown = f"{{{window.name}.{measure.name}}}" in rule.alert.text
            if (window.name, measure.name) not in measured and not shown:
                yield LintFinding(WARNING, rule.id, window.place, f"nothing uses '{window.name}.{measure.name}'",
                                  "Remove the measure, or show it in the alert's text.")  # fmt: skip


def _stale(rule: Rule, today_us: int) -> Iterator[LintFinding]:
    for reference in rule.references:
        age_days = (today_us - _day_us(reference.read)) // DAY_US
        if age_days > READ_DAYS_MAX:
            yield LintFinding(WARNING, rule.id, rule.place, f"'{reference.cite}' was last read {age_days} days ago",
                              "Read the source again and write the date under read.")  # fmt: skip
        elif age_days < 0:
            yield LintFinding(WARNING, rule.id, rule.place, f"'{reference.cite}' was read on {reference.read}",
                              "That day has not come yet. Correct the date.")  # fmt: skip


def _scopes(rule: Rule) -> Iterator[LintFinding]:
    for parameter in rule.parameters.values():
        if all(row.segment or row.jurisdiction for row in parameter.rows):
            yield LintFinding(WARNING, rule.id, parameter.rows[0].place,
                              f"'{parameter.name}' has no general value",
                              "Everyone else is undecided. Add a row without segment and jurisdiction.")  # fmt: skip


def _text(rule: Rule) -> Iterator[LintFinding]:
    if rule.windows and not any(f"{{{window}." in rule.alert.text for window in rule.windows):
        yield LintFinding(ADVICE, rule.id, rule.place, "the alert's text shows no measure",
                          "Analysts see numbers faster than reasons: name one, such as {window.total}.")  # fmt: skip
    if rule.approval and rule.approval.is_example and rule.status == "active":
        yield LintFinding(ADVICE, rule.id, rule.place, "approved as an EXAMPLE only",
                          "It runs in shadow until the bank approves it, or with --approve-examples.")  # fmt: skip


def _never_asked(rule: Rule) -> Iterator[LintFinding]:
    asked = {_name(part) for node in nodes(rule) if isinstance(node, Call) and node.function == "known"
             for part in node.arguments}  # fmt: skip
    missing = dict.fromkeys(
        _name(node) for node in walk(rule.when) if _may_be_missing(node) and _name(node) not in asked
    )
    if missing:
        yield LintFinding(ADVICE, rule.id, rule.place, f"undecided where not known: {', '.join(missing)}",
                          "If that is not meant, ask with known(...).")  # fmt: skip


def _may_be_missing(node: Node) -> bool:
    if isinstance(node, Name):
        return FIELDS[node.name].may_be_missing and node.name not in _ALWAYS_GIVEN
    return isinstance(node, PeerName)


def _name(node: Node) -> str:
    if isinstance(node, PeerName):
        return f"peer.{node.window}.{node.measure}.{node.quantile}"
    return node.name if isinstance(node, Name) else node.text


def _lists(rules: Sequence[Rule], lists: Mapping[str, NamedList], today_us: int) -> Iterator[LintFinding]:
    used = {node.list_name for rule in rules for node in nodes(rule) if isinstance(node, Membership)}
    for each in lists.values():
        if each.name in used and (today_us - _day_us(each.as_of)) // DAY_US > READ_DAYS_MAX:
            yield LintFinding(WARNING, f"list.{each.name}", each.place, f"the list is as of {each.as_of}",
                              "Compare it with its source and give it a new version.")  # fmt: skip


def _day_us(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * 1_000_000
