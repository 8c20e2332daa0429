"""What becomes of an alert: switched off, suppressed, drawn for review, held by the breaker; a fold over the log."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.casework.breaker import Breaker, BreakerSettings
from monitor.casework.control import Control
from monitor.casework.orders import (
    DISABLE,
    ENABLE,
    END,
    SUPPRESS,
    Order,
    OrderRefused,
    check,
)
from monitor.domain.alert import Alert
from monitor.domain.time import DAY_US, HOUR_US
from tests.casework.alert_building import START_US, alert, alert_streams, subject

STR, LAW = "AML-STR-001", "AML-LCT-001"
KINDS = {STR: "suspicion", LAW: "obligation"}
TYPOLOGIES = frozenset({"structuring", "large_cash"})


def suppression(**changes: object) -> Order:
    """Ann's alerts of one rule, for two days, with no share reviewed unless said."""
    given = Order(
        SUPPRESS, "ann", "Deed seen.", 7, second="bob", rule=STR, subject_kind="customer",
        subject_token=subject("ann").token, from_us=START_US, until_us=START_US + 2 * DAY_US, sample_ppm=10_000,
    )  # fmt: skip
    return replace(given, **changes)  # type: ignore[arg-type]


def control(*orders: Order, limit: int = 1_000) -> Control:
    made = Control(frozenset({LAW}), Breaker(BreakerSettings(least=limit)))
    for order in orders:
        made.take(order)
    return made


def statuses(made: Control, *alerts: Alert) -> list[str]:
    return [each.status for each in made.decide(alerts)[0]]


NEVER = 0
"""A share below the least that may be given: nothing is drawn."""


def test_a_suppression_holds_back_what_is_in_its_scope_and_names_itself() -> None:
    order = suppression(sample_ppm=NEVER)
    decided, _ = control(order).decide([alert(0), alert(1, customer="bob"), alert(2, rule="AML-PAS-001")])
    assert [each.status for each in decided] == ["suppressed", "new", "new"]
    assert [each.inputs.get("suppression") for each in decided] == [order.order_id, None, None]


@pytest.mark.parametrize(
    ("order", "reached"),
    [
        (suppression(sample_ppm=NEVER, rule=None, typology="structuring"), True),
        (suppression(sample_ppm=NEVER, rule=None, typology="large_cash"), False),
        (suppression(sample_ppm=NEVER, subject_kind=None, subject_token=None, segment="retail"), True),
        (suppression(sample_ppm=NEVER, subject_kind=None, subject_token=None, segment="student"), False),
        (suppression(sample_ppm=NEVER, subject_kind="account"), False),
    ],
)
def test_scopes_are_rule_or_typology_with_a_subject_or_a_segment(order: Order, reached: bool) -> None:
    assert statuses(control(order), alert(0)) == ["suppressed" if reached else "new"]


def test_a_suppression_begins_and_ends_by_the_judged_time_of_the_log() -> None:
    order = suppression(sample_ppm=NEVER, from_us=START_US + HOUR_US, until_us=START_US + 3 * HOUR_US)
    assert statuses(control(order), *[alert(n) for n in range(5)]) == ["new", "suppressed", "suppressed", "new", "new"]


def test_a_suppression_that_is_ended_reaches_nothing_more() -> None:
    order = suppression(sample_ppm=NEVER)
    made = control(order)
    assert statuses(made, alert(0)) == ["suppressed"]
    made.take(Order(END, "ann", "No longer.", 8, refers_to=order.order_id))
    assert statuses(made, alert(1)) == ["new"]


def test_an_obligation_is_never_suppressed_whatever_the_order_says() -> None:
    order = suppression(sample_ppm=NEVER, rule=None, typology="structuring")
    assert statuses(control(order), alert(0, rule=LAW), alert(0)) == ["new", "suppressed"]


def test_a_share_of_what_is_suppressed_stays_in_the_queue_and_says_so() -> None:
    order = suppression(sample_ppm=200_000, until_us=START_US + 300 * DAY_US)
    decided, _ = control(order).decide([alert(n) for n in range(2_000)])
    drawn = [each for each in decided if each.status == "new"]
    assert 320 < len(drawn) < 480
    assert all(each.marks == ("suppression_sample",) and each.inputs["suppression"] for each in drawn)
    again, _ = control(order).decide([alert(n) for n in range(2_000)])
    assert again == decided


def test_a_rule_that_is_switched_off_is_in_shadow_until_it_is_switched_on() -> None:
    made = control(Order(DISABLE, "ann", "Floods.", 1, rule=STR))
    decided, _ = made.decide([alert(0), alert(1, rule="AML-PAS-001")])
    assert [(each.status, each.marks) for each in decided] == [("shadow", ("disabled",)), ("new", ())]
    made.take(Order(ENABLE, "ann", "Mended.", 2, rule=STR))
    assert statuses(made, alert(2)) == ["new"]


def test_two_persons_can_switch_an_obligation_off() -> None:
    order = Order(DISABLE, "ann", "Wrong limit.", 1, rule=LAW, second="bob")
    check(order, kinds=KINDS, typologies=TYPOLOGIES)
    assert statuses(control(order), alert(0, rule=LAW)) == ["shadow"]


def test_the_first_repeat_that_somebody_sees_is_new_when_what_it_repeats_was_hidden() -> None:
    order = suppression(sample_ppm=NEVER, until_us=START_US + 2 * HOUR_US)
    repeats = [alert(n, status="quiet", marks=("quiet", "late")) for n in (1, 2, 3)]
    decided, _ = control(order).decide([alert(0), *repeats])
    assert [each.status for each in decided] == ["suppressed", "suppressed", "new", "quiet"]
    assert decided[2].marks == ("first_shown", "late")


def test_a_repeat_of_an_alert_that_was_seen_stays_quiet() -> None:
    made = control()
    assert statuses(made, alert(0), alert(1, status="quiet", marks=("quiet",))) == ["new", "quiet"]


def test_a_rule_above_its_daily_limit_goes_into_shadow_until_the_day_ends() -> None:
    made = control(limit=3)
    decided, tripped = made.decide([alert(n, customer=f"c{n}") for n in range(6)])
    assert [each.status for each in decided] == ["new"] * 3 + ["shadow"] * 3
    assert all(each.marks == ("breaker",) for each in decided[3:])
    assert [(each.rule, each.position, each.limit) for each in tripped] == [(STR, 3, 3)]
    next_day = alert(6, bank_snapshot=3)
    assert statuses(made, next_day) == ["new"]


def test_repeats_do_not_count_and_are_held_once_the_breaker_is_open() -> None:
    made = control(limit=1)
    quiet = alert(1, status="quiet", marks=("quiet",))
    assert statuses(made, alert(0), quiet, quiet, alert(2, customer="bob"), quiet) == [
        "new", "quiet", "quiet", "shadow", "shadow",
    ]  # fmt: skip


def test_an_obligation_has_no_breaker() -> None:
    assert statuses(control(limit=1), *[alert(n, rule=LAW) for n in range(5)]) == ["new"] * 5


def test_the_limit_is_a_share_of_the_customers_unless_the_bank_sets_another() -> None:
    made = Control(frozenset(), Breaker(BreakerSettings(least=1, by_rule={"AML-PAS-001": 4})))
    made.breaker.see_bank(2, 300)
    assert statuses(made, *[alert(n, customer=f"c{n}") for n in range(5)]) == ["new"] * 3 + ["shadow"] * 2
    passes = [alert(n, customer=f"c{n}", rule="AML-PAS-001") for n in range(5)]
    assert statuses(made, *passes) == ["new"] * 4 + ["shadow"]


@given(stream=alert_streams(), cut=st.integers(0, 24), limit=st.integers(1, 4))
def test_the_statuses_do_not_depend_on_how_the_alerts_are_cut(stream, cut: int, limit: int) -> None:
    orders = [suppression(until_us=START_US + 8 * HOUR_US, sample_ppm=300_000)]
    alerts = [each.alert for each in stream]
    whole, tripped = control(*orders, limit=limit).decide(alerts)
    made = control(*orders, limit=limit)
    first, early = made.decide(alerts[:cut])
    saved = made.breaker.save()
    made.breaker.load(saved)
    second, late = made.decide(alerts[cut:])
    assert (first + second, early + late) == (whole, tripped)


# What may be ordered ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "says"),
    [
        (suppression(rule=LAW), "is an obligation: the law asks for each"),
        (suppression(rule="AML-XXX-999"), "There is no rule or model AML-XXX-999"),
        (suppression(second="Ann "), "asked for it and cannot approve it"),
        (suppression(second=None), "asked for it and cannot approve it"),
        (suppression(until_us=None), "a first day and a later end"),
        (suppression(until_us=START_US), "a first day and a later end"),
        (suppression(until_us=START_US + 366 * DAY_US), "at most 365 days"),
        (suppression(sample_ppm=9_999), r"Between 0\.01 and 1"),
        (suppression(reason="  "), "needs a reason"),
        (suppression(subject_kind=None, subject_token=None), "The scope of a suppression"),
        (suppression(segment="retail"), "The scope of a suppression"),
        (suppression(typology="structuring"), "The scope of a suppression"),
        (suppression(rule=None, typology="cooking"), "There is no typology cooking"),
        (suppression(subject_kind="device"), "names a customer or an account"),
        (Order(DISABLE, "ann", "Wrong.", 1, rule=LAW), "needs two persons|to switch it off or on needs two"),
        (Order(DISABLE, "ann", "Wrong.", 1, rule=LAW, second="ANN"), "to switch it off or on needs two"),
    ],
)
def test_an_order_that_may_not_be_given_is_refused_with_a_reason(order: Order, says: str) -> None:
    with pytest.raises(OrderRefused, match=says):
        check(order, kinds=KINDS, typologies=TYPOLOGIES)


def test_a_whole_suppression_and_one_of_exactly_365_days_are_allowed() -> None:
    check(suppression(), kinds=KINDS, typologies=TYPOLOGIES)
    check(suppression(until_us=START_US + 365 * DAY_US), kinds=KINDS, typologies=TYPOLOGIES)
