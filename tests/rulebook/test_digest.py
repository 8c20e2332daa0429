"""The digest is that of what decides, and of nothing else."""

import pytest

from monitor.rulebook.load import read_rule
from tests.rulebook.bad_rules import FILE, GOOD
from tests.rulebook.write_golden_errors import LISTS


def digest(text):
    return read_rule(text, FILE, LISTS).digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("value: 10000.00", "value: 10000.0"),
        ("value: 0.50", "value: 0.5"),
        ("value: 90d", "value: 2160h"),
        ("over: 24h", "over: 1d"),
        ("title: Cash deposits below a limit", "title: Deposits"),
        ("  and cash.total > total_above\n", "  and cash.total\n      > total_above\n"),
        ("cite: CR-1}\n      - {from", "cite: CR-2}\n      - {from"),
        ("version: 1", "version: 2"),
        ("status: active", "status: shadow"),
        ("[US, GB]", "[GB, US]"),
        ("read: 2026-08-20", "read: 2026-09-20"),
        ("1h  C1 ", "2h  C1 "),
    ],
)
def test_what_does_not_decide_leaves_the_digest(old, new):
    assert old in GOOD
    assert digest(GOOD.replace(old, new, 1)) == digest(GOOD)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("value: 10000.00", "value: 10000.01"),
        ("from: 2026-01-01, value: 2,", "from: 2026-01-02, value: 2,"),
        ("segment: agent", "segment: agents"),
        ("over: 24h", "over: 25h"),
        ("over: 24h", "over: day"),
        ("by: customer\n    where: channel", "by: account\n    where: channel"),
        ("sum(amount), places", "max(amount), places"),
        ("cash.total > total_above", "cash.total >= total_above"),
        ("profile.account_age <", "profile.relationship_age <"),
        ('where: direction == "credit"', 'where: direction == "debit"'),
        ("subject: customer", "subject: account"),
        ("quiet: 24h", "quiet: 25h"),
        ("[US, GB]", "[US]"),
        ("severity: high", "severity: low"),
        ("together {cash.total}", "in all {cash.total}"),
        ("AML-STR-900", "AML-STR-901"),
    ],
)
def test_what_decides_changes_the_digest(old, new):
    assert old in GOOD
    assert digest(GOOD.replace(old, new, 1)) != digest(GOOD)


def test_the_digest_of_a_rule_is_kept_for_ever():
    # A digest is part of every alert's id. If this fails, old alerts no longer match their rule.
    assert digest(GOOD) == "f9e075b6ddf894a252ceaf308d7dc79d52a379be6af9f90a021708a6da44d232"
