"""``aml rules lock`` and ``approve`` write down what was decided, and refuse what must not be."""

import pytest
from typer.testing import CliRunner

from monitor.cli.rules import app
from tests.rulebook.bad_rules import GOOD

EXAMPLE = GOOD.replace("approval: {by: Head of Financial Crime, on: 2026-03-24, record: CR-1}", "approval: EXAMPLE")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rules" / "us" / "structuring").mkdir(parents=True)
    return tmp_path / "rules"


def write(folder, text=EXAMPLE, name="cash_below_a_limit.yaml"):
    (folder / "us" / "structuring" / name).write_text(text, encoding="utf-8")


def aml_rules(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_check_fails_until_the_lock_is_written_and_writes_nothing_itself(folder):
    write(folder)
    before = aml_rules("lock", "--check")
    assert before.exit_code == 1
    assert "differs  AML-STR-900: new, version 1, active" in before.stdout
    assert not (folder / "rules.lock").exists()
    assert aml_rules("lock", "--on", "2026-11-20").exit_code == 0
    assert "since: 2026-11-20" in (folder / "rules.lock").read_text(encoding="utf-8")
    assert aml_rules("lock", "--check").exit_code == 0


def test_a_changed_value_without_a_higher_version_is_refused_and_with_one_is_locked(folder):
    write(folder)
    aml_rules("lock")
    kept = (folder / "rules.lock").read_text(encoding="utf-8")
    write(folder, EXAMPLE.replace("value: 2,", "value: 3,"))
    refused = aml_rules("lock")
    assert refused.exit_code == 1
    assert "AML-STR-900 has changed and is still version 1" in refused.output
    assert "Write version: 2" in refused.output
    assert (folder / "rules.lock").read_text(encoding="utf-8") == kept
    write(folder, EXAMPLE.replace("value: 2,", "value: 3,").replace("version: 1", "version: 2"))
    assert aml_rules("lock").exit_code == 0
    assert (folder / "rules.lock").read_text(encoding="utf-8").startswith(kept)


def test_a_file_that_cannot_be_read_stops_the_lock(folder):
    write(folder)
    aml_rules("lock")
    kept = (folder / "rules.lock").read_text(encoding="utf-8")
    write(folder, "id: [")
    result = aml_rules("lock")
    assert result.exit_code == 2
    assert "would look like a rule that is gone" in result.output
    assert (folder / "rules.lock").read_text(encoding="utf-8") == kept


def test_the_lock_of_a_part_is_that_of_the_whole(folder):
    write(folder)
    aml_rules("lock")
    write(folder, EXAMPLE.replace("AML-STR-900", "AML-STR-901"), "second.yaml")
    result = aml_rules("lock", "rules/us/structuring/second.yaml")
    assert result.exit_code == 0, result.output
    assert "AML-STR-901" in (folder / "rules.lock").read_text(encoding="utf-8")
    assert not (folder / "us" / "structuring" / "rules.lock").exists()
    assert aml_rules("lock", "AML-STR-902").exit_code == 1


def test_approve_writes_what_explain_then_shows(folder):
    write(folder)
    result = aml_rules("approve", "AML-STR-900", "--by", "Ada", "--record", "CR-9", "--on", "2026-11-24",
                       "--approvals", folder / "approvals.yaml")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "approved by Ada on 2026-11-24, record CR-9" in aml_rules("explain", "AML-STR-900").output
    write(folder, EXAMPLE.replace("value: 2,", "value: 3,").replace("version: 1", "version: 2"))
    changed = aml_rules("explain", "AML-STR-900")
    assert "EXAMPLE: approved by the product only" in changed.output
    assert "The rule has changed since" in changed.output
    assert "the approval of AML-STR-900 is for version 1" in aml_rules("lint").output


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (EXAMPLE.replace("version: 1", "version: 1\nauthor: ADA"), "'Ada' approves AML-STR-900 and is its author"),
        (EXAMPLE.replace("status: active", "status: shadow"), "whose status is shadow"),
    ],
)
def test_what_cannot_be_approved_is_refused_and_nothing_is_written(folder, text, words):
    write(folder, text)
    result = aml_rules("approve", "AML-STR-900", "--by", "Ada", "--record", "CR-9")
    assert result.exit_code == 1
    assert words in result.output
    assert not (folder.parent / "approvals.yaml").exists()


def test_a_broken_file_of_approvals_is_left_alone(folder):
    write(folder)
    (folder / "approvals.yaml").write_text("approvals:\n  - {rule: AML-STR-900}\n", encoding="utf-8")
    result = aml_rules("approve", "AML-STR-900", "--by", "Ada", "--record", "CR-9")
    assert result.exit_code == 2
    assert (folder / "approvals.yaml").read_text(encoding="utf-8") == "approvals:\n  - {rule: AML-STR-900}\n"


def test_a_new_rule_takes_no_id_of_the_lock_or_of_a_file_that_cannot_be_read(folder):
    write(folder, "id: AML-STR-501\ntitle: [\n", "broken.yaml")
    (folder / "rules.lock").write_text(
        "AML-STR-500:\n  - {version: 1, status: deleted, since: 2026-01-01, digest: aa}\n", encoding="utf-8"
    )
    result = aml_rules("new", "structuring", "Cash in many branches", "--pack", "us")
    assert result.exit_code == 0, result.output
    assert "AML-STR-502 is a draft in rules/us/structuring/cash_in_many_branches.yaml" in result.output
    assert "cash_in_many_branches.yaml:8: author: FILL IN" in result.output
    assert aml_rules("test", "AML-STR-502", "rules/us/structuring/cash_in_many_branches.yaml").exit_code == 1
    again = aml_rules("new", "structuring", "Cash in many branches", "--pack", "us")
    assert again.exit_code == 1
    assert "there is such a file already" in again.output


def test_a_new_rule_makes_the_folder_of_the_rules_where_there_is_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = aml_rules("new", "cash", "Cash at night", "--pack", "us")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "rules" / "us" / "cash" / "cash_at_night.yaml").is_file()


def test_coverage_check_fails_until_the_tables_are_written(folder):
    write(folder)
    marks = (
        "# Rules\n\n<!-- generated by `aml rules coverage`: do not edit below -->\n<!-- end of the generated part -->\n"
    )
    (folder / "README.md").write_text(marks, encoding="utf-8")
    assert aml_rules("coverage", "--check").exit_code == 1
    assert (folder / "README.md").read_text(encoding="utf-8") == marks
    assert aml_rules("coverage").exit_code == 0
    assert "| `AML-STR-900` | Cash deposits below a limit |" in (folder / "README.md").read_text(encoding="utf-8")
    assert aml_rules("coverage", "--check").exit_code == 0
