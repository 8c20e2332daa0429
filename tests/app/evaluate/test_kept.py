"""A result stands for what it was measured from, and for nothing else."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.app.evaluate.evaluation import EvaluateRequest, evaluate
from monitor.app.evaluate.kept import Kept, fingerprint
from monitor.app.evaluate.registry import PARTS
from tests.app.evaluate.labelled_streams import Plan, rows_of, written


@pytest.fixture
def request_of(tmp_path: Path) -> EvaluateRequest:
    data = written(rows_of(Plan(41, days=40, rows=300)), tmp_path / "bank_tx.csv")
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "one.yaml").write_text("one")
    return EvaluateRequest(data, rules=(tmp_path / "rules",))


def changed_data(request: EvaluateRequest) -> EvaluateRequest:
    written(rows_of(Plan(42, days=40, rows=300)), request.place)
    return request


def changed_parties(request: EvaluateRequest) -> EvaluateRequest:
    request.place.with_name("bank_parties.csv").write_text("account\nA1\n")
    return request


def changed_rule(request: EvaluateRequest) -> EvaluateRequest:
    (request.rules[0] / "one.yaml").write_text("two")
    return request


@pytest.mark.parametrize(
    "change",
    [
        changed_data, changed_parties, changed_rule,
        lambda request: replace(request, seed=2), lambda request: replace(request, track="S"),
        lambda request: replace(request, budget=0.002), lambda request: replace(request, only=("models",)),
    ],
)  # fmt: skip
def test_whatever_decides_the_figures_changes_the_fingerprint(
    request_of: EvaluateRequest, change: Callable[[EvaluateRequest], EvaluateRequest]
) -> None:
    before = fingerprint(request_of)
    assert fingerprint(request_of) == before
    assert fingerprint(change(request_of)) != before


def test_only_a_whole_result_counts_as_there(request_of: EvaluateRequest, tmp_path: Path) -> None:
    request = replace(request_of, rules=(), only=("models",))
    kept, mark = Kept.at(tmp_path / "out", "bank-U"), fingerprint(request)
    assert kept.unchanged(mark, request) is None
    kept.write(evaluate(request, makers={"models": PARTS["models"]}), mark)
    found = kept.unchanged(mark, request)
    assert found is not None
    assert [each["method"] for each in found["methods"]] == ["models"]
    assert kept.unchanged("another", request) is None
    assert kept.unchanged(mark, replace(request, alerts_out=tmp_path / "none")) is None
    text = kept.figures.read_text()
    kept.figures.write_text(text[: len(text) // 2])
    assert kept.unchanged(mark, request) is None
    kept.figures.write_text(text)
    kept.page.unlink()
    assert kept.unchanged(mark, request) is None
