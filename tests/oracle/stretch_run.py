"""A stream of a rule through the real engine, batch by batch, with profiles and joint holders as they were then."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from monitor.app.table_engine import PlainIdentifiers
from monitor.domain.countries import COUNTRY_CODE
from monitor.domain.identifiers import IdentifierKind
from monitor.domain.money import CURRENCY_CODE, parse_amount_minor
from monitor.domain.partitions import Partition
from monitor.domain.time import UNKNOWN
from monitor.domain.units import Kind
from monitor.domain.vocabulary import CLOSED
from monitor.engine.admission import ALL_KEYS
from monitor.engine.binding import NamedList
from monitor.engine.engine import Engine, EngineInputs, Step
from monitor.engine.peers import BankSnapshot
from monitor.engine.profiles import COLUMN, PROFILE_COLUMNS, ProfileTable
from monitor.intake.entities import BusinessCalendar, Entity
from monitor.rulebook.plan import plan
from monitor.rulebook.reference import PlainEntity, PlainInputs
from monitor.rulebook.reference.transactions import ProfileValue
from monitor.rulebook.rule import Rule, Rulebook
from tests.oracle.engine_run import batch_of, rates_into
from tests.strategies.rule_streams import HeldAccount, HeldProfile, RuleStream, Stretch

_CLOSED = {"kind": "customer_kind", "risk_rating": "risk_rating", "screening": "screening"}
_COLUMN_OF_AGE = {"relationship_age": "customer_since_us", "credentials_age": "credentials_changed_us",
                  "exemption_review_age": "exemption_reviewed_us"}  # fmt: skip
_WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LAST_DAY = np.iinfo(np.int64).max
"""No day comes after it, so that the engine never publishes a bank snapshot of its own."""


class StreamEntities:
    """The booking entities of a stream with the calendars of the product; those without a country are unknown to it."""

    def __init__(self, entities: Mapping[str, PlainEntity], identifiers: PlainIdentifiers) -> None:
        known = {name: each for name, each in entities.items() if each.jurisdiction is not None}
        codes = {name: identifiers.code(IdentifierKind.ENTITY, name) for name in known}
        self.calendar = BusinessCalendar({name: _entity(each) for name, each in known.items()}, codes)
        self.countries = {codes[name]: each.jurisdiction for name, each in known.items()}

    def country(self, code: int) -> str | None:
        return self.countries.get(code)

    def periods(self, entity: npt.NDArray[np.int32], time_us: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return self.calendar.periods(entity, time_us)


def _entity(plain: PlainEntity) -> Entity:
    return Entity.model_validate({
        "country": plain.jurisdiction,
        "zone": plain.zone,
        "cut_off": None if plain.cut_off is None else plain.cut_off.isoformat(),
        "weekend": [_WEEK[day] for day in plain.weekend] if plain.rolls else [],
        "holidays": [day.isoformat() for day in sorted(plain.holidays)] if plain.rolls else [],
        "static_24h_start": plain.static_24h_start.isoformat(),
    })  # fmt: skip


def new_engine(
    rules: Sequence[Rule], inputs: PlainInputs, identifiers: PlainIdentifiers, partition: Partition = ALL_KEYS
) -> Engine:
    """A fresh engine under the rules, which makes no bank snapshots."""
    program = plan(Rulebook(tuple(rules), "".join(rule.digest for rule in rules)))
    lists = {name: NamedList(name, "test", tuple(words)) for name, ((_, words),) in inputs.lists.items()}
    targets = {use.currency for use in program.fields if use.currency is not None}
    given = EngineInputs(
        identifiers, StreamEntities(inputs.entities, identifiers), lists=lists,
        rates={each: rates_into(inputs.rates, each) for each in targets}, live=frozenset(each.id for each in rules),
    )  # fmt: skip
    engine = Engine(program, given, partition=partition)
    engine.day = _LAST_DAY
    return engine


class Held:
    """What the bank holds of customers and accounts, as the engine takes it."""

    def __init__(self) -> None:
        self.identifiers, self.profiles = PlainIdentifiers(), ProfileTable()

    def learn(self, stretch: Stretch) -> None:
        """Take over what the bank learned before a stretch."""
        for customer, profile in stretch.profiles.items():
            self._put_profile(customer, profile)
        for account, held in stretch.accounts.items():
            self._put_account(account, held)

    def _put_profile(self, customer: str, profile: HeldProfile) -> None:
        values = np.full((1, len(PROFILE_COLUMNS)), UNKNOWN, np.int64)
        values[0, COLUMN["version"]] = 1
        for name, value in profile.words.items():
            for column, number in self._columns(name, value):
                values[0, COLUMN[column]] = number
        for name, since_us in profile.since_us.items():
            values[0, COLUMN[_COLUMN_OF_AGE[name]]] = since_us
        if profile.born_us is not None:
            values[0, COLUMN["birth_us"]] = profile.born_us
        self.profiles.put(np.array([self.identifiers.code(IdentifierKind.CUSTOMER, customer)], np.int32), values)

    def _columns(self, name: str, value: ProfileValue) -> list[tuple[str, int]]:
        if isinstance(value, tuple):
            currency = "income_currency" if name == "declared_monthly_income" else "expected_currency"
            return [(name, value[0]), (currency, CURRENCY_CODE[value[1]])]
        if isinstance(value, bool):
            return [(name, int(value))]
        word = str(value)
        if name in _CLOSED:
            return [(name, CLOSED[_CLOSED[name]].index(word))]
        if name in ("residence", "nationality"):
            return [(name, COUNTRY_CODE[word])]
        return [(name, self.identifiers.code(IdentifierKind[name.upper()], word))]

    def _put_account(self, account: str, held: HeldAccount) -> None:
        code = np.array([self.identifiers.code(IdentifierKind.ACCOUNT, account)], np.int32)
        opened_us = UNKNOWN if held.opened_us is None else held.opened_us
        kind = UNKNOWN if held.kind is None else CLOSED["account_kind"].index(held.kind)
        self.profiles.put_accounts(code, np.array([opened_us]), np.array([kind]))
        holders = [self.identifiers.code(IdentifierKind.CUSTOMER, name) for name in held.holders]
        self.profiles.joint.put(code, np.array([len(holders)]), np.array(holders, np.int32))


class StretchRun(Held):
    """A stream on a fresh engine, under rules of which the stream's own is one."""

    def __init__(self, stream: RuleStream, rules: Sequence[Rule]) -> None:
        super().__init__()
        self.stream, self.number = stream, [rule.id for rule in rules].index(stream.rule.id)
        self.engine = new_engine(rules, stream.inputs, self.identifiers)
        self._put_snapshot()

    def steps(self) -> list[tuple[Step, list[int]]]:
        """What each batch led to, and how many legs in it each rule left undecided."""
        found = []
        for stretch in self.stream.stretches:
            self.learn(stretch)
            before = self.engine.undecided.sum(axis=1)
            step = self.engine.step(batch_of(stretch.payments, self.identifiers), self.profiles)
            found.append((step, (self.engine.undecided.sum(axis=1) - before).tolist()))
        return found

    def _put_snapshot(self) -> None:
        """The peers and hubs of the table hold throughout; without any, there is no snapshot."""
        test, peers = self.stream.test, self.engine.peers
        if not test.peers and not test.hubs:
            return
        quantiles = np.full((1, max(len(peers.peers), 1)), UNKNOWN, np.int64)
        for name, text in test.peers.items():
            window, measure, quantile = name.removeprefix("peer.").split(".")
            column = self.engine.program.rules[self.number].measures[window, measure][0]
            if (column, quantile) in peers.peers:
                quantiles[0, peers.peers.index((column, quantile))] = _peer_value(
                    self.stream.rule, window, measure, text
                )
        space = self.engine.admission.spaces[0]
        hubs = [space.row_for(self.identifiers.code(IdentifierKind.CUSTOMER, name)) for name in test.hubs]
        peers.make_room(space.count + 1)
        peers.use(BankSnapshot(1, 0, 0, quantiles, np.array(hubs, np.int32)))


def _peer_value(rule: Rule, window: str, measure: str, text: str) -> int:
    unit = next(each.unit for each in rule.windows[window].measures if each.name == measure)
    return parse_amount_minor(text, unit.detail or "USD") if unit.kind is Kind.MONEY else int(text)
