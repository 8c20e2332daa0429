"""One bank for all tests of back-tests; those that change it work on a copy."""

import pytest

from tests.app.backtest.bank import Bank, simulated_bank


@pytest.fixture(scope="session")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Bank:
    made = simulated_bank(tmp_path_factory.mktemp("backtest"))
    made.run()
    return made
