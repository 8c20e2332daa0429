"""``aml rules lock`` and ``aml rules approve``: the life cycle of a rule, from the command line."""

import re
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from monitor.cli.rule_files import (
    FAILED,
    PASSED,
    UNREADABLE,
    RuleArguments,
    chosen,
    day_us,
    ending,
    fail,
    is_rule_id,
    loaded_approvals,
    look_at,
    rule_paths,
    today,
    with_approvals,
)
from monitor.cli.rule_pages import pages
from monitor.cli.rule_tables import counted, print_errors
from monitor.rulebook.approvals import (
    APPROVALS_NAME,
    DIGEST_SHOWN,
    cannot_approve,
    find_approvals,
    fits,
    read_approvals,
    with_entry,
)
from monitor.rulebook.canonical import rulebook_digest
from monitor.rulebook.coverage import (
    COVERAGE_NAME,
    README_NAME,
    NoMarks,
    candidates,
    coverage_part,
    readme_part,
    with_generated,
)
from monitor.rulebook.load import load_rules, shipped_rules
from monitor.rulebook.lock import LOCK_NAME, Lock, lock_text, read_lock, renew
from monitor.rulebook.rule import Place, Rule
from monitor.rulebook.rule_error import RuleError
from monitor.rulebook.schema import schema_text
from monitor.rulebook.template import PACKS, NoTemplate, new_rule
from monitor.rulebook.testing import run_test
from monitor.rulebook.testing_reference import ReferenceTables

LOCK_HELP = ending(
    (
        "aml rules lock                      write down what has changed; refuse what must not change",
        "aml rules lock --check              change nothing; is the lock that of the rules?",
        "aml rules lock AML-STR-001          one rule",
        "aml rules lock bank/rules           the bank's own rules, with a lock of their own",
    ),
    (
        "the lock is that of the rules (now, or with --check already)",
        "a change was refused, or with --check: lock and rules differ",
        "a rule file or the lock could not be read; nothing was written",
    ),
)
DOCS_HELP = ending(
    (
        "aml rules docs                                  every rule, into rule-pages/",
        "aml rules docs AML-STR-001 --on 2026-03-31      the values of that day",
        "aml rules docs --approvals bank/approvals.yaml --out examination",
    ),
    ("written", "no such rule", "a rule file could not be read; the others are written"),
)
SCHEMA_HELP = ending(("aml rules schema > rules/rule.schema.json",), ("printed",))
COVERAGE_HELP = ending(
    (
        "aml rules coverage                  after a rule was added or changed",
        "aml rules coverage --check          for a build",
    ),
    ("current (now, or with --check already)", "with --check: a table is out of date", "a file could not be read"),
)
NEW_HELP = ending(
    (
        'aml rules new structuring "Cash in many branches" --pack us',
        'aml rules new behaviour "Payments at night" --rules bank/rules',
    ),
    ("written", "no such typology or pack, or there is such a file", "the lock could not be read"),
)
APPROVE_HELP = ending(
    (
        'aml rules approve AML-STR-001 --by "Head of Compliance" --record CR-12',
        "aml rules approve AML-STR-001 --by ... --record CR-12 --approvals bank/approvals.yaml",
    ),
    (
        "approved",
        "refused: by its author, not an active rule, or no such rule",
        "the rule file or the approvals could not be read",
    ),
)


def new_command(
    typology: Annotated[str, typer.Argument(metavar="TYPOLOGY", help="the folder, such as structuring")],
    title: Annotated[str, typer.Argument(metavar="TITLE", help="what happens, in one line, no accusation")],
    pack: Annotated[str, typer.Option(help=f"the jurisdiction: {', '.join(PACKS)}")] = "general",
    rules: Annotated[Path | None, typer.Option(metavar="FOLDER", help="where the packs are (default: rules/)")] = None,
) -> None:
    """Begin a rule: a draft with every entry, under the next free id, whose tests fail until you have written them."""
    given = rules or Path("rules")
    folder = lock_folder(given) if given.exists() else given
    known, errors = load_rules([folder]) if folder.exists() else ([], [])
    taken = {rule.id for rule in known} | _read(folder / LOCK_NAME).keys()
    is_own = folder.resolve() != shipped_rules().resolve()
    taken |= {each for error in errors for each in _ids_in(Path(error.place.file))}
    try:
        made = new_rule(typology, title, pack=pack, taken=taken, day=today(), is_own=is_own)
    except NoTemplate as error:
        fail(str(error))
    path = folder / made.file
    if path.exists():
        fail(f"{path}: there is such a file already. Choose another title.")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(made.text, encoding="utf-8")
    print(f"{made.rule_id} is a draft in {path}. To fill in:")
    for line, words in made.places():
        print(f"  {path}:{line}: {words[:90]}")
    print(f"Then:  aml rules test --mutate {path}")


def coverage_command(
    rules: Annotated[
        Path | None, typer.Argument(metavar="FOLDER", help="the folder of the packs (default: rules/)")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="write nothing; exit 1 where a table is out of date")] = False,
) -> None:
    """Bring the generated tables of COVERAGE.md and README.md up to date with the rule files."""
    folder = lock_folder(rules or rule_paths(None)[0])
    look_at([folder])
    found, errors = load_rules([folder])
    if errors:
        print_errors(Console(stderr=True, highlight=False), errors)
        fail("The tables are left as they are: a rule that cannot be read would be missing.", UNREADABLE)
    old = []
    for name in (COVERAGE_NAME, README_NAME):
        path = folder / name
        if not path.exists():
            continue
        text = path.read_text(encoding="utf-8")
        part = coverage_part(found, candidates(text)) if name == COVERAGE_NAME else readme_part(found)
        try:
            current = with_generated(text, part, str(path))
        except NoMarks as error:
            fail(str(error), UNREADABLE)
        if current != text:
            old.append(path)
            if not check:
                path.write_text(current, encoding="utf-8")
    for path in old:
        print(f"{path}: {'is out of date; bring it up to date with aml rules coverage' if check else 'written'}")
    if not old:
        print(f"The tables in {folder} are current.")
    raise typer.Exit(FAILED if check and old else PASSED)


def docs_command(
    rule: RuleArguments = None,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="where the pages go")] = Path("rule-pages"),
    on: Annotated[str | None, typer.Option(metavar="DATE", help="values in force on DATE (default: today)")] = None,
    approvals: Annotated[
        Path | None, typer.Option(metavar="FILE", help="the bank's own approvals (default: beside the rules)")
    ] = None,
) -> None:
    """Write a page for each rule and an index, for examiners: HTML that needs no network."""
    day = on or today()
    start_us = day_us(day)
    rules, errors = chosen(rule)
    paths = rule_paths(rule)
    approved = loaded_approvals(rules, approvals, paths)
    rules = with_approvals(rules, approved)
    lock: Lock = {}
    for folder in dict.fromkeys(map(lock_folder, paths)):
        lock |= _read(folder / LOCK_NAME)
    if rule:
        lock = {each.id: lock[each.id] for each in rules if each.id in lock}
    engine = ReferenceTables()
    made = pages(
        rules,
        texts={each.id: Path(each.place.file).read_text(encoding="utf-8") for each in rules},
        lock=lock,
        results={each.id: [run_test(each, test, engine) for test in each.tests] for each in rules},
        rulebook=rulebook_digest(iter(rules)),
        day=day,
        day_us=start_us,
    )
    out.mkdir(parents=True, exist_ok=True)
    for name, text in made.items():
        (out / name).write_text(text, encoding="utf-8")
    print_errors(Console(stderr=True, highlight=False), [*errors, *approved.problems])
    print(f"{counted(len(rules), 'rule')} as of {day}: {out / 'index.html'}")
    raise typer.Exit(UNREADABLE if errors else PASSED)


def schema_command() -> None:
    """Print the JSON Schema of the rule file, for editors; rules/rule.schema.json is a copy."""
    print(schema_text(), end="")


def _ids_in(path: Path) -> set[str]:
    """Ids that a file names which cannot be loaded; they are taken all the same."""
    try:
        return set(re.findall(r"^id: *[\"']?(AML-[A-Z]{3}-[0-9]{3})", path.read_text("utf-8", "replace"), re.MULTILINE))
    except OSError:
        return set()


def lock_command(
    rule: RuleArguments = None,
    check: Annotated[bool, typer.Option("--check", help="write nothing; exit 1 where lock and rules differ")] = False,
    on: Annotated[str | None, typer.Option(metavar="DATE", help="the day of the change (default: today)")] = None,
) -> None:
    """Bring rules.lock up to date: ids, versions, digests, statuses, and since when."""
    console, day = Console(highlight=False), on or today()
    day_us(day)
    paths = rule_paths(rule)
    look_at(paths)
    problems: list[RuleError] = []
    changes = count = 0
    for folder in dict.fromkeys(map(lock_folder, paths)):
        rules, errors = load_rules([folder])
        if errors:
            print_errors(Console(stderr=True, highlight=False), errors)
            fail("The lock is left as it is: a file that cannot be read would look like a rule that is gone.",
                 UNREADABLE)  # fmt: skip
        path = folder / LOCK_NAME
        before = _read(path)
        renewal = renew(before, rules, on=day, file=str(path), chosen=_asked_for(rule, rules, before, folder))
        for change in renewal.changes:
            console.print(Text.assemble(("differs  " if check else "locked  ", "yellow" if check else "green"),
                                        str(change)), soft_wrap=True)  # fmt: skip
        if renewal.changes and not check:
            path.write_text(lock_text(renewal.lock), encoding="utf-8")
        problems += renewal.problems
        changes += len(renewal.changes)
        count += len(rules)
    print_errors(Console(stderr=True, highlight=False), problems)
    if check and changes:
        console.print("If the changes are meant: aml rules lock", style="dim")
    is_good = not problems and not (check and changes)
    words = f"{counted(count, 'rule')}, {counted(changes, 'change')}"
    words += f", {counted(len(problems), 'change')} refused" if problems else ""
    words += "; the lock is that of the rules." if is_good else "."
    console.print(words, style="bold green" if is_good else "bold red")
    raise typer.Exit(PASSED if is_good else FAILED)


def lock_folder(path: Path) -> Path:
    """The folder whose lock a path belongs to: the nearest with a lock from the path upwards, else its own."""
    start = path if path.is_dir() else path.parent
    above = [start, *(Path(*[".."] * n) if start == Path(".") else start.parents[n - 1]
                      for n in range(1, min(3, len(start.parents)) + 1))]  # fmt: skip
    return next((folder for folder in above if (folder / LOCK_NAME).is_file()), start)


def _asked_for(arguments: list[str] | None, rules: list[Rule], lock: Lock, folder: Path) -> set[str] | None:
    """The ids to look at; ``None`` for all of the folder."""
    ids = {text for text in arguments or () if is_rule_id(text)}
    unknown = sorted(ids - {rule.id for rule in rules} - lock.keys())
    if unknown:
        fail(f"There is no rule {', '.join(unknown)} in {folder}, and its lock has none.")
    if ids:
        return ids
    parts = [Path(text).resolve() for text in arguments or ()]
    if not parts or folder.resolve() in parts:
        return None
    return {rule.id for rule in rules for part in parts if Path(rule.place.file).resolve().is_relative_to(part)}


def _read(path: Path) -> Lock:
    try:
        return read_lock(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError:
        return {}
    except RuleError as error:
        fail(str(error), UNREADABLE)


def approve_command(
    rule: Annotated[str, typer.Argument(metavar="RULE", help="the id of an active rule")],
    by: Annotated[str, typer.Option(metavar="NAME", help="who approves; never the rule's author")],
    record: Annotated[str, typer.Option(metavar="R", help="the record of the decision, such as CR-12")],
    rules: Annotated[list[Path] | None, typer.Option(help="rule files or folders (default: rules/)")] = None,
    approvals: Annotated[
        Path | None, typer.Option(metavar="FILE", help="the bank's approvals (default: beside the rules, else here)")
    ] = None,
    on: Annotated[str | None, typer.Option(metavar="DATE", help="the day of the decision (default: today)")] = None,
) -> None:
    """Approve a rule as it is now for this bank: from the next run on, its alerts reach analysts."""
    day = on or today()
    day_us(day)
    if not by.strip() or not record.strip():
        fail("An approval names who approves and the record of the decision: --by NAME --record R.")
    paths = [str(path) for path in rules or ()]
    found, errors = chosen([rule, *paths])
    if errors and not found:
        print_errors(Console(stderr=True, highlight=False), errors)
        raise typer.Exit(UNREADABLE)
    [it] = found
    beside = find_approvals(rule_paths(paths))
    path = approvals or (beside[0] if beside else Path(APPROVALS_NAME))
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    problem = cannot_approve(it, by=by, place=Place(it.place.file, it.place.line))
    if problem is not None:
        fail(str(problem))
    try:
        given, refused = read_approvals(text, str(path)) if text.strip() else ([], [])
        written = with_entry(text, it, by=by, on=day, record=record)
        again, _ = read_approvals(written, str(path))
    except RuleError as error:
        fail(str(error), UNREADABLE)
    if refused or len(again) != len(given) + 1:
        fail(f"{refused[0] if refused else path}\n\nNothing was written. Correct the file first.", UNREADABLE)
    if any(fits(entry, it) for entry in given):
        print(f"{it.id} version {it.version} was approved before; the new approval takes its place.")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(written, encoding="utf-8")
    print(
        f"Approved {it.id} version {it.version}, digest {it.digest[:DIGEST_SHOWN]}, by {by} on {day}, record {record}."
    )
    print(f"Written to {path}. Runs that use it:  aml run FILE... --approvals {path}")
