"""The published pages are those of the code, and a valid record fits the published shape."""

import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.domain.profile import CustomerProfile
from monitor.domain.refusal import Reason
from monitor.domain.transaction import Transaction
from monitor.intake.profile_page import PROFILE_PAGE, PROFILE_SCHEMA, profile_json_schema, profile_page
from monitor.intake.profiles import ProfileRecord, profile_of
from monitor.intake.record_fields import FIELDS, REQUIRED
from monitor.intake.schema import PAGE, SCHEMA, json_schema, page
from tests.intake.json_records import Raw, transactions

DOCS = Path(__file__).parents[2] / "docs"


def test_the_committed_pages_are_current() -> None:
    assert (DOCS / PAGE).read_text(encoding="utf-8") == page()
    assert (DOCS / SCHEMA).read_text(encoding="utf-8") == json_schema()
    assert (DOCS / PROFILE_PAGE).read_text(encoding="utf-8") == profile_page()
    assert (DOCS / PROFILE_SCHEMA).read_text(encoding="utf-8") == profile_json_schema()


def test_the_page_names_every_field_and_every_reason() -> None:
    text = page()
    assert all(f"| `{name}` |" in text for name in [*FIELDS, *Reason])
    assert "|  |\n" not in text, "a field has no meaning"


def test_the_page_of_the_profile_gives_every_field_of_every_part_a_meaning() -> None:
    text, schema = profile_page(), json.loads(profile_json_schema())
    shapes = [schema, *schema["$defs"].values()]
    assert len(shapes) > 1
    assert all(f"| `{name}` |" in text for shape in shapes for name in shape["properties"])
    assert "|  |\n" not in text, "a field has no meaning"


def test_the_example_of_the_profile_page_is_a_profile() -> None:
    example = profile_page().split("```json\n")[1].split("```")[0]
    CustomerProfile.model_validate_json(example)
    read = profile_of(json.dumps(json.loads(example)).encode(), place="example:1", position=0)
    assert isinstance(read, ProfileRecord)
    assert read.customer == "C-1001"


def test_the_decoder_has_the_fields_of_the_shape() -> None:
    assert tuple(Transaction.model_fields) == FIELDS
    assert {FIELDS[field] for field in REQUIRED} == set(json.loads(json_schema())["required"])


@given(st.data())
@settings(print_blob=True, deadline=None, max_examples=50)
def test_what_the_decoder_accepts_fits_the_published_shape(data: st.DataObject) -> None:
    record = data.draw(transactions())
    values = {name: float(value.text) if isinstance(value, Raw) else value for name, value in record.items()}
    Transaction.model_validate(values)
