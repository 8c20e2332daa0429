"""A condition that no payment can meet is refused; one that some payment can meet is not."""

import pytest

from tests.rulebook.bad_rules import with_when
from tests.rulebook.write_golden_errors import message

NEVER = [
    'channel == "cash" and channel == "wire"',
    'channel in ["cash", "card"] and channel == "wire"',
    'channel == "wire" and channel not in ["cash", "wire"]',
    'channel in ["cash"] and channel != "cash"',
    "cash.total > total_above and cash.total <= total_above",
    "cash.total > total_above and total_above > cash.total",
    "cash.total == total_above and cash.total != total_above",
    "cash.deposits < deposits_min and (peer.is_hub and cash.deposits >= deposits_min)",
    "known(branch) and not known(branch)",
    "not peer.is_hub and peer.is_hub",
    'peer.is_hub or (channel == "cash" and channel == "wire")',
]
SOMETIMES = [
    'channel == "cash" or channel == "wire"',
    'channel in ["cash", "card"] and channel == "cash"',
    'channel in ["cash", "card"] and channel != "cash"',
    'channel != "cash" and channel != "wire"',
    'channel not in ["cash"] and channel not in ["card"]',
    "cash.total >= total_above and cash.total <= total_above",
    "cash.total > total_above and received.total <= total_above",
    "cash.total < received.total and received.total > cash.total",
    "known(branch) and not known(device)",
    'not (channel == "cash" and direction == "credit") and channel == "cash"',
    'direction == "credit" and channel == "cash"',
]


@pytest.mark.parametrize("condition", NEVER)
def test_parts_that_exclude_each_other_are_refused(condition):
    assert "the condition is never true" in message(with_when(condition))


@pytest.mark.parametrize("condition", SOMETIMES)
def test_parts_that_can_both_hold_are_not_refused(condition):
    assert "never true" not in message(with_when(condition))
