"""``aml lists lookback``: a look-back on demand, over a store on which no run is going on, by its recorded inputs."""

import time
from dataclasses import replace
from pathlib import Path

from monitor.adapters.input_archive import InputArchive, InputNotKept
from monitor.adapters.sql.orders import orders, taken_up
from monitor.adapters.sql.store import CaseStore, open_store
from monitor.app.embedded import RUN
from monitor.app.filing_days import FilingDays
from monitor.app.inputs import LoadedInputs, default_entities
from monitor.app.kept_inputs import kept_entities, kept_list, kept_rates
from monitor.app.lookback import LookbackTask, LookedBack, rules_using
from monitor.app.profiles import ProfileTimeline
from monitor.app.recorded import Recorded
from monitor.app.store import StoreFiles, data_folder
from monitor.casework.control import Control
from monitor.casework.evidence import stored_alert
from monitor.casework.journal import Draft, canonical_json
from monitor.casework.position import RunPosition
from monitor.domain.case import MONITOR
from monitor.domain.time import UNKNOWN
from monitor.engine.binding import NamedList
from monitor.rulebook.canonical import rulebook_digest
from monitor.rulebook.plan import plan
from monitor.rulebook.rule import Rulebook


class NoLookback(Exception):
    """There is nothing to look back for; the message says why and what to do."""


def look_back(db: Path, name: str, *, since_us: int = UNKNOWN) -> LookedBack:
    """Look back for the words that the newest recorded version of a list added, and store what is found.

    Of a list with one version, all its words count as added.

    Raises:
        NoLookback: The store has no such list.
        InputNotKept: An input of the run is lost.
        StoreBusy: A run is going on; it looks back by itself.
    """
    with open_store(db) as store:
        store.claim_run(RUN)
        stored = store.position(RUN)
        recorded = Recorded(InputArchive(data_folder(db)), store.inputs(RUN))
        if stored is None or ("list", name) not in recorded.last:
            known = ", ".join(sorted(each for kind, each in recorded.last if kind == "list")) or "none"
            raise NoLookback(f"{db}: no run has used a list {name}. The lists are: {known}.")
        files = StoreFiles.open(db, is_begun=True)
        try:
            files.go_back_to(
                position=stored.log_position,
                identifiers=int(str(stored.details["identifiers"])),
                quarantine_bytes=int(str(stored.details["quarantine_bytes"])),
            )
            return _look_back(store, files, recorded, stored, name, since_us)
        finally:
            files.close()


def _look_back(
    store: CaseStore, files: StoreFiles, recorded: Recorded, stored: RunPosition, name: str, since_us: int
) -> LookedBack:
    loaded, profiles = recorded_inputs(recorded), ProfileTimeline()
    if not rules_using(loaded.program.rulebook, name):
        raise NoLookback(f"No rule in force uses the list {name}, so no payment can be judged by it.")
    kept_profiles = recorded.content("profiles", "profiles")
    if kept_profiles is not None:
        profiles.load(recorded.archive.path(kept_profiles), files.identifiers)
    snapshot = recorded.last.get(("bank_snapshot", "bank"))
    task = LookbackTask(
        files, loaded, name, _former_words(recorded, name), profiles, stored.log_position, stored.clock_us,
        int(snapshot.version) if snapshot else None, since_us,
        _orders_in_force(store, loaded.program.rulebook),
    )  # fmt: skip
    found = task.run()
    known = store.known_alerts([alert.alert_id for alert in found.alerts])
    found = replace(found, alerts=[alert for alert in found.alerts if alert.alert_id not in known])
    facts = found.facts | {"position": stored.log_position, "since_us": since_us if since_us != UNKNOWN else None}
    counters, filing = store.counters(RUN), FilingDays(loaded.entities)
    for alert in found.alerts:
        for counter in (f"alerts_{alert.status}", f"rule:{alert.source.id}:{alert.status}", "alerts_lookback"):
            counters[counter] = counters.get(counter, 0) + 1
    files.commit()
    store.commit_batch(
        [stored_alert(alert, due_on=filing.due_of(alert)) for alert in found.alerts],
        replace(stored, details=dict(stored.details) | {"identifiers": files.vault.identifier_count}),
        recorded_at_us=time.time_ns() // 1000,
        counters=counters,
        entries=[Draft(f"control:{RUN}", max(stored.clock_us, 0), MONITOR, "looked_back", canonical_json(dict(facts)))],
    )
    return found


def recorded_inputs(recorded: Recorded) -> LoadedInputs:
    """All inputs in force at the end of the log, out of the archive.

    Raises:
        InputNotKept: One is lost.
    """
    lists = recorded.lists()
    rules = tuple(recorded.rule(rule_id, lists) for rule_id in sorted(recorded.rules()))
    rates, entities = recorded.content("rates", "rates"), recorded.content("entities", "entities")
    if not rules:
        raise InputNotKept("no rulebook is recorded; run the store once with this release")
    return LoadedInputs(
        program=plan(Rulebook(rules, rulebook_digest(iter(rules)))),
        live=recorded.live(),
        lists={name: NamedList(name, each.version, each.words) for name, each in lists.items()},
        rates=kept_rates(recorded.archive, rates) if rates else None,
        entities=kept_entities(recorded.archive, entities) if entities else default_entities(),
    )


def _former_words(recorded: Recorded, name: str) -> tuple[str, ...]:
    """The words of the version before the newest one."""
    versions = [each for each in recorded.noted if (each.kind, each.name) == ("list", name) and each.content]
    return kept_list(recorded.archive, name, versions[-2].content or "").words if len(versions) > 1 else ()


def _orders_in_force(store: CaseStore, rulebook: Rulebook) -> Control:
    obligations = frozenset(rule.id for rule in rulebook.rules if rule.kind == "obligation")
    positions, control = taken_up(store, RUN), Control(obligations)
    known = [order for order in orders(store) if order.order_id in positions]
    for order in sorted(known, key=lambda order: positions[order.order_id]):
        control.take(order)
    return control
