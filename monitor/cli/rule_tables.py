"""How ``aml rules`` looks: results, remarks and explanations for people."""

from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from monitor.cli.sentence import Sentence
from monitor.rulebook.approvals import DIGEST_SHOWN
from monitor.rulebook.explain import Explanation
from monitor.rulebook.lint import WARNING, LintFinding
from monitor.rulebook.mutation import MutantResult, NeedlessExcuse
from monitor.rulebook.rule import Rule
from monitor.rulebook.rule_error import RuleError
from monitor.rulebook.testing import TestResult


def counted(number: int, noun: str) -> str:
    """A number with its noun.

    >>> counted(1, "test"), counted(3, "test")
    ('1 test', '3 tests')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


def approval_in_words(rule: Rule) -> str:
    """Who answers for the rule."""
    author = f"; written by {rule.author}" if rule.author else ""
    if rule.approval is None:
        return f"not approved{author}"
    if rule.approval.is_example:
        return f"EXAMPLE: approved by the product only, so it runs in shadow until the bank approves it{author}"
    return f"approved by {rule.approval.by} on {rule.approval.on}, record {rule.approval.record}{author}"


def print_rule_result(
    console: Console,
    rule: Rule,
    results: Sequence[TestResult],
    mutants: Sequence[MutantResult],
    needless: Sequence[NeedlessExcuse] = (),
) -> None:
    """One line per rule; below it what failed, with the row and both verdicts."""
    failed = [result for result in results if not result.passed]
    survivors = [mutant for mutant in mutants if mutant.survived]
    is_good = not failed and not survivors and not needless
    line = Text.assemble(
        ("ok    " if is_good else "FAIL  ", "green" if is_good else "bold red"),
        (rule.id, "bold"),
        f"  {counted(len(results), 'test')}, {counted(sum(r.rows for r in results), 'payment')}",
        f", {counted(len(mutants), 'mutant')}" if mutants else "",
        (f"  {rule.title}", "dim"),
    )
    console.print(line, overflow="ellipsis", no_wrap=True)
    for result in failed:
        console.print(f"      {result.place}: {result.name}", style="red", soft_wrap=True)
        console.print(Padding(_misses(rule, result), (0, 0, 0, 8)))
    for mutant in survivors:
        console.print(f"      {mutant.place}: no test notices that {mutant.name}", style="red", soft_wrap=True)
    if survivors:
        console.print("      Add a row on each side of the value, or remove the tunable if it decides nothing.")
    for excuse in needless:
        words = f"      {excuse.place}: 'equivalent' excuses '{excuse.name}', but {excuse.fact}. Remove the excuse."
        console.print(words, style="red", soft_wrap=True)


def _misses(rule: Rule, result: TestResult) -> Table:
    """The rows whose verdict is not the one expected."""
    test = next(test for test in rule.tests if test.name == result.name)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in (*test.columns[:-1], "expect", "given"):
        table.add_column(column)
    for miss in result.misses:
        row = test.rows[miss.row]
        cells = [row[column] for column in test.columns[:-1]]
        table.add_row(*cells, Text(miss.expected, "green"), Text(miss.given, "bold red"))
    return table


def print_summary(
    console: Console,
    results: Sequence[TestResult],
    mutants: Sequence[MutantResult],
    needless: Sequence[NeedlessExcuse] = (),
    *,
    mutate: bool,
) -> None:
    """One line over all."""
    rules = len({result.rule_id for result in results})
    failed = sum(not result.passed for result in results)
    words = f"{counted(rules, 'rule')}, {counted(len(results), 'test')}, "
    words += counted(sum(result.rows for result in results), "payment")
    words += f"; {counted(failed, 'test')} failed" if failed else "; every verdict as stated"
    if mutate:
        survived = sum(mutant.survived for mutant in mutants)
        excused = sum(mutant.noticed_by is None and mutant.excuse is not None for mutant in mutants)
        words += f". {counted(len(mutants), 'mutant')}, {survived or 'none'} survived"
        words += f", {excused} excused" if excused else ""
        words += f"; {counted(len(needless), 'excuse')} needless" if needless else ""
        failed += survived + len(needless)
    console.print(words + ".", style="bold red" if failed else "bold green", soft_wrap=True)


def print_errors(console: Console, errors: Sequence[RuleError]) -> None:
    """Every file that was refused, in full."""
    for error in errors:
        console.print(str(error), markup=False, soft_wrap=True)
        console.print()


def print_findings(console: Console, findings: Sequence[LintFinding], *, rules: int) -> None:
    """Remarks, one rule after the other."""
    for finding in findings:
        style = "bold yellow" if finding.level == WARNING else "cyan"
        place = f"{finding.place}: {finding.rule_id}: "
        console.print(Text.assemble((f"{finding.level}  ", style), place, (finding.fact, "bold")), soft_wrap=True)
        console.print(f"         {finding.remedy}", style="dim", soft_wrap=True)
    warnings = sum(finding.level == WARNING for finding in findings)
    words = f"{counted(rules, 'rule')}: {counted(warnings, 'warning')}, {len(findings) - warnings} of advice."
    console.print(words, style="bold yellow" if warnings else "bold green")


def print_explanation(
    console: Console,
    rule: Rule,
    explanation: Explanation,
    *,
    day: str,
    segment: str | None,
    jurisdiction: str | None,
) -> None:
    """The rule on one screen: what, values, windows, why, what goes wrong."""
    console.print(Text.assemble((f"{rule.id}  ", "bold cyan"), (rule.title, "bold")))
    console.print(f"{rule.typology}, {rule.kind}, severity {rule.severity}, {rule.status}, version {rule.version}, "
                  f"digest {rule.digest[:DIGEST_SHOWN]}", style="dim")  # fmt: skip
    console.print(approval_in_words(rule), style="yellow" if rule.approval and rule.approval.is_example else "dim")
    console.print()
    console.print(Padding(Sentence(explanation.paragraph), (0, 2), expand=False))
    console.print()
    scope = ", ".join(each for each in (segment, jurisdiction) if each) or "general"
    if explanation.values:
        console.print(f"Values in force on {day} ({scope})", style="bold")
        table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
        for column in ("", "parameter", "value", "since", "row for", "source"):
            is_number = column == "value"
            table.add_column(column, justify="right" if is_number else "left", no_wrap=column != "source")
        for value in explanation.values:
            table.add_row("", value.name, Text(value.value, "bold"), value.since, value.scope, Text(value.cite, "dim"))
        console.print(table)
        console.print()
    if explanation.windows:
        console.print("Measured", style="bold")
        for name, _, measures in explanation.windows:
            for measure, meaning in measures:
                console.print(Text.assemble(f"  {name}.{measure}: ", (meaning, "dim")))
        console.print()
    for title, lines in (
        ("It does not see", rule.blind_spots),
        ("Innocent hits", rule.false_positives),
        ("Why", tuple(f"{each.cite}: {each.says} (read {each.read})" for each in rule.references)),
    ):
        console.print(title, style="bold")
        for line in lines:
            console.print(Padding(Sentence(f"- {line}"), (0, 2), expand=False))
        console.print()
