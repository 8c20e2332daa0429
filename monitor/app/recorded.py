"""The inputs that a run has recorded, read back from what it kept: what was in force at the end of the log."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitor.adapters.input_archive import InputArchive, InputNotKept
from monitor.adapters.sql.store import CaseStore
from monitor.app.inputs import OVERLAY
from monitor.app.kept_inputs import kept_approval, kept_list, kept_live, kept_rule
from monitor.app.store import data_folder
from monitor.casework.position import LogInput
from monitor.rulebook.lists import NamedList
from monitor.rulebook.rule import Approval, Rule


@dataclass(frozen=True, slots=True)
class Recorded:
    """The log of inputs of a run, and where their contents are kept."""

    archive: InputArchive
    noted: Sequence[LogInput]

    @property
    def last(self) -> dict[tuple[str, str], LogInput]:
        """What is in force at the end of the log, by kind and name."""
        last = {(each.kind, each.name): each for each in self.noted}
        return {key: each for key, each in last.items() if each.digest}

    @property
    def rulebook_since(self) -> int:
        """The position from which the rulebook in force holds: at it the history was measured."""
        return max((each.position for each in self.noted if each.kind == "rulebook"), default=0)

    def content(self, kind: str, name: str) -> str | None:
        """Where an input in force is kept; ``None`` where there is none or it was not kept."""
        found = self.last.get((kind, name))
        return None if found is None else found.content

    def rules(self) -> dict[str, dict[str, Any]]:
        """The entries of the rulebook's manifest by rule; none where no rulebook is recorded."""
        manifest = self.content("rulebook", "rules")
        return {} if manifest is None else dict(json.loads(self.archive.read(manifest))["rules"])

    def rule(self, rule_id: str, lists: Mapping[str, NamedList]) -> Rule:
        """A rule of the rulebook.

        Raises:
            InputNotKept: It is lost, or decides otherwise than its digest says.
        """
        manifest = self.content("rulebook", "rules")
        if manifest is None:
            raise InputNotKept("no rulebook is recorded")
        return kept_rule(self.archive, manifest, rule_id, self.rules()[rule_id]["digest"], lists)

    def lists(self) -> dict[str, NamedList]:
        """The named lists in force that were kept."""
        return {
            name: kept_list(self.archive, name, each.content)
            for (kind, name), each in sorted(self.last.items())
            if kind == "list" and each.content is not None
        }

    def live(self) -> frozenset[str]:
        """Ids of the rules that were approved; none where that was not kept."""
        content = self.content("approvals", "rules")
        return frozenset() if content is None else kept_live(self.archive, content)

    def approvals(self, rules: Iterable[Rule]) -> dict[str, Approval]:
        """The bank's own approvals of these rules that are in force, by rule id."""
        content = self.content("approvals", OVERLAY)
        found = {} if content is None else {rule.id: kept_approval(self.archive, content, rule) for rule in rules}
        return {rule_id: approval for rule_id, approval in found.items() if approval is not None}


def recorded_rules(db: str | Path, store: CaseStore, run: str) -> dict[str, Rule]:
    """The rules in force of the store's run, by id.

    Raises:
        InputNotKept: The store has no run yet, or its rulebook is not there.
    """
    folder = data_folder(Path(db))
    recorded = Recorded(InputArchive(folder), store.inputs(run))
    if "://" in str(db) or not recorded.rules():
        raise InputNotKept(f"{db}: no rulebook is recorded here. Name the database of a run, with its .data folder.")
    lists = recorded.lists()
    return {rule_id: recorded.rule(rule_id, lists) for rule_id in recorded.rules()}
