"""The names that rules can use: each once, with a unit that exists and a meaning in words."""

from monitor.domain.fields import FIELDS
from monitor.domain.profile import CustomerProfile
from monitor.domain.transaction import Transaction
from monitor.domain.units import Kind
from monitor.domain.vocabulary import CLOSED

_OPEN = {"country", "currency", "customer", "account", "agent", "device", "branch", "entity", "purpose", "segment",
         "occupation", "industry", "merchant_category", "reason", "screening_list", "link"}  # fmt: skip
_DERIVED = {
    "profile.declared_monthly_income": "declared_income",
    "profile.expected_monthly_in": "expected",
    "profile.expected_monthly_out": "expected",
    "profile.expected_monthly_cash": "expected",
    "profile.account_kind": "accounts",
    "profile.account_age": "accounts",
    "profile.credentials_age": "credentials_changed_at",
    "profile.exemption_review_age": "report_exemption",
    "profile.relationship_age": "customer_since",
    "profile.age_years": "identity",
}


def test_a_field_is_filed_under_its_own_name_and_has_a_meaning() -> None:
    assert FIELDS
    for name, field in FIELDS.items():
        assert field.name == name
        assert field.meaning.endswith("."), name


def test_every_category_draws_from_a_vocabulary_that_exists() -> None:
    drawn = {field.unit.detail for field in FIELDS.values() if field.unit.kind is Kind.CATEGORY}
    assert drawn <= set(CLOSED) | _OPEN


def test_every_profile_field_stands_in_the_published_profile() -> None:
    names = [name for name in FIELDS if name.startswith("profile.")]
    assert names
    held = {_DERIVED.get(name, name.removeprefix("profile.")) for name in names}
    assert held <= set(CustomerProfile.model_fields)


def test_what_every_transaction_has_is_never_missing_in_a_rule() -> None:
    shape = Transaction.model_fields
    required = {name for name in FIELDS if name in shape and shape[name].is_required()}
    assert required == {"amount", "currency"}
    # An amount is in the currency of what it meets, and a rate can be missing.
    assert {name for name in required if FIELDS[name].may_be_missing} == {"amount"}
