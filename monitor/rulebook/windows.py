"""The windows of a rule: how long, by which key, in which currency, over which events, measuring what."""

import ast
from collections.abc import Mapping
from dataclasses import replace

from monitor.domain.fields import FIELDS
from monitor.domain.money import CURRENCY_CODE
from monitor.domain.units import COUNT, Kind, Unit, money
from monitor.domain.vocabulary import CALENDARS, WINDOW_KEYS
from monitor.rulebook import entries
from monitor.rulebook.calls import MEASURE_FUNCTIONS
from monitor.rulebook.document import Keyed, Scalar
from monitor.rulebook.expression import Scope, compile_condition
from monitor.rulebook.names import attribute_path, did_you_mean
from monitor.rulebook.rule import Measure, Name, Parameter, Place, Window
from monitor.rulebook.rule_error import RuleError
from monitor.rulebook.source import Source, parse

WINDOWS_MAX = 16
MEASURES_MAX = 16
_KEYS = ("over", "by", "currency", "where", "measures")


def currency_of(parameters: Mapping[str, Parameter]) -> str | None:
    """The single currency of the money parameters, or ``None`` if there is none or more than one."""
    found = {each.unit.detail for each in parameters.values() if each.unit.kind is Kind.MONEY}
    return next(iter(found)) if len(found) == 1 else None


def windows(
    tree: Keyed, parameters: Mapping[str, Parameter], list_vocabularies: Mapping[str, str]
) -> dict[str, Window]:
    """All windows by name.

    Raises:
        RuleError: A window is wrong in itself, or two of them cannot stand in one rule.
    """
    if "windows" not in tree.items:
        return {}
    form = "a name, and under it over, by, where and measures"
    entry = entries.keyed(tree.items["windows"], "'windows'", form)
    if len(entry.items) > WINDOWS_MAX:
        raise RuleError(entry.place, f"{len(entry.items)} windows", f"At most {WINDOWS_MAX} are read.",
                        "Split the rule.")  # fmt: skip
    scope = Scope(parameters, {}, list_vocabularies, currency_of(parameters), is_filter=True)
    read: dict[str, Window] = {}
    for key, node in entry.items.items():
        place = entry.key_places[key]
        entries.name(key, place, "window")
        if key in parameters or key in FIELDS or key in ("profile", "peer", "list", "flow", "model"):
            raise RuleError(place, f"the window is named '{key}'", "That name means something else in the logic.",
                            "Choose another name.")  # fmt: skip
        read[key] = _window(key, place, entries.keyed(node, f"the window '{key}'", form), scope)
    _check_keys(read)
    return read


def _check_keys(read: Mapping[str, Window]) -> None:
    own = {"customer", "account"}
    first: Window | None = None
    for window in read.values():
        if first and window.by != first.by and not {window.by, first.by} <= own:
            raise RuleError(window.place, f"windows by {first.by} and by {window.by} in one rule",
                            f"'{first.name}' on line {first.place.line} follows another party, and one condition "
                            "cannot see both.",
                            "Split the rule. Only customer and account stand together.")  # fmt: skip
        first = first or window


def _window(name: str, place: Place, tree: Keyed, scope: Scope) -> Window:
    what = f"the window '{name}'"
    entries.only_keys(tree, _KEYS, what)
    remedy = f"Write a length such as 24h, or one of {', '.join(CALENDARS)}."
    over = entries.text(tree, "over", what, remedy)
    calendar = over if over in CALENDARS else None
    over_us = None if calendar else entries.duration(tree, "over", what)
    by = entries.word(tree, "by", what, WINDOW_KEYS)
    currency = scope.currency
    if "currency" in tree.items:
        currency = entries.text(tree, "currency", what, "Write for example currency: USD.")
        if currency not in CURRENCY_CODE:
            raise RuleError(tree.items["currency"].place, f"the currency '{currency[:20]}' of {what}",
                            "It is no currency of ISO 4217.", "Write for example USD.")  # fmt: skip
    where = None
    if "where" in tree.items:
        node = entries.need(tree, "where", what, "Write a condition, or remove where.")
        if not isinstance(node, Scalar):
            raise RuleError(node.place, f"'where' of {what} is no condition", "It is one sentence of the rule "
                            "language.", 'Write for example where: direction == "credit".')  # fmt: skip
        where = compile_condition(Source.at(node), replace(scope, currency=scope.currency or currency))
    measures = _measures(tree, what, currency, scope)
    return Window(name, over_us, calendar, by, currency, where, measures, place)


def _measures(tree: Keyed, what: str, currency: str | None, scope: Scope) -> tuple[Measure, ...]:
    form = "{total: sum(amount), payers: distinct(counterparty)}"
    node = entries.keyed(entries.need(tree, "measures", what, f"Write {form}."), f"'measures' of {what}", form)
    if not 1 <= len(node.items) <= MEASURES_MAX:
        raise RuleError(node.place, f"{len(node.items)} measures in {what}", f"A window has 1 to {MEASURES_MAX}.",
                        f"Write for example {form}.")  # fmt: skip
    read = []
    for name, text in node.items.items():
        entries.name(name, node.key_places[name], "measure")
        if not isinstance(text, Scalar):
            raise RuleError(text.place, f"the measure '{name}' of {what} is no function", "It measures something.",
                            f"Write for example {form}.")  # fmt: skip
        read.append(_measure(name, Source.at(text), what, currency))
    return tuple(read)


def _measure(name: str, source: Source, what: str, currency: str | None) -> Measure:
    tree = parse(source)
    remedy = "Write count(), sum(amount), min(amount), max(amount), mean(amount), median(amount) or distinct(field)."
    function = tree.func.id if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) else ""
    if not isinstance(tree, ast.Call) or function not in MEASURE_FUNCTIONS or tree.keywords:
        raise source.error(tree, f"'{source.segment(tree)[:60]}' is no measure of {what}",
                           "A measure is one of seven functions.", remedy)  # fmt: skip
    if function == "count":
        if tree.args:
            raise source.error(tree, "count with an argument", "It counts the payments that pass the filter.",
                               "Write count().")  # fmt: skip
        return Measure(name, function, None, COUNT)
    path = attribute_path(tree.args[0]) if len(tree.args) == 1 else None
    field = FIELDS.get(".".join(path)) if path else None
    if field is None:
        given = ".".join(path) if path else ""
        raise source.error(tree, f"'{source.segment(tree)[:60]}' measures no field", f"{function} takes one field.",
                           did_you_mean(given, list(FIELDS)) if given else remedy)  # fmt: skip
    if function == "distinct":
        if field.unit.kind is not Kind.CATEGORY:
            raise source.error(tree, f"distinct over {field.name}, which is {field.unit.kind.value}",
                               "Different words can be counted.",
                               "Write for example distinct(counterparty).")  # fmt: skip
        return Measure(name, function, Name(field.name, field.unit, field.name), COUNT)
    if field.name != "amount":
        raise source.error(tree, f"{function} over {field.name}", "Only the amount of the payment is added up.",
                           f"Write {function}(amount).")  # fmt: skip
    return Measure(name, function, Name("amount", _settled(source, tree, what, currency), "amount"),
                   _settled(source, tree, what, currency))  # fmt: skip


def _settled(source: Source, tree: ast.expr, what: str, currency: str | None) -> Unit:
    if currency is None:
        raise source.error(tree, f"{what} adds up money without a currency",
                           "The rule's parameters name no currency, or more than one.",
                           "Add currency: USD to the window.")  # fmt: skip
    return money(currency)
