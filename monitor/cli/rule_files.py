"""Which rule files a command of ``aml rules`` means, and how it says that there are none."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from monitor.app.inputs import ApprovalsError, load_approvals
from monitor.rulebook.approvals import APPROVALS_NAME, Approved, find_approvals
from monitor.rulebook.lint import WARNING, LintFinding
from monitor.rulebook.load import load_rules, shipped_rules
from monitor.rulebook.rule import Rule
from monitor.rulebook.rule_error import RuleError

PASSED, FAILED, UNREADABLE = 0, 1, 2

RuleArguments = Annotated[
    list[str] | None,
    typer.Argument(metavar="RULE", help="a rule id, a file or a folder (default: rules/, else the shipped rules)"),
]
AsJson = Annotated[bool, typer.Option("--json", help="one JSON object a line on stdout")]


def ending(examples: Sequence[str], statuses: Sequence[str]) -> str:
    """The end of a command's help: examples and exit statuses."""
    blocks = ["\b\nexamples:", *(f"  {line}" for line in examples), "", "\b\nexit status:"]
    return "\n".join([*blocks, *(f"  {number}  {line}" for number, line in enumerate(statuses))])


def is_rule_id(text: str) -> bool:
    """Whether an argument is the id of a rule and no path."""
    return text.startswith("AML-") and "/" not in text


def rule_paths(arguments: list[str] | None) -> list[Path]:
    """Files and folders given; without any, ``rules/`` here, or else the rules that travel with the product."""
    given = [Path(text) for text in arguments or () if not is_rule_id(text)]
    here = Path("rules")
    return given or [here if any(here.rglob("*.yaml")) else shipped_rules()]


def chosen(arguments: list[str] | None) -> tuple[list[Rule], list[RuleError]]:
    """The rules asked for. Leaves with a message where a name or path leads nowhere."""
    paths, wanted = rule_paths(arguments), {text for text in arguments or () if is_rule_id(text)}
    look_at(paths)
    rules, errors = load_rules(paths)
    missing = sorted(wanted - {rule.id for rule in rules})
    if missing and not errors:
        known = ", ".join(rule.id for rule in rules) or "none"
        fail(f"There is no rule {', '.join(missing)} in {', '.join(map(str, paths))}. The rules are: {known}.")
    if not rules and not errors:
        fail(f"There is no rule in {', '.join(map(str, paths))}. Rules are *.yaml files in a folder per typology.")
    return [rule for rule in rules if not wanted or rule.id in wanted], errors


def look_at(paths: Sequence[Path]) -> None:
    """Leave with a message where a path leads nowhere."""
    for path in paths:
        if not path.exists():
            fail(f"{path}: there is no such file or folder. Give a rule id, a file or a folder.")


def loaded_approvals(rules: Sequence[Rule], given: Path | None, paths: Sequence[Path]) -> Approved:
    """The bank's approvals out of the file given, or out of those beside the rules."""
    try:
        return load_approvals(rules, [given] if given else find_approvals(paths))
    except ApprovalsError as error:
        fail(str(error), UNREADABLE)
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}. Check the path and the permissions.", UNREADABLE)


def with_approvals(rules: Sequence[Rule], approved: Approved) -> list[Rule]:
    """The rules with the bank's own approvals in place of the product's."""
    return [replace(rule, approval=approved.by_rule.get(rule.id, rule.approval)) for rule in rules]


def approval_findings(approved: Approved) -> list[LintFinding]:
    """What is wrong with the bank's approvals, as remarks."""
    return [
        LintFinding(WARNING, APPROVALS_NAME, each.place, each.fact, f"{each.reason} {each.remedy}")
        for each in approved.problems
    ]


def day_us(text: str) -> int:
    """The beginning of a day in microseconds UTC."""
    try:
        moment = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        fail(f"'{text}' is no date. Write for example 2026-05-04.")
    return int(moment.timestamp()) * 1_000_000


def today() -> str:
    """The date in UTC."""
    return datetime.now(UTC).date().isoformat()


def fail(message: str, status: int = FAILED) -> NoReturn:
    """Leave with a message."""
    print(message, file=sys.stderr)
    raise typer.Exit(status)
