"""Taking over changed rules, lists and approvals while a run goes on, at a recorded log position.

Between two commits: everything judged so far is committed; then the new inputs take effect, and are recorded, at the
position of the next record. For other rules a fresh engine measures the recorded history, so that windows are
complete; other lists and approvals are bound to the engine as it stands. After a stop the same comes out: the log of
inputs says what held from which position, and the archive holds its content.
"""

import time
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from typing import TYPE_CHECKING

from monitor.app import replaying
from monitor.app.inputs import LoadedInputs, engine_inputs
from monitor.app.kept_inputs import kept_list, peer_columns
from monitor.app.lookback import LookbackTask
from monitor.app.noting import note_inputs
from monitor.app.recorded import Recorded
from monitor.app.watching import READ_ERRORS, list_names, read_again
from monitor.casework.position import LogInput
from monitor.domain.time import DAY_US, UNKNOWN, format_time
from monitor.engine.binding import NamedList
from monitor.engine.engine import Engine, EngineInputs
from monitor.rulebook.rule import Rule, Rulebook

if TYPE_CHECKING:
    from monitor.app.embedded import EmbeddedRun

_CALENDAR_US = {"month": 31 * DAY_US}
_WINDOWS_OTHERWISE_US = DAY_US


def take_changes(run: "EmbeddedRun") -> None:
    """Notice orders and changed files, and put them in force at the run's position."""
    is_due, is_asked = run.watch.is_due()
    if not is_due:
        return
    waiting = run.live.waiting()
    is_changed = run.watch.is_changed(is_asked=is_asked)
    if not waiting and not is_changed:
        return
    run.commit()
    run.new_inputs += run.live.take_up(waiting, position=run.position)
    if is_changed:
        _reload(run)
    run.commit()
    if run.is_rebuilt:
        run.is_rebuilt = False
        run.save_state()


def _reload(run: "EmbeddedRun") -> None:
    former, recorded = run.loaded, Recorded(run.archive, run.store.inputs(run.name))
    try:
        loaded = read_again(run.settings.inputs, former, recorded)
    except READ_ERRORS as error:
        _refuse(run, [str(error)])
        return
    _refuse(run, [str(error) for error in loaded.errors])
    if loaded.program.rulebook.digest == former.program.rulebook.digest:
        loaded = replace(loaded, program=former.program, kept=former.kept)
    changed = sorted({" ".join(dict.fromkeys(each[:2])) for each in set(former.digests()) ^ set(loaded.digests())})
    if not changed:
        return
    seconds = _take_over(run, loaded)
    measured = f"; {run.position} recorded records measured again in {seconds:.1f} s" if seconds is not None else ""
    digest = loaded.program.rulebook.digest[:12]
    run.live.messages.append(
        f"From position {run.position}: changed {', '.join(changed)}. Rulebook {digest}{measured}."
    )
    look_back(run)


def _refuse(run: "EmbeddedRun", errors: Sequence[str]) -> None:
    """Say and record, once each, what could not be read; the former version stays in force."""
    fresh = [error for error in errors if error not in run.progress.rule_errors]
    run.progress.rule_errors[:] = [*[old for old in run.progress.rule_errors if old in errors], *fresh]
    for error in fresh:
        run.live.messages.append(f"{error}\nWhat was in force before stays in force.")
        run.live.note("file_refused", {"error": error[:2_000], "position": run.position}, at_us=max(run.clock_us, 0))
        run.progress.counts["reload_errors"] += 1


def _take_over(run: "EmbeddedRun", loaded: LoadedInputs) -> float | None:
    """Put the inputs in force; the seconds that measuring the history took, ``None`` where that was not needed."""
    former = run.loaded
    run.loaded = loaded
    run.store.policy = replace(run.store.policy, groups=loaded.groups.groups)
    run.progress.examples, run.progress.elsewhere = loaded.examples, loaded.elsewhere
    inputs = engine_inputs(loaded, run.files.identifiers)
    seconds = None
    if loaded.program is former.program:
        run.engine.use(inputs)
    else:
        started = time.monotonic()
        fresh = fresh_rules(loaded.program.rulebook, {rule.digest for rule in former.program.rulebook.rules})
        run.engine = Engine(loaded.program, inputs)
        run.profiles = run.profiles.rewound()
        run.measure(run.engine, since=run.position)
        seconds = time.monotonic() - started
        run.peer_columns = peer_columns(loaded.program)
        run.live.use(loaded.program.rulebook)
        run.live.see_bank(run.engine.peers.snapshot)
        run.is_rebuilt = True
        note_complete_from(run, fresh)
    note_inputs(run, run.engine, is_reload=True)
    return seconds


def fresh_rules(rulebook: Rulebook, former: Set[str]) -> list[Rule]:
    """The rules that are new or decide otherwise than before."""
    return [rule for rule in rulebook.rules if rule.digest not in former]


def note_complete_from(run: "EmbeddedRun", rules: Sequence[Rule]) -> None:
    """Say and count from when rules are complete whose windows reach back beyond the recorded history."""
    first = next(replaying.batches(run.files, 0, run.position), None)
    if first is None or run.clock_us == UNKNOWN:
        return
    begun_us = int(first.booked_at_us[0])
    for rule in rules:
        complete_us = begun_us + reach_us(rule)
        if complete_us > run.clock_us:
            run.progress.counts[f"complete_from_us:{rule.id}"] = complete_us
            run.live.messages.append(
                f"{rule.id} is complete from {format_time(complete_us)[:16]}Z: its windows reach back beyond the "
                f"recorded history, which begins {format_time(begun_us)[:16]}Z. Until then it may miss payments."
            )


def look_back(run: "EmbeddedRun") -> None:
    """For each list that changes at the run's position: search the recorded payments for the words it was given.

    Not for a list that is recorded for the first time: the rules that ask it are new too, and the history before a
    rule is no matter of its lists.
    """
    recorded = Recorded(run.archive, run.store.inputs(run.name))
    noted = [each for each in run.new_inputs if each.kind == "list" and each.digest and each.position == run.position]
    for each in noted:
        before = recorded.content("list", each.name)
        if before is None or each.name not in list_names(run.loaded.program) or not run.position:
            continue
        snapshot = run.engine.peers.snapshot
        found = LookbackTask(
            run.files, run.loaded, each.name, kept_list(run.archive, each.name, before).words, run.profiles,
            run.position, run.clock_us, snapshot.version if snapshot else None,
            control=run.live.control,
        ).run()  # fmt: skip
        known = run.store.known_alerts([alert.alert_id for alert in found.alerts])
        fresh = [alert for alert in found.alerts if alert.alert_id not in known]
        found = replace(found, alerts=fresh)
        run.pending += fresh
        run.count_alerts(fresh)
        run.progress.counts["alerts_lookback"] += len(fresh)
        run.live.messages.append(found.summary)
        run.live.note("looked_back", found.facts | {"position": run.position}, at_us=max(run.clock_us, 0))


def reach_us(rule: Rule) -> int:
    """How far back the longest window of a rule reaches."""
    lengths = [
        window.over_us if window.over_us is not None else _CALENDAR_US.get(window.calendar or "", _WINDOWS_OTHERWISE_US)
        for window in rule.windows.values()
    ]
    return max(lengths, default=0)


def list_changes(recorded: Recorded, inputs: EngineInputs, names: set[str]) -> list[tuple[int, EngineInputs]]:
    """The engine's inputs by the position from which their lists held, since the rulebook took effect.

    Only of the lists that the rules use, and only where one has changed since; otherwise nothing.
    """
    since = recorded.rulebook_since
    noted = [each for each in recorded.noted if each.kind == "list" and each.name in names and each.content is not None]
    if not any(each.position > since for each in noted):
        return []
    then: dict[str, LogInput] = {each.name: each for each in noted if each.position <= since}
    found = [(since, _with_lists(recorded, inputs, then))]
    for each in (each for each in noted if each.position > since):
        then[each.name] = each
        found.append((each.position, _with_lists(recorded, inputs, then)))
    return found


def _with_lists(recorded: Recorded, inputs: EngineInputs, then: Mapping[str, LogInput]) -> EngineInputs:
    lists = dict(inputs.lists)
    for name, noted in then.items():
        kept = kept_list(recorded.archive, name, noted.content or "")
        lists[name] = NamedList(name, kept.version, kept.words)
    return replace(inputs, lists=lists)
