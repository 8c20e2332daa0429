"""Random streams around a rule: the rows of its disturbed tables, lived through by a bank in which much goes wrong.

Each row becomes a payment that passes near the rule's values. Around it accounts get and lose joint holders, people
carry payments out for others, the other side turns out to be a customer, records come late, twice, or are taken back,
and profiles and booking entities change. Profiles are facts with dates, so that most rows leave them as they were: a
change ends a batch, and so does chance.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, time
from fractions import Fraction

from monitor.domain.time import DAY_US, HOUR_US, MINUTE_US
from monitor.rulebook.reference import PlainEntity, PlainInputs, PlainRate, PlainSide, PlainTransaction
from monitor.rulebook.reference.transactions import ProfileValue
from monitor.rulebook.rule import Rule, TableTest
from monitor.rulebook.testing import TableRow, table_currency, table_rows
from monitor.rulebook.testing_reference import plain_inputs, plain_payment
from tests.strategies.disturbed_tables import REMEMBERED_US, disturbed

YEAR_US = 31_556_952_000_000
AGES = ("relationship_age", "credentials_age", "exemption_review_age")
OF_ACCOUNT = ("account_age", "account_kind")
PEOPLE = ("P1", "P2", "J1", "J2")
NOWHERE = "entity-any"
"""A booking entity of which nobody knows where it is; its days are those of UTC."""
_ZONES = {"US": "America/New_York", "GB": "Europe/London", "CN": "Asia/Shanghai", "CA": "America/Toronto",
          "AU": "Australia/Sydney", "IN": "Asia/Kolkata", "NO": "Europe/Oslo"}  # fmt: skip
_STEPS = (MINUTE_US, HOUR_US, DAY_US, 3 * DAY_US, 34 * DAY_US, 35 * DAY_US, 36 * DAY_US)


@dataclass(frozen=True, slots=True)
class HeldProfile:
    """What the bank holds of a customer: words and truths, when things began (by the name of their age), and birth."""

    words: Mapping[str, ProfileValue]
    since_us: Mapping[str, int]
    born_us: int | None

    @classmethod
    def stated(cls, fields: Mapping[str, ProfileValue], booked_at_us: int) -> "HeldProfile":
        """The profile that shows these fields at a payment."""
        words = {name: value for name, value in fields.items() if name not in (*AGES, *OF_ACCOUNT, "age_years")}
        since_us = {name: booked_at_us - int(str(fields[name])) for name in AGES if name in fields}
        years = fields.get("age_years")
        # A day more than whole years, as nobody is born on the day of a payment.
        born_us = None if years is None else booked_at_us - int(str(years)) * YEAR_US - DAY_US
        return cls(words, since_us, born_us)

    def at(self, booked_at_us: int) -> dict[str, ProfileValue]:
        """The fields after ``profile.`` at a payment."""
        shown = dict(self.words) | {name: max(booked_at_us - since, 0) for name, since in self.since_us.items()}
        return shown if self.born_us is None else shown | {"age_years": (booked_at_us - self.born_us) // YEAR_US}


@dataclass(frozen=True, slots=True)
class HeldAccount:
    """What the bank holds of an account; ``holders`` are those of a joint one, otherwise nobody."""

    opened_us: int | None = None
    kind: str | None = None
    holders: tuple[str, ...] = ()

    def at(self, booked_at_us: int) -> dict[str, ProfileValue]:
        """The fields after ``profile.`` that are of the account."""
        shown: dict[str, ProfileValue] = {} if self.kind is None else {"account_kind": self.kind}
        return shown if self.opened_us is None else shown | {"account_age": max(booked_at_us - self.opened_us, 0)}


@dataclass(slots=True)
class Stretch:
    """One batch: what the bank learned before it, and its payments."""

    profiles: dict[str, HeldProfile] = field(default_factory=dict)
    accounts: dict[str, HeldAccount] = field(default_factory=dict)
    payments: list[PlainTransaction] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class RuleStream:
    """A log cut into batches, the inputs of all of it, and the peers and hubs as its table stated them."""

    rule: Rule
    test: TableTest
    stretches: tuple[Stretch, ...]
    inputs: PlainInputs

    @property
    def payments(self) -> list[PlainTransaction]:
        return [payment for stretch in self.stretches for payment in stretch.payments]


def rule_stream(rule: Rule, rng: random.Random) -> RuleStream:
    """A stream of a disturbed table of the rule."""
    test = disturbed(rule, rng)
    rows = table_rows(rule, test)
    inputs = plain_inputs(rule, test, rows)
    bank = _Bank(rule, rng, [row.word("customer") for row in rows], entities=_entities(rows, rng))
    for row in rows:
        bank.live(row)
    rates = (*inputs.rates, *_later_rates(inputs.rates, test.start_us, rng))
    stretches = tuple(stretch for stretch in bank.stretches if stretch.payments)
    return RuleStream(rule, test, stretches, replace(inputs, rates=rates, entities=bank.entities))


def _later_rates(rates: tuple[PlainRate, ...], start_us: int, rng: random.Random) -> list[PlainRate]:
    """Some of the rates once more, a little other, in the middle of the stream."""
    return [
        replace(each, published_us=start_us + rng.randrange(5 * DAY_US), rate=each.rate * Fraction(101, 100))
        for each in rates
        if rng.random() < 0.5
    ]


def _entities(rows: tuple[TableRow, ...], rng: random.Random) -> dict[str, PlainEntity]:
    """A booking entity for each jurisdiction, all with days of UTC or all with their own, a second one, and NOWHERE."""
    is_local = rng.random() < 0.4
    found = {NOWHERE: PlainEntity()}
    for where in {row.jurisdiction for row in rows} - {None}:
        assert where is not None
        own = PlainEntity(
            where, _ZONES.get(where, "Europe/Berlin"), time(17), frozenset({date(2026, 5, 5)}), True,
            static_24h_start=time(9),
        )  # fmt: skip
        found[f"entity-{where}"] = own if is_local else PlainEntity(where)
        found[f"entity-{where}-2"] = replace(own, cut_off=None, rolls=False, holidays=frozenset())
    return found


@dataclass(slots=True)
class _Bank:
    """A bank that lives through the rows; ``stretches`` are its batches so far, the last one open."""

    rule: Rule
    rng: random.Random
    named: list[str | None]
    entities: dict[str, PlainEntity]
    stretches: list[Stretch] = field(default_factory=lambda: [Stretch()])
    profiles: dict[str, HeldProfile] = field(default_factory=dict)
    accounts: dict[str, HeldAccount] = field(default_factory=dict)
    log: list[PlainTransaction] = field(default_factory=list)
    clock_us: int = 0
    faults: float = field(init=False)
    cut: float = field(init=False)

    def __post_init__(self) -> None:
        self.faults, self.cut = self.rng.choice((0.0, 0.05, 0.15, 0.3)), self.rng.choice((0.02, 0.1, 0.4))

    def live(self, row: TableRow) -> None:
        """A row as a payment, and what happens around it."""
        payment = plain_payment(0, row)
        own, other = (
            (payment.creditor, payment.debtor)
            if row.word("direction") == "credit"
            else (payment.debtor, payment.creditor)
        )
        if own.holder is not None:
            self._learn(own, row.booked_at_us)
        self._share(own)
        payment = self._around(payment)
        if other.account is not None and self._happens(1.5):
            other = self._known_side(other)
        sides = self._side(own, payment.booked_at_us), self._side(other, payment.booked_at_us)
        creditor, debtor = sides if row.word("direction") == "credit" else sides[::-1]
        self._put(replace(payment, debtor=debtor, creditor=creditor))
        if self._happens():
            self._put(self._repeated())
        if self._happens():
            self._put(self._taken_back())
        if self.rng.random() < self.cut:
            self._end_batch()

    def _happens(self, times: float = 1.0) -> bool:
        return self.rng.random() < times * self.faults

    def _customer(self) -> str:
        return self.rng.choice([name for name in self.named if name is not None] or ["C1"])

    def _put(self, payment: PlainTransaction) -> None:
        """Write a payment into the log, under a name that is either remembered or new."""
        position = self.log[-1].position + self.rng.choice((1, 1, 3)) if self.log else self.rng.randrange(3)
        self.clock_us = max(self.clock_us, payment.booked_at_us)
        remembered = self._remembered()
        known = {each.transaction_id for each in self.log}
        identifier, reverses = payment.transaction_id, payment.reverses
        if identifier in known and identifier not in remembered:
            identifier = f"{identifier}-{position}"
        if reverses in known and reverses not in remembered:
            reverses = None
        done = replace(payment, position=position, transaction_id=identifier, reverses=reverses)
        self.log.append(done)
        self.stretches[-1].payments.append(done)

    def _remembered(self) -> dict[str, PlainTransaction]:
        """Payments whose names the monitor must still know: an id is remembered for a bounded time."""
        found: dict[str, PlainTransaction] = {}
        for each in self.log:
            found.setdefault(each.transaction_id, each)
        return {name: each for name, each in found.items() if self.clock_us - each.booked_at_us <= REMEMBERED_US}

    def _repeated(self) -> PlainTransaction:
        """A payment that was there before, with the same content or with another."""
        original = self._earlier()
        return replace(original, amount_minor=(original.amount_minor or 0) + self.rng.randrange(2))

    def _taken_back(self) -> PlainTransaction:
        """A reversal, a return or a correction of an earlier payment, as its account is held by now."""
        original, rng = self._earlier(), self.rng
        status = rng.choice(("reversed", "returned", "booked"))
        booked_at_us = max(self.clock_us - rng.choice((0, 0, HOUR_US)), original.booked_at_us)
        return replace(
            original, transaction_id=f"back-{len(self.log)}", reverses=original.transaction_id, status=status,
            booked_at_us=booked_at_us, debtor=self._side(original.debtor, booked_at_us),
            creditor=self._side(original.creditor, booked_at_us),
        )  # fmt: skip

    def _earlier(self) -> PlainTransaction:
        return self.rng.choice(list(self._remembered().values()) or self.log[-1:])

    def _around(self, payment: PlainTransaction) -> PlainTransaction:
        """The payment with a few more people and things in it, late, elsewhere, or in other money."""
        rng = self.rng
        if self._happens(2):
            payment = replace(payment, conductor=rng.choice((*PEOPLE, self._customer())))
        if self._happens(2):
            payment = replace(payment, on_behalf_of=rng.choice((*PEOPLE, self._customer())))
        if self._happens():
            payment = replace(payment, device=rng.choice(("D1", "D2")), link=rng.choice(("L1", "L2", None)))
        if self._happens():
            lengths = [window.over_us for window in self.rule.windows.values() if window.over_us is not None]
            late_us = rng.choice((*_STEPS, *lengths))
            payment = replace(payment, booked_at_us=max(payment.booked_at_us - late_us, 0))
        if self._happens():
            payment = replace(payment, booking_entity=rng.choice(list(self.entities)))
        if self._happens():
            payment = replace(payment, currency=rng.choice(("EUR", "GBP", "CHF", table_currency(self.rule))))
        return payment

    def _known_side(self, other: PlainSide) -> PlainSide:
        """The other side as one of our customers, over the same account or one of their own."""
        holder = self._customer()
        account = self.rng.choice((other.account, f"{holder}-account"))
        return replace(other, holder=holder, customer=holder, account=account)

    def _side(self, side: PlainSide, booked_at_us: int) -> PlainSide:
        """The side with what is known of its holders by now."""
        if side.holder is None:
            return side
        held = self.accounts.get(side.account or "", HeldAccount())
        joint = tuple(
            PlainSide(name, side.account, name, side.country, given=side.given,
                      profile=self._profile(name, held, booked_at_us))
            for name in held.holders
            if name != side.holder
        )  # fmt: skip
        return replace(side, joint=joint, profile=self._profile(side.holder, held, booked_at_us))

    def _profile(self, holder: str, account: HeldAccount, booked_at_us: int) -> dict[str, ProfileValue]:
        own = self.profiles[holder].at(booked_at_us) if holder in self.profiles else {}
        return own | account.at(booked_at_us)

    # What the bank learns; each change begins a batch -------------------------------------------------------------

    def _learn(self, own: PlainSide, booked_at_us: int) -> None:
        """Mostly take over what a row states of its customer and account, where it is not as known."""
        assert own.holder is not None
        stated = HeldProfile.stated(own.profile, booked_at_us)
        held = self.profiles.get(own.holder)
        if held is None or held.at(booked_at_us) != stated.at(booked_at_us):
            is_old = held is not None and held.words == stated.words
            if self.rng.random() < (0.4 if is_old else 0.9):
                self._note(own.holder, stated)
        if own.account is None:
            return
        now = self.accounts.get(own.account, HeldAccount())
        age, kind = own.profile.get("account_age"), own.profile.get("account_kind")
        opened_us = None if age is None else booked_at_us - int(str(age))
        new = replace(now, opened_us=opened_us, kind=None if kind is None else str(kind))
        if new.at(booked_at_us) != now.at(booked_at_us) and self.rng.random() < (0.4 if new.kind == now.kind else 0.9):
            self._note_account(own.account, new)

    def _share(self, own: PlainSide) -> None:
        """Now and then an account gets further holders, or loses them."""
        if own.holder is None or own.account is None or not self._happens(2):
            return
        now, rng = self.accounts.get(own.account, HeldAccount()), self.rng
        others = rng.sample(sorted({*PEOPLE, self._customer()} - {own.holder}), rng.choice((0, 1, 1, 2)))
        holders = [own.holder, *others] if others else []
        rng.shuffle(holders)
        self._note_account(own.account, replace(now, holders=tuple(holders)))
        for name in others:
            if own.holder in self.profiles and rng.random() < 0.7:
                self._note(name, self.profiles[own.holder])

    def _note(self, customer: str, profile: HeldProfile) -> None:
        self._end_batch()
        self.profiles[customer] = self.stretches[-1].profiles[customer] = profile

    def _note_account(self, account: str, held: HeldAccount) -> None:
        self._end_batch()
        self.accounts[account] = self.stretches[-1].accounts[account] = held

    def _end_batch(self) -> None:
        if self.stretches[-1].payments:
            self.stretches.append(Stretch())
