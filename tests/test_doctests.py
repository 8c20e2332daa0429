"""Every example in a docstring of the monitor runs and shows what it says."""

import doctest
import importlib
import pkgutil

import pytest

import monitor

# Alembic runs these inside its own environment; outside of it they cannot be imported.
_MIGRATIONS = "monitor.adapters.sql.migrations"
MODULES = [
    module.name
    for module in pkgutil.walk_packages(monitor.__path__, "monitor.")
    if not module.name.startswith(_MIGRATIONS) and not module.name.endswith("__main__")
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name: str) -> None:
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0


def test_there_are_examples_to_run() -> None:
    finder = doctest.DocTestFinder()
    examples = sum(len(test.examples) for name in ("monitor.domain.time", "monitor.domain.money")
                   for test in finder.find(importlib.import_module(name)))  # fmt: skip
    assert len(MODULES) > 50
    assert examples > 5
