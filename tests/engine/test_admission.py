"""Who is judged: doubles, late and early records, reversals, joint holders, accounts as holders, further keys."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.domain.time import DAY_US
from monitor.engine.admitting import DIFFERS, DUPLICATE, JUDGED, TAKEN_BACK, TOO_LATE
from monitor.engine.remembered import empty
from monitor.rulebook.reference import PlainSide, PlainTransaction
from monitor.rulebook.rule import Rule
from tests.engine.engine_logs import Log, new_log, state_of
from tests.rulebook.small_rules import paid_in, parameter, rule, window
from tests.strategies.plain_streams import stream

ONE = parameter("one", "count", ("1",))


def counting(over: str, by: str = "customer", where: str | None = None) -> Rule:
    """A rule that alerts on every leg and shows its count and sum."""
    measures = {"n": "count()", "total": "sum(amount)", "partners": "distinct(counterparty)"}
    subject = by if by != "account" else "account"
    return rule("known(status)", window(over, measures, by=by, where=where, parameters=(ONE,)), subject=subject)


def counts(log: Log) -> list[int]:
    return [int(alert.measures["w.n"].value or -1) for alert in log.alerts]


def judge(kept: Rule, *records: PlainTransaction, joint: bool = False) -> Log:
    return new_log([kept], joint=joint).feed(records)


def test_a_repeat_changes_nothing_and_one_with_other_content_is_told_apart():
    first = paid_in(0, "0h", "1.00")
    log = judge(counting("24h"), first, replace(first, position=1), replace(first, position=2, amount_minor=200),
                paid_in(3, "1h", "1.00"))  # fmt: skip
    assert log.outcomes == [JUDGED, DUPLICATE, DIFFERS, JUDGED]
    assert counts(log) == [1, 2]


def test_a_record_exactly_35_days_behind_is_judged_and_one_microsecond_more_is_too_late():
    now = paid_in(0, "35d")
    edge = paid_in(1, "0h")
    log = judge(
        counting("24h"), now, edge, replace(edge, position=2, transaction_id="X", booked_at_us=edge.booked_at_us - 1)
    )
    assert log.outcomes == [JUDGED, JUDGED, TOO_LATE]
    assert counts(log) == [1, 2]
    assert log.late == [False, True, False]


def test_a_record_too_late_for_one_of_two_holders_is_refused_for_both():
    ours = PlainSide("C2", "C2-1", "C2")
    log = judge(
        counting("24h"), paid_in(0, "40d"), replace(paid_in(1, "1h"), debtor=ours), paid_in(2, "40d", customer="C2")
    )
    assert log.outcomes == [JUDGED, TOO_LATE, JUDGED]
    assert counts(log) == [1, 1]


def test_a_refused_record_can_be_reversed_by_nobody_and_its_id_stays_free():
    log = judge(counting("24h"), paid_in(0, "40d"), paid_in(1, "1h", transaction_id="T"),
                paid_in(2, "40d", transaction_id="T"))  # fmt: skip
    assert log.outcomes == [JUDGED, TOO_LATE, JUDGED]


def test_reversals_reach_what_came_before_them_and_nothing_else():
    log = judge(
        counting("24h"),
        paid_in(0, "0h", status="reversed", reverses="T1"),
        paid_in(1, "1h"),
        paid_in(2, "2h", status="returned", reverses="nothing"),
        paid_in(3, "3h"),
        paid_in(4, "4h", status="returned", reverses="T1"),
        paid_in(5, "5h"),
        paid_in(6, "6h", reverses="T3"),
        paid_in(7, "7h", status="reversed", reverses="T7"),
        paid_in(8, "8h"),
    )
    assert log.outcomes == [TAKEN_BACK, JUDGED, TAKEN_BACK, JUDGED, TAKEN_BACK, JUDGED, JUDGED, TAKEN_BACK, JUDGED]
    assert counts(log) == [1, 2, 2, 2, 3]
    assert (log.found, log.without) == (3, 2)


def test_a_return_that_names_neither_party_takes_the_original_out():
    bare = paid_in(2, "2h", status="returned", reverses="T0")
    log = new_log([counting("30d")])
    log.feed([paid_in(0, "0h", customer="C7"), paid_in(1, "1h", customer="C9")])
    log.feed([replace(bare, debtor=PlainSide(), creditor=PlainSide("C9", "C9-1", "C9"))])
    log.feed([paid_in(3, "3h", customer="C7")])
    assert counts(log) == [1, 1, 1]


def test_a_return_after_60_days_takes_its_original_out_of_a_window_of_90():
    log = judge(
        counting("90d"), paid_in(0, "0h"), paid_in(1, "60d", status="returned", reverses="T0"), paid_in(2, "61d")
    )
    assert counts(log) == [1, 1]
    assert log.found == 1


def test_both_legs_of_a_transfer_between_own_accounts_are_judged_and_reversed():
    own = replace(paid_in(0, "0h"), debtor=PlainSide("C1", "C1-2", "C1"))
    log = judge(counting("24h"), own, paid_in(1, "1h", status="reversed", reverses="T0"), paid_in(2, "2h"))
    assert [alert.leg_role for alert in log.alerts] == ["debtor", "creditor", "creditor"]
    assert counts(log) == [1, 2, 1]


def test_each_holder_of_a_joint_account_has_a_leg_with_own_windows_and_a_reversal_reaches_both():
    side = PlainSide("C1", "J1", "C1")
    paid = replace(paid_in(0, "0h"), creditor=side)
    log = judge(counting("24h"), paid, paid_in(1, "1h", customer="C2"),
                replace(paid, position=2, transaction_id="R", status="reversed", reverses="T0"),
                paid_in(3, "2h", customer="C2"), joint=True)  # fmt: skip
    found = [(log.identifiers.texts[bytes_code(log, a.subject.token)][1], a.leg_role) for a in log.alerts]
    assert found == [("C1", "creditor"), ("C2", "creditor_joint"), ("C2", "creditor"), ("C2", "creditor")]
    assert counts(log) == [1, 1, 2, 2]


def bytes_code(log: Log, token: str) -> int:
    return next(code for code in range(len(log.identifiers.texts)) if log.identifiers.token(code) == token)


@pytest.mark.parametrize("kind", ["conductor", "on_behalf_of", "device", "counterparty"])
def test_a_further_key_has_legs_windows_and_reversals_of_its_own(kind: str):
    def paid(position: int, at: str, key: str | None, **more: object) -> PlainTransaction:
        if kind == "counterparty":
            return paid_in(position, at, customer=f"C{position}", sender=key, **more)
        return paid_in(position, at, customer=f"C{position}", **{kind: key}, **more)

    log = judge(
        counting("24h", by=kind),
        paid(0, "0h", "K1"),
        paid(1, "1h", "K1"),
        paid(2, "2h", None),
        paid(3, "3h", "K2"),
        # The bank's reversal does not say again who was at the counter.
        paid(4, "4h", None, status="reversed", reverses="T0"),
        paid(5, "5h", "K1"),
        paid(6, "29h", "K1"),
    )
    assert counts(log) == [1, 2, 1, 2, 1]
    assert {alert.leg_role for alert in log.alerts} == {kind}
    assert {bytes.fromhex(alert.subject.token).decode() for alert in log.alerts} == {"K1", "K2"}


def test_where_no_customers_are_named_the_account_is_the_holder_on_both_sides():
    def between(position: int, debtor: str, creditor: str) -> PlainTransaction:
        return replace(
            paid_in(position, f"{position}h"), debtor=PlainSide(debtor, debtor), creditor=PlainSide(creditor, creditor)
        )

    log = judge(counting("24h"), between(0, "A", "B"), between(1, "B", "C"), between(2, "A", "B"))
    assert counts(log) == [1, 1, 2, 1, 2, 3]


def test_a_future_outlier_moves_the_clock_of_its_holder_only():
    log = judge(counting("24h"), paid_in(0, "400d"), paid_in(1, "1h"), paid_in(2, "1h", customer="C2"))
    assert log.outcomes == [JUDGED, TOO_LATE, JUDGED]


def small_filter(log: Log) -> Log:
    """Let the duplicate filter tidy up often."""
    log.engine.admission.remembered = empty(log.engine.admission.remembered.rows.shape[1], 1)
    return log


@settings(max_examples=15, deadline=None, print_blob=True)
@given(seed=st.integers(0, 2**32), days=st.sampled_from([100, 400, 1500]))
def test_when_an_id_is_forgotten_does_not_depend_on_when_the_filter_is_tidied(seed: int, days: int):
    records = stream(seed, 250, days=days, customers=3, faults=0.5)
    whole = new_log().feed(records)
    rng = np.random.default_rng(seed)
    divided = small_filter(new_log()).feed(records, np.flatnonzero(rng.random(250) < 0.3).tolist())
    assert divided.said() == whole.said()
    assert state_of(divided.engine) == state_of(whole.engine)


def test_the_filter_forgets_ids_so_that_it_stays_bounded():
    log = small_filter(new_log([counting("24h")]))
    for number in range(6000):
        log.feed([paid_in(number, f"{number}h")])
    # 24 a day for 35 days and the window of a month by which hubs are recognised.
    held, remembered = 24 * (35 + 30 + 2), log.engine.admission.remembered
    # What was not forgotten at the last round stays within seven eighths, and a quarter was added at the most.
    assert log.engine.admission.ids_held <= len(remembered.rows) <= held * 10 // 7
    assert len(remembered.slots) <= 4 * held


def test_an_id_comes_back_when_it_has_been_forgotten():
    first, again = paid_in(0, "0h", transaction_id="T"), paid_in(2, "69d", transaction_id="T")
    later = paid_in(1, "69d")
    log = judge(counting("24h"), first, later, again)
    assert log.outcomes == [JUDGED, JUDGED, JUDGED]
    early = replace(later, booked_at_us=later.booked_at_us - 10 * DAY_US)
    assert judge(counting("24h"), first, early, replace(again, booked_at_us=early.booked_at_us)).outcomes[2] == DIFFERS
