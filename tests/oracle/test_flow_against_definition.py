"""Flow tracing does what its slow definition does, as long as no list is full; and it never invents a path."""

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.domain.flow import FINDINGS, HOPS_MAX, Limits
from monitor.domain.time import DAY_US, HOUR_US, UNKNOWN
from monitor.engine import inflows
from monitor.engine.flow import FlowTable, Traced
from monitor.engine.trails import PAYEE_HERE, PAYER_HERE, Payments
from monitor.rulebook.reference.flow import Found, Pay, SlowTracer

LIMITS = Limits(inflows=10, trails=4, least=20, horizon_us=5 * DAY_US, hub_bits=3, late_us=8 * DAY_US)
NAMES = ("returned_share", "return_kept", "return_hops", "return_time", "middlemen", "chain_depth", "chain_time",
         "chain_kept", "pass_through", "dwell_time", "residual", "gathered")  # fmt: skip


def columns(pays: Iterable[Pay], sides: int = PAYER_HERE | PAYEE_HERE) -> Payments:
    """Payments as columns."""
    rows = list(pays)

    def of(name: str, kind: type) -> np.ndarray:
        return np.array([getattr(pay, name) for pay in rows], kind)

    def codes(name: str) -> np.ndarray:
        return np.array([-1 if getattr(pay, name) is None else getattr(pay, name) for pay in rows], np.int32)

    return Payments(
        of("position", np.int64), of("time_us", np.int64), codes("payer"), codes("payer_owner"),
        codes("payee"), codes("payee_owner"), of("amount", np.int64), of("currency", np.int16),
        of("is_booked", np.bool_),
        np.array([UNKNOWN if pay.takes_back is None else pay.takes_back for pay in rows], np.int64),
        # A reversal of these streams names the accounts of its original.
        codes("payee"),
        np.full(len(rows), sides, np.int8),
    )  # fmt: skip


def shown(traced: Traced, row: int) -> dict[str, int | None]:
    """The measures of a payment by name."""
    values = traced.measures[row].tolist()
    return {name: None if value == UNKNOWN else value for name, value in zip(NAMES, values, strict=True)}


def expected(found: Found) -> dict[str, int | None]:
    """The same of the definition."""
    return {name: getattr(found, name) for name in NAMES}


def slow(limits: Limits = LIMITS) -> SlowTracer:
    return SlowTracer(limits.horizon_us, limits.least, limits.hub_bits, limits.inflows, limits.trails,
                      late_us=limits.late_us)  # fmt: skip


def paths_in_time(pays: list[Pay]) -> set[tuple[int, ...]]:
    """All paths in time of two payments and more, by exhaustive search: each is made by who received the one before."""
    by_payer = defaultdict(list)
    for pay in pays:
        by_payer[pay.payer].append(pay)
    found: set[tuple[int, ...]] = set()

    def walk(path: tuple[int, ...], last: Pay) -> None:
        for later in by_payer[last.payee]:
            if later.position > last.position and len(path) < HOPS_MAX:
                found.add((*path, later.position))
                walk((*path, later.position), later)

    for pay in pays:
        walk((pay.position,), pay)
    return found


@st.composite
def streams(draw: st.DrawFn, accounts: int = 6, longest: int = 30) -> list[Pay]:
    """Payments between a few accounts; some accounts have one holder, some payments are reversed, in cash or late."""
    now, pays = 40 * DAY_US, []
    side = st.one_of(st.none(), *[st.just(account) for account in range(accounts)])
    for position in range(draw(st.integers(2, longest))):
        now += draw(st.sampled_from([0, HOUR_US, 3 * HOUR_US, DAY_US, 20 * DAY_US]))
        payer, payee = draw(side), draw(side)
        amount = draw(st.sampled_from([1, 19, 100, 950, 1000, 20_000]))
        late = draw(st.sampled_from([0, 0, 0, 2 * HOUR_US]))
        takes_back = draw(st.integers(0, position - 1)) if position and draw(st.integers(0, 19)) == 0 else None
        if takes_back is not None:
            # A reversal names the accounts of its original.
            payer, payee = pays[takes_back].payer, pays[takes_back].payee
        pays.append(
            Pay(position, now - late, payer, payee, amount, draw(st.sampled_from([0, 0, 0, 1])),
                0 if payer == 5 else payer, 0 if payee == 5 else payee, takes_back is None, takes_back)
        )  # fmt: skip
    return pays


@given(streams(), st.sampled_from([LIMITS, LIMITS._replace(inflows=2, trails=2), LIMITS._replace(trails=1)]))
@settings(max_examples=400, deadline=None)
def test_the_kernel_finds_what_the_definition_says(pays: list[Pay], limits: Limits) -> None:
    table, definition = FlowTable(limits), slow(limits)
    for pay in pays:
        traced, found = table.trace(columns([pay])), definition.trace(pay)
        given_, wanted = shown(traced, 0), expected(found)
        if wanted["dwell_time"] is not None and given_["dwell_time"] is not None:
            # A mean over amounts is taken in doubles.
            assert abs(given_.pop("dwell_time") - wanted.pop("dwell_time")) <= 1
        assert given_ == wanted
        ways = [traced.records.path(0, k) for k in range(traced.records.trails(0))]
        carried = {way.positions: way.amount_minor for way in ways}
        assert carried == {(*trail.path, pay.position): trail.amount for trail in found.carried}
        for finding in range(len(FINDINGS)):
            path = traced.path(0, finding)
            assert (path.positions[:-1] if path else ()) == found.paths.get(finding, ())


@given(streams(longest=12))
@settings(max_examples=200, deadline=None)
def test_where_no_list_is_full_limits_lose_nothing(pays: list[Pay]) -> None:
    table, endless = FlowTable(LIMITS), slow()
    endless.inflows_max = endless.trails_max = None
    for pay in pays:
        traced, found = table.trace(columns([pay])), endless.trace(pay)
        if table.counts[inflows.C_TRAILS_LOST] or any(len(own) > 10 for own in endless.inflows.values()):
            return
        assert shown(traced, 0)["middlemen"] == found.middlemen
        assert traced.records.trails(0) == len(found.carried)


@given(streams(accounts=4, longest=14))
@settings(max_examples=100, deadline=None)
def test_every_way_is_a_path_in_time_also_where_lists_are_short(pays: list[Pay]) -> None:
    table = FlowTable(LIMITS._replace(inflows=2, trails=2))
    traced = table.trace(columns(pays))
    allowed = paths_in_time([pay for pay in pays if pay.is_booked and pay.payer != pay.payee])
    for row in range(len(pays)):
        for k in range(traced.records.trails(row)):
            path = traced.records.path(row, k)
            assert path.positions in allowed
            assert path.amount_minor <= min(path.sent_minor, traced.records.amount(row))


@given(streams(longest=40), st.data())
@settings(max_examples=60, deadline=None)
def test_cuts_and_saved_states_change_nothing(pays: list[Pay], data: st.DataObject) -> None:
    whole, table = FlowTable(LIMITS).trace(columns(pays)), FlowTable(LIMITS)
    start = 0
    while start < len(pays):
        stop = data.draw(st.integers(start + 1, len(pays)))
        part = table.trace(columns(pays[start:stop]))
        assert (part.measures == whole.measures[start:stop]).all()
        assert (part.about == whole.about[start:stop]).all()
        saved = {name: array.copy() for name, array in table.save().items()}
        table = FlowTable(LIMITS)
        table.load(saved)
        assert all((again == saved[name]).all() for name, again in table.save().items())
        start = stop
