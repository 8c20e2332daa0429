"""Money is followed over several partitions, joined by messages in bytes, as one table follows it."""

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.domain.flow import (
    FINDINGS,
    FIRST,
    OFFSET_BITS,
    R_AMOUNT,
    R_COUNT,
    R_CURRENCY,
    R_PAYEE,
    R_PAYER,
    R_POSITION,
    R_TRAILS,
    T_ENDS,
    FlowMessage,
)
from monitor.domain.time import DAY_US, HOUR_US, UNKNOWN
from monitor.domain.transaction import Bytes16, Int32s
from monitor.engine.flow import NO_ROWS, FlowTable, Traced, leaving, message_to
from monitor.engine.trails import PAYEE_HERE, PAYER_HERE, Payments
from monitor.rulebook.reference.flow import Found, Pay
from tests.oracle.test_flow_against_definition import LIMITS, NAMES, columns, expected, shown, slow, streams

OF_PAYER = ("pass_through", "dwell_time", "residual", "gathered", "chain_depth", "chain_time", "chain_kept")
OF_PAYEE = ("returned_share", "return_kept", "return_hops", "return_time", "middlemen", "chain_depth", "chain_time",
            "chain_kept")  # fmt: skip
Said = dict[str, object]
COINS: st.SearchStrategy[Any] = st.booleans()


@dataclass
class Partition:
    """One partition: its codes, in order of first occurrence, its log and its table."""

    number: int
    table: FlowTable
    accounts: list[int] = field(default_factory=list)
    log: list[Pay | bytes] = field(default_factory=list)

    @staticmethod
    def new(number: int) -> "Partition":
        one = Partition(number, FlowTable(LIMITS))
        one.table.tokens = lambda: one.tokens
        return one

    @property
    def tokens(self) -> Bytes16:
        words = np.array([[account, 0] for account in self.accounts], "<u8").reshape(-1, 2)
        return words.view(np.uint8).reshape(-1, 16)

    def code(self, account: int | str | None) -> int:
        if account is None:
            return -1
        assert isinstance(account, int)
        if account not in self.accounts:
            self.accounts.append(account)
        return self.accounts.index(account)

    def code_of(self, tokens: Bytes16) -> Int32s:
        numbers = np.ascontiguousarray(tokens).view("<u8")[:, 0].tolist()
        return np.array([self.code(number) for number in numbers], np.int32)

    @property
    def position(self) -> int:
        """The position of what comes next."""
        return (self.number << OFFSET_BITS) + len(self.log)

    def columns(self, pays: Sequence[Pay], count: int) -> Payments:
        coded = columns(
            replace(pay, payer=self.code(pay.payer), payer_owner=self.code(pay.payer_owner),
                    payee=self.code(pay.payee), payee_owner=self.code(pay.payee_owner))
            for pay in pays
        )  # fmt: skip
        here = [PAYER_HERE | (PAYEE_HERE if home(pay.payee, count) == self.number else 0) for pay in pays]
        return coded._replace(sides=np.array(here, np.int8))


def home(account: int | str | None, count: int) -> int:
    return int(account or 0) * 7 // 3 % count


def where_made(pay: Pay, count: int) -> int:
    return home(pay.payee if pay.payer is None else pay.payer, count)


@dataclass
class Bank:
    """Partitions, and messages on their way."""

    parts: list[Partition]
    said: dict[int, Said] = field(default_factory=lambda: defaultdict(lambda: dict.fromkeys(NAMES)))
    on_the_way: dict[tuple[int, int], deque[bytes]] = field(default_factory=lambda: defaultdict(deque))
    number_of: dict[int, int] = field(default_factory=dict)
    """The payment's place in the stream by its position."""
    position_of: dict[int, int] = field(default_factory=dict)

    def make(self, pay: Pay) -> None:
        """A payment, in the log of the payer's partition."""
        count = len(self.parts)
        part = self.parts[where_made(pay, count)]
        back = None if pay.takes_back is None else self.position_of[pay.takes_back]
        own = replace(pay, position=part.position, takes_back=back)
        self.number_of[own.position], self.position_of[pay.position] = pay.position, own.position
        payments = part.columns([own], count)
        part.log.append(own)
        traced = part.table.trace(payments)
        here = home(pay.payee, count) == part.number
        self.keep(part, traced, 0, pay.position, (*OF_PAYER, *OF_PAYEE) if here else OF_PAYER)
        self.send(part, traced, payments)

    def send(self, part: Partition, traced: Traced, payments: Payments | None) -> None:
        for other in self.parts:
            rows, back = NO_ROWS, NO_ROWS
            if payments is not None:
                to = np.array([home(account, len(self.parts)) == other.number for account in part.accounts], bool)
                rows = leaving(payments)
                rows = rows[to[payments.payee[rows]]]
                back = np.flatnonzero((payments.takes_back != UNKNOWN) & (payments.taken_from >= 0))
                back = back[to[payments.taken_from[back]]]
            message = None if other is part else message_to(traced, part.tokens, payments, rows, back)
            if message is not None:
                self.on_the_way[part.number, other.number].append(message.to_bytes())

    def deliver(self, way: tuple[int, int]) -> None:
        """The next message of a way, into the log of whom it is for."""
        part, content = self.parts[way[1]], self.on_the_way[way].popleft()
        traced = part.table.receive(FlowMessage.from_bytes(content), part.code_of, part.position)
        part.log.append(content)
        for row, position in enumerate(traced.records.head(R_POSITION).tolist()):
            self.keep(part, traced, row, self.number_of[position], OF_PAYEE)
        self.send(part, traced, None)

    def deliver_all(self) -> None:
        while any(self.on_the_way.values()):
            self.deliver(next(way for way, waiting in self.on_the_way.items() if waiting))

    def keep(self, part: Partition, traced: Traced, row: int, number: int, names: Sequence[str]) -> None:
        """What tracing said of a payment, with accounts and positions as the stream numbers them."""
        said, values = self.said[number], shown(traced, row)
        said |= {name: values[name] for name in names}
        ways = [traced.path(row, finding) for finding in range(len(FINDINGS))]
        for finding, way in zip(FINDINGS, ways, strict=True):
            if way is not None:
                passed = tuple(self.number_of[position] for position in way.positions)
                said[finding] = (passed, part.accounts[way.origin], way.amount_minor, way.sent_minor)


def run(pays: Sequence[Pay], count: int) -> Bank:
    """Every message is delivered before the next payment."""
    bank = Bank([Partition.new(number) for number in range(count)])
    for pay in pays:
        bank.make(pay)
        bank.deliver_all()
    return bank


def of_one_table(pays: Sequence[Pay]) -> list[Said]:
    table, told = FlowTable(LIMITS), list[Said]()
    traced = table.trace(columns(pays))
    for row in range(len(pays)):
        said: Said = dict(shown(traced, row))
        for finding, name in enumerate(FINDINGS):
            way = traced.path(row, finding)
            if way is not None:
                said[name] = (way.positions, way.origin, way.amount_minor, way.sent_minor)
        told.append(said)
    return told


def of_definition(found: Found, pay: Pay) -> Said:
    said: Said = dict(expected(found))
    for finding, path in found.paths.items():
        trail = next(trail for trail in found.carried if trail.path == path)
        said[FINDINGS[finding]] = ((*path, pay.position), trail.origin, trail.amount, trail.sent)
    return said


@given(streams(accounts=8, longest=40), st.integers(1, 4))
@settings(max_examples=100, deadline=None)
def test_any_number_of_partitions_finds_what_one_table_finds(pays: list[Pay], count: int) -> None:
    bank = run(pays, count)
    assert [bank.said[pay.position] for pay in pays] == of_one_table(pays)


@given(streams(accounts=8, longest=40), st.integers(2, 4), st.data())
@settings(max_examples=60, deadline=None)
def test_cuts_of_a_log_saved_states_and_repeated_messages_change_nothing(
    pays: list[Pay], count: int, data: st.DataObject
) -> None:
    bank = run(pays, count)
    for first in bank.parts:
        again, at = Partition.new(first.number), 0
        while at < len(first.log):
            stop = at + 1
            while isinstance(first.log[at], Pay) and stop < len(first.log) and isinstance(first.log[stop], Pay):
                if data.draw(COINS):
                    break
                stop += 1
            entries = first.log[at:stop]
            again.log += entries
            own = [entry for entry in entries if isinstance(entry, Pay)]
            messages = [entry for entry in entries if isinstance(entry, bytes)]
            if own:
                traced = again.table.trace(again.columns(own, count))
                for row, pay in enumerate(own):
                    values, said = shown(traced, row), bank.said[bank.number_of[pay.position]]
                    assert [values[name] for name in OF_PAYER] == [said[name] for name in OF_PAYER]
            for content in messages:
                again.table.receive(FlowMessage.from_bytes(content), again.code_of, again.position)
            earlier = [entry for entry in first.log[:stop] if isinstance(entry, bytes)]
            if earlier and data.draw(COINS):
                content = data.draw(st.sampled_from(earlier))
                repeated = again.table.receive(FlowMessage.from_bytes(content), again.code_of, again.position)
                assert len(repeated.records) == len(repeated.hubs) == 0
            saved = {name: array.copy() for name, array in again.table.save().items()}
            again.table = FlowTable(LIMITS, again.table.tokens)
            again.table.load(saved)
            at = stop
        saved = again.table.save()
        for name, state in first.table.save().items():
            assert np.array_equal(saved[name], state) or name in ("row_of", "pool")


@given(streams(accounts=6, longest=30), st.integers(2, 4), st.data())
@settings(max_examples=100, deadline=None)
def test_a_record_that_comes_late_is_received_where_it_comes(pays: list[Pay], count: int, data: st.DataObject) -> None:
    """As the definition says when payer and payee have their places in the log apart. Nobody is a hub here: what a
    hub mark that comes late changes is the order in which one payment takes money."""
    limits = LIMITS._replace(hub_bits=65)
    bank, definition = Bank([Partition.new(number) for number in range(count)]), slow(limits)
    for part in bank.parts:
        part.table.limits = limits
    found: dict[int, Found] = {}
    waiting: dict[tuple[int, int], deque[Pay]] = defaultdict(deque)

    def deliver(way: tuple[int, int]) -> None:
        bank.deliver(way)
        pay = waiting[way].popleft()
        if pay.takes_back is not None:
            definition.take_back(pay.takes_back)
        else:
            definition.receive(pay, found[pay.position])

    for pay in pays:
        bank.make(pay)
        made, paid = where_made(pay, count), home(pay.payee, count)
        is_moved = pay.is_booked and pay.payer != pay.payee
        found[pay.position] = definition.pay(pay) if is_moved else Found()
        if pay.payee is not None and made != paid and (is_moved or pay.takes_back is not None):
            waiting[made, paid].append(pay)
        elif pay.takes_back is not None:
            definition.take_back(pay.takes_back)
        elif is_moved:
            definition.receive(pay, found[pay.position])
        for way in [way for way, messages in bank.on_the_way.items() if messages]:
            while bank.on_the_way[way] and data.draw(COINS):
                deliver(way)
    for way in list(bank.on_the_way):
        while bank.on_the_way[way]:
            deliver(way)
    for pay in pays:
        given_, wanted = bank.said[pay.position], of_definition(found[pay.position], pay)
        dwelt = (given_.pop("dwell_time"), wanted.pop("dwell_time"))
        assert dwelt[0] == dwelt[1] or abs(int(str(dwelt[0])) - int(str(dwelt[1]))) <= 1
        assert given_ == wanted


A, B, C, D = 1, 2, 3, 4


def of(number: int, hours: int, payer: int, payee: int, amount: int) -> Pay:
    return Pay(number, 40 * DAY_US + hours * HOUR_US, payer, payee, amount, 0, payer, payee)


def test_late_money_is_missing_before_it_comes_and_goes_first_after() -> None:
    """B has 1,000 of C when A's 1,000 are on their way; B pays D twice."""
    assert len({home(account, 4) for account in (A, B, C)}) == 3
    bank = Bank([Partition.new(number) for number in range(4)])
    a_to_b = (home(A, 4), home(B, 4))
    bank.make(of(0, 0, C, B, 1_000))
    bank.deliver((home(C, 4), home(B, 4)))
    bank.make(of(1, 1, A, B, 1_000))
    bank.make(of(2, 2, B, D, 600))
    bank.deliver(a_to_b)
    bank.make(of(3, 3, B, D, 600))
    bank.deliver_all()
    origins = [bank.said[number]["chain"] for number in (2, 3)]
    assert [(way[0], way[1]) for way in origins if isinstance(way, tuple)] == [((0, 2), C), ((1, 3), A)]


def a_message() -> FlowMessage:
    bank = Bank([Partition.new(number) for number in range(4)])
    bank.make(of(0, 0, C, A, 1_000))
    bank.deliver_all()
    bank.make(of(1, 1, A, B, 900))
    return FlowMessage.from_bytes(bank.on_the_way[home(A, 4), home(B, 4)].popleft())


def test_a_message_is_the_same_after_bytes_and_has_no_codes() -> None:
    message = a_message()
    again = FlowMessage.from_bytes(message.to_bytes())
    assert again.to_bytes() == message.to_bytes()
    assert sorted(message.names[:, 0].tolist()) == [A, B, C]
    way = again.records.path(0, 0)
    assert (message.names[way.origin, 0], way.amount_minor, way.sent_minor) == (C, 900, 1_000)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (lambda content: content[:-1], "bytes and says"),
        (lambda content: content + b"\0", "bytes and says"),
        (lambda content: content[:4] + b"\2\0" + content[6:], "version 2; this release reads 1"),
        (lambda content: b"AML?" + content[4:], "do not begin"),
        (lambda content: content[:10], "do not begin"),
    ],
)
def test_other_bytes_are_refused(changed: object, says: str) -> None:
    assert callable(changed)
    with pytest.raises(ValueError, match=says):
        FlowMessage.from_bytes(changed(a_message().to_bytes()))


@pytest.mark.parametrize(
    ("word", "value"),
    [(R_COUNT, 8), (R_COUNT, 0), (R_PAYEE, 3), (R_PAYEE, -1), (R_PAYER, -2),
     (R_AMOUNT, 0), (R_CURRENCY, 1 << 16), (R_POSITION, -1),
     (R_TRAILS + T_ENDS, 9 << 32), (R_TRAILS + FIRST, 9), (R_TRAILS + FIRST, 1)],
)  # fmt: skip
def test_words_that_are_not_sound_are_refused_and_change_nothing(word: int, value: int) -> None:
    message, part = a_message(), Partition.new(home(B, 4))
    message.records.words[word] = value
    with pytest.raises(ValueError, match=r"not sound|does not list"):
        part.table.receive(message, part.code_of, 0)
    assert part.table.inflows_held == 0
    assert not part.table.heard.any()
    assert not part.accounts
