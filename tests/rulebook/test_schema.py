"""The schema for editors is current, lets every rule pass that loads, and marks mistakes of form.

The validator here is a few lines that know the words of JSON Schema that the schema uses, and refuse any other; the
package jsonschema must agree.
"""

import json
import re
from decimal import Decimal
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from monitor.rulebook import checks, load, tables, windows
from monitor.rulebook.codes import CODE_KEYS
from monitor.rulebook.document import Items, Keyed, Tree, read_document
from monitor.rulebook.load import load_rules, shipped_rules
from monitor.rulebook.schema import SCHEMA_NAME, rule_schema, schema_text
from monitor.rulebook.template import PACKS, new_rule
from tests.rulebook.bad_rules import GOOD, bad_rules

SCHEMA = rule_schema()
RULES, _ = load_rules([shipped_rules()])
TYPES = {"string": str, "object": dict, "array": list, "boolean": bool}
FORM = (
    "a key is misspelt", "an id of another form", "an unknown typology", "no title", "an unknown kind",
    "an unknown status", "a version that is no number", "a severity of another scale", "a country that does not exist",
    "no code", "codes without a code", "a code of another authority", "a subtype that the FinCEN SAR does not have",
    "a name too long to be registered", "a large-value code that does not exist", "a reference without a date",
    "an unknown unit", "a value without a source", "a length of another form", "an unknown party",
    "an approval without a record", "an author without a name", "a file of one list",
)  # fmt: skip
"""Mistakes of form, which an editor can mark while they are typed."""


def plain(tree: Tree) -> Any:
    """A file as an editor sees it."""
    if isinstance(tree, Keyed):
        return {key: plain(value) for key, value in tree.items.items()}
    if isinstance(tree, Items):
        return [plain(value) for value in tree.items]
    return float(tree.value) if isinstance(tree.value, Decimal) else tree.value


def mistakes(value: Any, schema: dict[str, Any], where: str = "$") -> list[str]:
    """What is wrong with a value, by place."""
    found: list[str] = []
    for word, wanted in schema.items():
        match word:
            case "description" | "title" | "$schema":
                continue
            case "type":
                kinds = [wanted] if isinstance(wanted, str) else wanted
                is_wrong = not any(is_a(value, kind) for kind in kinds)
            case "enum":
                is_wrong = value not in wanted
            case "const":
                is_wrong = value != wanted
            case "pattern":
                is_wrong = isinstance(value, str) and not re.search(wanted, value)
            case "minLength" | "maxLength":
                is_wrong = isinstance(value, str) and (
                    len(value) < wanted if word[:3] == "min" else len(value) > wanted
                )
            case "minimum" | "maximum":
                is_wrong = is_a(value, "number") and (value < wanted if word == "minimum" else value > wanted)
            case "minItems" | "maxItems":
                is_wrong = isinstance(value, list) and (
                    len(value) < wanted if word[:3] == "min" else len(value) > wanted
                )
            case "minProperties" | "maxProperties":
                is_wrong = isinstance(value, dict) and (
                    len(value) < wanted if word[:3] == "min" else len(value) > wanted
                )
            case "required":
                is_wrong = isinstance(value, dict) and not set(wanted) <= set(value)
            case "anyOf" | "oneOf":
                fitting = sum(not mistakes(value, each) for each in wanted)
                is_wrong = fitting == 0 or (word == "oneOf" and fitting > 1)
            case "items":
                is_wrong = False
                for index, each in enumerate(value if isinstance(value, list) else []):
                    found += mistakes(each, wanted, f"{where}[{index}]")
            case "properties":
                is_wrong = False
                for key in value.keys() & wanted.keys() if isinstance(value, dict) else ():
                    found += mistakes(value[key], wanted[key], f"{where}.{key}")
            case "propertyNames":
                is_wrong = isinstance(value, dict) and any(mistakes(key, wanted) for key in value)
            case "additionalProperties":
                others = value.keys() - schema.get("properties", {}).keys() if isinstance(value, dict) else set()
                is_wrong = wanted is False and bool(others)
                for key in others if wanted is not False else ():
                    found += mistakes(value[key], wanted, f"{where}.{key}")
            case _:
                raise AssertionError(f"the schema uses {word}, which this validator does not know")
        if is_wrong:
            found.append(f"{where}: {word}")
    return found


def is_a(value: Any, kind: str) -> bool:
    if kind in ("number", "integer"):
        numbers = int if kind == "integer" else int | float
        return isinstance(value, numbers) and not isinstance(value, bool)
    return isinstance(value, TYPES[kind])


def of_text(text: str) -> list[str]:
    return mistakes(plain(read_document(text, "a.yaml")), SCHEMA)


def test_the_file_is_current():
    assert (shipped_rules() / SCHEMA_NAME).read_text(encoding="utf-8") == schema_text()
    assert json.loads(schema_text()) == SCHEMA


def test_the_schema_has_the_keys_of_the_loader():
    def keys(of: dict[str, Any]) -> set[str]:
        return set(of["properties"])

    own = SCHEMA["properties"]
    parameter, window = own["parameters"]["additionalProperties"], own["windows"]["additionalProperties"]
    assert keys(SCHEMA) == set(load._KEYS)
    assert keys(parameter) == set(checks._PARAMETER_KEYS)
    assert keys(parameter["properties"]["values"]["items"]) == set(checks._ROW_KEYS)
    assert keys(window) == set(windows._KEYS)
    assert keys(own["codes"]) == set(CODE_KEYS)
    assert keys(own["tests"]["items"]) == set(tables._KEYS)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_shipped_rule_passes(rule):
    with open(rule.place.file, encoding="utf-8") as file:
        assert of_text(file.read()) == []


def test_the_good_rule_and_every_template_pass():
    assert of_text(GOOD) == []
    for pack in PACKS:
        assert of_text(new_rule("cash", "Cash at night", pack=pack, taken=(), day="2026-11-24").text) == []


@pytest.mark.parametrize("name", FORM)
def test_a_mistake_of_form_is_marked(name):
    assert of_text(bad_rules()[name]) != []


def test_another_validator_agrees():
    Draft202012Validator.check_schema(SCHEMA)
    validator = Draft202012Validator(SCHEMA)
    for text in [GOOD, *(bad_rules()[name] for name in FORM)]:
        value = plain(read_document(text, "a.yaml"))
        assert validator.is_valid(value) == (mistakes(value, SCHEMA) == []), text
