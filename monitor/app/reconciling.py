"""Prove that no obligation of a day is missing: compute them anew from the raw stream, and compare.

The recomputation shares nothing with the engine but the rule file and the recorded history. It is the slow evaluator,
written from the document, on the log *as it would have been had every record come in time*: a record counts in its
own period however late it came, also where the engine refused it as too late; what was taken back counts nowhere.
The rules, rates and lists are those in force now.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from types import TracebackType

from monitor.adapters.sql.obligations import standing_at
from monitor.adapters.sql.store import CaseStore, open_store
from monitor.adapters.vault import PlainVault
from monitor.app import kept_inputs
from monitor.app.embedded import RUN
from monitor.app.filing_days import FilingDays
from monitor.app.reconciling_rows import Stretch, may_be_of, read_stretch
from monitor.app.reconciling_totals import MEMORY, is_plain, verdicts
from monitor.app.rerun_history import Row, transactions_of, word_of
from monitor.app.rerun_inputs import InputsThen, plain_inputs, with_tokens
from monitor.app.rerunning import People, Rerunner
from monitor.app.resolving import open_tokens, stored_token_key
from monitor.app.store import data_folder
from monitor.casework.obligations import ObligationFacts
from monitor.casework.reconciliation import Compared, compare, revisions
from monitor.domain.alert import Quantity, Subject
from monitor.domain.identifiers import IdentifierKind
from monitor.domain.obligation import Obligation, PeriodKey
from monitor.domain.time import format_time
from monitor.domain.units import Kind, Unit
from monitor.engine.sentences import quantity_of_parts
from monitor.rulebook.duty import PAYMENT, DutyTerms, WayTerms, duty_terms
from monitor.rulebook.reference import (
    PlainInputs,
    PlainLeg,
    PlainRate,
    PlainTransaction,
    ReferenceEngine,
    Value,
    Verdict,
    kind_of,
    legs_of,
)
from monitor.rulebook.reference.values import FALSE, TRUE
from monitor.rulebook.rule import ANY, Call, Rule
from monitor.rulebook.walk import nodes

_ROLL_DAYS = 40
"""Most days between the booking of a payment and its business day: holidays and weekends roll on."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class CannotReconcile(Exception):
    """The store has no history beside it, or no run; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The outcome for one day: what was read, what was compared, what could not be decided or read."""

    day: date
    records: int
    legs: int
    keys: int
    rules: tuple[str, ...]
    compared: Compared
    undecided: dict[tuple[str, str], list[int]]
    """Log positions of the payments that a rule could not decide, by rule and first missing field."""
    unread_of_the_day: tuple[str, ...]
    """Places of refused payments that nobody could read and that state this day."""
    unread_of_unknown_day: int
    is_finished: bool
    """Whether the run has read its input to the end."""
    expected: tuple[ObligationFacts, ...] = ()
    recorded: tuple[Obligation, ...] = ()
    position: int = 0

    @property
    def is_complete(self) -> bool:
        """No difference, and no unread payment that states the day."""
        return not self.compared.differences and not self.unread_of_the_day


@dataclass(slots=True)
class _Counts:
    legs: int = 0
    keys: int = 0
    undecided: dict[tuple[str, str], list[int]] = field(default_factory=lambda: defaultdict(list))


class Reconciler:
    """The store of one embedded run, open for reconciliation; a run may go on meanwhile.

    Raises:
        CannotReconcile: There is no history or no key beside the database, or nothing was run.
        StoreError: The database cannot be opened.
    """

    def __init__(self, db: str | Path) -> None:
        folder = data_folder(Path(db)) if "://" not in str(db) else None
        key = stored_token_key(folder) if folder else None
        self.store: CaseStore = open_store(db)
        if folder is None or key is None or not self.store.position(RUN) or not (folder / "history").is_dir():
            self.store.close()
            raise CannotReconcile(
                f"{db}: there is no recorded history beside this store, so nothing can be computed anew. Give --db the "
                "database of a run, with its .data folder next to it."
            )
        self.folder = folder
        self.vault = PlainVault(folder / "vault", read_only=True)
        self.then: InputsThen
        # Of the stretch that is being reconciled, worked out once for all rules.
        self.in_time: list[PlainTransaction] | None = None
        self.rows: dict[int, Row] = {}
        self.declared: set[str] = set()
        self.legs: dict[frozenset[str], list[PlainLeg]] = {}
        self.periods: dict[tuple[str | None, str, int], str] = {}
        self.files = Rerunner(folder, key, open_tokens(folder, key), self.store.inputs(RUN))

    def __enter__(self) -> "Reconciler":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.vault.close()
        self.store.close()

    def reconcile(self, day: date, *, rule: str | None = None, entity: str | None = None) -> Reconciliation:
        """Compare the obligations of a day (and of its month), of one rule or entity if given.

        Raises:
            CannotReconcile: There is no such obligation rule.
            InputNotKept: An input that a rule depends on is lost.
            HistoryLost: The history and the vault do not belong together.
            DamagedError: A part of the history cannot be read.
        """
        with self.store.reading() as connection:
            periods = [day.isoformat(), day.isoformat()[:7]]
            stood, recorded = standing_at(connection, RUN, rule=rule, periods=periods, entity=entity)
        assert stood is not None
        self.then = InputsThen(self.files.archive, self.files.noted, stood.log_position)
        everything = kept_inputs.kept_rules(self.files.archive, self.then.rulebook(), self.then.lists())
        rules = [each for each in everything if each.kind == "obligation" and rule in (None, each.id)]
        if not rules:
            raise CannotReconcile(
                f"there is no obligation rule {rule} in force." if rule else "the rules in force hold no obligation."
            )
        self.in_time, self.legs, self.periods = None, {}, {}
        stretch = self._read(rules, day, stop=stood.log_position)
        counts, expected = _Counts(), list[ObligationFacts]()
        live = self.then.live(everything)
        for each in rules:
            expected += self._expected(each, stretch, day, counts, is_trial=each.id not in live)
        expected = [facts for facts in expected if entity in (None, facts.key.booking_entity)]
        digests = {each.id: each.digest for each in rules}
        unread = [record.refusal.place for record, moment in stretch.unread if may_be_of(moment, day)]
        return Reconciliation(
            day=day,
            records=stretch.records,
            legs=counts.legs,
            keys=counts.keys,
            rules=tuple(each.id for each in rules),
            compared=compare(expected, recorded, stretch.reason_of, digests),
            undecided=counts.undecided,
            unread_of_the_day=tuple(unread),
            unread_of_unknown_day=sum(moment is None for _, moment in stretch.unread),
            is_finished=stood.finished,
            expected=tuple(expected),
            recorded=tuple(recorded),
            position=stood.log_position,
        )

    def record(self, found: Reconciliation, *, at_us: int, actor: str) -> int:
        """Store what settles the differences as revisions of a reconciliation; returns how many.

        Raises:
            ValueError: The run has revised one of them meanwhile.
            StoreBusy: The run is writing and does not finish in time.
        """
        known = {each.obligation_id: each for each in found.recorded}
        settled = revisions(found.compared, found.expected, known, at_us=at_us, position=found.position, actor=actor)
        self.store.record_obligations(settled, run=RUN, recorded_at_us=at_us)
        return len(settled)

    def transaction_id(self, position: int) -> str:
        """The source's own id of a payment."""
        return self.vault.transaction_id(position) or f"#{position}"

    # What the law wants ---------------------------------------------------------------------------------

    def _read(self, rules: Sequence[Rule], day: date, *, stop: int) -> Stretch:
        """All records that can belong to the day, its month where a rule asks for it, and what windows look back on."""
        windows = [window for rule in rules for window in rule.windows.values()]
        is_monthly = any(window.calendar == "month" for window in windows)
        first = day.replace(day=1) if is_monthly else day
        last = first + timedelta(days=31) if is_monthly else day
        back_us = max((window.over_us or 0 for window in windows), default=0)
        start_us = _time_us(first - timedelta(days=_ROLL_DAYS)) - back_us
        remembers = any(isinstance(node, Call) and node.function in MEMORY for rule in rules for node in nodes(rule))
        return read_stretch(
            self.folder, start_us=None if remembers else start_us, end_us=_time_us(last + timedelta(days=3)),
            stop=stop,
        )  # fmt: skip

    def _expected(
        self, rule: Rule, stretch: Stretch, day: date, counts: _Counts, *, is_trial: bool
    ) -> list[ObligationFacts]:
        """The obligations of one rule on a day."""
        terms = duty_terms(rule)
        assert terms is not None
        legs, inputs, rows = self._legs(rule, stretch)
        tokens = with_tokens(rule, self.files.token)
        found: list[ObligationFacts] = []
        for calendar in sorted({"day" if kind == PAYMENT else kind for kind in terms.period_kinds}):
            wanted = day.isoformat()[:7] if calendar == "month" else day.isoformat()
            ways = {
                way for way, each in terms.by_way.items()
                if calendar == ("day" if each.period_kind == PAYMENT else each.period_kind)
            }  # fmt: skip
            last: dict[tuple[str, PeriodKey], tuple[PlainLeg, list[PlainLeg]]] = {}
            for group in _groups(rule, legs, lambda leg: self._period(inputs, leg, calendar), calendar, wanted):  # noqa: B023
                before = counts.legs
                for leg, truth in self._judged(tokens, group, inputs):
                    if (
                        self._period(inputs, leg, calendar) != wanted
                        or terms.way(is_credit=leg.role == "credit") not in ways
                    ):
                        continue
                    counts.legs += 1
                    if truth.is_unknown:
                        counts.undecided[rule.id, truth.missing or "?"].append(leg.position)
                    subject = leg.first_holder if terms.is_of_first_holder else leg.subject(rule.alert.subject)
                    if truth == TRUE and subject is not None:
                        last[subject, _key(terms, leg, wanted, rows[leg.position])] = leg, group
                counts.keys += counts.legs > before
            found += [
                self._facts(rule, tokens, terms, subject, key, leg, group, inputs, is_trial=is_trial)
                for (subject, key), (leg, group) in last.items()
            ]
        return found

    def _judged(self, rule: Rule, group: list[PlainLeg], inputs: PlainInputs) -> Iterator[tuple[PlainLeg, Value]]:
        """The legs of a group with what the rule says of each."""
        if is_plain(rule):
            yield from verdicts(rule, group, inputs, lambda leg, calendar: self._period(inputs, leg, calendar))
            return
        # Of the legs of one payment and role all are judged or none, in their order.
        by_place: dict[tuple[int, str], deque[PlainLeg]] = defaultdict(deque)
        for leg in sorted(group, key=lambda each: each.order):
            by_place[leg.position, leg.role].append(leg)
        for verdict in ReferenceEngine().judge_legs([rule], group, inputs):
            truth = {"true": TRUE, "false": FALSE}.get(verdict.verdict, Value.unknown(verdict.missing or "?"))
            yield by_place[verdict.position, verdict.leg_role].popleft(), truth

    def _period(self, inputs: PlainInputs, leg: PlainLeg, calendar: str) -> str:
        key = (leg.transaction.booking_entity, calendar, leg.transaction.booked_at_us)
        if key not in self.periods:
            self.periods[key] = _period(inputs, leg, calendar)
        return self.periods[key]

    def _legs(self, rule: Rule, stretch: Stretch) -> tuple[list[PlainLeg], PlainInputs, dict[int, Row]]:
        """Every leg as if the records had come in the order of their booking; positions are those of the log."""
        if self.in_time is None:
            people = People(self.files, self.then)
            people.read(stretch.rows, None)
            word = word_of(self.files.tokens.find)
            transactions = transactions_of(stretch.rows, lambda row, side: people.side(row, side, word), word)
            self.in_time = sorted(transactions, key=lambda each: (each.booked_at_us, each.position))
            self.declared = people.currencies()
            self.rows = {int(row["position"]): row for row in stretch.rows}
        in_time = self.in_time
        keys = frozenset({window.by for window in rule.windows.values()} | {kind_of(rule)})
        if keys not in self.legs:
            numbered = legs_of((replace(each, position=n, reverses=None) for n, each in enumerate(in_time)), keys)
            self.legs[keys] = [
                replace(leg, transaction=replace(leg.transaction, position=in_time[leg.position].position))
                for leg in numbered
            ]
        currencies = {each.currency for each in in_time} | self.declared
        inputs = plain_inputs(self.then, rule, currencies=currencies, token=self.files.token)
        if in_time:
            rates = _rates_from(inputs.rates, in_time[0].booked_at_us)
            inputs = replace(inputs, rates=rates)
        legs = [leg for leg in self.legs[keys] if leg.kind == kind_of(rule) and _is_under(rule, leg, inputs)]
        return legs, inputs, self.rows

    def _facts(
        self, rule: Rule, tokens: Rule, terms: DutyTerms, subject: str, key: PeriodKey, leg: PlainLeg,
        group: list[PlainLeg], inputs: PlainInputs, *, is_trial: bool,
    ) -> ObligationFacts:  # fmt: skip
        # Without a window nothing but the payment itself bears on its report.
        again = ReferenceEngine().at(tokens, leg, group if rule.windows else [leg], inputs)
        verdict, way = again.verdict, terms.by_way[key.direction]
        inside = again.behind()
        behind = {position for name in way.windows for position in inside[name]}
        payments = tuple(sorted({*behind, leg.position}))
        return ObligationFacts(
            rule_id=rule.id,
            rule_version=rule.version,
            rule_digest=rule.digest,
            title=rule.title,
            subject=self._subject(rule, subject),
            key=key,
            jurisdiction=inputs.entity(key.booking_entity).jurisdiction,
            total=way.total,
            measures=_measures(rule, way, verdict),
            transactions=payments,
            transactions_total=len(payments),
            codes=terms.codes,
            inputs=_rate_dates(rule, inputs, [one for one in group if one.position in set(payments)]),
            due_on=self._filing().due_on(key.booking_entity, key.kind, key.period, terms.deadline),
            due_cite=terms.deadline.cite,
            is_trial=is_trial,
        )

    def _subject(self, rule: Rule, token: str) -> Subject:
        """The subject as alerts name it; ``account`` where the source names no customers."""
        found = self.files.tokens.find(token) if "\x1f" not in token else None
        is_account = found is not None and found[0] is IdentifierKind.ACCOUNT
        return Subject("account" if is_account and rule.alert.subject == "customer" else rule.alert.subject, token)

    def _filing(self) -> FilingDays:
        content = self.then.content("entities", "entities")
        assert content is not None
        return FilingDays(kept_inputs.kept_entities(self.files.archive, content))


def _is_under(rule: Rule, leg: PlainLeg, inputs: PlainInputs) -> bool:
    """Whether the law of the rule is that of the payment's booking entity; without one, every law is."""
    jurisdiction = inputs.entity(leg.transaction.booking_entity).jurisdiction
    return jurisdiction is None or ANY in rule.jurisdictions or jurisdiction in rule.jurisdictions


def _rates_from(rates: Sequence[PlainRate], first_us: int) -> tuple[PlainRate, ...]:
    """The rates that payments from this time on can be converted at: of the earlier ones each pair's last."""
    last_before: dict[tuple[str, str], int] = {}
    for rate in rates:
        if rate.published_us < first_us:
            pair = (rate.source, rate.target)
            last_before[pair] = max(last_before.get(pair, rate.published_us), rate.published_us)
    return tuple(
        rate for rate in rates
        if rate.published_us >= last_before.get((rate.source, rate.target), rate.published_us)
    )  # fmt: skip


def _time_us(day: date) -> int:
    moment = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _period(inputs: PlainInputs, leg: PlainLeg, calendar: str) -> str:
    entity = inputs.entity(leg.transaction.booking_entity)
    first = entity.period(calendar, leg.transaction.booked_at_us).isoformat()
    return first[:7] if calendar == "month" else first


def _groups(
    rule: Rule, legs: Iterable[PlainLeg], period_of: Callable[[PlainLeg], str], calendar: str, wanted: str
) -> list[list[PlainLeg]]:
    """The legs of each key that has one in the wanted period; no window of the rule reaches from one to another.

    Where every window is one of that calendar and nothing is remembered, legs of other periods are left out.
    """
    kind = kind_of(rule)
    by = {window.by for window in rule.windows.values()} or {kind}
    remembers = any(isinstance(node, Call) and node.function in MEMORY for node in nodes(rule))
    is_of_period = not remembers and all(window.calendar == calendar for window in rule.windows.values())
    found: dict[str, list[PlainLeg]] = defaultdict(list)
    present: set[str] = set()
    for leg in legs:
        if leg.kind != kind:
            continue
        # Windows by account and by customer in one rule reach from one customer to another.
        key = "" if len(by) > 1 else leg.keys.get(next(iter(by)), "")
        is_wanted = period_of(leg) == wanted
        if is_wanted:
            present.add(key)
        if is_wanted or not is_of_period:
            found[key].append(leg)
    return [found[key] for key in sorted(present)]


def _key(terms: DutyTerms, leg: PlainLeg, period: str, row: Row) -> PeriodKey:
    way, payment = terms.way(is_credit=leg.role == "credit"), None
    if terms.by_way[way].period_kind == PAYMENT:
        payment = "".join(f"{row[name] % 2**64:016x}" for name in ("id_hi", "id_lo"))
    return PeriodKey(leg.transaction.booking_entity, terms.by_way[way].period_kind, period, payment, way)


def _measures(rule: Rule, way: WayTerms, verdict: Verdict) -> dict[str, Quantity]:
    return {
        f"{name}.{measure.name}": _quantity(verdict.measures[f"{name}.{measure.name}"], measure.unit)
        for name in way.windows
        for measure in rule.windows[name].measures
    }


def _quantity(value: Value, unit: Unit) -> Quantity:
    if value.is_unknown or not isinstance(value.value, int | Fraction):
        return Quantity(None, str(unit), "unknown")
    return quantity_of_parts(value.value.as_integer_ratio(), unit, value.bound)


def _rate_dates(rule: Rule, inputs: PlainInputs, legs: list[PlainLeg]) -> dict[str, str]:
    """When the newest rate was published that one of the payments was converted at, by pair."""
    targets = {node.unit.detail for node in nodes(rule) if node.unit.kind is Kind.MONEY and node.unit.detail}
    found: dict[str, int] = {}
    for leg in legs:
        source, at_us = leg.transaction.currency, leg.transaction.booked_at_us
        for target in sorted(targets - {source}):
            pairs = ((source, target), (target, source))
            times = [r.published_us for r in inputs.rates if (r.source, r.target) in pairs and r.published_us < at_us]
            if times:
                name = f"rate {source}/{target}"
                found[name] = max(found.get(name, 0), *times)
    return {name: format_time(time_us) for name, time_us in sorted(found.items())}
