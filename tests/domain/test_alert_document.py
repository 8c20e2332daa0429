"""The page on the --alerts line names exactly the keys that are written, in their order."""

import json
import re
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from monitor.domain.alert import Alert, Duty, ParameterInForce, Quantity, Source, Subject, alert_to_json
from monitor.domain.deadline import Deadline

PAGE = Path(__file__).parents[2] / "docs" / "alerts.md"

ALERT = Alert(
    alert_id="A-1",
    event_time_us=0,
    judged_at_us=1,
    position=2,
    leg_role="creditor",
    subject=Subject("customer", "cd" * 16),
    source=Source("rule", "AML-STR-001", 3, "ab" * 32),
    title="title",
    typology="structuring",
    severity="high",
    score=0.6,
    status="new",
    text="text",
    measures={"w.m": Quantity("3", "count")},
    parameters={"p": ParameterInForce("1", "count", "cite", "2000-01-01", None, None)},
    transactions=(1, 2),
    transactions_total=2,
    customer_segment=None,
    customer_risk_rating=None,
    profile_version=None,
    booking_entity=None,
    jurisdiction=None,
    amount_minor=1,
    currency="USD",
    rulebook_digest="ef" * 32,
    bank_snapshot=None,
)


def _line() -> dict[str, Any]:
    return alert_to_json(replace(ALERT, inputs={"list.x": "1"}), subject_id="C1", transaction_ids=["T1", "T2"])


def _line_of_an_obligation() -> dict[str, Any]:
    duty = Duty("in", "day", "2026-05-04", None, None, {}, Deadline(15, "calendar", "A law"))
    return alert_to_json(replace(ALERT, duty=duty), subject_id="C1", transaction_ids=[])


def _keys(shape: dict[str, Any]) -> list[str]:
    """Keys in order, those within an object as ``object.key``; of named entries only the inner keys."""
    found = []
    for key, value in shape.items():
        found.append(key)
        if key in ("measures", "parameters"):
            found += [f"{key}.*.{inner}" for inner in next(iter(value.values()))]
        elif isinstance(value, dict) and key != "inputs":
            found += [f"{key}.{inner}" for inner in value]
    return found


def test_the_documented_keys_are_those_of_the_code_in_their_order() -> None:
    documented = re.findall(
        r"^\| `([a-z_.*]+)` \|", PAGE.read_text(encoding="utf-8").split("## Marks")[0], re.MULTILINE
    )
    assert documented == _keys(_line_of_an_obligation())
    assert set(documented) > set(_keys(_line()))


def test_the_example_on_the_page_has_the_shape_of_a_line() -> None:
    example = json.loads(PAGE.read_text(encoding="utf-8").split("```json\n")[1].split("```")[0])
    assert _keys(example) == _keys(_line())


def test_the_page_explains_every_mark_that_the_engine_gives() -> None:
    source = (PAGE.parents[1] / "monitor" / "engine" / "findings.py").read_text(encoding="utf-8")
    given = re.findall(r'^        \("([a-z_]+)", ', source.split("def _marks")[1].split("return")[0], re.MULTILINE)
    assert given
    section = PAGE.read_text(encoding="utf-8").split("## Marks")[1].split("\n## ")[0]
    explained = re.findall(r"^\| `([a-z_]+)` \|", section, re.MULTILINE)
    assert explained[: len(given)] == given
    assert len(set(explained)) == len(explained)
