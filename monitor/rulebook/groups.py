"""``typologies.yaml``: named, weighted groups of rules that give a case its name and its score.

The folder of a rule says what the rule looks for; a group says what several rules together mean. The file lies beside
the rules::

    typologies:
      - name: Money mule
        means: Money of strangers comes in and leaves again at once.
        threshold: 0.50
        rules: {AML-MUL-001: 0.60, AML-PAS-001: 0.40}

A weight is how sure the name is when this rule alone has alerted, from 0.01 to 0.99. How weights add up is said in
:mod:`monitor.casework.typologies`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

from monitor.rulebook import entries
from monitor.rulebook.document import Keyed, Scalar, read_document
from monitor.rulebook.lint import WARNING, LintFinding
from monitor.rulebook.names import did_you_mean
from monitor.rulebook.rule import Place, Rule
from monitor.rulebook.rule_error import RuleError

GROUPS_NAME = "typologies.yaml"
GROUPS_MAX = 100
WEIGHT_MIN, WEIGHT_MAX = Decimal("0.01"), Decimal("0.99")
_KEYS = ("name", "means", "threshold", "rules")
_WHAT = "a typology"


@dataclass(frozen=True, slots=True)
class TypologyGroup:
    """A named pattern: which rules speak for it, how strongly, and from which score on a case bears its name."""

    name: str
    means: str
    threshold: float
    weights: Mapping[str, float]
    place: Place
    rule_places: Mapping[str, Place]


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups of a file in its order; without a file there is none."""

    groups: tuple[TypologyGroup, ...] = ()
    file: Path | None = None
    digest: str = ""
    """SHA-256 of all that can change a name or a score."""


def find_groups(paths: Sequence[Path]) -> Path | None:
    """The file beside the rules: in the first folder given that has one, or in one of the three above it."""
    for path in paths:
        nearest = [path, *path.absolute().parents[:3]] if path.is_dir() else list(path.absolute().parents[:3])
        for folder in nearest:
            if (folder / GROUPS_NAME).is_file():
                return folder / GROUPS_NAME
    return None


def load_groups(
    paths: Sequence[Path], rules: Sequence[Rule], *, is_run: bool = False
) -> tuple[Groups, list[RuleError]]:
    """The groups that lie beside some rules, and what was refused; a group with a mistake takes down no other.

    Args:
        paths: The files and folders that the rules were read from.
        rules: All rules read, whatever their status.
        is_run: A run takes a part of the rules, or rules that change; that the file names others is for lint to say.
    """
    file = find_groups(paths)
    if file is None:
        return Groups(), []
    try:
        groups, errors = read_groups(file.read_text(encoding="utf-8"), str(file))
    except RuleError as error:
        return Groups(), [error]
    except (OSError, UnicodeDecodeError) as error:
        return Groups(), [RuleError(Place(str(file), 1), "the file of typologies cannot be read", f"{error}.",
                                    "Check the permissions, and save it as UTF-8.")]  # fmt: skip
    if not is_run and any(path.absolute() == file.parent.absolute() for path in paths):
        # Of a run over a part of the rules, the file names others rightly.
        errors += strangers(groups, rules)
    return Groups(tuple(groups), file, groups_digest(groups)), errors


def read_groups(text: str, file: str) -> tuple[list[TypologyGroup], list[RuleError]]:
    """The groups of a file in its order, and those that were refused.

    Raises:
        RuleError: The file as a whole cannot be understood.
    """
    what, form = "the file of typologies", "typologies: and below it one entry for each"
    try:
        tree = entries.keyed(read_document(text, file), what, form)
        entries.only_keys(tree, ("typologies",), what)
        items = entries.items(tree, "typologies", what, f"Write {form}.", most=GROUPS_MAX)
    except RuleError as error:
        raise error.with_line(text) from None
    read: dict[str, TypologyGroup] = {}
    errors = []
    for item in items:
        try:
            group = _group(entries.keyed(item, _WHAT, "{" + ", ".join(_KEYS) + "}"))
            if group.name in read:
                raise RuleError(group.place, f"the typology '{group.name}' stands there twice",
                                "Nobody could tell which one a case bears.", "Rename or remove one.")  # fmt: skip
            read[group.name] = group
        except RuleError as error:
            errors.append(error.with_line(text))
    return list(read.values()), errors


def strangers(groups: Sequence[TypologyGroup], rules: Sequence[Rule]) -> list[RuleError]:
    """An error for each rule of a group that does not exist, or that raises obligations and so never makes a case."""
    known = {rule.id: rule for rule in rules}
    errors = []
    for group in groups:
        for rule_id, place in group.rule_places.items():
            if rule_id not in known:
                errors.append(RuleError(place, f"the typology '{group.name}' names the unknown rule {rule_id}",
                                        "Its weight never counts.", did_you_mean(rule_id, sorted(known))))  # fmt: skip
            elif known[rule_id].kind == "obligation":
                errors.append(RuleError(place, f"the typology '{group.name}' names the obligation {rule_id}",
                                        "What is owed is no suspicion and joins no case.", "Remove it."))  # fmt: skip
    return errors


def ungrouped(groups: Groups, rules: Sequence[Rule]) -> list[LintFinding]:
    """A warning for each suspicion rule that belongs to no group of the file beside it."""
    if groups.file is None:
        return []
    grouped = {rule_id for group in groups.groups for rule_id in group.weights}
    return [
        LintFinding(WARNING, rule.id, rule.place, f"no typology of {groups.file.name} names this rule",
                    "A case of it alone has no name. Give it a weight in at least one.")
        for rule in rules
        if rule.kind == "suspicion" and rule.status != "retired" and rule.id not in grouped
    ]  # fmt: skip


def groups_digest(groups: Sequence[TypologyGroup]) -> str:
    """SHA-256 over names, thresholds and weights in their order."""
    lines = [f"{group.name}\x1f{group.threshold}\x1f{list(group.weights.items())}" for group in groups]
    return sha256("\n".join(lines).encode()).hexdigest() if lines else ""


def _group(entry: Keyed) -> TypologyGroup:
    entries.only_keys(entry, _KEYS, _WHAT)
    name = entries.text(entry, "name", _WHAT, "Name the pattern, such as Money mule.", characters_max=60)
    rules = entries.need(entry, "rules", _WHAT, "Write for example rules: {AML-STR-001: 0.60}.")
    if not isinstance(rules, Keyed) or not rules.items:
        raise RuleError(rules.place, f"'rules' of '{name}' is no mapping of rule ids to weights",
                        "Each rule speaks for the name with its weight.",
                        "Write for example rules: {AML-STR-001: 0.60}.")  # fmt: skip
    return TypologyGroup(
        name=name,
        means=entries.text(entry, "means", _WHAT, "Say in one sentence what the pattern is."),
        threshold=_share(entry, "threshold", name),
        weights={rule_id: _share(rules, rule_id, name) for rule_id in rules.items},
        place=entry.place,
        rule_places=dict(rules.key_places),
    )


def _share(entry: Keyed, key: str, group: str) -> float:
    node = entries.need(entry, key, f"the typology '{group}'", "Write a number such as 0.60.")
    value = node.value if isinstance(node, Scalar) else None
    if not isinstance(value, Decimal) or not WEIGHT_MIN <= value <= WEIGHT_MAX:
        raise RuleError(node.place, f"'{key}' of the typology '{group}' is no number from {WEIGHT_MIN} to {WEIGHT_MAX}",
                        "A rule alone is never certain, and one that says nothing has no place here.",
                        "Write a number with a point, such as 0.60.")  # fmt: skip
    return float(value)
