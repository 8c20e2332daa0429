"""The stored evidence is canonical JSON of the alert, whatever its texts and numbers are."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.casework.evidence import stored_alert
from monitor.casework.journal import canonical_json
from monitor.domain.alert import Quantity, alert_to_json
from tests.casework.alert_building import alert

texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(texts, texts, st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**63), 2**63 - 1))
def test_evidence_is_the_canonical_json_of_the_alert(text: str, name: str, score: float, amount_minor: int) -> None:
    given = alert(7, text=text, score=score, amount_minor=amount_minor, measures={name: Quantity(None, text)})
    body = alert_to_json(given, subject_id=given.subject.token, transaction_ids=["5", "6", "7"])
    expected = canonical_json(body | {"amount_minor": amount_minor, "currency": given.currency})
    found = stored_alert(given)
    assert found.evidence == expected
    assert found.evidence_digest == sha256(expected.encode()).hexdigest()


def test_a_score_that_is_no_number_is_an_error() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        stored_alert(alert(score=float("nan")))
