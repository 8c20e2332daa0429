"""Typical movements of money, and what flow tracing says of them."""

from dataclasses import replace

import numpy as np
import pytest

from monitor.domain.flow import LIMITS, R_TRAILS, TRAIL_HEAD, TRAILS_MAX
from monitor.domain.time import DAY_US, HOUR_US
from monitor.engine import trails
from monitor.engine.flow import FlowTable, Traced
from monitor.rulebook.reference import PlainSide
from monitor.rulebook.reference.flow import Pay
from tests.engine.engine_logs import new_log
from tests.oracle.test_flow_against_definition import columns, shown
from tests.rulebook.small_rules import paid_in, parameter, rule, window

A, B, C, D, SHOP, PAYROLL = 1, 2, 3, 4, 5, 6
START = 400 * DAY_US


def pays(*rows: tuple[float, int, int, int]) -> list[Pay]:
    """(hours, payer, payee, amount) as payments."""
    return [
        Pay(position, START + round(hours * HOUR_US), payer, payee, amount, 0, payer, payee)
        for position, (hours, payer, payee, amount) in enumerate(rows)
    ]


def traced(*rows: tuple[float, int, int, int]) -> Traced:
    return FlowTable().trace(columns(pays(*rows)))


def test_money_that_comes_back_after_three_hops_says_how_much_and_how_long() -> None:
    result = traced((0, A, B, 10_000), (5, B, C, 9_500), (20, C, A, 9_000))
    last = shown(result, 2)
    assert (last["returned_share"], last["return_kept"]) == (1_000_000, 900_000)
    assert (last["return_hops"], last["return_time"]) == (3, 20 * HOUR_US)
    path = result.path(2, trails.RETURN_TRAIL)
    assert path is not None
    assert (path.positions, path.origin, path.sent_minor) == ((0, 1, 2), A, 10_000)


def test_money_returned_half_and_half_with_other_money_is_a_half() -> None:
    result = traced((0, A, B, 10_000), (1, C, B, 10_000), (2, B, A, 20_000))
    assert shown(result, 2)["returned_share"] == 500_000


def test_one_origin_over_three_middlemen_is_counted_by_disjoint_ways() -> None:
    middlemen = [(hours, A, who, 3_000) for hours, who in enumerate((10, 11, 12))]
    result = traced(*middlemen, *[(9 + who, who, D, 2_900) for who in (10, 11, 12)])
    assert [shown(result, row)["middlemen"] for row in (3, 4, 5)] == [1, 2, 3]


def test_three_first_hops_that_end_in_one_last_middleman_count_once() -> None:
    result = traced(*[(0, A, who, 3_000) for who in (10, 11, 12)], *[(1, who, C, 3_000) for who in (10, 11, 12)],
                    (2, C, D, 9_000))  # fmt: skip
    assert shown(result, 6)["middlemen"] == 1
    assert shown(result, 5)["middlemen"] == 3


def test_gather_then_scatter_leaves_a_small_residual() -> None:
    gathered = [(0, who, A, 1_000) for who in (10, 11, 12, 13)]
    result = traced(*gathered, (3, A, 20, 2_000), (4, A, 21, 1_900))
    last = shown(result, 5)
    assert (last["gathered"], last["residual"]) == (4, 25_000)
    assert (last["pass_through"], last["dwell_time"]) == (1_000_000, 4 * HOUR_US)


def test_a_chain_grows_with_each_hop_and_counts_its_time() -> None:
    result = traced((0, A, B, 10_000), (2, B, C, 9_800), (3, C, D, 9_500))
    assert [shown(result, row)["chain_depth"] for row in range(3)] == [1, 2, 3]
    assert shown(result, 2)["chain_time"] == 3 * HOUR_US
    assert shown(result, 2)["chain_kept"] == 950_000


def test_a_middleman_with_money_of_his_own_passes_on_the_latest_first() -> None:
    result = traced((0, PAYROLL, B, 50_000), (48, A, B, 10_000), (49, B, A, 9_500))
    assert shown(result, 2)["returned_share"] == 1_000_000


def test_of_two_equal_ways_the_one_found_first_is_shown() -> None:
    result = traced((0, A, B, 1_000), (1, B, C, 500), (1, B, D, 500), (2, C, 10, 500), (2, D, 10, 500),
                    (3, 10, 11, 1_000))  # fmt: skip
    path = result.path(5, trails.CHAIN_TRAIL)
    assert path is not None
    assert (path.positions, path.amount_minor) == ((0, 2, 4, 5), 1_000)


def month_of_hub(hub: int) -> list[tuple[float, int, int, int]]:
    """A hub that pays 60 persons and is paid by 60 in each of two months."""
    return [
        (24 * (30 * month - 60 + who / 4), *((hub, 100 + who) if who % 2 else (200 + who, hub)), 5_000)
        for month in range(2)
        for who in range(118)
    ]


def test_a_hub_is_no_origin_and_no_way() -> None:
    rows = [*month_of_hub(SHOP), (1, A, SHOP, 9_000), (2, SHOP, B, 9_000), (3, SHOP, C, 9_000), (4, B, D, 9_000),
            (5, C, D, 9_000), (6, D, SHOP, 18_000)]  # fmt: skip
    result = traced(*rows)
    out, second, home = (shown(result, len(rows) - k) for k in (5, 2, 1))
    assert out["chain_depth"] == 1
    assert second["middlemen"] == 0
    assert home["returned_share"] == 0


def test_salary_pays_the_shop_and_the_trail_goes_on() -> None:
    life = [*month_of_hub(SHOP), *month_of_hub(PAYROLL)]
    rows = [*sorted(life), (0.5, PAYROLL, B, 8_000), (1, A, B, 9_000), (2, B, SHOP, 3_000), (3, B, C, 9_000)]
    last = shown(traced(*rows), len(rows) - 1)
    assert (last["chain_depth"], last["chain_kept"]) == (2, 1_000_000)


def test_a_reversed_payment_is_not_passed_on() -> None:
    rows = pays((0, A, B, 10_000), (1, B, C, 9_000))
    back = Pay(1, START, A, B, 10_000, 0, A, B, is_booked=False, takes_back=0)
    moved = Pay(2, rows[1].time_us, B, C, 9_000, 0, B, C)
    result = FlowTable().trace(columns([rows[0], back, moved]))
    assert (shown(result, 2)["pass_through"], shown(result, 2)["chain_depth"]) == (0, 1)


def test_money_of_a_month_ago_is_forgotten_and_its_place_is_used_again() -> None:
    table = FlowTable()
    for day in range(0, 400, 2):
        rows = [
            Pay(day, START + day * DAY_US + who, who, who + 500, 100, 0, who, who + 500) for who in range(500)
        ]  # fmt: skip
        table.trace(columns(rows))
    assert 0 < table.inflows_held <= 500 * LIMITS.inflows
    assert table.bytes_held < 2 * 500 * (40 + 616)


def test_a_record_is_as_long_as_what_it_carries() -> None:
    records = traced((0, A, B, 10_000), (2, B, C, 9_800), (3, C, D, 9_500)).records
    two_hops, three_hops = TRAIL_HEAD, TRAIL_HEAD + 1
    head = R_TRAILS
    assert np.diff(records.starts).tolist() == [head, head + two_hops, head + two_hops + three_hops]
    assert LIMITS.trails == TRAILS_MAX


@pytest.mark.parametrize("named", ["C1", "C3"])
def test_a_reversal_takes_the_money_from_where_it_had_gone_whomever_it_names(named: str) -> None:
    two = parameter("two", "count", ("2",))
    one = window("24h", {"n": "count()"}, parameters=(two,))
    chain = rule("flow.chain_depth >= two", one, parameters=(two,))
    passed_on = replace(paid_in(2, "2h", customer="C2"), debtor=PlainSide("C1", "C1-1", "C1"))
    back = paid_in(1, "1h", customer=named, status="reversed", reverses="T0")
    assert new_log([chain]).feed([paid_in(0, "0h"), replace(passed_on, position=1)]).alerts
    assert new_log([chain]).feed([paid_in(0, "0h"), back, passed_on]).alerts == []
