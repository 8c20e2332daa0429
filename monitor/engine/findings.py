"""From hits to alerts: the numbers that made each, its sentence, its transactions, and the quiet period.

Runs for hits only, in the order of the log, so a loop over them is fine. What the loop reads of columns is taken out of
them once for all hits of a batch.
"""

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from monitor.domain.alert import DEGRADED, Alert, Duty, Quantity, Subject, alert_id
from monitor.domain.identifiers import IdentifierKind
from monitor.domain.money import CURRENCIES
from monitor.domain.obligation import period_text
from monitor.domain.time import UNKNOWN
from monitor.domain.transaction import Int64s, TransactionBatch
from monitor.domain.vocabulary import CALENDARS, RISK_RATINGS, SEVERITIES
from monitor.engine.admission import Legs
from monitor.engine.flow import Traced
from monitor.engine.further_keys import CREDITOR, HOLDER, KEY_KINDS, PAIR, PERSON, ROLES
from monitor.engine.layout import CALENDAR_RETENTION_US
from monitor.engine.legs import LegFacts
from monitor.engine.profiles import COLUMN, ProfileTable
from monitor.engine.rule_errors import Raised, alert_without_rule
from monitor.engine.views import LegValues, RuleView, WindowEvents
from monitor.rulebook.bytecode import OperandKind
from monitor.rulebook.duty import PAYMENT
from monitor.rulebook.rule import Rule

if TYPE_CHECKING:
    from monitor.engine.engine import Engine

TRANSACTIONS_MAX = 200
"""Most transactions that an alert names; the newest ones."""
_WORD = 2**64 - 1
_SEVERITY_SCORE = {name: 0.2 * (number + 1) for number, name in enumerate(SEVERITIES)}


@dataclass(frozen=True, slots=True)
class Scene:
    """The columns that a run of legs was judged on."""

    batch: TransactionBatch
    legs: Legs
    facts: LegFacts
    fields: npt.NDArray[np.int64]
    measures: npt.NDArray[np.int64]
    bounds: npt.NDArray[np.uint8]
    profiles: ProfileTable
    periods: npt.NDArray[np.int64]
    leg_class: Int64s
    """See :mod:`monitor.rulebook.dispatch`."""
    group: npt.NDArray[np.int32]
    """See :class:`monitor.engine.binding.RuleGroups`."""
    traced: Traced | None = None
    """What tracing the money of the batch gave, where a rule asks for it."""


@dataclass(frozen=True, slots=True)
class Hits:
    """The columns of the legs that were hit, as Python's own numbers: they are read one by one."""

    leg: list[int]
    rule: list[int]
    transaction: list[int]
    side: list[int]
    kind: list[int]
    row: list[int]
    account_row: list[int]
    judged_us: list[int]
    position: list[int]
    id_hi: list[int]
    id_lo: list[int]
    booked_us: list[int]
    amount_minor: list[int]
    currency: list[int]
    account: list[int]
    holder: list[int]
    """The first holder of the leg's side."""
    entity: list[int]
    segment: list[int]
    profile_version: list[int]
    """UNKNOWN without a profile."""
    risk_rating: list[int]
    periods: list[list[int]]
    """By calendar, as :data:`monitor.domain.vocabulary.CALENDARS` orders them."""
    lacks_version: list[bool]
    """Whether the leg was judged without the profile version that should have been in force."""
    values: list[LegValues]

    @classmethod
    def of(cls, hits: npt.NDArray[np.int64], scene: Scene) -> "Hits":
        """The columns of the hits, rows (leg, rule)."""
        leg, batch, legs, facts = hits[:, 0], scene.batch, scene.legs, scene.facts
        at, is_creditor = legs.transaction[leg], legs.side[leg] == CREDITOR
        profile, profiles = facts.profile_row[leg], scene.profiles.values

        def of_profile(name: str) -> list[int]:
            held: Int64s = np.full(len(leg), UNKNOWN, np.int64)
            held[profile >= 0] = profiles[profile[profile >= 0], COLUMN[name]]
            return list(held.tolist())

        def of_side(name: str) -> list[int]:
            sides = (getattr(batch, f"{side}_{name}")[at] for side in ("creditor", "debtor"))
            return list(np.where(is_creditor, *sides).tolist())

        columns = (scene.fields, scene.measures, scene.bounds, facts.combination, facts.segment)
        return cls(
            leg.tolist(), hits[:, 1].tolist(), at.tolist(), legs.side[leg].tolist(), legs.kind[leg].tolist(),
            legs.row[leg].tolist(), legs.account_row[leg].tolist(), legs.judged_us[leg].tolist(),
            batch.position[at].tolist(), batch.id_hi[at].tolist(), batch.id_lo[at].tolist(),
            batch.booked_at_us[at].tolist(), batch.amount_minor[at].tolist(), batch.currency[at].tolist(),
            of_side("account"), of_side("holder"), facts.entity[leg].tolist(),
            facts.segment_code[leg].tolist(), of_profile("version"), of_profile("risk_rating"),
            scene.periods[leg].tolist(), np.isin(facts.holder[leg], list(scene.profiles.lacking)).tolist(),
            list(map(LegValues, *(column[leg].tolist() for column in columns))),
        )  # fmt: skip


@dataclass(slots=True)
class Findings:
    """Turns hits into alerts and remembers when each (rule, subject) was last alerted."""

    engine: "Engine"
    views: list[RuleView | Exception] = field(default_factory=list)
    """By rule; the error where its view raised."""
    raised: dict[str, Raised] = field(default_factory=dict)
    """By rule id, the matches whose alerts were made without their rule."""
    last_alert_us: dict[tuple[str, int], int] = field(default_factory=dict)
    without_subject: int = 0

    def alerts(self, rows: npt.NDArray[np.int64], scene: Scene, *, is_again: bool = False) -> list[Alert]:
        """One alert per hit, rows (leg, rule), with a subject; ``is_again``: of legs that were judged before."""
        if not len(rows):
            return []
        if not self.views:
            self.views = [_view(self.engine, number) for number in range(len(self.engine.program.rules))]
        hits, subjects, found = Hits.of(rows, scene), subjects_of(self.engine, rows, scene), []
        behind = _behind(self.engine, self.views, hits, scene)
        for n, subject in enumerate(subjects):
            if subject >= 0:
                found.append(self._made(hits, n, subject, behind[n], scene.traced, is_again=is_again))
            else:
                self.without_subject += 1
        return found

    def _made(
        self, hits: Hits, n: int, subject: int, behind: list[WindowEvents], traced: Traced | None, *, is_again: bool
    ) -> Alert:  # fmt: skip
        """The alert of a match; where its rule raises, the match stands and the other rules go on."""
        number = hits.rule[n]
        rule, view = self.engine.program.rulebook.rules[number], self.views[number]
        status, is_quiet = self._status(rule, hits.judged_us[n], subject, is_again=is_again)
        if not isinstance(view, RuleView):
            return self._without_rule(rule, hits, n, subject, status, is_quiet, view)
        try:
            way = _way(view, hits.transaction[n], traced)
            return _alert(self.engine, view, hits, n, subject, status, is_quiet, [*behind, way])
        except Exception as error:  # whatever it is
            return self._without_rule(rule, hits, n, subject, status, is_quiet, error)

    def take_raised(self) -> dict[str, Raised]:
        """Rules that raised since the last call."""
        raised, self.raised = self.raised, {}
        return raised

    def _without_rule(
        self, rule: Rule, hits: Hits, n: int, subject: int, status: str, is_quiet: bool, error: Exception
    ) -> Alert:
        self.raised.setdefault(rule.id, Raised(error)).alerts += 1
        view, duty = self.views[hits.rule[n]], None
        if rule.kind == "obligation" and isinstance(view, RuleView):
            with suppress(Exception):  # without it the match joins a case, where somebody sees it
                duty = _duty(self.engine, view, hits, n)
        of = Subject(_subject_kind(self.engine, rule, subject), self.engine.inputs.identifiers.token(subject))
        return alert_without_rule(
            self.engine, rule, hits, n, subject=of, role=_role(self.engine, hits, n), status=status, is_quiet=is_quiet,
            score=_SEVERITY_SCORE[rule.severity], duty=duty, error=error,
        )  # fmt: skip

    def take_without_subject(self) -> int:
        """How many matches had no subject since the last call."""
        count, self.without_subject = self.without_subject, 0
        return count

    def _status(self, rule: Rule, judged_us: int, subject: int, *, is_again: bool) -> tuple[str, bool]:
        """The alert's status, and whether it falls into the quiet period. Obligations are never quiet."""
        key = (rule.id, subject)
        last_us = self.last_alert_us.get(key)
        is_quiet = falls_quiet(rule, judged_us, last_us)
        if is_again and last_us is not None:  # An alert long after it says nothing of it.
            is_quiet, judged_us = is_quiet and last_us < judged_us + rule.alert.quiet_us, max(judged_us, last_us)
        if not is_quiet:
            self.last_alert_us[key] = judged_us
        if rule.id not in self.engine.inputs.live:
            return "shadow", is_quiet
        return ("quiet" if is_quiet else "new"), is_quiet

    def operand_name(self, operand: int) -> str:
        """The name in a rule that an operand stands for, for counts of undecided verdicts."""
        program = self.engine.program
        if operand >= len(program.operands):
            return "?"
        kind, index, _ = program.operands[operand].tolist()
        if kind == OperandKind.FIELD:
            return str(program.fields[index].name)
        if kind == OperandKind.PARAMETER:
            return str(program.parameters[index].name)
        if kind == OperandKind.PEER:
            return f"peer quantile {program.peers[index][1]}"
        if kind in (OperandKind.MEASURE, OperandKind.MEAN):
            measure = program.measures[index]
            return f"{measure.function}({measure.argument.name if measure.argument else ''})"
        return "a computed value"


def falls_quiet(rule: Rule, judged_us: int, last_us: int | None) -> bool:
    """Whether a match falls into the quiet period of the subject's last alert. Obligations are never quiet."""
    return rule.kind != "obligation" and last_us is not None and judged_us < last_us + rule.alert.quiet_us


def subjects_of(engine: "Engine", rows: npt.NDArray[np.int64], scene: Scene) -> list[int]:
    """The code of whom each hit, rows (leg, rule), is about; -1 where the leg has no such party."""
    leg, batch, legs = rows[:, 0], scene.batch, scene.legs
    at, kind, row = legs.transaction[leg], legs.kind[leg], legs.row[leg]
    is_creditor = legs.side[leg] == CREDITOR
    found = np.where(is_creditor, batch.creditor_holder[at], batch.debtor_holder[at])
    for each in np.unique(kind[kind != PAIR]).tolist():
        found[kind == each] = engine.admission.spaces[each].code_of[row[kind == each]]
    of_account = np.array([rule.alert.subject == "account" for rule in engine.program.rulebook.rules])
    is_account = of_account[rows[:, 1]] & (kind == HOLDER)
    account = np.where(is_creditor, batch.creditor_account[at], batch.debtor_account[at])
    return list(np.where(is_account, account, found).tolist())


def _view(engine: "Engine", number: int) -> RuleView | Exception:
    try:
        return RuleView(engine, number)
    except Exception as error:
        return error


def _behind(
    engine: "Engine", views: list[RuleView | Exception], hits: Hits, scene: Scene
) -> list[list[WindowEvents]]:  # fmt: skip
    """For each hit and each window of its rule, the positions of the payments in it and how many there are."""
    asked: dict[int, list[tuple[int, int, tuple[int, ...]]]] = {}
    found: list[list[WindowEvents]] = []
    for n, number in enumerate(hits.rule):
        view = views[number]
        windows = view.windows if isinstance(view, RuleView) else []
        found.append([([], 0)] * len(windows))
        for place, window in enumerate(windows):
            row = hits.account_row[n] if window.is_of_account else hits.row[n]
            start_us, calendar, period = hits.judged_us[n] - window.over_us, -1, 0
            if window.calendar >= 0:
                calendar = engine.tables[window.table].calendar_index[window.calendar]
                # Older events note periods that can be others by now.
                start_us = hits.judged_us[n] - CALENDAR_RETENTION_US
                period = int(scene.periods[hits.leg[n], window.calendar])
                if hits.judged_us[n] - hits.booked_us[n] > engine.admission.lateness_us:
                    continue
            if row >= 0:
                query = (row, window.place, start_us, calendar, hits.entity[n], period, hits.position[n])
                asked.setdefault(window.table, []).append((n, place, query))
    for table, queries in asked.items():
        answers = engine.tables[table].events_behind([query for _, _, query in queries], most=TRANSACTIONS_MAX)
        for (n, place, _), answer in zip(queries, answers, strict=True):
            found[n][place] = answer
    return found


def _way(view: RuleView, row: int, traced: Traced | None) -> WindowEvents:
    """Positions of the payments before this one on the ways of the findings that the rule asks for."""
    if traced is None:
        return [], 0
    ways = [traced.path(row, finding) for finding in view.flow_findings]
    positions = sorted({position for way in ways if way is not None for position in way.positions[:-1]})
    return positions, len(positions)


def _alert(
    engine: "Engine", view: RuleView, hits: Hits, n: int, subject: int, status: str, is_quiet: bool,
    behind: list[tuple[list[int], int]],
) -> Alert:  # fmt: skip
    """The alert with everything that explains it."""
    rule, identifiers, values = view.rule, engine.inputs.identifiers, hits.values[n]
    position = engine.first + hits.position[n]
    *windows, way = behind
    shared = view.shared(windows, is_credit=hits.side[n] == CREDITOR)
    shared = [([engine.first + each for each in own], count) for own, count in shared]
    positions, total = _transactions([*shared, way], position)
    measures, parameters = view.quantities(values), view.parameters_of(values.combination)
    role, token = _role(engine, hits, n), identifiers.token(subject)
    entity, segment, rating, currency = (
        hits.entity[n],
        hits.segment[n],
        hits.risk_rating[n],
        CURRENCIES[hits.currency[n]],
    )
    has_profile = hits.profile_version[n] != UNKNOWN
    marks = _marks(hits, n, is_quiet, has_profile, total, measures)
    return Alert(
        alert_id=alert_id(rule=rule.id, digest=rule.digest, subject_token=token,
                          transaction=(hits.id_hi[n], hits.id_lo[n]), leg_role=role),
        event_time_us=hits.booked_us[n],
        judged_at_us=hits.judged_us[n],
        position=position,
        leg_role=role,
        subject=Subject(_subject_kind(engine, rule, subject), token),
        source=view.source,
        title=rule.title,
        typology=rule.typology,
        severity=rule.severity,
        score=round(_SEVERITY_SCORE[rule.severity] + 0.199 * view.excess(values), 6),
        status=status,
        text=view.sentence(measures, parameters, values),
        measures=measures,
        parameters=parameters,
        transactions=positions,
        transactions_total=total,
        customer_segment=identifiers.word(segment) if segment >= 0 else None,
        customer_risk_rating=RISK_RATINGS[rating] if rating >= 0 else None,
        profile_version=hits.profile_version[n] if has_profile else None,
        booking_entity=identifiers.word(entity) if entity >= 0 else None,
        jurisdiction=engine.inputs.entities.country(entity),
        amount_minor=hits.amount_minor[n],
        currency=currency,
        rulebook_digest=engine.program.rulebook.digest,
        bank_snapshot=engine.peers.snapshot.version if engine.peers.snapshot else None,
        marks=marks,
        inputs=_inputs(engine, view, currency, hits.booked_us[n]),
        duty=_duty(engine, view, hits, n),
    )  # fmt: skip


def _duty(engine: "Engine", view: RuleView, hits: Hits, n: int) -> Duty | None:
    """Where a match of an obligation counts; ``None`` for a suspicion."""
    duty = view.duty
    if duty is None:
        return None
    way = duty.way(is_credit=hits.side[n] == CREDITOR)
    terms = duty.by_way[way]
    is_single = terms.period_kind == PAYMENT
    calendar = "day" if is_single else terms.period_kind
    payment = f"{hits.id_hi[n] & _WORD:016x}{hits.id_lo[n] & _WORD:016x}" if is_single else None
    subject = None
    if duty.is_of_first_holder:
        first = hits.holder[n]
        subject = Subject(_subject_kind(engine, view.rule, first), engine.inputs.identifiers.token(first))
    return Duty(
        direction=way,
        period_kind=terms.period_kind,
        period=period_text(calendar, hits.periods[n][CALENDARS.index(calendar)]),
        payment=payment,
        total=terms.total,
        codes=duty.codes,
        deadline=duty.deadline,
        left_out=view.left_out[way],
        subject=subject,
    )


def _role(engine: "Engine", hits: Hits, n: int) -> str:
    """How the leg takes part: debtor, creditor, the same as further holder of a joint account, or the kind of key."""
    kind, role = hits.kind[n], ROLES[hits.side[n]]
    if kind in (PAIR, PERSON):
        return f"{role}_{KEY_KINDS[kind]}"
    if kind != HOLDER:
        return KEY_KINDS[kind]
    is_first = hits.holder[n] == int(engine.admission.spaces[HOLDER].code_of[hits.row[n]])
    return role if is_first else f"{role}_joint"


def _subject_kind(engine: "Engine", rule: Rule, subject: int) -> str:
    """The kind as the rule names it; ``account`` where the source names no customers."""
    is_account = engine.inputs.identifiers.kind(subject) is IdentifierKind.ACCOUNT
    return "account" if is_account and rule.alert.subject == "customer" else rule.alert.subject


def _transactions(behind: list[tuple[list[int], int]], position: int) -> tuple[tuple[int, ...], int]:
    """Positions of the payments in the rule's windows and of the completing one, ascending; and how many there are."""
    found, total = {position}, 0
    for positions, count in behind:
        found.update(positions)
        total = max(total, count)
    newest = sorted(found)[-TRANSACTIONS_MAX:]
    return tuple(newest), max(total, len(found))


def _marks(
    hits: Hits, n: int, is_quiet: bool, has_profile: bool, total: int, measures: dict[str, Quantity]
) -> tuple[str, ...]:
    marks = (
        ("quiet", is_quiet),
        ("late", hits.judged_us[n] > hits.booked_us[n]),
        ("no_profile", not has_profile),
        ("general_parameters", hits.segment[n] < 0),
        ("lower_bound", any(quantity.bound == "at_least" for quantity in measures.values())),
        ("transactions_cut", total > TRANSACTIONS_MAX),
        (DEGRADED, hits.lacks_version[n]),
    )
    return tuple(name for name, holds in marks if holds)


def _inputs(engine: "Engine", view: RuleView, source: str, booked_us: int) -> dict[str, str]:
    """Versions of the lists, and the time of the rate, that the verdict used."""
    used = {f"list.{name}": engine.bound.list_versions[name] for name in view.lists}
    for target in view.currencies:
        published = engine.inputs.rate_date(source, target, booked_us) if target != source else None
        if published:
            used[f"rate {source}/{target}"] = published
    return used
