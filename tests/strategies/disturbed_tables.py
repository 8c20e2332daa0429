"""Random tables around a rule: its own tests, joined and disturbed where the rule looks.

The tests of a rule stand on both sides of each of its values, so what is drawn from them reaches it. Times move to
the edges of the windows and behind the clock, amounts by a cent and to the parameters, words to others that the rule
has rows for or to unknown; records come twice, are attempted, rejected, taken back; parties change places.
"""

import random
from dataclasses import replace

from monitor.domain.fields import FIELDS
from monitor.domain.time import DAY_US, HOUR_US, MINUTE_US, format_duration, parse_duration_us
from monitor.domain.units import Kind
from monitor.rulebook.mutation import shown_value
from monitor.rulebook.rule import Rule, TableTest
from monitor.rulebook.tables import UNKNOWN_CELL, field_of_column

ROWS_MAX = 90
REMEMBERED_US = 35 * DAY_US
_PARTIES = ("customer", "conductor", "on_behalf_of")
_KEYS = {"conductor": "P1 P2 C1 -", "on_behalf_of": "P1 Q1 C1 -", "counterparty": "X1 X2 -", "device": "D1 D2 -",
         "link": "L1 L2 -", "counterparty_agent": "BANKDEFF BANKGB2L -", "account": "A1 A2 -"}  # fmt: skip
_STATUSES = ("attempted", "rejected", "reversed", "returned")
Row = dict[str, str]


def disturbed(rule: Rule, rng: random.Random) -> TableTest:
    """A table of the rule's rows and others close to them; its last column means nothing."""
    test = rng.choice(rule.tests)
    if rng.random() < 0.5 and not any(row["expect"] == "alert" for row in test.rows):
        test = next(each for each in rule.tests if any(row["expect"] == "alert" for row in each.rows))
    rows = [dict(row) for row in test.rows]
    if rng.random() < 0.5:
        rows += [dict(row) for row in rng.choice(rule.tests).rows]
    if rng.random() < 0.5:
        rows.sort(key=lambda row: parse_duration_us(row["at"]))
    begin = rng.randrange(len(rows) - ROWS_MAX) if len(rows) > ROWS_MAX else 0
    rows, faults = rows[begin : begin + ROWS_MAX], rng.choice((0.02, 0.1, 0.3))
    cells = _cells(rule)
    done: list[Row] = []
    first_us: dict[str, int] = {}
    clock_us = 0
    for number, row in enumerate(rows):
        moved = _moved(row, rule, cells, rng) if rng.random() < faults else row
        named = moved | {"id": moved.get("id", f"T{number}")}
        # An id is remembered for a bounded time, so only what comes soon enough is a repeat or finds its original.
        clock_us = max(clock_us, parse_duration_us(named["at"]))
        known = [each for each, at_us in first_us.items() if clock_us - at_us <= REMEMBERED_US]
        if known and rng.random() < faults / 4:
            named["id"] = rng.choice(known)
        if known and rng.random() < faults / 4:
            named |= {"reverses": rng.choice(known), "status": rng.choice(("booked", *_STATUSES[2:]))}
        first_us.setdefault(named["id"], parse_duration_us(named["at"]))
        done.append(named)
    jurisdiction = rng.choice((test.jurisdiction, test.jurisdiction, test.jurisdiction, "ZW"))
    return replace(test, rows=tuple(done), jurisdiction=jurisdiction)


def _cells(rule: Rule) -> dict[str, list[str]]:
    """The cells of each column in all tests, the parameters among the amounts, and further keys where kept."""
    found: dict[str, list[str]] = {}
    for test in rule.tests:
        for row in test.rows:
            for column, cell in row.items():
                if cell not in found.setdefault(column, []):
                    found[column].append(cell)
    for parameter in rule.parameters.values():
        if parameter.unit.kind is Kind.MONEY:
            found["amount"] += [shown_value(row.value, parameter.unit) for row in parameter.rows]
    for key in {window.by for window in rule.windows.values()} | {rule.alert.subject}:
        for column in ("conductor", "on_behalf_of") if key == "person" else (_column(key),):
            if column in _KEYS:
                found[column] = found.get(column, []) + _KEYS[column].split()
    return found


def _column(key: str) -> str:
    return {"agent": "counterparty_agent", "pair": "counterparty"}.get(key, key)


def _moved(row: Row, rule: Rule, cells: dict[str, list[str]], rng: random.Random) -> Row:
    """The row with one to three things other than they were."""
    moved = dict(row)
    for _ in range(rng.randint(1, 3)):
        match rng.randrange(6):
            case 0:
                moved["at"] = _other_time(moved["at"], rule, rng)
            case 1:
                moved["amount"] = _other_amount(moved.get("amount", UNKNOWN_CELL), cells["amount"], rng)
            case 2:
                moved["status"] = rng.choice(_STATUSES[:2])
            case 3:
                moved["direction"] = rng.choice(("credit", "debit"))
            case _:
                column = rng.choice([column for column in cells if _is_word(column)])
                may_be_missing = FIELDS[field_of_column(column) or ""].may_be_missing
                words = cells[column] + [UNKNOWN_CELL] * may_be_missing
                moved[column] = rng.choice(words)
    if moved.get("account") == UNKNOWN_CELL:
        # Of an account that nobody names nothing is known.
        moved |= {column: UNKNOWN_CELL for column in ("account_kind", "account_age") if column in moved}
    return moved


def _is_word(column: str) -> bool:
    name = field_of_column(column)
    return name is not None and column not in ("amount", "direction", "status")


def _other_time(at: str, rule: Rule, rng: random.Random) -> str:
    lengths = [window.over_us for window in rule.windows.values() if window.over_us is not None]
    steps = [0, MINUTE_US, HOUR_US, DAY_US, 35 * DAY_US, 36 * DAY_US, *lengths, rule.alert.quiet_us]
    step = rng.choice(steps) + rng.choice((-MINUTE_US, 0, 0, MINUTE_US))
    return format_duration(max(parse_duration_us(at) + rng.choice((-1, 1)) * step, 0))


def _other_amount(amount: str, amounts: list[str], rng: random.Random) -> str:
    base = rng.choice([amount, *amounts])
    if base == UNKNOWN_CELL or "." not in base or rng.random() < 0.3:
        return base
    whole, _, part = base.partition(".")
    cents = int(whole) * 10 ** len(part) + int(part) + rng.choice((-1, 1, 1))
    return f"{max(cents, 1) // 10 ** len(part)}.{max(cents, 1) % 10 ** len(part):0{len(part)}}"
