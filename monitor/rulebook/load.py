"""From rule files to a rulebook: read, checked, typed; one bad file never takes down the others.

>>> rulebook, errors = load_rulebook([shipped_rules()])
>>> "AML-STR-001" in [rule.id for rule in rulebook.rules], errors
(True, [])
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from monitor.domain.vocabulary import RULE_STATUSES, SEVERITIES
from monitor.rulebook import checks, entries, tables
from monitor.rulebook.approvals import APPROVALS_NAME
from monitor.rulebook.canonical import rule_digest, rulebook_digest
from monitor.rulebook.checklists import CHECKLISTS_NAME
from monitor.rulebook.codes import codes
from monitor.rulebook.contradictions import refuse_contradictions
from monitor.rulebook.document import Keyed, Scalar, read_document
from monitor.rulebook.expression import Scope, compile_condition
from monitor.rulebook.groups import GROUPS_NAME
from monitor.rulebook.lists import NamedList, load_list, vocabulary_of_lists
from monitor.rulebook.rule import Membership, Node, Place, Rule, Rulebook
from monitor.rulebook.rule_error import RuleError
from monitor.rulebook.source import Source
from monitor.rulebook.walk import walk
from monitor.rulebook.windows import currency_of, windows

RULES_MAX = 500
"""Most rules of one rulebook."""
BYTES_MAX = 1_048_576
LISTS_FOLDER = "lists"
KINDS = ("suspicion", "obligation")
_KEYS = (
    "id", "title", "typology", "kind", "status", "version", "author", "severity", "jurisdictions", "description",
    "references", "false_positives", "blind_spots", "parameters", "codes", "windows", "when", "alert", "approval",
    "tests", "equivalent", "deadline", "owner",
)  # fmt: skip


def shipped_rules() -> Path:
    """The folder of the rules that travel with the product."""
    import rules

    return Path(next(iter(rules.__path__)))


def load_rule(path: Path, lists: Mapping[str, NamedList] | None = None) -> Rule:
    """Read one rule file.

    Args:
        path: The file, in the folder of its typology.
        lists: Named lists; without them, those of ``lists/`` beside the typology's folder.

    Raises:
        RuleError: The first mistake in the file.
        OSError: The file cannot be read.
    """
    if lists is None:
        lists, errors = load_lists([path])
        if errors:
            raise errors[0]
    body = path.read_bytes()
    if len(body) > BYTES_MAX:
        raise RuleError(Place(str(path), 1), f"the file has {len(body)} bytes", f"At most {BYTES_MAX} are read.",
                        "Split the rule, or shorten its tests.")  # fmt: skip
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise RuleError(Place(str(path), line), "bytes that are not UTF-8", "The file cannot be read as text.",
                        "Save it as UTF-8.") from None  # fmt: skip
    return read_rule(text, str(path), lists)


def read_rule(text: str, file: str, lists: Mapping[str, NamedList], *, is_kept: bool = False) -> Rule:
    """A rule from its text; ``file`` is for messages and for the checks of folder and name.

    ``is_kept``: the text was kept with old alerts, so it may lack what a former release did not ask for.

    Raises:
        RuleError: The first mistake.
    """
    try:
        return _rule(text, file, lists, is_kept=is_kept)
    except RuleError as error:
        raise error.with_line(text) from None


def _rule(text: str, file: str, lists: Mapping[str, NamedList], *, is_kept: bool) -> Rule:
    tree = read_document(text, file)
    tree = entries.keyed(tree, "the rule", "id, title and the other keys of docs/rule-format.md")
    entries.only_keys(tree, _KEYS, "the rule")
    rule_id, typology = checks.identity(tree, file)
    kind = entries.word(tree, "kind", "the rule", KINDS)
    status = entries.word(tree, "status", "the rule", RULE_STATUSES)
    checks.filled_in(text, file, status)
    author = checks.author(tree)
    applies_to = checks.jurisdictions(tree)
    parameters = checks.parameters(tree, applies_to)
    vocabularies = vocabulary_of_lists(lists)
    measured = windows(tree, parameters, vocabularies)
    when = _when(tree, Scope(parameters, measured, vocabularies, currency_of(parameters)))
    refuse_contradictions(tree, when, measured)
    expressions = [when, *(window.where for window in measured.values() if window.where)]
    used_lists = frozenset(
        node.list_name for root in expressions for node in walk(root) if isinstance(node, Membership) and node.list_name
    )
    rule = Rule(
        id=rule_id,
        title=entries.text(tree, "title", "the rule", "Say in one line what happens.", characters_max=120),
        typology=typology,
        kind=kind,
        status=status,
        version=entries.whole(tree, "version", "the rule", least=1, most=10_000),
        severity=entries.word(tree, "severity", "the rule", SEVERITIES),
        jurisdictions=applies_to,
        description=entries.text(tree, "description", "the rule", "Say in two or three sentences what happens."),
        references=checks.references(tree),
        false_positives=checks.false_positives(tree),
        blind_spots=entries.texts(tree, "blind_spots", "the rule", "Say what the rule misses."),
        parameters=parameters,
        windows=measured,
        when=when,
        alert=checks.alert(tree, parameters, measured, is_obligation=kind == "obligation"),
        author=author,
        approval=checks.approval(tree, status, author),
        tests=tables.read_tests(
            tree,
            measured,
            {name: each.words for name, each in lists.items()},
            currency=currency_of(parameters),
            used_lists=used_lists,
        ),
        codes=codes(tree, is_kept=is_kept),
        equivalent=checks.equivalent(tree),
        deadline=checks.deadline(tree, is_obligation=kind == "obligation"),
        place=tree.place,
        owner=entries.text(tree, "owner", "the rule", "Name who answers for the rule.", characters_max=200)
        if "owner" in tree.items
        else None,
    )
    return replace(rule, digest=rule_digest(rule))


def _when(tree: Keyed, scope: Scope) -> Node:
    node = entries.need(tree, "when", "the rule", "Write the condition that raises the alert.")
    if not isinstance(node, Scalar):
        raise RuleError(node.place, "'when' is no condition", "It is one sentence of the rule language.",
                        'Write for example when: channel == "cash" and day.total > limit.')  # fmt: skip
    return compile_condition(Source.at(node), scope)


def load_rules(
    paths: Sequence[Path], lists: Mapping[str, NamedList] | None = None
) -> tuple[list[Rule], list[RuleError]]:
    """All rules of files and folders, whatever their status, ordered by id, and what was refused.

    Of two files with one id the first by path stays, and the second is an error.
    """
    errors: list[RuleError] = []
    if lists is None:
        lists, errors = load_lists(paths)
    found: dict[str, Rule] = {}
    for count, path in enumerate(_rule_files(paths)):
        try:
            if count >= RULES_MAX:
                raise RuleError(Place(str(path), 1), f"more than {RULES_MAX} rule files", "The rulebook is full.",
                                "Retire rules that no one needs.")  # fmt: skip
            rule = load_rule(path, lists)
            if rule.id in found:
                raise RuleError(rule.place, f"the id {rule.id} is taken",
                                f"{found[rule.id].place.file} has it already, and an id is never used twice.",
                                "Give the newer rule the next free number.")  # fmt: skip
            found[rule.id] = rule
        except RuleError as error:
            errors.append(error)
        except OSError as error:
            errors.append(
                RuleError(
                    Place(str(path), 1),
                    f"the file cannot be read: {error.strerror}",
                    "The system refuses it.",
                    "Check the path and the permissions.",
                )
            )
    return [found[rule_id] for rule_id in sorted(found)], errors


def load_rulebook(
    paths: Sequence[Path], lists: Mapping[str, NamedList] | None = None
) -> tuple[Rulebook, list[RuleError]]:
    """The rules in force (``active`` and ``shadow``) of files and folders, and what was refused."""
    rules, errors = load_rules(paths, lists)
    return in_force(rules), errors


def in_force(rules: Sequence[Rule]) -> Rulebook:
    """The rulebook of the rules that are ``active`` or ``shadow``."""
    kept = tuple(rule for rule in rules if rule.status in ("active", "shadow"))
    return Rulebook(kept, rulebook_digest(iter(kept)))


def load_lists(paths: Sequence[Path]) -> tuple[dict[str, NamedList], list[RuleError]]:
    """The named lists that lie beside rules: ``lists/*.yaml`` in a folder given or in one above it."""
    found: dict[str, NamedList] = {}
    errors: list[RuleError] = []
    for folder in list_folders(paths):
        for path in sorted(folder.glob("*.yaml")):
            try:
                each = load_list(path)
                found.setdefault(each.name, each)
            except RuleError as error:
                errors.append(error)
            except OSError as error:
                errors.append(RuleError(Place(str(path), 1), f"the list cannot be read: {error.strerror}",
                                        "The system refuses it.", "Check the permissions."))  # fmt: skip
    return found, errors


def list_folders(paths: Sequence[Path]) -> list[Path]:
    """The folders of named lists that belong to these files and folders of rules."""
    folders: dict[Path, None] = {}
    for path in paths:
        nearest = [path, *path.absolute().parents[:3]] if path.is_dir() else list(path.absolute().parents[:3])
        for folder in nearest:
            if (folder / LISTS_FOLDER).is_dir():
                folders[folder / LISTS_FOLDER] = None
                break
    return list(folders)


def _rule_files(paths: Sequence[Path]) -> Iterator[Path]:
    seen: set[Path] = set()
    for path in paths:
        inside = sorted(path.rglob("*.yaml")) if path.is_dir() else [path]
        for each in inside:
            is_rule = LISTS_FOLDER not in each.relative_to(path).parts[:-1] and each.name not in (
                APPROVALS_NAME,
                CHECKLISTS_NAME,
                GROUPS_NAME,
            )
            if each.resolve() not in seen and is_rule:
                seen.add(each.resolve())
                yield each
