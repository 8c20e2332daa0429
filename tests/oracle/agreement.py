"""What an alert of the engine and a verdict of the slow evaluator must have in common."""

from typing import Any

from monitor.domain.alert import Alert, Quantity
from monitor.engine.sentences import quantity_of_parts
from monitor.rulebook.reference import Value, Verdict
from monitor.rulebook.reference.evaluator import kind_of
from monitor.rulebook.rule import Name, Rule
from monitor.rulebook.walk import walk

_ROLES = {"debit": "debtor", "credit": "creditor"}
_WORDS = {"alert": "new", "quiet": "quiet"}


def said_slowly(rule: Rule, verdict: Verdict) -> tuple[Any, ...]:
    """Role, subject, status and the numbers that an alert must show."""
    units = {f"{window.name}.{each.name}": each.unit for window in rule.windows.values() for each in window.measures}
    numbers = {name: _quantity(value, units[name]) for name, value in verdict.measures.items()}
    side = _ROLES[verdict.leg_role] if kind_of(rule) in ("customer", "pair", "person") else None
    return side, verdict.subject, _WORDS[str(verdict.status)], numbers, _evidence(rule, verdict.transactions)


def _quantity(value: Value, unit: Any) -> Quantity:
    if value.is_unknown or value.value is None:
        return Quantity(None, str(unit), "unknown")
    assert not isinstance(value.value, str)
    return quantity_of_parts(value.value.as_integer_ratio(), unit, value.bound)


def said(rule: Rule, alert: Alert) -> tuple[Any, ...]:
    """The same of an alert. It shows further numbers too, and names the leg of another party by what that is."""
    names = {f"{window.name}.{each.name}" for window in rule.windows.values() for each in window.measures}
    numbers = {name: value for name, value in alert.measures.items() if name in names}
    subject = bytes.fromhex(alert.subject.token).decode()
    return _side(alert.leg_role), subject, alert.status, numbers, _evidence(rule, alert.transactions)


def _evidence(rule: Rule, positions: tuple[int, ...]) -> tuple[int, ...]:
    """The payments behind a match, where both say the same of them.

    Of an obligation only those of one direction count, and of a rule that follows money the alert names the way it took
    as well; their own tests compare these.
    """
    follows_money = any(isinstance(each, Name) and each.name.startswith("flow.") for each in walk(rule.when))
    return () if rule.kind == "obligation" or follows_money else tuple(sorted(positions))


def _side(leg_role: str) -> str | None:
    """Whose side of the payment a leg is on, where its name says so."""
    side = leg_role.partition("_")[0]
    return side if side in _ROLES.values() else None
