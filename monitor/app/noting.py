"""Which inputs a run records at its position, with their content: what can change a verdict, whenever it differs."""

from typing import TYPE_CHECKING

from monitor.app.kept_inputs import keep_input, keep_snapshot
from monitor.casework.position import LogInput
from monitor.engine.engine import Engine
from monitor.engine.peers import BankSnapshot

if TYPE_CHECKING:
    from monitor.app.embedded import EmbeddedRun

_FIXED = ("profiles", "rates", "entities")
"""Inputs that are read at the start of a run and stay until it ends, also over a stop."""
_LEFT_OUT = ("approvals", "list", "models", "profiles", "rates", "typologies")
"""Inputs that a later run may be without; the log then records an empty digest."""


class OtherInputs(Exception):
    """A stopped run was given other inputs than it began with; the message names them."""


def note_inputs(run: "EmbeddedRun", engine: Engine, *, is_reload: bool = False) -> None:
    """Record, and keep, every input whose content differs from what the log last recorded.

    Raises:
        OtherInputs: The run is resumed with other profiles, rates or entities.
    """
    last = {(known.kind, known.name): known.digest for known in run.store.inputs(run.name)}
    given, profiles = run.loaded.digests(), run.profiles_file
    if profiles is not None:
        given.append(("profiles", "profiles", "", profiles.digest))
    if run.settings.resume and not is_reload:
        _refuse_other_inputs(last, given)
    changed = []
    for kind, name, version, digest in given:
        if last.get((kind, name)) != digest:
            changed.append((kind, name))
            content = keep_input(
                run.archive, kind, name, loaded=run.loaded, given=run.settings.inputs, profiles=run.settings.profiles
            )
            run.new_inputs.append(LogInput(run.position, kind, name, version, digest, content))
    gone = {key for key, digest in last.items() if digest and key[0] in _LEFT_OUT} - {each[:2] for each in given}
    run.new_inputs += [LogInput(run.position, kind, name, "", "") for kind, name in sorted(gone)]
    if run.position and (changed or gone):
        names = sorted(" ".join(dict.fromkeys(key)) for key in {*changed, *gone})
        run.live.note("inputs_changed", {"changed": names, "position": run.position}, at_us=max(run.clock_us, 0))
        run.progress.counts["inputs_changed"] += 1
    if engine.peers.snapshot is not None:
        # Other rules measure the history anew and may see another bank than the one recorded.
        noted = bank_snapshot_input(run, engine, engine.peers.snapshot, run.position)
        if last.get((noted.kind, noted.name)) != noted.digest:
            note_bank_snapshot(run, noted)


def note_bank_snapshot(run: "EmbeddedRun", noted: LogInput) -> None:
    """Record a bank snapshot; one in force from the same position on gives way to it."""
    key = (noted.position, noted.kind)
    run.new_inputs = [old for old in run.new_inputs if (old.position, old.kind) != key]
    run.new_inputs.append(noted)


def bank_snapshot_input(run: "EmbeddedRun", engine: Engine, snapshot: BankSnapshot, position: int) -> LogInput:
    """A bank snapshot, kept, as an input of the log."""
    digest, content = keep_snapshot(run.archive, engine, snapshot, run.peer_columns)
    return LogInput(position, "bank_snapshot", "bank", str(snapshot.version), digest, content)


def may_be_replaced(noted: LogInput, position: int) -> bool:
    """Whether the next record, at ``position``, can still publish another snapshot in place of this one."""
    return noted.kind == "bank_snapshot" and noted.position == position


def _refuse_other_inputs(last: dict[tuple[str, str], str], given: list[tuple[str, str, str, str]]) -> None:
    """A stopped run goes on with the profiles, rates and entities that it began with.

    Rules, lists and approvals may be others: they take effect where the run goes on, as they do while it runs.
    """
    now = {(kind, name): digest for kind, name, _, digest in given if kind in _FIXED}
    before = {key: digest for key, digest in last.items() if digest and key[0] in _FIXED}
    changed = sorted({" ".join(dict.fromkeys(key)) for key, _ in before.items() ^ now.items()})
    if changed:
        raise OtherInputs(
            f"--resume needs the same inputs as the run that stopped; changed since: {', '.join(changed)}. "
            "Resume with the former files and options first; the next run can use the new ones."
        )
