"""Totals of feeds: each payment once, whoever dies and whatever comes twice, against counting by hand."""

import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from monitor.adapters.kafka import feed_records, payment_chunks
from monitor.adapters.kafka.feed_records import RecordUnreadable, RefusedPlace, decode_totals, encode_totals
from monitor.adapters.sql.feed_totals import read_totals, write_totals
from monitor.adapters.sql.store import CaseStore, open_store
from monitor.app import feed_totals
from monitor.app.feed_totals import FeedTotals
from monitor.app.inputs import GivenInputs, LoadedInputs, load_inputs
from monitor.app.streaming.arriving import ArrivedMessage
from monitor.app.streaming.intake_feeds import FeedNames
from monitor.app.streaming.intake_making import Came, IntakeMaking, IntakeTopics
from monitor.app.streaming.partition import LogRecord, Partition
from monitor.domain.feed import FEED, FEEDS_MAX, OTHER_FEED, FeedRows, FeedTotal, added
from monitor.engine.admitting import DIFFERS, DUPLICATE, JUDGED, TAKEN_BACK, TOO_LATE
from tests.intake.json_records import plain
from tests.streaming.no_profiles import NoProfiles

KEY = bytes(range(32))
PARTITIONS, SOURCES = 3, 2
FEEDS = ("payments", "cards", "wires-in")
START = datetime(2026, 5, 4, 8, tzinfo=UTC)  # A Monday.
Log = list[LogRecord]


@pytest.fixture(scope="module")
def loaded() -> LoadedInputs:
    return load_inputs(replace(GivenInputs(), models="off"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CaseStore]:
    with open_store(tmp_path / "bank.db", create=True) as opened:
        yield opened


class Bank:
    """Messages of each source partition, with their feeds, and what counting them by hand gives."""

    def __init__(self, rng: random.Random, count: int) -> None:
        self.sources: list[list[tuple[bytes, str]]] = [[] for _ in range(SOURCES)]
        self.expected: dict[tuple[str, int, str], list[int]] = defaultdict(lambda: [0, 0])
        self.refused: Counter[tuple[str, int]] = Counter()
        self.repeated = 0
        sent: list[tuple[bytes, str, int]] = []
        for number in range(count):
            at, feed = START + timedelta(minutes=97 * number), rng.choice(FEEDS)
            day = (at.replace(tzinfo=None) - datetime(1970, 1, 1)).days
            said = at.isoformat().replace("+00:00", "Z")
            chance, where = rng.random(), rng.randrange(SOURCES)
            if chance < 0.15 and sent:  # The bank sends a payment again, perhaps another way.
                line, feed, where = rng.choice(sent)
                self.repeated += 1
                self.put(rng.randrange(SOURCES), line, feed)
            elif chance < 0.2 and sent:  # The same id with another amount.
                line, feed, where = rng.choice(sent)
                record = json.loads(line) | {"amount": "987654"}
                self.refused[feed, self.day_of(line)] += 1
                self.put(where, json.dumps(record).encode(), feed)
            elif chance < 0.3:
                self.refused[feed, day] += 1
                self.put(where, plain(transaction_id=f"R{number}", booked_at=said, currency="XXX").strip(), feed)
            else:
                lines = [self.payment(rng, f"T{number}-{part}", said, day, feed)
                         for part in range(rng.choice((1, 1, 1, 3)))]  # fmt: skip
                sent += [(line, feed, where) for line in lines]
                if len(lines) > 1 and rng.random() < 0.5:
                    lines.insert(1, plain(booked_at=said, amount="-").strip())
                    self.refused[feed, day] += 1
                self.put(where, b"\n".join(lines), feed)

    def payment(self, rng: random.Random, name: str, said: str, day: int, feed: str) -> bytes:
        currency, amount = rng.choice(("EUR", "USD", "JPY")), rng.randrange(1, 10**15)
        sides = {"debtor_customer": f"C{rng.randrange(9)}", "creditor_customer": f"C{rng.randrange(9)}"}
        if rng.random() < 0.3:
            sides["creditor_customer"] = None  # type: ignore[assignment]
        kept = self.expected[feed, day, currency]
        kept[0] += 1
        kept[1] += amount * (1 if currency == "JPY" else 100)
        return plain(transaction_id=name, booked_at=said, amount=str(amount), currency=currency, **sides).strip()

    def day_of(self, line: bytes) -> int:
        return (datetime.fromisoformat(json.loads(line)["booked_at"]).date() - datetime(1970, 1, 1).date()).days

    def put(self, source: int, value: bytes, feed: str) -> None:
        self.sources[source].append((value, feed))

    def check(self, totals: list[FeedTotal]) -> None:
        payments = {(t.feed, t.day, t.currency): [t.payments, t.amount_minor] for t in totals if t.payments}
        assert payments == dict(self.expected)
        refused: Counter[tuple[str, int]] = Counter()
        for each in totals:
            refused[each.feed, each.day] += each.refused
        assert +refused == self.refused
        assert sum(each.repeated for each in totals) == self.repeated


class Intakes:
    """Intake workers that are killed; everything they sent to ``legs`` stays."""

    def __init__(self, bank: Bank, loaded: LoadedInputs, rng: random.Random) -> None:
        self.bank, self.loaded, self.rng = bank, loaded, rng
        self.logs: list[Log] = [[] for _ in range(PARTITIONS)]
        self.kills = 0

    def send(self, topic: str, value: bytes, *, headers=(), key=None, partition=-1) -> None:  # type: ignore[no-untyped-def]
        if topic == "legs":
            log = self.logs[partition]
            log.append(LogRecord(len(log), dict(headers)["kind"].decode(), value))

    def new(self) -> IntakeMaking:
        return IntakeMaking(
            KEY, self.loaded, IntakeTopics(), PARTITIONS, self.send, knows_entities=False, chunk_rows=7
        )  # fmt: skip

    def round(self, making: IntakeMaking, at: list[int]) -> list[int]:
        """One read from some offsets on; the offsets behind it."""
        messages, feeds = [], []
        stops = list(at)
        for source, lines in enumerate(self.bank.sources):
            stops[source] = min(at[source] + self.rng.randrange(0, 12), len(lines))
            for offset in range(at[source], stops[source]):
                value, feed = lines[offset]
                messages.append(ArrivedMessage(source, offset, value))
                feeds.append(feed)
        if messages:
            making.make(Came(messages, feeds, np.zeros(len(messages), np.int64)))
        return stops

    def run(self) -> list[Log]:
        ends, committed = [len(lines) for lines in self.bank.sources], [0] * SOURCES
        while committed != ends:
            making, at, done = self.new(), list(committed), [list(committed)]
            for _ in range(self.rng.randrange(1, 9)):
                at = self.round(making, at)
                done.append(at)
            if self.rng.random() < 0.7 and len(done) > 2:  # Killed; what came after some round is not committed.
                self.kills += 1
                committed = done[self.rng.randrange(1, len(done))]
                if self.rng.random() < 0.3:  # Another has taken over, and this one does not know yet.
                    self.round(self.new(), committed)
                    self.round(making, at)
            else:
                committed = at
        return self.logs


def scored(number: int, log: Log, loaded: LoadedInputs, rng: random.Random) -> tuple[list[bytes], int]:
    """What workers of a partition hand over as totals, killed at random places; and how often they were."""
    part, sent, saved, kills = Partition(number, PARTITIONS, loaded, KEY, NoProfiles), list[bytes](), None, 0

    def hand_over() -> None:
        sent.extend(encode_totals(f"legs-{number}", part.feeds.take_changed()))

    while part.offset < len(log):
        assert not part.step(log[part.offset : part.offset + rng.randrange(1, 6)]).damaged
        if rng.random() < 0.4:
            hand_over()
        if rng.random() < 0.2:
            hand_over()
            saved = ({name: values.copy() for name, values in part.save().items()}, part.offset, part.clock_us)
        if rng.random() < 0.15 and kills < 4:
            kills += 1
            part = Partition(number, PARTITIONS, loaded, KEY, NoProfiles)
            if saved is not None:
                part.load(saved[0], offset=saved[1], clock_us=saved[2])
    hand_over()
    return sent, kills


@pytest.mark.parametrize("seed", [0, 1, 2, None])
def test_each_payment_counts_once_whatever_is_killed_refused_or_sent_again(
    seed: int | None, loaded: LoadedInputs, store: CaseStore
):
    seed = random.randrange(2**32) if seed is None else seed
    print(f"seed {seed}")
    rng = random.Random(seed)
    bank = Bank(rng, 100)
    intakes = Intakes(bank, loaded, rng)
    records, kills = list[bytes](), 0
    for number, log in enumerate(intakes.run()):
        sent, killed = scored(number, log, loaded, rng)
        records += sent
        kills += killed
    assert intakes.kills
    assert kills
    # The topic keeps the order of a partition, and a worker of casework may read a stretch again.
    for start in range(0, len(records), 5):
        stretch = [decode_totals(value) for value in records[max(0, start - rng.randrange(6)) : start + 5]]
        with store.writing() as connection:
            write_totals(connection, [(log, each) for log, rows in stretch for each in rows], recorded_at_us=1)
    with store.reading() as connection:
        bank.check(added(read_totals(connection)))


def test_a_name_that_no_feed_can_have_and_one_too_many_is_other():
    names = FeedNames()
    numbers = [names.number(each) for each in ("cards", "Cards", "acc-12345", "x" * 25, FEED)]
    assert [names.names[each] for each in numbers] == ["cards", OTHER_FEED, OTHER_FEED, OTHER_FEED, FEED]
    for number in range(2 * FEEDS_MAX):
        names.number(f"feed-{number}")
    assert len(names.names) <= FEEDS_MAX + 1
    last, first = names.number("feed-399"), names.number("cards")
    assert (names.names[last], names.names[first]) == (OTHER_FEED, "cards")


def test_beyond_the_limit_the_row_that_has_not_changed_for_longest_goes_and_what_was_handed_out_stays(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(feed_totals, "ROWS_MAX", 3)
    totals, handed = FeedTotals(), list[FeedTotal]()
    for day in (1, 2, 3, 1, 4, 2):
        totals.refuse_all("cards", [day])
        handed += totals.take_changed()
    assert [each.day for each in totals.all()] == [1, 2, 4]
    assert {each.day: each.refused for each in handed} == {1: 2, 2: 1, 3: 1, 4: 1}


def test_sums_beyond_64_bits_are_exact_in_the_state_the_record_and_the_store(loaded: LoadedInputs, store: CaseStore):
    intakes = Intakes(Bank(random.Random(1), 0), loaded, random.Random(1))
    lines = [plain(transaction_id=f"T{n}", amount="999999999999999", currency="EUR").strip() for n in range(400)]
    making = intakes.new()
    for first in (0, 200):
        came = [ArrivedMessage(0, first + n, line) for n, line in enumerate(lines[first : first + 200])]
        making.make(Came(came, [FEED] * 200, np.zeros(200, np.int64)))
    (number,) = {number for number, log in enumerate(intakes.logs) if any(has_feed(each) for each in log)}
    part = Partition(number, PARTITIONS, loaded, KEY, NoProfiles)
    part.step(intakes.logs[number])
    other = FeedTotals()
    other.load(part.feeds.save())
    assert other.all() == part.feeds.all()
    (total,) = other.all()
    assert (total.payments, total.amount_minor) == (400, 400 * 99_999_999_999_999_900)
    assert total.amount_minor > 2**63
    (value,) = encode_totals("legs-0", [total])
    with store.writing() as connection:
        write_totals(connection, [("legs-0", each) for each in decode_totals(value)[1]], recorded_at_us=1)
    with store.reading() as connection:
        assert read_totals(connection) == [total]


def has_feed(record: LogRecord) -> bool:
    return record.kind == "payments" and bool((payment_chunks.decode(record.value).feeds.feed >= 0).any())


@pytest.mark.parametrize(
    ("value", "fact"),
    [
        (b"", "another format"),
        (b"ATO1\0\0\0\0[]", "checksum"),
        (feed_records._packed("totals", [1]), "holds no totals"),
        (feed_records._packed("totals", ["legs-0", [["Cards", 1, "EUR", 1, "1", 0, 0]]]), "impossible name"),
        (feed_records._packed("totals", ["legs-0", [["cards", 1, "EUR", 1, "-1", 0, 0]]]), "impossible name or number"),
        (feed_records._packed("totals", ["legs-0", [["cards", 2**40, "EUR", 1, "1", 0, 0]]]), "impossible name"),
    ],
)
def test_a_record_of_totals_that_cannot_be_read_says_why(value: bytes, fact: str):
    with pytest.raises(RecordUnreadable, match=fact):
        decode_totals(value)


def test_what_intake_sends_again_counts_no_more_and_what_the_bank_sends_again_counts_as_repeated():
    totals = FeedTotals()
    outcome = np.array([JUDGED, DUPLICATE, DIFFERS, TOO_LATE, TAKEN_BACK], np.int8)
    columns = SimpleNamespace(currency=np.zeros(5, np.int16), amount_minor=np.full(5, 700, np.int64))
    feeds = FeedRows(("cards", "wires"), np.array([0, 0, 0, 0, -1], np.int16), np.array([0, 1, 0, 0, 0], np.int32))
    sources = np.array([[0, 4], [0, 4], [0, 5], [1, 0], [1, 1]], np.int64)
    totals.add(columns, outcome, np.full(5, 20_577, np.int64), feeds, sources)  # type: ignore[arg-type]
    again = np.array([DUPLICATE, DUPLICATE, DIFFERS, TOO_LATE, TAKEN_BACK], np.int8)
    for _ in range(2):
        totals.add(columns, again, np.full(5, 20_577, np.int64), feeds, sources)  # type: ignore[arg-type]
    (total,) = totals.all()
    assert (total.feed, total.payments, total.amount_minor, total.refused, total.repeated) == ("cards", 1, 700, 2, 1)
    totals.refuse([RefusedPlace(0, 7, part, "wires", 20_577) for part in (0, 1)])
    totals.refuse([RefusedPlace(0, 7, part, "wires", 20_577) for part in (0, 1, 2)])
    assert totals.all()[1].refused == 3


def test_the_larger_figures_stay_in_the_store(store: CaseStore):
    figures = FeedTotal("cards", 20_577, "EUR", 5, 900, 2, 1)
    for each in (figures, FeedTotal("cards", 20_577, "EUR", 4, 800, 3, 1)):
        with store.writing() as connection:
            write_totals(connection, [("legs-0", each), ("legs-1", figures)], recorded_at_us=1)
    with store.reading() as connection:
        assert added(read_totals(connection)) == [FeedTotal("cards", 20_577, "EUR", 10, 1_800, 5, 2)]
        assert read_totals(connection, log="legs-0") == [FeedTotal("cards", 20_577, "EUR", 5, 900, 3, 1)]
