"""The models compare amounts of several currencies in one: by dated rates, or not at all."""

from dataclasses import replace

import numpy as np
import pytest

from monitor.domain.alert import Alert
from monitor.domain.money import CURRENCIES, CURRENCY_CODE
from monitor.domain.time import DAY_US, UNKNOWN
from monitor.engine.anomalies import Anomalies
from monitor.engine.conversion import Rates
from monitor.engine.model_rows import ModelRows, Rows
from tests.engine.payment_columns import START_US, Payments, payments
from tests.engine.test_anomalies import engine, fed, of_models

USD, JPY, EUR = (CURRENCY_CODE[name] for name in ("USD", "JPY", "EUR"))


def rates_into(target: int, source: int, published_us: list[int], rates: list[tuple[int, int]]) -> Rates:
    """Rates of one pair, as minor units of the target per minor unit of the source."""
    start = np.zeros(len(CURRENCIES) + 1, np.int64)
    start[source + 1 :] = len(published_us)
    numerator, denominator = (np.array(side, np.int64) for side in zip(*rates, strict=True))
    return Rates(target, start, np.array(published_us, np.int64), numerator, denominator)


CENT = rates_into(USD, JPY, [START_US - DAY_US], [(1, 1)])
"""A yen is a US cent."""


def in_yen(stream: Payments, *, of_mule: bool = True) -> Payments:
    """The same stream: every third payment, and some of the burst, in yen of a cent each."""
    currency = stream.batch.currency.copy()
    currency[::3] = JPY
    currency[list(stream.burst[::2])] = JPY
    currency[0] = USD
    return replace(stream, batch=replace(stream.batch, currency=currency))


def raised(stream: Payments, rates: Rates | None) -> list[Alert]:
    made = engine(stream)
    made.inputs = replace(made.inputs, models_rates=rates)
    return of_models(fed(made, stream, (2_000, 4_000)))


@pytest.fixture(scope="module")
def stream() -> Payments:
    return payments(3)


def told(alerts: list[Alert]) -> list[tuple[int, str, object]]:
    return [(each.position, each.text, each.measures) for each in alerts]


def test_two_currencies_with_rates_raise_what_one_does(stream: Payments):
    one = told(raised(stream, None))
    assert told(raised(in_yen(stream), CENT)) == one
    assert any("Paid on 97 %" in text for _, text, _ in one)


def test_rates_published_later_are_no_rates(stream: Payments):
    mixed = in_yen(stream)
    later = replace(CENT, published_us=mixed.batch.booked_at_us[-1:])
    without = told(raised(mixed, None))
    assert told(raised(mixed, later)) == without
    assert without != told(raised(mixed, CENT))


def added(currency: list[int], time_us: list[int], rates: Rates | None, home: int) -> np.ndarray:
    """What is added to the logarithms of amounts of one unit each."""
    made, n = ModelRows(segments_max=1), len(currency)
    made.currency = home
    zeros, none = np.zeros(n, np.int64), np.zeros(n)
    rows = Rows(*[zeros] * 7, np.array(time_us, np.int64), np.array(currency, np.int64), none, zeros)
    made.into_one_currency(rows, is_counted=False, rates=rates)
    return rows.amount_log


def test_a_million_yen_is_less_than_ten_thousand_dollars():
    # 150 yen a dollar: 2 cents are 3 yen.
    rates = rates_into(USD, JPY, [0], [(2, 3)])
    yen, dollars = np.log([1_000_000, 10_000]) + added([JPY, USD], [5, 5], rates, USD)
    assert yen == pytest.approx(np.log(1_000_000 / 150))
    assert dollars == np.log(10_000)
    # The same for a bank whose own currency is the yen, with rates into dollars.
    yen, dollars = np.log([1_000_000, 10_000]) + added([JPY, USD], [5, 5], rates, JPY)
    assert yen == np.log(1_000_000)
    assert dollars == pytest.approx(np.log(1_500_000))


def test_the_last_rate_before_the_payment_holds_and_without_one_the_amount_is_unknown():
    rates = rates_into(USD, JPY, [10, 20], [(1, 1), (2, 1)])
    found = added([JPY] * 4 + [EUR, USD], [10, 11, 20, 21, 21, 5], rates, USD)
    assert np.isnan(found[[0, 4]]).all()
    assert np.exp(found[[1, 2, 3, 5]]) == pytest.approx([0.01, 0.01, 0.02, 1.0])
    assert np.isnan(added([JPY], [5], None, USD)[0])


def test_the_currency_is_that_of_most_payments_of_the_first_weeks(stream: Payments):
    currency = np.full(len(stream.batch), USD, np.int16)
    currency[:3] = JPY
    made = engine(stream)
    assert made.anomalies is not None
    fed(made, replace(stream, batch=replace(stream.batch, currency=currency)), stop=3)
    assert made.anomalies.rows.currency == JPY
    other = engine(stream)
    assert other.anomalies is not None
    fed(other, replace(stream, batch=replace(stream.batch, currency=currency)), range(0, 6_000, 700))
    assert other.anomalies.rows.currency == USD
    again = Anomalies()
    again.load(other.anomalies.save())
    assert (again.rows.currency, again.rows.paid_in.tolist()) == (USD, other.anomalies.rows.paid_in.tolist())


def test_an_unknown_amount_has_no_currency(stream: Payments):
    amount, currency = stream.batch.amount_minor.copy(), stream.batch.currency.copy()
    amount[:40], currency[:40] = UNKNOWN, -1
    made = engine(stream)
    assert made.anomalies is not None
    fed(made, replace(stream, batch=replace(stream.batch, amount_minor=amount, currency=currency)), stop=200)
    assert made.anomalies.flags == {}
    assert made.anomalies.rows.currency == USD
