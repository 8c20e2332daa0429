"""Every example of docs/windows.md is run and gives the numbers that stand there."""

import re
from dataclasses import dataclass, field
from datetime import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from monitor.domain.money import format_amount
from monitor.domain.time import parse_duration_us
from monitor.rulebook.reference import PlainEntity, PlainInputs, PlainRate, ReferenceEngine, Value, Verdict
from monitor.rulebook.rule import Parameter
from tests.rulebook.small_rules import START_US, paid_in, paid_out, parameter, rule, window

DOCUMENT = Path(__file__).parents[2] / "docs" / "windows.md"
BLOCKS = re.findall(r"```window\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
EXAMPLES_MIN = 12


@dataclass
class Example:
    """A block: its settings, its columns and its rows."""

    settings: dict[str, list[str]] = field(default_factory=dict)
    columns: list[str] = field(default_factory=list)
    rows: list[dict[str, str]] = field(default_factory=list)

    @classmethod
    def of(cls, block: str) -> "Example":
        example = cls()
        for line in block.strip().splitlines():
            setting = re.match(r"(\w+): (.*)", line)
            if setting:
                example.settings.setdefault(setting[1], []).append(setting[2].strip())
            elif not example.columns:
                example.columns = line.split()
            else:
                example.rows.append(dict(zip(example.columns, line.split(), strict=True)))
        return example

    def one(self, name: str, default: str = "") -> str:
        return self.settings.get(name, [default])[0]

    @property
    def measures(self) -> dict[str, str]:
        """Names and texts of the measures that are shown or asked for."""
        shown = [column for column in self.columns if "(" in column] or self.one("measures", "count()").split()
        return {_name(text): text for text in shown}

    def parameters(self) -> tuple[Parameter, ...]:
        return tuple(_parameter(text) for text in self.settings.get("parameter", []))

    def inputs(self) -> PlainInputs:
        rates = []
        for text in self.settings.get("rate", []):
            at, source, target, rate = text.split()
            rates.append(PlainRate(START_US + parse_duration_us(at), source, target, Fraction(rate)))
        return PlainInputs(rates=tuple(rates), default_entity=_entity(self.one("entity")))

    def verdicts(self) -> dict[int, Verdict]:
        """By row."""
        parameters = self.parameters()
        kept = window(self.one("over"), self.measures, where=self.one("where") or None, parameters=parameters)
        judging = rule(
            self.one("when", 'status == "booked"'), kept, parameters=parameters, quiet=self.one("quiet", "0s")
        )
        payments = [_payment(number, row) for number, row in enumerate(self.rows)]
        found = ReferenceEngine(in_full=True).judge([judging], payments, self.inputs())
        return {verdict.position: verdict for verdict in found}


def _name(measure: str) -> str:
    return measure.replace("(", "_").replace(")", "").rstrip("_")


def _parameter(text: str) -> Parameter:
    name, unit, rows = text.split(" ", 2)
    return parameter(name, unit, *(tuple(row.split(" from ")) for row in rows.split(", ")))


def _entity(text: str) -> PlainEntity:
    given = dict(word.split("=") for word in text.split() if "=" in word)
    cut_off = time.fromisoformat(given["cut_off"]) if "cut_off" in given else None
    return PlainEntity(zone=given.get("zone", "UTC"), cut_off=cut_off, rolls="rolls" in text)


def _payment(number: int, row: dict[str, str]) -> Any:
    given = {name: None if text == "-" else text for name, text in row.items()}
    fields: dict[str, Any] = {
        name: given[name] for name in ("channel", "status", "reverses", "currency") if name in given
    }
    if "id" in given:
        fields["transaction_id"] = given["id"]
    pay = paid_out if given.get("direction") == "debit" else paid_in
    return pay(number, row["at"], row["amount"], customer=given.get("customer") or "C1", **fields)


def _shown(value: Value, measure: str) -> str:
    if value.is_unknown:
        return "?"
    number = value.number
    assert number.denominator == 1
    text = format_amount(int(number), "USD") if "amount" in measure else str(number)
    return text + ("+" if value.bound == "at_least" else "")


def _words(verdict: Verdict | None) -> str:
    if verdict is None:
        return "-"
    return verdict.status or {"unknown": "undecided", "false": "."}[verdict.verdict]


@pytest.mark.parametrize("block", BLOCKS, ids=[f"example {n + 1}" for n in range(len(BLOCKS))])
def test_an_example_shows_what_the_evaluator_finds(block: str):
    example = Example.of(block)
    verdicts = example.verdicts()
    shown = [column for column in example.columns if "(" in column or column == "verdict"]
    assert shown, "the example shows nothing"
    found = []
    for number, row in enumerate(example.rows):
        verdict = verdicts.get(number)
        cells = dict(row)
        for column in shown:
            if column == "verdict":
                cells[column] = _words(verdict)
            else:
                cells[column] = "-" if verdict is None else _shown(verdict.measures[f"w.{_name(column)}"], column)
        found.append(cells)
    assert found == example.rows


def test_the_document_has_its_examples():
    assert len(BLOCKS) >= EXAMPLES_MIN
    assert sum(len(Example.of(block).rows) for block in BLOCKS) >= 3 * EXAMPLES_MIN
