"""Noticing that rules, lists or approvals have changed on the disk, and reading them anew without losing what was live.

Files are compared by their content, at most once a second and when a SIGHUP came. A change is read when two looks in a
row see the same, so that a copy in progress is not taken for the whole; a SIGHUP does not wait.

What cannot be read changes nothing: of a bad rule file the rule stays as it was, of a bad list its words. A file that
is gone takes its rule out of force.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from hashlib import sha256
from pathlib import Path

from monitor.adapters.input_archive import InputNotKept
from monitor.app.inputs import ApprovalsError, GivenInputs, LoadedInputs, load_inputs, within_reach
from monitor.app.recorded import Recorded
from monitor.engine.binding import ListMissing, NamedList
from monitor.rulebook import load
from monitor.rulebook.approvals import find_approvals
from monitor.rulebook.canonical import rulebook_digest
from monitor.rulebook.groups import find_groups
from monitor.rulebook.plan import PlanError, Program, plan
from monitor.rulebook.rule import Rulebook
from monitor.rulebook.rule_error import RuleError

WATCH_SECONDS = 1.0
_NOT_WATCHED = ("rates", "entities")
"""Inputs that are read once, at the start."""


@dataclass(slots=True)
class Watch:
    """Looks at the files of a run now and then.

    ``seconds`` between two looks; 0 looks each time, ``None`` never. ``is_asked`` answers, once, whether somebody asked
    for a look (SIGHUP).
    """

    given: GivenInputs
    seconds: float | None
    is_asked: Callable[[], bool]
    taken: str = field(init=False)
    seen: str = field(init=False)
    looked_at: float = field(init=False)

    def __post_init__(self) -> None:
        self.taken = self.seen = content_digest(self.given)
        self.looked_at = time.monotonic()

    def is_due(self) -> tuple[bool, bool]:
        """Whether it is time to look, and whether somebody asked for it."""
        is_asked = self.is_asked()
        if self.seconds is None and not is_asked:
            return False, False
        if not is_asked and self.seconds and time.monotonic() - self.looked_at < self.seconds:
            return False, False
        self.looked_at = time.monotonic()
        return True, is_asked

    def is_changed(self, *, is_asked: bool) -> bool:
        """Whether the files hold other content than what was taken, and have come to rest."""
        before, self.seen = self.seen, content_digest(self.given)
        if self.seen == self.taken or (self.seen != before and not is_asked):
            return False
        self.taken = self.seen
        return True


def content_digest(given: GivenInputs) -> str:
    """One digest over the paths and contents of all watched files; what cannot be read counts as missing."""
    digest = sha256()
    for path in _files(given):
        try:
            content = path.read_bytes()
        except OSError:
            continue
        digest.update(f"{path}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _files(given: GivenInputs) -> Iterator[Path]:
    roots: list[Path] = list(given.rules) or [load.shipped_rules()]
    roots += find_approvals(roots) if given.approvals is None else []
    for each in fields(given):
        value = getattr(given, each.name)
        if each.name not in _NOT_WATCHED:
            roots += [value] if isinstance(value, Path) else [one for one in _several(value) if isinstance(one, Path)]
    groups = find_groups(roots)
    for root in dict.fromkeys((*roots, *load.list_folders(roots), *([groups] if groups else ()))):
        if root.is_dir():
            yield from (
                path for path in sorted(root.rglob("*")) if path.is_file() and _is_input(path.relative_to(root))
            )
        else:
            yield root


def _several(value: object) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else ()


def _is_input(path: Path) -> bool:
    return not any(part.startswith((".", "__")) for part in path.parts) and path.suffix != ".py"


# Reading anew -----------------------------------------------------------------------------------------


class NothingLeft(Exception):
    """The files hold no rule in force."""


READ_ERRORS = (OSError, ApprovalsError, PlanError, ListMissing, RuleError, InputNotKept, NothingLeft)
"""What makes a change as a whole unreadable; what was live stays."""


def read_again(given: GivenInputs, former: LoadedInputs, recorded: Recorded) -> LoadedInputs:
    """The inputs as the files have them now; rates and entities as before.

    Raises:
        One of :data:`READ_ERRORS`: The files as a whole cannot be used.
    """
    loaded = retained(load_inputs(given, former=former), given, recorded)
    if not loaded.program.rulebook.rules:
        raise NothingLeft("the files hold no rule that is active or in shadow; the former rules stay in force")
    return loaded


def retained(loaded: LoadedInputs, given: GivenInputs, recorded: Recorded) -> LoadedInputs:
    """The inputs with the recorded version of what could not be read.

    Raises:
        InputNotKept: A version that should stay was not kept.
    """
    have = {rule.id for rule in loaded.program.rulebook.rules}
    bad = {given.name_of(error.place.file) for error in loaded.errors}
    bad_names = {Path(error.place.file).name for error in loaded.errors}
    staying = {
        rule_id: entry
        for rule_id, entry in recorded.rules().items()
        if entry.get("path") in bad and rule_id not in have
    }
    former_lists = recorded.lists() if staying or bad else {}
    program, approvals = loaded.program, dict(loaded.approvals)
    if staying:
        rules = [recorded.rule(rule_id, former_lists) for rule_id in staying]
        ordered = tuple(sorted([*program.rulebook.rules, *rules], key=lambda rule: rule.id))
        rulebook, _ = within_reach(Rulebook(ordered, rulebook_digest(iter(ordered))), loaded.entities)
        program = plan(rulebook)
        staying = {rule.id: staying[rule.id] for rule in rulebook.rules if rule.id in staying}
        approvals |= recorded.approvals(rule for rule in rules if rule.id in staying)
    lists = dict(loaded.lists)
    for name, each in former_lists.items():
        if name not in lists and (name in list_names(program) or f"{name}.yaml" in bad_names):
            lists[name] = NamedList(name, each.version, each.words)
    live = loaded.live | (recorded.live() & staying.keys())
    return replace(loaded, program=program, live=live, lists=lists, kept=staying, approvals=approvals)


def list_names(program: Program) -> set[str]:
    """The named lists that a program uses."""
    return {name for _, _, name in program.sets if name is not None}
