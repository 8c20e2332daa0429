"""Small rules and payments for tests of verdicts: everything has a harmless default."""

from decimal import Decimal
from typing import Any

from monitor.domain.fields import FIELDS
from monitor.domain.money import parse_amount_minor
from monitor.domain.time import HOUR_US, parse_duration_us, parse_time_us
from monitor.domain.units import COUNT, DURATION, SHARE, money
from monitor.domain.vocabulary import CALENDARS
from monitor.rulebook.expression import Scope, compile_condition
from monitor.rulebook.reference import PlainSide, PlainTransaction
from monitor.rulebook.rule import AlertText, Measure, Name, Parameter, ParameterRow, Place, Rule, Window
from monitor.rulebook.source import Source

HERE = Place("small.yaml", 1)
START_US = parse_time_us("2026-05-04T00:00:00Z")
UNITS = {"count": COUNT, "share": SHARE, "duration": DURATION}


def parameter(name: str, unit: str, *rows: tuple[Any, ...]) -> Parameter:
    """A parameter from rows of (value as text, from, segment, jurisdiction), the last three may be left out."""
    made = []
    for value, *scope in rows:
        start, segment, jurisdiction = (*scope, *(None, None, None))[:3]
        from_us = parse_time_us(f"{start}T00:00:00Z") if start else 0
        made.append(ParameterRow(from_us, _value(value, unit), "test", segment, jurisdiction, HERE))
    return Parameter(name, UNITS.get(unit) or money(unit), "", tuple(made))


def _value(text: str, unit: str) -> int | Decimal | str:
    if unit == "count":
        return int(text)
    if unit == "share":
        return Decimal(text)
    return parse_duration_us(text) if unit == "duration" else parse_amount_minor(text, unit)


def window(over: str, measures: dict[str, str], *, where: str | None = None, by: str = "customer",
           currency: str = "USD", name: str = "w", parameters: tuple[Parameter, ...] = ()) -> Window:  # fmt: skip
    """A window from texts, such as ``window("24h", {"total": "sum(amount)"})``."""
    calendar = over if over in CALENDARS else None
    scope = Scope({p.name: p for p in parameters}, {}, {}, currency, is_filter=True)
    condition = None if where is None else compile_condition(Source.of(where), scope)
    made = tuple(_measure(name, text, currency) for name, text in measures.items())
    over_us = None if calendar else parse_duration_us(over)
    return Window(name, over_us, calendar, by, currency, condition, made, HERE)


def _measure(name: str, text: str, currency: str) -> Measure:
    function, _, rest = text.partition("(")
    field = rest.rstrip(")")
    if not field:
        return Measure(name, function, None, COUNT)
    unit = money(currency) if field == "amount" else FIELDS[field].unit
    result = COUNT if function == "distinct" else unit
    return Measure(name, function, Name(field, unit, field), result)


def rule(when: str, *windows: Window, parameters: tuple[Parameter, ...] = (), quiet: str = "0s",
         subject: str = "customer", jurisdictions: tuple[str, ...] = ("any",), kind: str = "suspicion",
         lists: dict[str, str] | None = None, rule_id: str = "AML-TST-001") -> Rule:  # fmt: skip
    """A rule with the given condition."""
    named = {one.name: one for one in parameters}
    scope = Scope(named, {one.name: one for one in windows}, lists or {}, "USD")
    return Rule(
        id=rule_id, title="", typology="structuring", kind=kind, status="active", version=1, severity="low",
        jurisdictions=jurisdictions, description="", references=(), false_positives=(), blind_spots=(),
        parameters=named, windows={one.name: one for one in windows}, when=compile_condition(Source.of(when), scope),
        alert=AlertText(subject, parse_duration_us(quiet), ""), approval=None, tests=(),
    )  # fmt: skip


def paid_in(position: int, at: str, amount: str | None = "100.00", *, customer: str = "C1", segment: str | None = None,
            sender: str | None = "S1", **fields: Any) -> PlainTransaction:  # fmt: skip
    """A payment to ``customer`` at a time after the start, in USD unless said otherwise."""
    currency = fields.pop("currency", "USD")
    profile = {"segment": segment} if segment else {}
    profile |= fields.pop("profile", {})
    given: dict[str, Any] = {"channel": "wire", "transaction_id": f"T{position}"} | fields
    return PlainTransaction(
        position=position,
        booked_at_us=START_US + parse_duration_us(at),
        amount_minor=None if amount is None else parse_amount_minor(amount, currency),
        currency=currency,
        debtor=PlainSide(account=sender),
        creditor=PlainSide(holder=customer, account=f"{customer}-1", customer=customer, profile=profile),
        **given,
    )


def paid_out(position: int, at: str, amount: str = "100.00", *, customer: str = "C1", receiver: str | None = "P1",
             **fields: Any) -> PlainTransaction:  # fmt: skip
    """A payment of ``customer`` to someone outside."""
    mirrored = paid_in(position, at, amount, customer=customer, sender=receiver, **fields)
    values = {name: getattr(mirrored, name) for name in mirrored.__slots__}
    return PlainTransaction(**(values | {"debtor": mirrored.creditor, "creditor": mirrored.debtor}))


def hours(count: int) -> int:
    """Microseconds of that many hours."""
    return count * HOUR_US
