"""The recorded log that is judged again: of a store, or of files of payments.

A store has everything at its log positions: payments as Parquet, the versions of profiles, lists, rates, entities and
rulebooks in its log of inputs. Files of payments are read with one set of inputs, as ``aml run`` would. Nothing is
written: identifiers that a changed rule brings get codes in memory only, and a store may be in use meanwhile.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import numpy as np

from monitor.adapters.history import TOKENS_FOLDER
from monitor.adapters.history_reading import HistoryReader
from monitor.adapters.history_tokens import read_tokens
from monitor.adapters.input_archive import InputArchive
from monitor.adapters.sql.orders import orders, taken_up
from monitor.adapters.sql.store import open_store
from monitor.adapters.vault import PlainVault
from monitor.app import kept_inputs
from monitor.app.backtest.changes import RulesInForce
from monitor.app.backtest.problem import BacktestError
from monitor.app.embedded import RUN
from monitor.app.inputs import GivenInputs, default_entities, load_inputs
from monitor.app.rerun_inputs import InputsThen
from monitor.app.resolving import stored_token_key
from monitor.app.store import data_folder
from monitor.casework.breaker import BreakerSettings
from monitor.casework.orders import Order
from monitor.casework.position import LogInput
from monitor.domain.time import TIME_MAX_US
from monitor.domain.transaction import TransactionBatch
from monitor.domain.vocabulary import MODELS_OFF
from monitor.engine import anomalies
from monitor.intake.entities import Entities
from monitor.intake.identifiers import IdentifierTable
from monitor.intake.mapping import Mapping as ColumnMapping
from monitor.intake.rates import Rates, load_rates
from monitor.intake.records import SourcePosition
from monitor.intake.sources import open_source
from monitor.rulebook.lists import NamedList
from monitor.rulebook.load import load_lists, load_rules, shipped_rules
from monitor.rulebook.rule import Rule

SQLITE = b"SQLite format 3\x00"
_FILE_KEY = b"a back-test of files keeps nothing"[:32]
"""Tokens of a back-test over files live as long as the command; the same file gives the same tokens."""
_KINDS = ("rulebook", "approvals", "list", "rates", "entities", "profiles", "breaker", "models")


@dataclass(frozen=True, slots=True)
class Epoch:
    """From ``position`` on these inputs are in force."""

    position: int
    rules: RulesInForce
    lists: Mapping[str, NamedList]
    rates: Rates | None
    entities: Entities
    profiles: Path | None
    breaker: BreakerSettings = field(default_factory=BreakerSettings)
    models: str = MODELS_OFF
    """What the anomaly models did."""


class History(Protocol):
    """A recorded log."""

    name: str
    identifiers: IdentifierTable
    epochs: list[Epoch]
    notes: list[str]
    orders: list[tuple[int, Order]]
    """What people decided about rules, from which position on, ascending; none where payments lie in files."""
    latest_us: int
    """The time by which values count as in force: the clock of the log, or the end of time for files."""

    @property
    def known_rules(self) -> Mapping[str, Rule]:
        """Rules that a change may name: in force, or in the folders given."""

    def batches(self, start: int = 0, stop: int | None = None) -> Iterator[TransactionBatch]:
        """The accepted payments from position ``start`` up to ``stop``, in the order of the log."""

    def subject(self, token: str) -> str:
        """The source's own identifier behind a token."""

    def transaction_id(self, position: int) -> str:
        """The source's own id of the payment at a position."""

    @property
    def store_place(self) -> Path | None:
        """Where the case store is; ``None`` for files of payments."""


@dataclass(frozen=True, slots=True)
class GivenHistory:
    """What the command line says of the history. All but ``place`` belongs to files of payments."""

    place: Path
    inputs: GivenInputs = field(default_factory=GivenInputs)
    profiles: Path | None = None
    layout: str | None = None
    mapping: ColumnMapping | None = None


def open_history(given: GivenHistory) -> "StoreHistory | FileHistory":
    """The log at a place: a store by its first bytes, else payments.

    Raises:
        BacktestError: It is not there, or the options do not go with it.
        StoreError: The store cannot be opened.
    """
    place = given.place
    try:
        with place.open("rb") as file:
            is_store = file.read(len(SQLITE)) == SQLITE
    except OSError as error:
        raise BacktestError(
            f"{place}: {error.strerror}. Name a store such as bank.db, or a file of payments."
        ) from None
    if not is_store:
        return FileHistory(given)
    inputs = given.inputs
    if given.profiles or inputs.rates or inputs.entities or given.layout or given.mapping:
        raise BacktestError(
            f"{place}: a store has its profiles, rates and entities recorded. Leave --profiles, --rates, --entities, "
            "--format and --mapping out; they belong to files of payments."
        )
    return StoreHistory(given)


class FileHistory:
    """Payments in a file, with one set of inputs."""

    def __init__(self, given: GivenHistory) -> None:
        self.given, self.name = given, str(given.place)
        self.notes: list[str] = []
        self.orders: list[tuple[int, Order]] = []
        self.identifiers = IdentifierTable(_FILE_KEY)
        loaded = load_inputs(given.inputs)
        self.notes += [str(error) for error in loaded.errors]
        paths = list(given.inputs.rules) or [shipped_rules()]
        lists, _ = load_lists([*paths, *given.inputs.lists])
        self.known_rules = _all_rules(paths, lists)
        rules = {rule.id: rule for rule in loaded.program.rulebook.rules}
        self.epochs = [
            Epoch(
                0, RulesInForce(rules, loaded.live), lists, loaded.rates, loaded.entities, given.profiles,
                given.inputs.breaker, given.inputs.models,
            )
        ]  # fmt: skip
        self.latest_us = TIME_MAX_US
        self._has_entities = given.inputs.entities is not None
        self._ids: list[tuple[np.ndarray, list[str]]] = []

    def batches(self, start: int = 0, stop: int | None = None) -> Iterator[TransactionBatch]:
        entities = self.epochs[0].entities
        source = open_source(
            self.given.place,
            identifiers=self.identifiers,
            entities=frozenset(entities.entities) if self._has_entities else None,
            default_entity=entities.default,
            layout=self.given.layout,
            mapping=self.given.mapping,
            zone=entities.entities[entities.default].zone,
        )
        position, self._ids = 0, []
        for chunk in source.chunks(SourcePosition(0, 0)):
            if chunk.lines == b"":
                continue
            decoded = source.decoder.decode(chunk, first_position=position)
            position += decoded.records
            if len(decoded.batch):
                self._ids.append((decoded.batch.position, decoded.texts.transaction_id))
                yield decoded.batch

    def subject(self, token: str) -> str:
        code = self.identifiers.code_of_token(bytes.fromhex(token))
        return self.identifiers.text(code) if code >= 0 else token

    def transaction_id(self, position: int) -> str:
        firsts = [int(positions[0]) for positions, _ in self._ids]
        number = int(np.searchsorted(firsts, position, side="right")) - 1
        if number >= 0:
            positions, texts = self._ids[number]
            index = int(np.searchsorted(positions, position))
            if index < len(positions) and positions[index] == position:
                return str(texts[index])
        return f"#{position}"

    @property
    def store_place(self) -> Path | None:
        return None

    def close(self) -> None:
        """Nothing is open."""


class StoreHistory:
    """The log of an embedded store, read beside a run."""

    def __init__(self, given: GivenHistory) -> None:
        self.given, self.name = given, str(given.place)
        self.notes: list[str] = []
        self.folder = data_folder(given.place)
        key = stored_token_key(self.folder)
        if key is None or not (self.folder / "history").is_dir():
            raise BacktestError(
                f"{given.place}: its history is not beside it in {self.folder}. Bring the folder back from the same "
                "backup; without it only a file of payments can be judged again."
            )
        with open_store(given.place) as store:
            position, noted = store.position(RUN), store.inputs(RUN)
            positions = taken_up(store, RUN)
            known = [(positions[each.order_id], each) for each in orders(store) if each.order_id in positions]
            self.orders = sorted(known, key=lambda each: each[0])
        if position is None:
            raise BacktestError(
                f"{given.place}: nothing was judged here yet. Run first:  aml run FILE --db {given.place}"
            )
        self.stop, self.noted, self.latest_us = position.log_position, noted, position.clock_us
        self.vault = PlainVault(self.folder / "vault", read_only=True)
        self.identifiers = self._identifiers(key)
        self.archive = InputArchive(self.folder)
        self.epochs = [self._epoch(at) for at in sorted({n.position for n in noted if n.kind in _KINDS})]

    @cached_property
    def known_rules(self) -> dict[str, Rule]:
        """The rules in force, and those of the folders given or shipped; reading them takes seconds."""
        paths, last = list(self.given.inputs.rules) or [shipped_rules()], self.epochs[-1]
        return _all_rules(paths, last.lists) | dict(last.rules.rules)

    def batches(self, start: int = 0, stop: int | None = None) -> Iterator[TransactionBatch]:
        end = self.stop if stop is None else min(stop, self.stop)
        return HistoryReader(self.folder / "history").batches(start=start, stop=end)

    def subject(self, token: str) -> str:
        code = self.identifiers.code_of_token(bytes.fromhex(token))
        return self.identifiers.text(code) if code >= 0 else token

    def transaction_id(self, position: int) -> str:
        return self.vault.transaction_id(position) or f"#{position}"

    @property
    def store_place(self) -> Path:
        return self.given.place

    def close(self) -> None:
        """Let go of the vault's files."""
        self.vault.close()

    def _identifiers(self, key: bytes) -> IdentifierTable:
        table = IdentifierTable(key)
        table.append(*self.vault.identifiers())
        recorded = read_tokens(self.folder / "history" / TOKENS_FOLDER)
        both = min(len(recorded), len(table))
        if not np.array_equal(recorded[:both], table.tokens[:both]):
            raise BacktestError(
                f"{self.folder}: the history has other tokens than the vault; they belong to different stores. Restore "
                "the whole folder from one copy."
            )
        return table

    def _epoch(self, position: int) -> Epoch:
        then = InputsThen(self.archive, self.noted, position)
        lists = then.lists()
        rules = self._rules(then, lists)
        entities, rates, profiles = (then.content(*each) for each in (_ENTITIES, _RATES, _PROFILES))
        breaker = then.last("breaker", "breaker")
        return Epoch(
            position=position,
            rules=RulesInForce({rule.id: rule for rule in rules}, self._live(then, rules)),
            lists=lists,
            rates=load_rates(self.archive.path(rates)) if rates else None,
            entities=kept_inputs.kept_entities(self.archive, entities) if entities else default_entities(),
            profiles=self.archive.path(profiles) if profiles else None,
            breaker=kept_inputs.kept_breaker(self.archive, breaker.content)
            if breaker and breaker.content
            else BreakerSettings(),
            models=self._models(then),
        )

    def _models(self, then: InputsThen) -> str:
        """What the anomaly models did; off, with a note, where they were others than those of this release."""
        noted = then.last("models", "models")
        if noted is None:
            return MODELS_OFF
        kept = kept_inputs.kept_models(self.archive, noted.content or "")
        if kept["digest"] != anomalies.digest():
            self.notes.append(
                f"at position {then.position} the log records anomaly models of another release; they are left out, so "
                "their alerts are neither new nor lost"
            )
            return MODELS_OFF
        return kept["mode"]

    def _rules(self, then: InputsThen, lists: Mapping[str, NamedList]) -> list[Rule]:
        manifest = then.rulebook()
        return [
            kept_inputs.kept_rule(self.archive, manifest, rule_id, digest, lists)
            for rule_id, digest in kept_inputs.kept_digests(self.archive, manifest).items()
        ]

    def _live(self, then: InputsThen, rules: list[Rule]) -> frozenset[str]:
        """The rules that raised alerts; former releases kept the digest of their ids only, so two ways are tried."""
        noted: LogInput | None = then.last("approvals", "rules")
        if noted is not None and noted.content is not None:
            return kept_inputs.kept_live(self.archive, noted.content)
        active = [rule for rule in rules if rule.status == "active" and rule.approval is not None]
        own = frozenset(rule.id for rule in active if rule.approval is not None and not rule.approval.is_example)
        for ids in (own, frozenset(rule.id for rule in active)):
            if noted is not None and sha256("\n".join(sorted(ids)).encode()).hexdigest() == noted.digest:
                return ids
        self.notes.append(
            f"at position {then.position} the log records approvals that this release cannot tell from the rules; the "
            "rules with an approval of the bank's own are taken as live"
        )
        return own


_ENTITIES, _RATES, _PROFILES = ("entities", "entities"), ("rates", "rates"), ("profiles", "profiles")


def _all_rules(paths: list[Path], lists: Mapping[str, NamedList]) -> dict[str, Rule]:
    rules, _ = load_rules(paths, {**load_lists(paths)[0], **lists})
    return {rule.id: rule for rule in rules}
