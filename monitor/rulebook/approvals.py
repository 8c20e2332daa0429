"""``approvals.yaml``: the bank's own approvals, laid over the rules that carry the product's.

Rules travel with the approval ``EXAMPLE`` and run in shadow. A bank that wants one of them live does not edit the file,
but writes down who approved which digest, and by which record::

    approvals:
      - {rule: AML-STR-001, version: 3, digest: 9f31c0aa52d1, by: Head of Compliance, on: 2026-11-24, record: CR-12}

An approval is worth what it was given for: another digest of the same rule has none, and says so. Older entries stay
as the history of who approved what. An entry for a rule that is not loaded is passed over, because a run may load
some rules only; :func:`strangers` names those. An approval changes no value and no status: a bank that wants other
values keeps the rule in its own files.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from monitor.rulebook import checks, entries
from monitor.rulebook.document import Items, Keyed, read_document
from monitor.rulebook.rule import Approval, Place, Rule
from monitor.rulebook.rule_error import RuleError

APPROVALS_NAME = "approvals.yaml"
APPROVALS_MAX = 5_000
DIGEST_SHOWN = 12
"""Characters of a digest that tell rules apart; the shortest that an entry may give."""
_KEYS = ("rule", "version", "digest", "by", "on", "record")
_DIGEST = re.compile(r"[0-9a-f]{12,64}")
_HEADING = """\
# Which rules this bank has approved: who, when, by which record, and for which digest.
# Written by `aml rules approve`; docs/rule-life-cycle.md says how it is read.
approvals:
"""


@dataclass(frozen=True, slots=True)
class ApprovalEntry:
    """One line: this version of this rule, with this digest, was approved."""

    rule_id: str
    version: int
    digest: str
    by: str
    on: str
    record: str
    place: Place


@dataclass(frozen=True, slots=True)
class Approved:
    """The approvals in force by rule id, and what is wrong with the others."""

    by_rule: dict[str, Approval]
    problems: tuple[RuleError, ...]


def find_approvals(paths: Sequence[Path]) -> list[Path]:
    """The approvals that lie beside rules: in a folder given, or in one of the three above it."""
    found: dict[Path, None] = {}
    for path in paths:
        nearest = [path, *path.absolute().parents[:3]] if path.is_dir() else list(path.absolute().parents[:3])
        for folder in nearest:
            if (folder / APPROVALS_NAME).is_file():
                found[folder / APPROVALS_NAME] = None
                break
    return list(found)


def read_approvals(text: str, file: str) -> tuple[list[ApprovalEntry], list[RuleError]]:
    """The entries of a file in its order, and those that were refused.

    Raises:
        RuleError: The file as a whole cannot be understood.
    """
    try:
        form = "approvals: and below it one line for each"
        tree = entries.keyed(read_document(text, file), "the file of approvals", form)
        entries.only_keys(tree, ("approvals",), "the file of approvals")
        node = entries.need(tree, "approvals", "the file of approvals", "Use aml rules approve, or delete the file.")
        if not isinstance(node, Items) or len(node.items) > APPROVALS_MAX:
            raise RuleError(node.place, f"'approvals' is no list of at most {APPROVALS_MAX} entries",
                            "Each entry is one approval.", f"Write {form}.")  # fmt: skip
    except RuleError as error:
        raise error.with_line(text) from None
    read, errors = [], []
    for item in node.items:
        try:
            read.append(_entry(entries.keyed(item, "an approval", "{" + ", ".join(_KEYS) + "}")))
        except RuleError as error:
            errors.append(error.with_line(text))
    return read, errors


def _entry(entry: Keyed) -> ApprovalEntry:
    what = "an approval"
    entries.only_keys(entry, _KEYS, what)
    digest = entries.text(entry, "digest", what, "Write at least the first twelve characters of the digest.")
    if not _DIGEST.fullmatch(digest):
        raise RuleError(entry.items["digest"].place, f"the digest is '{digest[:70]}' in {what}",
                        f"It is hexadecimal, of {DIGEST_SHOWN} to 64 characters.",
                        "aml rules explain shows it, and aml rules approve writes it.")  # fmt: skip
    return ApprovalEntry(
        rule_id=entries.text(entry, "rule", what, "Name the rule, such as AML-STR-001."),
        version=entries.whole(entry, "version", what, least=1, most=10_000),
        digest=digest,
        by=entries.text(entry, "by", what, "Name the person or office.", characters_max=200),
        on=entries.day(entry, "on", what),
        record=entries.text(entry, "record", what, "Name the record of the decision."),
        place=entry.place,
    )


def approve(rules: Sequence[Rule], given: Sequence[ApprovalEntry]) -> Approved:
    """Lay approvals over rules.

    Args:
        rules: The rules as loaded.
        given: Entries of one or several files. Of several that fit a rule the last one holds.
    """
    by_rule: dict[str, Approval] = {}
    problems: list[RuleError] = []
    ordered = sorted(given, key=lambda entry: entry.rule_id)
    entries_of = {rule_id: list(group) for rule_id, group in groupby(ordered, key=lambda entry: entry.rule_id)}
    for rule in rules:
        own = entries_of.get(rule.id, [])
        fitting = [entry for entry in own if fits(entry, rule)]
        problem = _problem(rule, fitting, own) if own else None
        if problem is not None:
            problems.append(problem)
        elif fitting:
            last = fitting[-1]
            by_rule[rule.id] = Approval(last.by, last.on, last.record, is_example=False)
    return Approved(by_rule, tuple(problems))


def fits(entry: ApprovalEntry, rule: Rule) -> bool:
    """Whether an approval was given for this rule as it is."""
    return (entry.rule_id, entry.version) == (rule.id, rule.version) and rule.digest.startswith(entry.digest)


def _problem(rule: Rule, fitting: list[ApprovalEntry], own: list[ApprovalEntry]) -> RuleError | None:
    if not fitting:
        last = own[-1]
        return RuleError(
            last.place,
            f"the approval of {rule.id} is for version {last.version} with digest {last.digest[:DIGEST_SHOWN]}",
            f"The rule has changed since: it is version {rule.version} with digest {rule.digest[:DIGEST_SHOWN]}, which "
            "nobody has approved, so it runs in shadow.",
            f"Look at what has changed, then: aml rules approve {rule.id}",
            "",
        )
    return cannot_approve(rule, by=fitting[-1].by, place=fitting[-1].place)


def cannot_approve(rule: Rule, *, by: str, place: Place) -> RuleError | None:
    """Why ``by`` cannot approve the rule, ``None`` if it can."""
    if checks.is_same_person(by, rule.author):
        return RuleError(place, f"'{by}' approves {rule.id} and is its author",
                         "Two persons answer for what analysts are shown.",
                         "Let someone else approve it.", "")  # fmt: skip
    if rule.status != "active":
        return RuleError(place, f"an approval of {rule.id}, whose status is {rule.status}",
                         "Only an active rule goes live by being approved.",
                         f"Keep the rule in your own files with status: active, or take this "
                         f"{'line' if place.line else 'approval'} back.", "")  # fmt: skip
    return None


def strangers(rules: Sequence[Rule], given: Sequence[ApprovalEntry]) -> list[ApprovalEntry]:
    """Entries for rules that are not among ``rules``."""
    known = {rule.id for rule in rules}
    return [entry for entry in given if entry.rule_id not in known]


def with_entry(text: str, rule: Rule, *, by: str, on: str, record: str) -> str:
    """A file of approvals with one more entry at its end; ``text`` is empty where there is none yet."""
    kept = text if text.strip() else _HEADING
    kept = kept if kept.endswith("\n") else kept + "\n"
    kept = re.sub(r"^approvals:\s*\[\]\s*$", "approvals:\n", kept, flags=re.MULTILINE)
    what = f"rule: {rule.id}, version: {rule.version}, digest: {rule.digest[:DIGEST_SHOWN]}"
    return f"{kept}  - {{{what}, by: {_quoted(by)}, on: {on}, record: {_quoted(record)}}}\n"


def _quoted(words: str) -> str:
    folded = " ".join(words.split())
    return folded if re.fullmatch(r"[A-Za-z][\w .-]*[\w.]", folded, re.ASCII) else "'" + folded.replace("'", "''") + "'"


def approvals_json(rules: Sequence[Rule], by_rule: Mapping[str, Approval]) -> list[dict[str, str | int]]:
    """The approvals in force as plain values in the order of the rules, as runs keep them."""
    return [
        {"rule": rule.id, "version": rule.version, "digest": rule.digest, "by": approval.by, "on": approval.on,
         "record": approval.record}
        for rule in rules if (approval := by_rule.get(rule.id)) is not None
    ]  # fmt: skip
