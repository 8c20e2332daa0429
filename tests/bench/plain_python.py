"""The ten rules in honest plain Python: the baseline that the engine's speed is measured against.

What a good Python programmer writes without NumPy: ``json.loads`` per line, a dictionary of customers, a deque
and running sums per window, a dictionary of counts per distinct, one function per rule. It is driven by the loaded
rule files (parameters, lengths, jurisdictions, quiet periods) and raises the same alerts as the engine for the rules
it covers, so a bench can compare the sets. Not covered, because no shipped rule or simulated bank needs them: joint
accounts, sources that name no customers, further rules.

A value that is not in force is ``nan``: every comparison with it is false, which is the most that a rule without
its parameter may be. Lower bounds are heeded where a rule asks for "at most" or for a share of a total.

Profiled once with ``cProfile`` over 80,000 payments of a simulated bank. Found and mended: fourteen look-ups per
record to check identifiers (now two passes in C over the values), business months computed for two of three credits
(now remembered per quarter of an hour), names of fields put together per leg, histograms moved for measures that had
not changed, and a call per window to find nothing to let go. What is left is spread thin: a quarter goes to
``json`` and the checks, a third to entering windows, the rest to legs, peers and rules.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from monitor.domain.time import DAY_US
from monitor.intake.entities import Entities
from monitor.rulebook.rule import ANY, Parameter, Rule, Rulebook
from tests.bench.plain_customers import NEVER, Account, Customer
from tests.bench.plain_peers import Key, Peers
from tests.bench.plain_records import Calendar, Conversion, Profile, Refused, record_of
from tests.bench.plain_rules import FOR_CREDITS, FOR_DEBITS, RULES, Leg
from tests.bench.plain_windows import Month

Alert = tuple[str, str, str, str]
"""(rule id, customer, transaction id, status)."""
LATENESS_MAX_US = 35 * DAY_US
_NAN = float("nan")
_NO_PROFILE = Profile()
_WIRES = frozenset(("wire", "transfer", "instant"))
_NOT_FANNED = frozenset(("card", "direct_debit"))
_STEPS = {"USD": "step_usd", "EUR": "step_eur", "GBP": "step_gbp", "NOK": "step_nok"}
_FIELDS_OF = {
    True: ("creditor_customer", "creditor_account", "debtor_account", "debtor_customer", "debtor_country"),
    False: ("debtor_customer", "debtor_account", "creditor_account", "creditor_customer", "creditor_country"),
}
Seen = tuple[int, int, Customer | None, Customer | None, Account | None, Account | None]


class PlainMonitor:
    """All state of a run. ``live`` are the rules that alert; the others run in shadow."""

    def __init__(
        self, *, rulebook: Rulebook, live: frozenset[str], entities: Entities, lists: Mapping[str, frozenset[str]],
        rates: Iterable[tuple[int, str, str, Fraction]], profiles: Mapping[str, Profile], opened_us: Mapping[str, int],
    ) -> None:  # fmt: skip
        self.rules = {rule.id: rule for rule in rulebook.rules if rule.id in RULES}
        self.live, self.lists, self.profiles, self.opened_us = live, lists, profiles, opened_us
        self.entities, self.calendar, self.conversion = entities, Calendar(entities.entities), Conversion(rates)
        self.lengths = {
            f"{rule.id}.{window.name}": window.over_us or 0
            for rule in self.rules.values()
            for window in rule.windows.values()
        }
        self.breaks = sorted(
            {r.from_us for rule in self.rules.values() for p in rule.parameters.values() for r in p.rows}
        )
        self.in_force: dict[tuple[str | None, str, int], Mapping[str, Mapping[str, Any]]] = {}
        self.by_country: dict[tuple[str, bool], list[tuple[str, Any]]] = {}
        self.customers: dict[str, Customer] = {}
        self.accounts: dict[str, Account] = {}
        self.seen: dict[str, Seen] = {}
        self.alerted_us: dict[tuple[str, str], int] = {}
        self.peers, self.day = Peers(), -1
        self.snapshots: list[tuple[int, Mapping[Key, int], frozenset[str]]] = []
        self.position, self.judged, self.refused, self.duplicates = -1, 0, 0, 0

    def run(self, lines: Iterable[bytes]) -> Iterator[Alert]:
        """The alerts of some lines, in order."""
        for line in lines:
            self.position += 1
            try:
                record = record_of(line)
            except Refused:
                self.refused += 1
                continue
            yield from self._admit(record, hash(line))

    def _admit(self, record: dict[str, Any], digest: int) -> Iterable[Alert]:
        """Duplicates, late records and reversals; then both legs."""
        get, seen = record.get, self.seen
        identifier, booked_us = record["transaction_id"], record["booked_us"]
        before = seen.get(identifier)
        if before is not None:
            self.duplicates += before[1] == digest
            self.refused += before[1] != digest
            return ()
        entity = get("booking_entity") or self.entities.default
        if entity not in self.entities.entities:
            self.refused += 1
            return ()
        payer, payee = get("debtor_customer"), get("creditor_customer")
        for holder in (payer, payee):
            customer = self.customers.get(holder) if holder is not None else None
            if customer is not None and customer.clock_us - booked_us > LATENESS_MAX_US:
                self.refused += 1
                return ()
        status, reverses = get("status") or "booked", get("reverses")
        if status in ("reversed", "returned") and reverses is None:
            self.refused += 1
            return ()
        if reverses is not None:
            self._take_back(reverses)
        if status in ("reversed", "returned"):
            seen[identifier] = (self.position, digest, None, None, None, None)
            return ()
        self.judged += 1
        day = booked_us // DAY_US
        if day > self.day:
            if self.day >= 0:
                self.peers.publish()
                self.snapshots.append((self.position, self.peers.p99, self.peers.hubs))
            self.day = day
        debtor, creditor = self._customer(payer), self._customer(payee)
        from_account = self._account(get("debtor_account")) if debtor is not None else None
        to_account = self._account(get("creditor_account")) if creditor is not None else None
        seen[identifier] = (self.position, digest, debtor, creditor, from_account, to_account)
        record["dollars"] = self.conversion.dollars(record["amount_minor"], record["currency"], booked_us)
        record["entity"] = entity
        alerts: list[Alert] = []
        if debtor is not None:
            self._judge(record, debtor, from_account, False, status == "booked", alerts)
        if creditor is not None:
            self._judge(record, creditor, to_account, True, status == "booked", alerts)
        return alerts

    def _customer(self, name: str | None) -> Customer | None:
        if name is None:
            return None
        customer = self.customers.get(name)
        if customer is None:
            customer = self.customers[name] = Customer(self.lengths)
        return customer

    def _account(self, name: str | None) -> Account | None:
        if name is None:
            return None
        account = self.accounts.get(name)
        if account is None:
            account = self.accounts[name] = Account(self.lengths)
        return account

    def _take_back(self, identifier: str) -> None:
        position, _, *parties = self.seen.get(identifier, (0, 0))
        for party in parties:
            if party is not None:
                for window in party.windows():
                    window.take_back(position)

    def _judge(
        self, record: dict[str, Any], customer: Customer, account: Account | None, is_credit: bool, is_booked: bool,
        alerts: list[Alert],
    ) -> None:  # fmt: skip
        """One leg: windows, peers, rules."""
        get = record.get
        own_customer, own_account, other_account, other_customer, other_country = _FIELDS_OF[is_credit]
        holder, booked_us = record[own_customer], record["booked_us"]
        before_us = customer.clock_us
        t = max(booked_us, before_us, account.clock_us if account is not None else NEVER)
        customer.clock_us = t
        if account is not None:
            account.clock_us = t
        profile = self.profiles.get(holder, _NO_PROFILE)
        country = self.entities.entities[record["entity"]].country
        values = self._values(profile.segment, country, booked_us)
        partner = get(other_account) or get(other_customer)
        partner_country, channel = get(other_country), get("channel")
        is_round, month = False, 0
        if is_booked:
            idle_us = t - before_us if before_us != NEVER else None
            is_round, month = self._enter(
                record, customer, account, is_credit, t, idle_us, partner, partner_country, values
            )
        self._note_for_peers(holder, customer, profile.segment, t)
        if not is_booked:
            return
        leg = Leg(
            holder, is_credit, partner, partner_country, channel, is_round, record["dollars"], booked_us, t, month,
            record["entity"], self.opened_us.get(get(own_account) or ""), profile, customer, account, values,
            self.lists, self.peers, self.conversion,
        )  # fmt: skip
        for rule_id, holds in self._rules_for(country, is_credit):
            if holds(leg):
                alerts.append((rule_id, holder, record["transaction_id"], self._status(rule_id, holder, t)))

    def _enter(
        self, record: dict[str, Any], customer: Customer, account: Account | None, is_credit: bool, t: int,
        idle_us: int | None, partner: str | None, partner_country: str | None, values: Mapping[str, Mapping[str, Any]],
    ) -> tuple[bool, int]:  # fmt: skip
        """Enter a booked payment into every window it belongs to; whether it is round, and its month."""
        position, dollars, channel, lengths = self.position, record["dollars"], record.get("channel"), self.lengths
        is_external, is_round, month = channel != "internal", False, 0
        customer.partners.add(t, position, None, partner)
        customer.week.add(t, position, dollars)
        if idle_us is not None and idle_us >= values["AML-DOR-001"]["idle_min"]:
            customer.sums("AML-DOR-001.woken", lengths).add(t, position, None)
        if account is not None and is_external:
            account.activity.add(t, position, dollars)
            if is_credit:
                account.received.add(t, position, dollars)
        for name, window in (("high_risk_countries", "listed"), ("call_for_action_countries", "called")):
            if partner_country in self.lists[name]:
                customer.sums(f"AML-COR-001.{window}", lengths).add(t, position, dollars)
        way = "received" if is_credit else "sent"
        customer.flow(f"AML-PAS-002.{way}", lengths).add(t, position, dollars, partner)
        if is_external:
            customer.flow(f"AML-PAS-001.{way}", lengths).add(t, position, dollars, partner)
        if is_credit:
            month = self._enter_credit(record, customer, t, partner, values)
        else:
            if partner is not None and channel not in _NOT_FANNED:
                customer.fan_out.add(t, position, dollars, partner)
            step = _STEPS.get(record["currency"])
            if channel in _WIRES and step is not None:
                is_round = record["amount_minor"] % values["AML-RND-001"][step] == 0
                if is_round:
                    customer.sums("AML-RND-001.round", lengths).add(t, position, dollars)
        return is_round, month

    def _enter_credit(
        self, record: dict[str, Any], customer: Customer, t: int, partner: str | None,
        values: Mapping[str, Mapping[str, Any]],
    ) -> int:  # fmt: skip
        position, dollars, channel, month = self.position, record["dollars"], record.get("channel"), 0
        if partner is not None:
            customer.fan_in.add(t, position, dollars, partner)
        is_small = dollars is not None and dollars <= values["AML-STR-001"]["report_above"]
        if channel == "cash" and is_small:
            customer.sums("AML-STR-001.small_cash", self.lengths).add(t, position, dollars)
        if channel != "internal":
            month = self.calendar.month(record["entity"], record["booked_us"])
            key = record["entity"], month
            if key not in customer.months:
                customer.months[key] = Month()
            customer.months[key].add(position, dollars)
        return month

    def _note_for_peers(self, holder: str, customer: Customer, segment: str | None, t: int) -> None:
        partners, fan_in, fan_out = customer.partners, customer.fan_in, customer.fan_out
        for window in (partners, fan_in, fan_out):
            if window.events and window.events[0][0] <= t - window.over_us:
                window.leave(t)
        state = (segment, len(partners.partners), len(fan_in.partners), len(fan_out.partners))
        if state != customer.peer_state:
            self.peers.move(holder, customer.peer_state, state)
            customer.peer_state = state

    def _status(self, rule_id: str, holder: str, t: int) -> str:
        last_us = self.alerted_us.get((rule_id, holder), NEVER)
        is_quiet = t < last_us + self.rules[rule_id].alert.quiet_us
        if not is_quiet:
            self.alerted_us[rule_id, holder] = t
        if rule_id not in self.live:
            return "shadow"
        return "quiet" if is_quiet else "new"

    # Rules and parameters, looked up once per combination ---------------------------------------------

    def _rules_for(self, country: str, is_credit: bool) -> list[tuple[str, Any]]:
        found = self.by_country.get((country, is_credit))
        if found is None:
            names = FOR_CREDITS if is_credit else FOR_DEBITS
            found = self.by_country[country, is_credit] = [
                (name, RULES[name]) for name in names if name in self.rules and _applies(self.rules[name], country)
            ]
        return found

    def _values(self, segment: str | None, country: str, booked_us: int) -> Mapping[str, Mapping[str, Any]]:
        key = segment, country, bisect_right(self.breaks, booked_us)
        values = self.in_force.get(key)
        if values is None:
            values = self.in_force[key] = {
                rule.id: {p.name: _value(p, segment, country, booked_us) for p in rule.parameters.values()}
                for rule in self.rules.values()
            }
        return values


def _applies(rule: Rule, country: str) -> bool:
    return ANY in rule.jurisdictions or country in rule.jurisdictions


def _value(parameter: Parameter, segment: str | None, country: str, booked_us: int) -> Any:
    """The value in force: a number, a share as (above, below), or ``nan``."""
    rows = [
        row
        for row in parameter.rows
        if row.from_us <= booked_us and row.segment in (None, segment) and row.jurisdiction in (None, country)
    ]
    rows.sort(key=lambda row: (row.segment is not None, row.jurisdiction is not None, row.from_us))
    if not rows:
        return (_NAN, _NAN) if parameter.unit.kind == "share" else _NAN
    value = rows[-1].value
    return value.as_integer_ratio() if isinstance(value, Decimal) else value
