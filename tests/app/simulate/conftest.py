"""Small simulated banks, made once for all tests of the simulator."""

from pathlib import Path

import pytest
from simulated_bank import Bank, read_bank

from monitor.app.simulate import simulate


@pytest.fixture(scope="session")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Bank:
    """2,000 customers for 60 days: the smallest bank that has every typology."""
    out = tmp_path_factory.mktemp("bank")
    simulate(customers=2_000, days=60, seed=3, out=out)
    return read_bank(out)


@pytest.fixture(scope="session")
def long_bank(tmp_path_factory: pytest.TempPathFactory) -> Bank:
    """400 customers for 300 days: long enough for an account to sleep for half a year."""
    out: Path = tmp_path_factory.mktemp("long_bank")
    simulate(customers=400, days=300, seed=5, out=out, file_format="parquet")
    return read_bank(out)


@pytest.fixture(scope="session")
def small_bank(tmp_path_factory: pytest.TempPathFactory) -> Bank:
    """600 customers for 21 days, for checks that look at every field of every row."""
    out = tmp_path_factory.mktemp("small_bank")
    simulate(customers=600, days=21, seed=7, out=out)
    return read_bank(out)
