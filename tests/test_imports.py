"""Imports point inwards; the contracts are in pyproject.toml."""

from pathlib import Path

import pytest
from importlinter import cli

ROOT = Path(__file__).parents[1]


def test_the_contracts_of_pyproject_hold(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(ROOT)
    status = cli.lint_imports(cache_dir=None)
    assert status == 0, capsys.readouterr().out
