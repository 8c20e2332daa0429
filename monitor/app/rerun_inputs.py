"""The inputs that were in force at an alert, out of the log of inputs and the archive.

When a rulebook takes effect, the run measures the whole history with the inputs of that moment; later changes take
effect at their positions. So of the inputs before the rulebook's position only the last ones count.
"""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, time
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import Any

from monitor.adapters.input_archive import InputArchive, InputNotKept
from monitor.app import kept_inputs
from monitor.app.rerun_profiles import KeptProfiles
from monitor.casework.position import LogInput
from monitor.domain.identifiers import PERSONAL_KINDS, IdentifierKind
from monitor.domain.time import parse_time_us
from monitor.domain.units import Kind
from monitor.intake.entities import WEEKDAYS, Entity
from monitor.rulebook.lists import NamedList
from monitor.rulebook.reference import BankSnapshot, PlainEntity, PlainInputs, PlainRate
from monitor.rulebook.rule import Compare, Literal, Membership, Node, Rule
from monitor.rulebook.walk import walk

Token = Callable[[IdentifierKind, str], str]
"""The token in hex of an identifier."""


@dataclass(slots=True)
class InputsThen:
    """The log of inputs as of a log position.

    A look-back judged the whole history with the inputs of its moment: of each the last one held from the beginning.
    """

    archive: InputArchive
    noted: Sequence[LogInput]
    position: int
    is_lookback: bool = False

    @classmethod
    def of(cls, archive: InputArchive, noted: Sequence[LogInput], evidence: Mapping[str, Any]) -> "InputsThen":
        """The inputs by which an alert was judged."""
        looked_back = evidence["inputs"].get("lookback.position")
        return cls(archive, noted, int(looked_back or evidence["position"]), looked_back is not None)

    def last(self, kind: str, name: str) -> LogInput | None:
        """The input in force; ``None`` where there was none."""
        found = self.versions(kind, name)
        return found[-1][1] if found and found[-1][1].digest else None

    def versions(self, kind: str, name: str) -> list[tuple[int, LogInput]]:
        """From which position on which version held, ascending."""
        start = max((n.position for n in self._up_to_here("rulebook", "rules")), default=0)
        noted = self._up_to_here(kind, name)
        if self.is_lookback and kind != "bank_snapshot":
            return [(0, each) for each in noted[-1:]]
        before = [each for each in noted if each.position <= start]
        after = [(each.position, each) for each in noted if each.position > start]
        return [*((0, each) for each in before[-1:]), *after]

    def content(self, kind: str, name: str) -> str | None:
        """Where the input in force is kept; ``None`` where there was none.

        Raises:
            InputNotKept: There was one, and it was not kept.
        """
        found = self.last(kind, name)
        return None if found is None else _content(found)

    def rulebook(self) -> str:
        """Where the rulebook in force is kept."""
        content = self.content("rulebook", "rules")
        if content is None:
            raise InputNotKept("the log of inputs names no rulebook for this alert; the store is not that of the run")
        return content

    def lists(self) -> dict[str, NamedList]:
        """The lists in force."""
        names = sorted({each.name for each in self.noted if each.kind == "list"})
        contents = {name: self.content("list", name) for name in names}
        return {n: kept_inputs.kept_list(self.archive, n, content) for n, content in contents.items() if content}

    def profiles(self) -> list[tuple[int, KeptProfiles | None]]:
        """From which position on which profiles file held."""
        return [
            (first, KeptProfiles(self.archive.path(_content(each))) if each.digest else None)
            for first, each in self.versions("profiles", "profiles")
        ]

    def entities(self) -> dict[str, Entity]:
        """The booking entities in force."""
        content = self.content("entities", "entities")
        return {} if content is None else dict(kept_inputs.kept_entities(self.archive, content).entities)

    def _up_to_here(self, kind: str, name: str) -> list[LogInput]:
        return [n for n in self.noted if (n.kind, n.name) == (kind, name) and n.position <= self.position]

    def live(self, rules: Sequence[Rule]) -> frozenset[str]:
        """The ids of the rules that were approved, out of all rules in force.

        Former releases kept a digest of them only. Where neither "with the examples" nor "without" gives it, every
        active rule counts as approved: an obligation is rather owed than forgotten.
        """
        noted = self.last("approvals", "rules")
        if noted is not None and noted.content is not None:
            return kept_inputs.kept_live(self.archive, noted.content)
        active = [rule for rule in rules if rule.status == "active"]
        own = frozenset(rule.id for rule in active if rule.approval is not None and not rule.approval.is_example)
        all_of = frozenset(rule.id for rule in active if rule.approval is not None)
        if noted is not None and noted.digest == sha256("\n".join(sorted(own)).encode()).hexdigest():
            return own
        return all_of


def _content(noted: LogInput) -> str:
    if noted.content is None:
        raise InputNotKept(f"the {noted.kind} {noted.name} ({noted.digest[:12]}) was not kept by the release that ran")
    return noted.content


def plain_inputs(then: InputsThen, rule: Rule, *, currencies: set[str], token: Token) -> PlainInputs:
    """Rates, lists, entities and bank snapshots as the slow evaluator takes them.

    Raises:
        InputNotKept: One that the rule needs is lost.
    """
    used = {part.list_name for part in _parts(rule) if isinstance(part, Membership) and part.list_name}
    return PlainInputs(
        rates=_rates(then, rule, currencies),
        lists={name: _list_versions(then, name, token) for name in sorted(used)},
        entities={name: _entity(each) for name, each in then.entities().items()},
        snapshots=_snapshots(then, rule),
    )


def _parts(rule: Rule) -> list[Node]:
    roots = [rule.when, *(window.where for window in rule.windows.values() if window.where is not None)]
    return [part for root in roots for part in walk(root)]


def _rates(then: InputsThen, rule: Rule, currencies: set[str]) -> tuple[PlainRate, ...]:
    content = then.content("rates", "rates")
    if content is None:
        return ()
    targets = {part.unit.detail for part in _parts(rule) if part.unit.kind is Kind.MONEY and part.unit.detail}
    wanted = currencies | targets
    with Path(then.archive.path(content)).open(encoding="utf-8-sig", newline="") as file:
        return tuple(
            PlainRate(parse_time_us(row["published_at"]), row["source"], row["target"], Fraction(row["rate"]))
            for row in csv.DictReader(file)
            if row["source"] in wanted and row["target"] in wanted
        )


def _list_versions(then: InputsThen, name: str, token: Token) -> tuple[tuple[int, frozenset[str]], ...]:
    found = []
    for first, noted in then.versions("list", name):
        if noted.digest:
            kept = kept_inputs.kept_list(then.archive, name, _content(noted))
            kind = _personal_kind(kept.vocabulary)
            found.append((first, frozenset(token(kind, word) if kind else word for word in kept.words)))
    return tuple(found)


def _entity(entity: Entity) -> PlainEntity:
    return PlainEntity(
        jurisdiction=entity.country,
        zone=entity.zone,
        cut_off=time.fromisoformat(entity.cut_off) if entity.cut_off else None,
        holidays=frozenset(date.fromisoformat(day) for day in entity.holidays),
        rolls=True,
        weekend=tuple(WEEKDAYS.index(day) for day in entity.weekend),
        static_24h_start=time.fromisoformat(entity.static_24h_start) if entity.static_24h_start else time(0),
    )


def _snapshots(then: InputsThen, rule: Rule) -> tuple[tuple[int, BankSnapshot], ...]:
    """The snapshots in force; only the last one where no filter of a window asks for an earlier one."""
    if not any(part.text.startswith("peer.") for part in _parts(rule)):
        return ()
    versions = then.versions("bank_snapshot", "bank")
    filters = [window.where for window in rule.windows.values() if window.where is not None]
    if not any(part.text.startswith("peer.") for root in filters for part in walk(root)):
        versions = versions[-1:]
    return tuple((first, _snapshot(then, noted, rule)) for first, noted in versions)


def _snapshot(then: InputsThen, noted: LogInput, rule: Rule) -> BankSnapshot:
    kept = kept_inputs.kept_snapshot(then.archive, _content(noted))
    own = f"{rule.id}:"
    quantiles: dict[tuple[str | None, str], Fraction | int] = {
        (segment or None, name.removeprefix(own)): value
        for segment, values in kept.quantiles.items()
        for name, value in values.items()
        if name.startswith(own)
    }
    return BankSnapshot(kept.version, quantiles, kept.hubs)


def with_tokens(rule: Rule, token: Token) -> Rule:
    """The rule with the words that identify people replaced by their tokens, as the history holds them."""
    windows = {
        name: window if window.where is None else replace(window, where=_tokens_in(window.where, token))
        for name, window in rule.windows.items()
    }
    return replace(rule, when=_tokens_in(rule.when, token), windows=windows)


def _tokens_in(node: Node, token: Token) -> Node:
    changes: dict[str, Any] = {}
    for name in node.__dataclass_fields__:
        value = getattr(node, name)
        if isinstance(value, Node):
            changes[name] = _tokens_in(value, token)
        elif isinstance(value, tuple) and any(isinstance(part, Node) for part in value):
            changes[name] = tuple(_tokens_in(part, token) for part in value)
    node = replace(node, **changes)
    kind = _personal_kind(node.item.unit.detail) if isinstance(node, Membership) else None
    if isinstance(node, Membership) and kind is not None:
        return replace(node, words=tuple(token(kind, word) for word in node.words))
    if isinstance(node, Compare):
        return replace(node, left=_literal(node.left, node.right, token), right=_literal(node.right, node.left, token))
    return node


def _literal(node: Node, other: Node, token: Token) -> Node:
    kind = _personal_kind(other.unit.detail)
    if kind is None or not isinstance(node, Literal) or not isinstance(node.value, str):
        return node
    return replace(node, value=token(kind, node.value))


def _personal_kind(vocabulary: str | None) -> IdentifierKind | None:
    return {kind.name.lower(): kind for kind in PERSONAL_KINDS}.get(vocabulary or "")
