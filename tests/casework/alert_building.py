"""Alerts for tests: a believable one, of which a test changes what it is about."""

from hashlib import md5

from hypothesis import strategies as st
from msgspec.structs import replace

from monitor.casework.evidence import StoredAlert, stored_alert
from monitor.domain.alert import Alert, ParameterInForce, Quantity, Source, Subject, alert_id
from monitor.domain.time import HOUR_US
from monitor.domain.vocabulary import RISK_RATINGS, SEVERITIES

START_US = 1_770_000_000_000_000


def subject(name: str) -> Subject:
    """A customer by a short name."""
    return Subject("customer", md5(name.encode()).hexdigest())


def alert(n: int = 0, *, customer: str = "ann", rule: str = "AML-STR-001", **changes: object) -> Alert:
    """The ``n``-th alert of a stream: log position ``n``, an hour after the one before."""
    who = subject(customer)
    time_us = START_US + n * HOUR_US
    built = Alert(
        alert_id=alert_id(rule=rule, digest="d" * 64, subject_token=who.token, transaction=(n, 7), leg_role="creditor"),
        event_time_us=time_us,
        judged_at_us=time_us,
        position=n,
        leg_role="creditor",
        subject=who,
        source=Source("rule", rule, 1, "d" * 64),
        title="Cash deposits below the threshold",
        typology="structuring",
        severity="medium",
        score=0.5,
        status="new",
        text="9 cash deposits of together 18 000.00 USD within 6 days, each below 10 000.00 USD.",
        measures={"small_cash.total": Quantity("18000.00", "USD"), "small_cash.deposits": Quantity("9", "count")},
        parameters={"total_above": ParameterInForce("10000.00", "USD", "a rule of law", "2001-01-01", None, "US")},
        transactions=(n - 2, n - 1, n),
        transactions_total=3,
        customer_segment="retail",
        customer_risk_rating="medium",
        profile_version=3,
        booking_entity="US01",
        jurisdiction="US",
        amount_minor=1_800_000,
        currency="USD",
        rulebook_digest="e" * 64,
        bank_snapshot=2,
    )
    return replace(built, **changes)  # type: ignore[arg-type]


def stored(n: int = 0, **changes: object) -> StoredAlert:
    """The same, ready for the store."""
    return stored_alert(alert(n, **changes))  # type: ignore[arg-type]


@st.composite
def alert_streams(draw: st.DrawFn, *, alerts_max: int = 24) -> list[StoredAlert]:
    """Streams of alerts in the order of the log, of few subjects and rules, so that they meet."""
    count = draw(st.integers(1, alerts_max))
    return [
        stored(
            n,
            customer=draw(st.sampled_from(["ann", "bob", "cid"])),
            rule=draw(st.sampled_from(["AML-STR-001", "AML-PAS-002", "AML-FAN-003"])),
            typology=draw(st.sampled_from(["structuring", "pass_through"])),
            severity=draw(st.sampled_from(SEVERITIES)),
            score=draw(st.sampled_from([0.0, 0.25, 1.0])),
            status=draw(st.sampled_from(["new", "quiet", "shadow"])),
            amount_minor=draw(st.integers(1, 5_000_000)),
            currency=draw(st.sampled_from(["USD", "EUR"])),
            customer_risk_rating=draw(st.sampled_from([None, *RISK_RATINGS])),
        )
        for n in range(count)
    ]
