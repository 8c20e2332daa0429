"""Random streams that live at the edges: few keys, few times, many ties, gaps exactly as long as the windows."""

from fractions import Fraction

from hypothesis import strategies as st

from monitor.domain.time import HOUR_US
from monitor.rulebook.reference import PlainRate, PlainSide, PlainTransaction
from monitor.rulebook.rule import Parameter, Window
from tests.rulebook.small_rules import START_US, parameter, window

EVERY_MEASURE = {
    "n": "count()", "total": "sum(amount)", "least": "min(amount)", "most": "max(amount)", "mean": "mean(amount)",
    "middle": "median(amount)", "partners": "distinct(counterparty)", "channels": "distinct(channel)",
}  # fmt: skip
SMALL: Parameter = parameter("small", "USD", ("2.00",))
SMALL_MINOR = 200
FILTERS: tuple[str | None, ...] = (
    None,
    'channel == "cash"',
    'direction == "credit" and amount <= small',
    'not channel in ["wire", "card"] or direction == "debit"',
    'status == "attempted" or channel != "cash"',
    'counterparty_country in ["IR", "KP"] and status != "rejected"',
)
OVERS = ("1h", "3h", "24h", "day", "month")
RATES = (
    PlainRate(START_US + HOUR_US, "EUR", "USD", Fraction(11, 10)),
    PlainRate(START_US + 3 * HOUR_US, "EUR", "USD", Fraction(3, 2)),
)

_STEP_US = HOUR_US // 2


def _sides() -> st.SearchStrategy[tuple[PlainSide, PlainSide]]:
    """Two sides of which at least one is ours; each account belongs to one customer."""
    ours = st.builds(lambda who, number: PlainSide(who, f"{who}-{number}", who), st.sampled_from(["C1", "C2"]),
                     st.integers(1, 2))  # fmt: skip
    others = st.builds(
        lambda account, country: PlainSide(account=account, country=country),
        st.sampled_from(["X", "Y", "Z", None]),
        st.sampled_from(["IR", "DE", None]),
    )
    return st.one_of(st.tuples(ours, others), st.tuples(others, ours), st.tuples(ours, ours))


@st.composite
def streams(draw: st.DrawFn, *, max_size: int = 20) -> list[PlainTransaction]:
    """A log of up to ``max_size`` records over two days, with late ones, reversals, corrections and unknown fields."""
    records = []
    for position in range(draw(st.integers(1, max_size))):
        debtor, creditor = draw(_sides())
        status = draw(st.sampled_from(["booked"] * 6 + ["attempted", "rejected", "reversed", "returned"]))
        needs_original = status in ("reversed", "returned")
        takes_back = needs_original or (status == "booked" and draw(st.integers(0, 9)) == 0)
        records.append(
            PlainTransaction(
                position=position,
                transaction_id=f"T{position}",
                booked_at_us=START_US + draw(st.integers(0, 100)) * _STEP_US,
                amount_minor=draw(st.integers(1, 5)) * 100 + draw(st.sampled_from([0, 0, 1, 5])),
                currency=draw(st.sampled_from(["USD", "USD", "USD", "EUR", "GBP"])),
                debtor=debtor,
                creditor=creditor,
                channel=draw(st.sampled_from(["cash", "wire", "card", None])),
                status=status,
                reverses=f"T{draw(st.integers(0, position))}" if takes_back else None,
            )
        )
    return records


def windows() -> st.SearchStrategy[Window]:
    """A window with every measure, one of several lengths, filters and keys."""
    return st.builds(
        lambda over, where, by: window(over, EVERY_MEASURE, where=where, by=by, parameters=(SMALL,)),
        st.sampled_from(OVERS),
        st.sampled_from(FILTERS),
        st.sampled_from(["customer", "account"]),
    )
