"""A rule in one paragraph, with the values in force for a segment, a jurisdiction and a day."""

from dataclasses import dataclass

from monitor.domain.time import format_time
from monitor.rulebook.parameters import value_in_force
from monitor.rulebook.rule import ANY, Logic, Name, Node, Parameter, Rule
from monitor.rulebook.walk import walk
from monitor.rulebook.worded import duration_in_words, in_words, measure_in_words, value_in_words, window_in_words


@dataclass(frozen=True, slots=True)
class ValueInForce:
    """A parameter's value, or ``none in force``; ``scope`` says for whom the row was written."""

    name: str
    value: str
    since: str
    scope: str
    cite: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a rule does, in words."""

    paragraph: str
    values: tuple[ValueInForce, ...]
    windows: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...]
    """Name, sentence, and (measure, what it is)."""
    conditions: tuple[str, ...]
    """The parts that must all hold."""


def explain_rule(rule: Rule, *, time_us: int, segment: str | None, jurisdiction: str | None) -> Explanation:
    """The rule in words.

    Args:
        rule: The rule.
        time_us: The moment whose values are shown, microseconds since 1970 UTC.
        segment: The customer's segment, ``None`` for the general values.
        jurisdiction: The booking entity's country, likewise.
    """
    values = tuple(_in_force(parameter, time_us, segment, jurisdiction) for parameter in rule.parameters.values())
    conditions = tuple(_parts(rule.when))
    return Explanation(
        paragraph=_paragraph(rule, conditions, values),
        values=values,
        windows=tuple(
            (window.name, window_in_words(window), tuple((m.name, measure_in_words(m)) for m in window.measures))
            for window in rule.windows.values()
        ),
        conditions=conditions,
    )


def _parts(node: Node) -> list[str]:
    if isinstance(node, Logic) and node.op == "and":
        return [in_words(part, inner=True) for part in node.parts]
    return [in_words(node)]


def _in_force(parameter: Parameter, time_us: int, segment: str | None, jurisdiction: str | None) -> ValueInForce:
    row = value_in_force(parameter, time_us=time_us, segment=segment, jurisdiction=jurisdiction)
    if row is None:
        return ValueInForce(parameter.name, "none in force", "", "", "", parameter.meaning)
    scope = ", ".join(each for each in (row.segment, row.jurisdiction) if each) or "general"
    value = value_in_words(row.value, parameter.unit)
    return ValueInForce(parameter.name, value, format_time(row.from_us)[:10], scope, row.cite, parameter.meaning)


def _paragraph(rule: Rule, conditions: tuple[str, ...], values: tuple[ValueInForce, ...]) -> str:
    where = "every booking entity" if ANY in rule.jurisdictions else " and ".join(rule.jurisdictions)
    known = {value.name: value.value for value in values}
    clause = ", and ".join(_with_values(each, known) for each in conditions)
    sentences = [
        rule.description,
        f"In {where} it looks at every payment{_booked(rule)} and raises an alert if {clause}.",
        *(f'"{window.name}" holds {_with_values(window_in_words(window), known)}.' for window in rule.windows.values()),
        f"The alert is about the {rule.alert.subject.replace('_', ' ')}.",
    ]
    if rule.kind == "obligation":
        sentences.append("It is an obligation: it is never held back.")
    elif rule.alert.quiet_us:
        sentences.append(f"Further matches stay quiet for {duration_in_words(rule.alert.quiet_us)}.")
    return " ".join(sentences)


def _booked(rule: Rule) -> str:
    """A condition that asks for the status sees payments that were not booked."""
    asks = any(isinstance(node, Name) and node.name == "status" for node in walk(rule.when))
    return "" if asks else " that is booked"


def _with_values(clause: str, known: dict[str, str]) -> str:
    """The clause with each parameter's name replaced by its value."""
    words = clause.split(" ")
    return " ".join(_replaced(word, known) for word in words)


def _replaced(word: str, known: dict[str, str]) -> str:
    bare = word.strip("(),")
    return word.replace(bare, known[bare]) if bare in known else word
