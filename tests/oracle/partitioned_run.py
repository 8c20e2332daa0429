"""A log over several partitions, record by record, beside one engine that sees all of it.

Each partition has an engine and codes of its own and is sent what ``destinations`` says, and what other engines say
must go on to it; what goes on is delivered before the next record. The one engine is asked first.

Partitions may judge what the one engine refuses, where it refuses by what they cannot know (docs/adr, "Keys over
partitions"). Such a record is not given to them: it changes nothing in the one engine.
"""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b

import numpy as np
from msgspec import structs

from monitor.app.table_engine import PlainIdentifiers
from monitor.domain.alert import Alert
from monitor.domain.flow import OFFSET_BITS, FlowMessage
from monitor.domain.identifiers import IdentifierKind, token_of
from monitor.domain.partitions import Partition, home_of
from monitor.domain.transaction import Bytes16, Int32s, TransactionBatch
from monitor.engine.admission import ALL_KEYS, LATENESS_MAX_US
from monitor.engine.admitting import DIFFERS, DUPLICATE, TOO_LATE
from monitor.engine.engine import Engine, Step
from monitor.engine.further_keys import HOLDER
from monitor.engine.key_spaces import NEVER
from monitor.engine.ownership import destinations
from monitor.rulebook.reference import PlainInputs, PlainTransaction
from monitor.rulebook.rule import Rule
from tests.engine.engine_logs import batch
from tests.oracle.stretch_run import Held, new_engine
from tests.strategies.rule_streams import Stretch

REFUSED = (DUPLICATE, DIFFERS, TOO_LATE)
Money = tuple[bytes, tuple[tuple[int, int], ...], tuple[tuple[IdentifierKind, str], ...]]
"""What another partition told of money: the message, the ids of its payments, and what stands behind its tokens."""
Entry = PlainTransaction | Stretch | Money
"""What a log holds: records, what the bank learned before the next, and what other partitions told."""


def number_of(transaction_id: str) -> int:
    """The same in all partitions, as the hash of an id is."""
    return int.from_bytes(blake2b(transaction_id.encode(), digest_size=7).digest(), "little")


def home(customer: str, count: int) -> int:
    """The partition where a customer lives."""
    token = np.frombuffer(token_of(b"", IdentifierKind.CUSTOMER, customer), np.uint8)
    return int(home_of(token.reshape(1, 16), count)[0])


def columns(records: Sequence[PlainTransaction], identifiers: PlainIdentifiers) -> TransactionBatch:
    """The records as columns, with ids that do not depend on codes."""
    made = batch(records, identifiers)
    made.id_lo[:] = [number_of(each.transaction_id) for each in records]
    for row, record in enumerate(records):
        if record.reverses is not None:
            made.reverses_lo[row] = number_of(record.reverses)
    return made


class Part(Held):
    """A partition: an engine with codes of its own, and its log."""

    def __init__(
        self, rules: Sequence[Rule], inputs: PlainInputs, place: Partition = ALL_KEYS, owned: Partition | None = None
    ) -> None:
        super().__init__()
        for number in range(7 * place.number):
            self.identifiers.code(IdentifierKind.PURPOSE, f"only here {number}")
        self.number = place.number
        self.engine: Engine = new_engine(rules, inputs, self.identifiers, place if owned is None else owned)
        self.log: list[Entry] = []
        self.of_all: list[int] = []
        """The positions in the whole log of the records of this one; -1 where another partition told something."""
        self.beside: dict[int, Part] = {place.number: self}
        """All partitions, to which payments on a way of money belong."""
        self.ids: set[str] = set()
        self.alerts: list[Alert] = []
        self.outcomes: list[int] = []
        self.forwards: list[tuple[int, int]] = []
        """What must go on: positions of the whole log, and where to."""

    def learn(self, stretch: Stretch) -> None:
        super().learn(stretch)
        self.log.append(stretch)

    def take(self, records: Sequence[PlainTransaction]) -> Step:
        """Judge records at the end of the log; alerts are kept with positions of the whole log."""
        first = len(self.of_all)
        self.log += records
        self.of_all += [record.position for record in records]
        own = [replace(record, position=first + n) for n, record in enumerate(records)]
        step = self.engine.step(columns(own, self.identifiers), self.profiles)
        self.outcomes += step.outcome.tolist()
        rows, partitions = step.forward.row.tolist(), step.forward.partition.tolist()
        self.forwards += [(records[row].position, to) for row, to in zip(rows, partitions, strict=True)]
        self.ids |= {r.transaction_id for r, o in zip(records, step.outcome, strict=True) if o not in REFUSED}
        self._keep(step)
        return step

    def hear(self, money: Money) -> Step:
        """Take in what another partition told, at the end of the log."""
        content, ids, names = money
        message, position = FlowMessage.from_bytes(content), len(self.of_all)
        self.log.append(money)
        self.of_all.append(-1)

        def code_of(tokens: Bytes16) -> Int32s:
            assert len(tokens) == len(names)
            return np.array([self.identifiers.code(*name) for name in names], np.int32)

        step = self.engine.hear(message, np.array(ids, np.int64).reshape(-1, 2), code_of, position)
        self._keep(step)
        return step

    def money_of(self, step: Step) -> list[tuple[int, Money]]:
        """What a step tells others, as it goes there."""
        of_token = {token.tobytes(): code for code, token in enumerate(self.identifiers.tokens)}
        return [
            (told.partition, (
                told.message.to_bytes(), tuple(map(tuple, told.ids.tolist())),
                tuple(self.identifiers.texts[of_token[token.tobytes()]] for token in told.message.names),
            ))
            for told in step.told
        ]  # fmt: skip

    def _keep(self, step: Step) -> None:
        for alert in step.alerts:
            where = [divmod(position, 1 << OFFSET_BITS) for position in (alert.position, *alert.transactions)]
            first, *positions = [
                (self.beside[number] if self.engine.first or number else self).of_all[row] for number, row in where
            ]
            assert min(positions) >= 0
            # Ways of several partitions are in the order of theirs.
            self.alerts.append(structs.replace(alert, position=first, transactions=tuple(sorted(positions))))

    def late_holders(self, record: PlainTransaction) -> list[str]:
        """The holders by whose clocks the record is too late."""
        space, found = self.engine.admission.spaces[HOLDER], []
        for name in {record.debtor.holder, record.creditor.holder} - {None}:
            assert name is not None
            code = self.identifiers.code(IdentifierKind.CUSTOMER, name)
            row = space.row_of[code] if code < len(space.row_of) else -1
            if row >= 0 and space.clock_us[row] != NEVER:
                found += [name] * int(space.clock_us[row] - record.booked_at_us > LATENESS_MAX_US)
        return found


@dataclass
class Comparison:
    """One engine, partitions beside it, and what occurred."""

    rules: Sequence[Rule]
    inputs: PlainInputs
    count: int
    owns_all: bool = False
    """Break it: every engine believes to own every key."""
    forwards: bool = True
    """Break it, if false: what engines say must go on does not."""
    tells: bool = True
    """Break it, if false: what engines say others must be told of money they are not."""
    is_told_first: bool = False
    """What is told of a payment's money comes before the payment, where it can."""
    seen: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.one = Part(self.rules, self.inputs)
        self.parts = [
            Part(self.rules, self.inputs, Partition(n, self.count), ALL_KEYS if self.owns_all else None)
            for n in range(self.count)
        ]
        for part in self.parts:
            part.beside = dict(enumerate(self.parts))
        self.intake = PlainIdentifiers()
        self.kinds = self.one.engine.bound.extra_kinds

    def run(self, stretches: Sequence[Stretch]) -> "Comparison":
        for stretch in stretches:
            for part in (self.one, *self.parts):
                part.learn(stretch)
            for record in stretch.payments:
                self.take(record)
        return self

    def take(self, record: PlainTransaction) -> None:
        """A record to the one engine, and to the partitions unless they cannot know what it is refused by."""
        late = self.one.late_holders(record)
        outcome = int(self.one.take([record]).outcome[0])
        made = columns([record], self.intake)
        homes = destinations(
            made, self.intake.tokens, self.kinds, self.count, follows_money=self.one.engine.flow is not None
        ).partition.tolist()
        self.seen["records"] += 1
        self.seen["sent"] += len(homes)
        knows = True
        if outcome == TOO_LATE:
            knows = set(homes) <= {home(name, self.count) for name in late}
        elif outcome in REFUSED:
            knows = all(record.transaction_id in self.parts[number].ids for number in homes)
        self.seen[f"outcome {outcome}{'' if knows else ', which they cannot know'}"] += 1
        waiting: deque[tuple[int, Money | None]] = deque((number, None) for number in (homes if knows else ()))
        been = set(homes)
        while waiting:
            number, money = waiting.popleft()
            part = self.parts[number]
            step = part.take([record]) if money is None else part.hear(money)
            told = part.money_of(step) if self.tells else []
            self.seen["told"] += len(told)
            if money is not None:
                self.seen["alerts of what waited"] += len(step.alerts)
            if self.is_told_first:
                waiting.extendleft(reversed(told))
            else:
                waiting.extend(told)
            if money is not None:
                continue
            if not self.owns_all:
                assert step.outcome.tolist() == [outcome], record
            if self.forwards:
                further = step.forward.partition.tolist()
                assert not been & set(further)
                self.seen["went on"] += len(further)
                been |= set(further)
                waiting.extend((other, None) for other in further)

    def expected(self) -> list[Alert]:
        return in_order(self.one.alerts, is_whole=self.count == 1)

    def found(self) -> list[Alert]:
        return in_order((alert for part in self.parts for alert in part.alerts), is_whole=self.count == 1)

    def undecided(self) -> tuple[list[int], list[int]]:
        """How many legs each rule left undecided, in the one engine and in all partitions."""
        of_parts = sum(part.engine.undecided.sum(axis=1) for part in self.parts)
        return self.one.engine.undecided.sum(axis=1).tolist(), np.asarray(of_parts).tolist()


def in_order(alerts: Iterator[Alert] | Sequence[Alert], *, is_whole: bool) -> list[Alert]:
    """The alerts by position. Over several partitions those about accounts are without their quiet periods."""
    shown = [alert if is_whole or alert.subject.kind != "account" else _without_quiet(alert) for alert in alerts]
    return sorted(shown, key=lambda each: (each.position, each.source.id, each.leg_role, each.subject.token))


def _without_quiet(alert: Alert) -> Alert:
    return structs.replace(alert, status="new", marks=tuple(mark for mark in alert.marks if mark != "quiet"))
