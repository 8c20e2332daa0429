"""The facts and numbers of an alert, as stored and as they come out again, in words that can be compared."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from monitor.app.courses import quantity_of
from monitor.app.explained import Compared, ComparedMeasure, Part
from monitor.app.rerun_flow import flow_names
from monitor.app.rerunning import Evidence, Rerun
from monitor.domain.alert import ParameterInForce, Quantity
from monitor.domain.flow import finding_of
from monitor.domain.time import format_time
from monitor.domain.units import Kind
from monitor.domain.vocabulary import RISK_RATINGS
from monitor.engine.findings import TRANSACTIONS_MAX
from monitor.engine.sentences import quantity_of_parts
from monitor.rulebook.duty import duty_terms
from monitor.rulebook.reference import Value
from monitor.rulebook.rule import Name, Node
from monitor.rulebook.walk import walk
from monitor.rulebook.worded import in_words


def differences_of(facts: Sequence[Compared], measures: Sequence[ComparedMeasure]) -> list[str]:
    """What comes out otherwise, in words."""
    return [
        *(f"{each.name}: stored {each.stored}, again {each.again}" for each in facts if not each.is_same),
        *(f"{each.name}: stored {plain(each.stored)}, again {plain(each.again)}"
          for each in measures if not each.is_same),
    ]  # fmt: skip


def measures_of(evidence: Evidence, again: Rerun) -> list[ComparedMeasure]:
    """The alert's numbers, and those that come out again, by name."""
    rule, verdict = again.recomputed.rule, again.recomputed.verdict
    found: dict[str, Quantity] = {
        f"{window.name}.{measure.name}": quantity_of(verdict.measures[f"{window.name}.{measure.name}"], measure.unit)
        for window in rule.windows.values()
        for measure in window.measures
    }
    for node in walk(rule.when):
        if node.text in evidence["measures"] and node.text not in found:
            found[node.text] = quantity_of(again.recomputed.value(node), node.unit)
    missing = Quantity(None, "", "absent")
    stored = {name: Quantity(q["value"], q["unit"], q["bound"]) for name, q in evidence["measures"].items()}
    names = list(dict.fromkeys([*stored, *found]))
    return [ComparedMeasure(name, stored.get(name, missing), found.get(name, missing)) for name in names]


def parameters_of(again: Rerun) -> dict[str, ParameterInForce]:
    """The parameters in force that come out again, by name."""
    found = {}
    for name, row in again.recomputed.verdict.parameters.items():
        if row is not None:
            unit, value = again.rule.parameters[name].unit, row.value
            text = value if isinstance(value, str) else quantity_of_parts(Decimal(value).as_integer_ratio(), unit).value
            since = format_time(row.from_us)[:10]
            found[name] = ParameterInForce(text or "", str(unit), row.cite, since, row.segment, row.jurisdiction)
    return found


def as_stored(row: ParameterInForce) -> dict[str, str | None]:
    """A parameter's row as the stored evidence has it."""
    return {name: getattr(row, name) for name in ParameterInForce.__struct_fields__}


def row_words(row: dict[str, str | None]) -> str:
    """A parameter with its source, the day from which it holds, and its scope."""
    scope = ", ".join(each for each in (row["segment"], row["jurisdiction"]) if each) or "general"
    return f"{row['value']} {row['unit']} ({row['cite']}, since {row['since']}, {scope})"


def words_named(again: Rerun) -> dict[str, Quantity]:
    """Words that the sentence may name."""
    return {
        node.text: quantity_of(again.recomputed.value(node), node.unit)
        for node in walk(again.recomputed.rule.when)
        if isinstance(node, Name) and node.unit.kind is Kind.CATEGORY
    }


def positions_of(again: Rerun) -> list[int]:
    """The payments behind the alert: those in the rule's windows and the completing one, the newest of them."""
    leg, duty, behind = again.recomputed.leg, duty_terms(again.rule), again.recomputed.behind()
    own = duty.by_way[duty.way(is_credit=leg.role == "credit")].windows if duty else behind
    inside = {position for name in own for position in behind[name]}
    findings = {finding_of(name) for name in flow_names(again.rule)} - {-1}
    if findings:
        traced = again.recomputed.run.history.traced[leg.position]
        inside |= {position for finding in findings for position in traced.paths.get(finding, ())}
    return sorted({*inside, leg.position})[-TRANSACTIONS_MAX:]


def negated(part: Part, node: Node, truth: str, depth: int) -> Part:
    """A part of a condition under its ``not``."""
    words, text = in_words(node, inner=True), node.text
    return Part(depth, words, text, truth, None, part.actual, None, part.threshold)


def truth_of(value: Value) -> str:
    """``true``, ``false`` or ``unknown``."""
    return "unknown" if value.is_unknown else str(value.value).lower()


def rating_of(again: Rerun) -> str | None:
    """The rating of the profile that was in force again."""
    rating = again.profile.risk_rating if again.profile else -1
    return RISK_RATINGS[rating] if rating >= 0 else None


def word(value: Any) -> str:
    """A value as it is compared."""
    return "none" if value is None else str(value)


def plain(quantity: Quantity) -> str:
    """A quantity as it is compared."""
    if quantity.value is None:
        return quantity.bound
    return f"{'at least ' if quantity.bound == 'at_least' else ''}{quantity.value} {quantity.unit}"
