"""The reference evaluator runs the tables inside rule files."""

from pathlib import Path

import pytest

from monitor.rulebook.load import load_rule, shipped_rules
from monitor.rulebook.reference import ReferenceEngine
from monitor.rulebook.rule import Rule

FILES = sorted(path for path in shipped_rules().rglob("*.yaml") if path.parent.name != "lists")


def by_file(path: Path) -> str:
    return path.stem


@pytest.fixture(params=FILES, ids=by_file)
def shipped(request: pytest.FixtureRequest) -> Rule:
    return load_rule(request.param)


def test_every_row_of_every_shipped_rule_gets_the_verdict_written_beside_it(shipped: Rule):
    assert shipped.tests
    for test in shipped.tests:
        expected = [row["expect"] for row in test.rows]
        assert ReferenceEngine().verdicts(shipped, test) == expected, f"{shipped.id}: {test.name}"


def table(path: Path, text: str) -> Rule:
    """AML-STR-001 with one more test in place of its own."""
    original = (shipped_rules() / "structuring" / "cash_below_reporting_threshold.yaml").read_text()
    folder = path / "structuring"
    folder.mkdir()
    file = folder / "cash_below_reporting_threshold.yaml"
    rows = "".join(f"      {line}\n" for line in text.strip().splitlines())
    file.write_text(original[: original.index("tests:")] + "tests:\n  - name: a\n    start: 2026-05-04\n"
                    "    table: |\n" + rows)  # fmt: skip
    return load_rule(file)


def test_a_dash_is_unknown_and_the_row_is_undecided(tmp_path: Path):
    rule = table(
        tmp_path,
        """
        at  customer segment channel direction amount  expect
        0h  C1       retail  -       credit    9000.00 undecided
        1h  C1       retail  -       debit     9000.00 .
        2h  C1       retail  cash    credit    1000.00 undecided
        3h  C1       retail  cash    credit    9000.01 alert
        """,
    )
    assert ReferenceEngine().verdicts(rule, rule.tests[0]) == [row["expect"] for row in rule.tests[0].rows]


def test_a_reversed_row_leaves_and_a_row_of_another_jurisdiction_is_silent(tmp_path: Path):
    rule = table(
        tmp_path,
        """
        at  id reverses status   jurisdiction customer channel direction amount   expect
        0h  a  -        booked   US           C1       cash    credit    9000.00  .
        1h  b  -        booked   US           C1       cash    credit    1000.01  alert
        2h  c  a        reversed US           C1       cash    credit    9000.00  .
        20h d  -        booked   US           C1       cash    credit    8999.99  .
        25h e  -        booked   US           C2       cash    credit    9000.00  .
        26h f  -        booked   GB           C2       cash    credit    9000.00  .
        """,
    )
    assert ReferenceEngine().verdicts(rule, rule.tests[0]) == [row["expect"] for row in rule.tests[0].rows]
