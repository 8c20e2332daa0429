"""``aml rules``: test, check and explain rule files, from the command line."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from monitor.cli import rule_switches
from monitor.cli.rule_files import (
    FAILED,
    PASSED,
    UNREADABLE,
    AsJson,
    RuleArguments,
    approval_findings,
    chosen,
    day_us,
    ending,
    fail,
    loaded_approvals,
    rule_paths,
    with_approvals,
)
from monitor.cli.rule_tables import (
    print_errors,
    print_explanation,
    print_findings,
    print_rule_result,
    print_summary,
)
from monitor.cli.rules_life import (
    APPROVE_HELP,
    COVERAGE_HELP,
    DOCS_HELP,
    LOCK_HELP,
    NEW_HELP,
    SCHEMA_HELP,
    approve_command,
    coverage_command,
    docs_command,
    lock_command,
    new_command,
    schema_command,
)
from monitor.domain.countries import COUNTRY_CODE
from monitor.rulebook.explain import explain_rule
from monitor.rulebook.groups import load_groups, ungrouped
from monitor.rulebook.lint import WARNING, lint_rules
from monitor.rulebook.load import load_lists, load_rules
from monitor.rulebook.mutation import MutantResult, NeedlessExcuse, as_of_day, needless_excuses, run_mutants
from monitor.rulebook.testing import TestResult, run_test
from monitor.rulebook.testing_reference import ReferenceTables

app = typer.Typer(
    help="Rules: test them, check them, explain them. No broker, no cache, no network.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command(
    "test",
    epilog=ending(
        (
            "aml rules test                             every rule",
            "aml rules test rules/us/structuring        one typology",
            "aml rules test --mutate AML-STR-001        move each tunable by one unit; a test must notice",
            "aml rules test --json | jq .passed         for other programs",
        ),
        (
            "every test passed",
            "a test failed, a mutant survived, an excuse was needless, or no such rule",
            "a rule file could not be read",
        ),
    ),
)
def run_command(
    rule: RuleArguments = None,
    mutate: Annotated[
        bool, typer.Option("--mutate", help="also check that every threshold, window, date and comparison is tested")
    ] = False,
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of", metavar="DATE", help="use the parameters in force on DATE, not on each test's own date"
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run the tests written inside rule files."""
    console, errors_console = Console(highlight=False), Console(stderr=True, highlight=False)
    rules, errors = chosen(rule)
    if as_of is not None:
        rules = [as_of_day(each, day_us(as_of)) for each in rules]
    engine = ReferenceTables()
    results: list[TestResult] = []
    mutants: list[MutantResult] = []
    needless: list[NeedlessExcuse] = []
    with errors_console.status("") as progress:
        for number, each in enumerate(rules, 1):
            progress.update(f"{each.id}, {number} of {len(rules)}")
            own = [run_test(each, test, engine) for test in each.tests]
            is_moved = mutate and all(result.passed for result in own)
            moved = run_mutants(each, engine) if is_moved else []
            # With the values of one day only, some mutants of the rule do not exist.
            idle = needless_excuses(each, moved) if is_moved and as_of is None else []
            if as_json:
                _print_json_lines(own, moved, idle)
            else:
                print_rule_result(console, each, own, moved, idle)
            results += own
            mutants += moved
            needless += idle
    if not as_json:
        print_summary(console, results, mutants, needless, mutate=mutate)
    print_errors(errors_console, errors)
    if errors:
        raise typer.Exit(UNREADABLE)
    failed = any(not result.passed for result in results) or any(mutant.survived for mutant in mutants) or needless
    raise typer.Exit(FAILED if failed else PASSED)


@app.command(
    "lint",
    epilog=ending(
        (
            "aml rules lint                             every rule and list",
            "aml rules lint rules/general/corridor      one typology",
        ),
        ("nothing but advice", "there are warnings", "a rule file could not be read"),
    ),
)
def lint_command(rule: RuleArguments = None, as_json: AsJson = False) -> None:
    """Point at dead tunables, stale sources and fields that nobody asks about."""
    rules, errors = chosen(rule)
    lists, _ = load_lists(rule_paths(rule))
    now_us = int(datetime.now(UTC).timestamp()) * 1_000_000
    findings = lint_rules(rules, lists, today_us=now_us)
    groups, group_errors = load_groups(rule_paths(rule), load_rules(rule_paths(rule))[0])
    findings += ungrouped(groups, rules)
    errors = [*errors, *group_errors]
    findings += approval_findings(loaded_approvals(rules, None, rule_paths(rule)))
    if as_json:
        for finding in findings:
            body = {"level": finding.level, "rule": finding.rule_id, "file": finding.place.file,
                    "line": finding.place.line, "fact": finding.fact, "remedy": finding.remedy}  # fmt: skip
            print(json.dumps(body, ensure_ascii=False))
    else:
        print_findings(Console(highlight=False), findings, rules=len(rules))
    print_errors(Console(stderr=True, highlight=False), errors)
    if errors:
        raise typer.Exit(UNREADABLE)
    raise typer.Exit(FAILED if any(finding.level == WARNING for finding in findings) else PASSED)


@app.command(
    "explain",
    epilog=ending(
        (
            "aml rules explain AML-STR-001                                       general values, today",
            "aml rules explain AML-STR-001 --segment cash_business --on 2026-05-04",
        ),
        ("explained", "no such rule", "the rule file could not be read"),
    ),
)
def explain_command(
    rule: Annotated[str, typer.Argument(metavar="RULE", help="a rule id or a file")],
    segment: Annotated[str | None, typer.Option(metavar="S", help="values for this segment")] = None,
    on: Annotated[str | None, typer.Option(metavar="DATE", help="values in force on DATE (default: today)")] = None,
    jurisdiction: Annotated[str | None, typer.Option(metavar="J", help="values for this country, such as US")] = None,
    approvals: Annotated[
        Path | None, typer.Option(metavar="FILE", help="the bank's own approvals (default: beside the rules)")
    ] = None,
) -> None:
    """One rule in words, with the values in force."""
    if jurisdiction is not None and jurisdiction not in COUNTRY_CODE:
        fail(f"The jurisdiction '{jurisdiction}' is no country of ISO 3166-1 alpha-2. Write for example US.")
    rules, errors = chosen([rule])
    print_errors(Console(stderr=True, highlight=False), errors)
    if errors:
        raise typer.Exit(UNREADABLE)
    day = on or datetime.now(UTC).date().isoformat()
    approved = loaded_approvals(rules, approvals, rule_paths([rule]))
    print_errors(Console(stderr=True, highlight=False), approved.problems)
    for each in with_approvals(rules, approved):
        explanation = explain_rule(each, time_us=day_us(day), segment=segment, jurisdiction=jurisdiction)
        print_explanation(Console(highlight=False), each, explanation, day=day, segment=segment,
                          jurisdiction=jurisdiction)  # fmt: skip


app.command("new", epilog=NEW_HELP, short_help="Begin a rule: a draft whose tests fail.")(new_command)
app.command("lock", epilog=LOCK_HELP, short_help="Bring rules.lock up to date, or check it.")(lock_command)
app.command("approve", epilog=APPROVE_HELP, short_help="Approve a rule for this bank.")(approve_command)
app.command("docs", epilog=DOCS_HELP, short_help="Write a page for each rule, for examiners.")(docs_command)
app.command("coverage", epilog=COVERAGE_HELP, short_help="Write the tables of typologies and data.")(coverage_command)
app.command("schema", epilog=SCHEMA_HELP, short_help="Print the JSON Schema for editors.")(schema_command)


def _print_json_lines(results: list[TestResult], mutants: list[MutantResult], needless: list[NeedlessExcuse]) -> None:
    for result in results:
        misses = [{"row": miss.row + 1, "expected": miss.expected, "given": miss.given} for miss in result.misses]
        body = {"rule": result.rule_id, "test": result.name, "file": result.place.file, "line": result.place.line,
                "rows": result.rows, "passed": result.passed, "misses": misses}  # fmt: skip
        print(json.dumps(body, ensure_ascii=False))
    for mutant in mutants:
        print(json.dumps({"rule": mutant.rule_id, "mutant": mutant.name, "file": mutant.place.file,
                          "line": mutant.place.line, "noticed_by": mutant.noticed_by, "excuse": mutant.excuse,
                          "passed": not mutant.survived}, ensure_ascii=False))  # fmt: skip
    for excuse in needless:
        print(json.dumps({"rule": excuse.rule_id, "excuse_of": excuse.name, "file": excuse.place.file,
                          "line": excuse.place.line, "fact": excuse.fact, "passed": False},
                         ensure_ascii=False))  # fmt: skip


rule_switches.register(app)
