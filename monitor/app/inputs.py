"""What verdicts depend on besides payments, loaded from files and bound to the identifiers of the run."""

import json
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from errno import ENOENT
from functools import cache, lru_cache
from hashlib import sha256
from os import strerror
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from monitor.casework.breaker import BreakerSettings
from monitor.domain.identifiers import PERSONAL_KINDS, IdentifierKind
from monitor.domain.money import CURRENCIES, CURRENCY_CODE
from monitor.domain.time import format_time
from monitor.domain.transaction import Bytes16, Int32s, Int64s
from monitor.domain.vocabulary import MODELS_OFF
from monitor.engine import anomalies
from monitor.engine.binding import NamedList
from monitor.engine.conversion import Rates as EngineRates
from monitor.engine.engine import EngineInputs
from monitor.intake.entities import BusinessCalendar, Entities, Entity, load_entities
from monitor.intake.rates import Rates, load_rates
from monitor.rulebook import load
from monitor.rulebook.approvals import (
    ApprovalEntry,
    Approved,
    approvals_json,
    approve,
    find_approvals,
    read_approvals,
)
from monitor.rulebook.canonical import rulebook_digest
from monitor.rulebook.groups import Groups, load_groups
from monitor.rulebook.plan import Program, plan
from monitor.rulebook.rule import ANY, Approval, Rule, Rulebook
from monitor.rulebook.rule_error import RuleError

DEFAULT_ENTITY = "BANK"
"""The booking entity of a run without ``--entities``: in the US, UTC days, no holidays."""


OVERLAY = "overlay"
"""The name under which the log of inputs records the bank's own approvals."""


class ApprovalsError(Exception):
    """The bank's approvals cannot be read; the message says where and why."""


class Table(Protocol):
    """A table of identifiers: that of an embedded run, or that of a partition of the streaming shell."""

    @property
    def tokens(self) -> Bytes16: ...
    def kind(self, code: int) -> IdentifierKind: ...
    def text(self, code: int) -> str: ...
    def encode(self, kind: IdentifierKind, values: Sequence[str | None]) -> Int32s: ...


class RunIdentifiers:
    """The identifier table as the engine asks for it."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self._words: dict[int, str | None] = {}

    def code(self, kind: IdentifierKind, text: str) -> int:
        return int(self.table.encode(kind, [text])[0])

    def token(self, code: int) -> str:
        return str(self.table.tokens[code].tobytes().hex())

    @property
    def tokens(self) -> Bytes16:
        return self.table.tokens

    def kind(self, code: int) -> IdentifierKind:
        return self.table.kind(code)

    def word(self, code: int) -> str | None:
        if code not in self._words:
            self._words[code] = None if self.kind(code) in PERSONAL_KINDS else self.table.text(code)
        return self._words[code]


class RunEntities:
    """Booking entities by code: country and calendar."""

    def __init__(self, entities: Entities, identifiers: Table) -> None:
        codes = {name: int(identifiers.encode(IdentifierKind.ENTITY, [name])[0]) for name in sorted(entities.entities)}
        self.calendar = BusinessCalendar(entities.entities, codes)
        self.countries = {code: entities.entities[name].country for name, code in codes.items()}

    def country(self, code: int) -> str | None:
        return self.countries.get(code)

    def periods(self, entity: Int32s, time_us: Int64s) -> npt.NDArray[np.int64]:
        return self.calendar.periods(entity, time_us)


@dataclass(frozen=True, slots=True)
class GivenInputs:
    """Files and choices that a run was given."""

    rules: tuple[Path, ...] = ()
    lists: tuple[Path, ...] = ()
    rates: Path | None = None
    entities: Path | None = None
    approve_examples: bool = False
    approvals: Path | None = None
    """The bank's own approvals; without it, those that lie beside the rules."""
    breaker: BreakerSettings = field(default_factory=BreakerSettings)
    models: str = MODELS_OFF
    """What the anomaly models do, one of :data:`monitor.domain.vocabulary.MODEL_MODES`."""

    def name_of(self, file: str) -> str:
        """The path of a rule file below the folder given, the same wherever that folder lies."""
        path = Path(file)
        for root in self.rules or (load.shipped_rules(),):
            if path.is_relative_to(root) and path != root:
                return path.relative_to(root).as_posix()
        return path.name


@dataclass(frozen=True, slots=True)
class LoadedInputs:
    """The inputs as loaded, with the digests that the log records."""

    program: Program
    live: frozenset[str]
    lists: dict[str, NamedList]
    rates: Rates | None
    entities: Entities
    errors: list[RuleError] = field(default_factory=list)
    elsewhere: int = 0
    """How many rules are for jurisdictions in which the bank has no booking entity."""
    approvals: dict[str, Approval] = field(default_factory=dict)
    """The bank's approvals in force by rule id, out of its own overlay."""
    breaker: BreakerSettings = field(default_factory=BreakerSettings)
    kept: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Rules whose file cannot be read and whose recorded version stays: their entries in the kept rulebook."""
    groups: Groups = field(default_factory=Groups)
    """The typology groups that name cases."""
    models: str = MODELS_OFF
    """What the anomaly models do."""

    @property
    def examples(self) -> list[str]:
        """Active rules that run in shadow because nobody but the product approved them."""
        rules = self.program.rulebook.rules
        return [rule.id for rule in rules if rule.status == "active" and rule.id not in self.live]

    def overlay(self) -> bytes:
        """The bank's approvals in force as a run keeps them."""
        return json.dumps(approvals_json(self.program.rulebook.rules, self.approvals), ensure_ascii=False).encode()

    @property
    def models_body(self) -> str:
        """What the models do and are, as a run keeps it."""
        body = {"mode": self.models, "digest": anomalies.digest(), "configuration": anomalies.configuration()}
        return json.dumps(body, sort_keys=True)

    def digests(self) -> list[tuple[str, str, str, str]]:
        """(kind, name, version, digest) of everything that can change a verdict."""
        live = sha256("\n".join(sorted(self.live)).encode()).hexdigest()
        found = [
            ("rulebook", "rules", "", self.program.rulebook.digest),
            ("approvals", "rules", "", live),
            ("entities", "entities", "", self.entities.digest),
            ("breaker", "breaker", "", sha256(self.breaker.body.encode()).hexdigest()),
        ]
        if self.approvals:
            found.append(("approvals", OVERLAY, "", sha256(self.overlay()).hexdigest()))
        if self.models != MODELS_OFF:
            found.append(("models", "models", self.models, sha256(self.models_body.encode()).hexdigest()))
        if self.groups.digest:
            found.append(("typologies", "typologies", "", self.groups.digest))
        if self.rates is not None:
            found.append(("rates", "rates", "", self.rates.digest))
        for each in self.lists.values():
            found.append(("list", each.name, each.version, sha256("\n".join(each.words).encode()).hexdigest()))
        return found


def load_inputs(given: GivenInputs, *, former: LoadedInputs | None = None) -> LoadedInputs:
    """Load rules, lists, rates and entities.

    Rule files with mistakes are left out and reported; other files raise. With ``former``, rates and entities are those
    and not read again: a run keeps them until it ends.

    Raises:
        FileNotFoundError: A file or folder of rules, lists or approvals does not exist.
        ApprovalsError: The bank's approvals are wrong as a whole.
        YamlFileError: ``entities`` is wrong.
        RatesError: ``rates`` is wrong.
    """
    for path in (*given.rules, *given.lists, *([given.approvals] if given.approvals else ())):
        if not path.exists():
            raise FileNotFoundError(ENOENT, strerror(ENOENT), str(path))
    paths = list(given.rules) or [load.shipped_rules()]
    lists, list_errors = load.load_lists([*paths, *given.lists])
    rules, errors = load.load_rules(paths, lists)
    rulebook = load.in_force(rules)
    groups, group_errors = load_groups(paths, rules, is_run=True)
    approved = load_approvals(rulebook.rules, [given.approvals] if given.approvals else find_approvals(paths))
    used = {name: NamedList(each.name, str(each.version), tuple(each.words)) for name, each in lists.items()}
    if former is not None:
        entities, rates = former.entities, former.rates
    else:
        entities = load_entities(given.entities) if given.entities else default_entities()
        rates = load_rates(given.rates) if given.rates else None
    rulebook, elsewhere = within_reach(rulebook, entities)
    return LoadedInputs(
        program=plan(rulebook),
        live=frozenset(rule.id for rule in rulebook.rules if _is_live(rule, given.approve_examples, approved)),
        lists=used,
        rates=rates,
        entities=entities,
        elsewhere=elsewhere,
        errors=[*list_errors, *errors, *group_errors, *approved.problems],
        approvals=approved.by_rule,
        breaker=given.breaker,
        groups=groups,
        models=given.models,
    )


def within_reach(rulebook: Rulebook, entities: Entities) -> tuple[Rulebook, int]:
    """The rules that apply where the bank books, and how many do not: their windows would be measured for nobody."""
    countries = {entity.country for entity in entities.entities.values()}
    kept = tuple(r for r in rulebook.rules if ANY in r.jurisdictions or not set(r.jurisdictions).isdisjoint(countries))
    return Rulebook(kept, rulebook_digest(iter(kept))), len(rulebook.rules) - len(kept)


def load_approvals(rules: Sequence[Rule], files: Sequence[Path]) -> Approved:
    """The approvals of some files, laid over rules; an entry with a mistake takes down no other.

    Raises:
        ApprovalsError: A file as a whole cannot be understood. Going on without it would silence every rule.
        OSError: A file cannot be read.
    """
    given: list[ApprovalEntry] = []
    problems: list[RuleError] = []
    for path in files:
        try:
            read, errors = read_approvals(path.read_text(encoding="utf-8"), str(path))
        except RuleError as error:
            raise ApprovalsError(str(error)) from None
        except UnicodeDecodeError:
            raise ApprovalsError(f"{path}: the approvals are not UTF-8. Save the file as UTF-8.") from None
        given += read
        problems += errors
    approved = approve(rules, given)
    return Approved(approved.by_rule, (*problems, *approved.problems))


def default_entities() -> Entities:
    """The one entity of a run that names none."""
    return Entities(default=DEFAULT_ENTITY, entities={DEFAULT_ENTITY: Entity(country="US", zone="UTC")})


def _is_live(rule: Rule, approve_examples: bool, approved: Approved) -> bool:
    if rule.status != "active" or rule.approval is None:
        return False
    return rule.id in approved.by_rule or approve_examples or not rule.approval.is_example


def engine_inputs(loaded: LoadedInputs, identifiers: Table) -> EngineInputs:
    """The inputs, bound to the identifiers of the run."""
    entities = RunEntities(loaded.entities, identifiers)
    targets = {use.currency for use in loaded.program.fields if use.currency is not None}
    rates = {target: _rates_into(loaded.rates, target) for target in sorted(targets)} if loaded.rates else {}
    return EngineInputs(
        RunIdentifiers(identifiers), entities, loaded.lists, rates, _rate_date(loaded.rates), loaded.live,
        loaded.models, None if loaded.models == MODELS_OFF else models_rates(loaded.rates),
    )  # fmt: skip


def models_rates(rates: Rates | None) -> EngineRates | None:
    """The rates by which the models compare amounts: into the currency that most pairs of the file have."""
    common = None if rates is None else rates.common
    return None if rates is None or common is None else _rates_into(rates, common)


def _rates_into(rates: Rates, target: str) -> EngineRates:
    """All rates into one currency, one after the other by source."""
    start, parts = [0], []
    for source in CURRENCIES:
        series = rates.series(source, target) if source != target else None
        if series is not None:
            parts.append(series)
        start.append(start[-1] + (len(series.published_us) if series is not None else 0))
    empty = np.zeros(0, np.int64)

    def joined(name: str) -> Int64s:
        return np.concatenate([empty, *(getattr(part, name) for part in parts)]).astype(np.int64)

    return EngineRates(
        CURRENCY_CODE[target], np.array(start, np.int64), joined("published_us"), joined("numerator"),
        joined("denominator"),
    )  # fmt: skip


def _rate_date(rates: Rates | None) -> Callable[[str, str, int], str | None]:
    @cache
    def times(source: str, target: str) -> list[int]:
        series = rates.series(source, target) if rates else None
        return [] if series is None else series.published_us.tolist()

    text_of = lru_cache(maxsize=4096)(format_time)

    def published(source: str, target: str, time_us: int) -> str | None:
        found = times(source, target)
        index = bisect_left(found, time_us) - 1
        return text_of(found[index]) if index >= 0 else None

    return published


def rulebook_of(rules: Sequence[Rule]) -> Rulebook:
    """A rulebook of some rules, ordered by id."""
    ordered = tuple(sorted(rules, key=lambda rule: rule.id))
    return Rulebook(ordered, sha256("".join(rule.digest for rule in ordered).encode()).hexdigest())


def entity_names(entities: Entities) -> Mapping[str, Entity]:
    """The entities by name."""
    return entities.entities
