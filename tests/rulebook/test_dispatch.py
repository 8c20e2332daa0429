"""What is settled by direction, channel and status alone is what the slow evaluator says of every such payment."""

import pytest

from monitor.domain.vocabulary import CHANNELS, DIRECTIONS, STATUSES
from monitor.rulebook.dispatch import CLASSES, IS_FALSE, IS_OPEN, IS_TRUE, verdicts_by_class
from monitor.rulebook.expression import Scope, compile_condition
from monitor.rulebook.load import load_rules, shipped_rules
from monitor.rulebook.reference import PlainSide, PlainTransaction, ReferenceEngine
from monitor.rulebook.source import Source
from tests.rulebook.small_rules import START_US, rule

CONDITIONS = (
    'direction == "credit"',
    'channel == "cash"',
    '"wire" != channel',
    'channel in ["cash", "atm"] and direction == "debit"',
    'channel not in ["cash", "atm"] or direction == "debit"',
    'not (channel == "card" or direction == "credit")',
    'known(channel) and not (direction == "debit")',
    'status == "booked" and channel == "cash"',
    'status in ["attempted", "rejected"] or channel == "atm"',
    'known(device) and channel == "cash"',
    'known(device) or direction == "credit"',
    'not known(device) and not (channel == "wire")',
    'known(goods_country) and direction == "debit" and goods_country == "IR"',
    'not known(goods_country) and channel == "cash"',
    'known(merchant_category) or known(goods_country) and merchant_category == "6051" or channel == "cash"',
)
WORDS = {IS_FALSE: {"false"}, IS_TRUE: {"true"}, IS_OPEN: {"true", "false", "unknown"}}


def class_of(direction: str, channel: str | None, status: str) -> int:
    number = -1 if channel is None else CHANNELS.index(channel)
    return (DIRECTIONS.index(direction) * (len(CHANNELS) + 1) + number + 1) * 2 + (status == "booked")


@pytest.mark.parametrize("text", CONDITIONS)
def test_a_settled_verdict_is_that_of_the_slow_evaluator(text: str) -> None:
    settled = verdicts_by_class(compile_condition(Source.of(text), Scope()))
    of_bare = verdicts_by_class(compile_condition(Source.of(text), Scope()), is_bare=True)
    assert settled.shape == (CLASSES,)
    assert len(set(settled.tolist())) > 1
    one, own = rule(text), PlainSide("C1", "A1", "C1")
    for direction in DIRECTIONS:
        for channel in (None, *CHANNELS):
            for status in ("booked", "attempted", "rejected"):
                for device, goods in ((None, None), ("D1", None), (None, "IR")):
                    sides = {"creditor" if direction == "credit" else "debtor": own}
                    payment = PlainTransaction(0, "T0", START_US, 100, "USD", channel=channel, status=status,
                                               device=device, goods_country=goods, **sides)  # fmt: skip
                    (verdict,) = ReferenceEngine().judge([one], [payment])
                    number = class_of(direction, channel, status)
                    assert verdict.verdict in WORDS[settled[number]], (channel, status)
                    if goods is None:
                        assert verdict.verdict in WORDS[of_bare[number]], (channel, status)


def test_no_condition_sees_everything_that_is_booked() -> None:
    assert verdicts_by_class(None).tolist() == [IS_FALSE, IS_TRUE] * (CLASSES // 2)
    assert STATUSES[0] == "booked"


def test_rules_about_what_is_seldom_given_ask_nothing_of_bare_payments() -> None:
    rules, _ = load_rules([shipped_rules()])
    when = {one.id: one.when for one in rules}
    for id in ("AML-LST-001", "AML-COB-001", "AML-TBM-001"):
        assert (verdicts_by_class(when[id], is_bare=True) == IS_FALSE).all(), id
        assert (verdicts_by_class(when[id]) != IS_FALSE).any(), id


def test_most_shipped_rules_need_not_look_at_most_payments() -> None:
    rules, _ = load_rules([shipped_rules()])
    open_share = [float((verdicts_by_class(one.when) != IS_FALSE).mean()) for one in rules]
    assert len(rules) > 30
    assert sum(open_share) / len(rules) < 0.4
