"""``rules.lock``: which ids, versions and digests there have been, and since when; it forgets nothing.

The file stands in the folder of the rules. For each id it has one line for every time that version, digest or
status changed, oldest first, so that the life of a rule can be read from it years later. :func:`renew` compares it
with the rule files and refuses what would make an old alert point at another rule:

- An id is taken for ever. A rule that ran keeps its file and retires; the file of a draft may be deleted.
- Another digest needs a higher version, and a version never falls. A draft that never ran may change freely: no alert
  names its version.
- Status goes draft, shadow, active, retired. Two steps back are allowed. From active to shadow, because taking a rule
  off the analysts' desks must be possible at once, and it still runs and is recorded. From shadow to draft, because a
  trial may show that the rule must be written anew; not once it has been active, because then alerts cite it, and a
  draft does not run. Nothing leaves retired: what is needed again gets a new id.
- A rule goes live only after a time in shadow. ``active`` with the approval ``EXAMPLE`` counts as shadow, for so it
  runs until the bank approves it.

A folder without a lock is taken as it stands.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from monitor.domain.vocabulary import RULE_STATUSES
from monitor.rulebook import entries
from monitor.rulebook.document import Keyed, read_document
from monitor.rulebook.rule import Place, Rule
from monitor.rulebook.rule_error import RuleError

LOCK_NAME = "rules.lock"
DELETED = "deleted"
"""The status of an id whose draft was deleted; the id stays taken."""
VERSION_MAX = 10_000
_KEYS = ("version", "status", "since", "digest")
_HEADING = """\
# Every rule id that was ever given away, and each version, status and digest that it had, oldest first.
# Written by `aml rules lock` and checked by `aml rules lock --check`; docs/rule-life-cycle.md says what it refuses.
"""
_STEPS = {
    "draft": ("shadow", "active"),
    "shadow": ("active", "draft", "retired"),
    "active": ("shadow", "retired"),
    "retired": (),
    DELETED: (),
}


@dataclass(frozen=True, slots=True)
class LockedState:
    """What a rule was from a day on."""

    version: int
    digest: str
    status: str
    since: str


Lock = dict[str, tuple[LockedState, ...]]
"""By id, the states that the rule had, oldest first; none of them empty."""


@dataclass(frozen=True, slots=True)
class LockChange:
    """A line that the lock lacks; ``before`` is ``None`` for a new id."""

    rule_id: str
    before: LockedState | None
    after: LockedState

    def __str__(self) -> str:
        after = f"version {self.after.version}, {self.after.status}, digest {self.after.digest[:12]}"
        if self.before is None:
            return f"{self.rule_id}: new, {after}"
        words = [
            f"{name} {was[:12]} becomes {now[:12]}"
            for name, was, now in (
                ("version", str(self.before.version), str(self.after.version)),
                ("status", self.before.status, self.after.status),
                ("digest", self.before.digest, self.after.digest),
            )
            if was != now
        ]
        return f"{self.rule_id}: {', '.join(words)}"


@dataclass(frozen=True, slots=True)
class Renewal:
    """The lock as it should be, what was added to it, and what was refused."""

    lock: Lock
    changes: tuple[LockChange, ...]
    problems: tuple[RuleError, ...]


def read_lock(text: str, file: str) -> Lock:
    """The lock from its text.

    Raises:
        RuleError: The file was edited into something that is no lock.
    """
    if not text.strip() or all(line.startswith("#") or not line.strip() for line in text.split("\n")):
        return {}
    try:
        tree = entries.keyed(read_document(text, file), "the lock", "an id, and under it its states")
        return {rule_id: _states(tree, rule_id) for rule_id in tree.items}
    except RuleError as error:
        raise error.with_line(text) from None


def _states(tree: Keyed, rule_id: str) -> tuple[LockedState, ...]:
    form = "{version, status, since, digest}"
    read = []
    for item in entries.items(tree, rule_id, "the lock", f"Take the file from the last commit; a line is {form}.",
                              most=VERSION_MAX):  # fmt: skip
        entry = entries.keyed(item, f"a state of {rule_id}", form)
        entries.only_keys(entry, _KEYS, f"a state of {rule_id}")
        version = entries.whole(entry, "version", rule_id, least=1, most=VERSION_MAX)
        status = entries.word(entry, "status", rule_id, (*RULE_STATUSES, DELETED))
        digest = entries.text(entry, "digest", rule_id, "Take the file from the last commit.")
        read.append(LockedState(version, digest, status, entries.day(entry, "since", rule_id)))
    return tuple(read)


def lock_text(lock: Lock) -> str:
    """The file for a lock: ids in order, one line a state, so that two people's changes merge.

    >>> lock_text({"AML-STR-001": (LockedState(1, "ab12", "draft", "2026-11-24"),)}).splitlines()[2:]
    ['AML-STR-001:', '  - {version: 1, status: draft, since: 2026-11-24, digest: ab12}']
    """
    rows = [_HEADING]
    for rule_id in sorted(lock):
        rows.append(f"{rule_id}:\n")
        rows += [
            f"  - {{version: {s.version}, status: {s.status}, since: {s.since}, digest: {s.digest}}}\n"
            for s in lock[rule_id]
        ]
    return "".join(rows)


def renew(
    lock: Mapping[str, tuple[LockedState, ...]],
    rules: Sequence[Rule],
    *,
    on: str,
    file: str = LOCK_NAME,
    chosen: Collection[str] | None = None,
) -> Renewal:
    """Compare a lock with the rules of its folder.

    Args:
        lock: The lock as read.
        rules: All rules of the folder, whatever their status.
        on: The day, such as 2026-11-24, that new lines are dated with.
        file: The lock's name, for messages.
        chosen: Ids to look at; ``None`` for all.

    Returns:
        The new lock. A refused change is not in it.
    """
    renewed, changes, problems = dict(lock), [], []
    here = {rule.id: rule for rule in rules}
    for rule_id in sorted(here.keys() | lock.keys()):
        if chosen is not None and rule_id not in chosen:
            continue
        states, rule = lock.get(rule_id, ()), here.get(rule_id)
        found = list(_gone(rule_id, states, file) if rule is None else _refused(rule, states, is_first=not lock))
        problems += found
        after = None if found else _after(rule, states, on)
        if after is not None:
            renewed[rule_id] = (*states, after)
            changes.append(LockChange(rule_id, states[-1] if states else None, after))
    return Renewal(renewed, tuple(changes), tuple(problems))


def _after(rule: Rule | None, states: tuple[LockedState, ...], on: str) -> LockedState | None:
    """The line to add, if any."""
    last = states[-1] if states else None
    if rule is None:
        return LockedState(last.version, last.digest, DELETED, on) if last and last.status == "draft" else None
    now = LockedState(rule.version, rule.digest, rule.status, on)
    is_same = last is not None and (last.version, last.digest, last.status) == (now.version, now.digest, now.status)
    return None if is_same else now


def _gone(rule_id: str, states: tuple[LockedState, ...], file: str) -> Iterator[RuleError]:
    """A file that is not there any more: only a draft may go."""
    last = states[-1]
    if last.status not in ("draft", DELETED):
        yield RuleError(
            Place(file, 1),
            f"the rule {rule_id} is gone",
            f"It was {last.status} with version {last.version} since {last.since}; old alerts cite it, and their "
            "explanation needs the file.",
            "Bring the file back and write status: retired.",
            "",
        )


def _refused(rule: Rule, states: tuple[LockedState, ...], *, is_first: bool) -> Iterator[RuleError]:
    if not states:
        if not is_first and _is_live(rule):
            yield _untried(rule, "new")
        return
    last = states[-1]
    if last.status == DELETED:
        yield RuleError(rule.place, f"the id {rule.id} is taken", f"A draft had it until {last.since}, and an id is "
                        "never used twice.", "Give the rule the next free number; aml rules new finds it.")  # fmt: skip
        return
    yield from _version(rule, states)
    if rule.status != last.status:
        yield from _step(rule, states)


def _version(rule: Rule, states: tuple[LockedState, ...]) -> Iterator[RuleError]:
    last = states[-1]
    if rule.version < last.version:
        yield RuleError(rule.place, f"the version of {rule.id} falls from {last.version} to {rule.version}",
                        "Alerts name the version, and each stands for one logic.",
                        f"Write version: {last.version}, or {last.version + 1} if the logic has changed.")  # fmt: skip
    elif rule.digest != last.digest and last.status == "retired":
        yield RuleError(rule.place, f"the retired rule {rule.id} has changed",
                        "It is kept to explain old alerts as they were.", "Bring the former text back.")  # fmt: skip
    elif rule.digest != last.digest and rule.version == last.version and any(s.status != "draft" for s in states):
        yield RuleError(
            rule.place,
            f"{rule.id} has changed and is still version {rule.version}",
            f"What decides is another since {last.since}: the digest was {last.digest[:12]} and is {rule.digest[:12]}.",
            f"Write version: {last.version + 1}, or bring the former values back.",
        )


def _step(rule: Rule, states: tuple[LockedState, ...]) -> Iterator[RuleError]:
    was = states[-1].status
    if rule.status not in _STEPS[was]:
        allowed = " or ".join(_STEPS[was]) or "nothing else"
        remedy = {
            "draft": "Delete the file; the id stays taken.",
            "retired": "Write status: retired, and give the newer rule its own id.",
        }.get(was, "Write status: retired if nobody needs the rule.")
        yield RuleError(rule.place, f"the status of {rule.id} goes from {was} to {rule.status}",
                        f"After {was} comes {allowed}.", remedy)  # fmt: skip
    elif rule.status == "draft" and any(state.status == "active" for state in states):
        yield RuleError(rule.place, f"the status of {rule.id} goes back to draft", "It has been active: alerts cite "
                        "it, and a draft does not run.", "Write status: shadow, or retired.")  # fmt: skip
    elif was == "draft" and _is_live(rule):
        yield _untried(rule, "draft")


def _is_live(rule: Rule) -> bool:
    return rule.status == "active" and rule.approval is not None and not rule.approval.is_example


def _untried(rule: Rule, was: str) -> RuleError:
    return RuleError(rule.place, f"the status of {rule.id} goes from {was} to active", "A rule runs in shadow first, "
                     "so that its volume is known before analysts see it.", "Write status: shadow.")  # fmt: skip
