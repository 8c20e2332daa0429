"""Reason codes: closed lists, so that decisions can be counted. A code is never reused for another meaning."""

from typing import Final

CLOSE_REASONS: Final[dict[str, dict[str, str]]] = {
    "false_positive": {
        "data_error": "The data were wrong or incomplete.",
        "rule_too_broad": "The rule sees this in ordinary behaviour; tell the rule's owner.",
        "wrong_party": "The payments belong to another party.",
        "own_transfer": "Money moved between the customer's own accounts.",
        "known_hub": "A payroll agent, marketplace or the like acts for many.",
    },
    "explained": {
        "documented_income": "Income or turnover is documented.",
        "sale_of_asset": "Proceeds of a sale that is documented.",
        "business_pattern": "Usual for this line of business, and checked.",
        "family_support": "Support between relatives, and checked.",
        "loan_or_gift": "A loan, an inheritance or a gift that is documented.",
        "seasonal": "Recurs at this season, and was checked before.",
    },
    "inconclusive": {
        "no_answer": "The customer or the branch gave no answer.",
        "customer_left": "The relationship has ended.",
        "facts_unavailable": "The facts can no longer be obtained.",
    },
    "duplicate": {"same_facts": "Another case decides the same facts."},
    "reported": {
        "suspicion": "There is suspicion of money laundering or a predicate offence.",
        "attempted": "A suspicious transaction was attempted.",
        "terrorist_financing": "There is suspicion of the financing of terrorism.",
        "sanctions_evasion": "There is suspicion that sanctions are evaded.",
    },
}
"""By outcome: the codes with which a case may be closed."""

MOVE_REASONS: Final[dict[str, dict[str, str]]] = {
    "escalate": {
        "suspicion": "It may have to be reported.",
        "beyond_authority": "The decision is beyond the analyst's authority.",
        "complex": "Structure or amounts need someone more experienced.",
        "pep_or_sanctions": "A politically exposed person or a sanctions question is involved.",
    },
    "snooze": {
        "awaiting_customer": "The customer was asked.",
        "awaiting_branch": "The branch or the relationship manager was asked.",
        "awaiting_authority": "An authority was asked or has asked to wait.",
    },
    "reopen": {
        "new_information": "Something has become known.",
        "quality_review": "Quality review found a gap.",
        "authority_request": "An authority asks.",
        "closed_in_error": "It was closed by mistake.",
    },
}
"""By move: the codes that the move needs."""


def codes_for(move: str, outcome: str | None) -> dict[str, str]:
    """The codes that a move needs, with their meanings; empty where it needs none."""
    if move in ("close", "propose"):
        return CLOSE_REASONS.get(outcome or "", {})
    return MOVE_REASONS.get(move, {})
