"""From hits to alerts: the numbers that made each, its sentence, its transactions, and the quiet period.

Runs for hits only, in the order of the log, so a loop over them is fine.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from monitor.domain.alert import Alert, ParameterInForce, Quantity, Source, Subject, alert_id
from monitor.domain.identifiers import IdentifierKind
from monitor.domain.money import CURRENCIES
from monitor.domain.time import UNKNOWN, format_time
from monitor.domain.transaction import Int32s, Int64s, TransactionBatch
from monitor.domain.vocabulary import CLOSED, SEVERITIES
from monitor.engine.admission import ACCOUNT, HOLDER, KEY_KINDS, ROLES, Legs
from monitor.engine.layout import CALENDARS
from monitor.engine.profiles import COLUMN, ProfileTable
from monitor.engine.sentences import fill, quantity_of
from monitor.rulebook.bytecode import OperandKind
from monitor.rulebook.codegen import walk
from monitor.rulebook.plan import FieldUse, RulePlan
from monitor.rulebook.rule import (
    Arithmetic,
    Call,
    Compare,
    Logic,
    MeasureName,
    Name,
    Node,
    ParameterName,
    PeerName,
    Rule,
    Window,
)

if TYPE_CHECKING:
    from monitor.engine.engine import Engine

TRANSACTIONS_MAX = 200
"""Most transactions that an alert names; the newest ones."""
_SEVERITY_SCORE = {name: 0.2 * (number + 1) for number, name in enumerate(SEVERITIES)}


@dataclass(frozen=True, slots=True)
class Scene:
    """The columns that a batch of legs was judged on."""

    batch: TransactionBatch
    legs: Legs
    fields: npt.NDArray[np.int64]
    measures: npt.NDArray[np.int64]
    bounds: npt.NDArray[np.uint8]
    combination: Int32s
    segment: Int32s
    segment_code: Int64s
    jurisdiction: Int32s
    profile_row: Int32s
    profiles: ProfileTable
    entity: Int32s
    is_late: npt.NDArray[np.bool_]


@dataclass(slots=True)
class Findings:
    """Turns hits into alerts and remembers when each (rule, subject) was last alerted."""

    engine: "Engine"
    last_alert_us: dict[tuple[str, int], int] = field(default_factory=dict)

    def alerts(self, hits: npt.NDArray[np.int64], scene: Scene) -> list[Alert]:
        """One alert per hit whose subject is known."""
        found = []
        for leg, number in hits.tolist():
            rule = self.engine.program.rulebook.rules[number]
            subject = self._subject(rule, scene, leg)
            if subject is not None:
                found.append(
                    _Finding(self.engine, scene, leg, number, subject).alert(self._status(rule, scene, leg, subject))
                )
        return found

    def _subject(self, rule: Rule, scene: Scene, leg: int) -> int | None:
        """The code of whom the alert is about."""
        kind, row = int(scene.legs.kind[leg]), int(scene.legs.row[leg])
        if rule.alert.subject == "account" and kind == HOLDER:
            transaction, is_creditor = int(scene.legs.transaction[leg]), bool(scene.legs.side[leg])
            account = scene.batch.creditor_account if is_creditor else scene.batch.debtor_account
            return int(account[transaction]) if account[transaction] >= 0 else None
        return int(self.engine.admission.spaces[kind].code_of[row])

    def _status(self, rule: Rule, scene: Scene, leg: int, subject: int) -> tuple[str, bool]:
        """The alert's status, and whether it falls into the quiet period."""
        judged_us = int(scene.legs.judged_us[leg])
        key = (rule.id, subject)
        last_us = self.last_alert_us.get(key)
        is_quiet = rule.kind != "obligation" and last_us is not None and judged_us < last_us + rule.alert.quiet_us
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
            return program.fields[index].name
        if kind == OperandKind.PARAMETER:
            return program.parameters[index].name
        if kind == OperandKind.PEER:
            return f"peer quantile {program.peers[index][1]}"
        if kind in (OperandKind.MEASURE, OperandKind.MEAN):
            measure = program.measures[index]
            return f"{measure.function}({measure.argument.name if measure.argument else ''})"
        return "a computed value"


@dataclass(slots=True)
class _Finding:
    """One hit: rule ``number`` holds for leg ``leg``."""

    engine: "Engine"
    scene: Scene
    leg: int
    number: int
    subject: int

    @property
    def rule(self) -> Rule:
        return self.engine.program.rulebook.rules[self.number]

    @property
    def plan(self) -> RulePlan:
        return self.engine.program.rules[self.number]

    def alert(self, status: tuple[str, bool]) -> Alert:
        """The alert with everything that explains it."""
        scene, rule, identifiers = self.scene, self.rule, self.engine.inputs.identifiers
        transaction = int(scene.legs.transaction[self.leg])
        batch = scene.batch
        positions, total = self._transactions(int(batch.position[transaction]))
        measures = self._measures()
        parameters = self._parameters()
        role = ROLES[int(scene.legs.side[self.leg])]
        if scene.legs.kind[self.leg] != HOLDER:
            role = KEY_KINDS[int(scene.legs.kind[self.leg])]
        elif self._is_second_holder():
            role += "_joint"
        token = identifiers.token(self.subject)
        profile = int(scene.profile_row[self.leg])
        return Alert(
            alert_id=alert_id(
                rule=rule.id,
                digest=rule.digest,
                subject_token=token,
                transaction=(int(batch.id_hi[transaction]), int(batch.id_lo[transaction])),
                leg_role=role,
            ),
            event_time_us=int(batch.booked_at_us[transaction]),
            judged_at_us=int(scene.legs.judged_us[self.leg]),
            position=int(batch.position[transaction]),
            leg_role=role,
            subject=Subject(self._subject_kind(), token),
            source=Source("rule", rule.id, rule.version, rule.digest),
            title=rule.title,
            typology=rule.typology,
            severity=rule.severity,
            score=round(_SEVERITY_SCORE[rule.severity] + 0.199 * self._excess(), 6),
            status=status[0],
            text=fill(rule.alert.text, measures, parameters, self.values()),
            measures=measures,
            parameters=parameters,
            transactions=tuple(positions),
            transactions_total=total,
            customer_segment=self._word(int(scene.segment_code[self.leg])),
            customer_risk_rating=self._rating(profile),
            profile_version=int(scene.profiles.values[profile, COLUMN["version"]]) if profile >= 0 else None,
            booking_entity=self._word(int(scene.entity[self.leg])),
            jurisdiction=self.engine.inputs.entities.country(int(scene.entity[self.leg])),
            amount_minor=int(batch.amount_minor[transaction]),
            currency=CURRENCIES[int(batch.currency[transaction])],
            rulebook_digest=self.engine.program.rulebook.digest,
            bank_snapshot=self.engine.peers.snapshot.version if self.engine.peers.snapshot else None,
            marks=self._marks(status[1], transaction, profile, total, measures),
            inputs=self._inputs(transaction),
        )

    # Names and values ---------------------------------------------------------------------------------

    def _word(self, code: int) -> str | None:
        return None if code < 0 else self.engine.inputs.identifiers.word(code)

    def _rating(self, profile: int) -> str | None:
        rating = int(self.scene.profiles.values[profile, COLUMN["risk_rating"]]) if profile >= 0 else UNKNOWN
        return CLOSED["risk_rating"][rating] if rating >= 0 else None

    def _subject_kind(self) -> str:
        if self.engine.inputs.identifiers.kind(self.subject) is IdentifierKind.ACCOUNT:
            return "counterparty" if self.rule.alert.subject == "counterparty" else "account"
        return self.rule.alert.subject

    def _is_second_holder(self) -> bool:
        transaction = int(self.scene.legs.transaction[self.leg])
        side = "creditor" if self.scene.legs.side[self.leg] else "debtor"
        own = int(getattr(self.scene.batch, f"{side}_holder")[transaction])
        return own != int(self.engine.admission.spaces[HOLDER].code_of[int(self.scene.legs.row[self.leg])])

    def value(self, node: Node) -> Fraction | None:
        """The exact value of a node for this leg; None where it is not known. Lower bounds count as they stand."""
        program, scene, leg = self.engine.program, self.scene, self.leg
        match node:
            case MeasureName():
                return self._measure_value(node.window, node.measure)
            case ParameterName():
                column = self.plan.parameters[node.name]
                number = int(self.engine.bound.parameters[scene.combination[leg], column])
                return None if number == UNKNOWN else Fraction(number, program.parameter_scales[column])
            case PeerName():
                column = program.peers.index((self.plan.measures[node.window, node.measure][0], node.quantile))
                return _fraction(int(self.engine.peers.table[scene.segment[leg], column]))
            case Arithmetic():
                left, right = self.value(node.left), self.value(node.right)
                if left is None or right is None:
                    return None
                return left + right if node.op == "+" else left - right
            case Call(function="share" | "ratio"):
                part, whole = (self.value(argument) for argument in node.arguments)
                return part / whole if part is not None and whole else None
        use = _field_use(node)
        return _fraction(int(scene.fields[leg, program.fields.index(use)])) if use in program.fields else None

    def _measure_value(self, window: str, measure: str) -> Fraction | None:
        value, count = self.plan.measures[window, measure]
        number = _fraction(int(self.scene.measures[self.leg, value]))
        if number is None or count < 0:
            is_median = self.engine.program.measures[value].function == "median"
            return number / 2 if number is not None and is_median else number
        counted = _fraction(int(self.scene.measures[self.leg, count]))
        return number / counted if counted else None

    def _bound(self, window: str, measure: str) -> str:
        value, _ = self.plan.measures[window, measure]
        return "at_least" if self.scene.bounds[self.leg, value] else "exact"

    def _measures(self) -> dict[str, Quantity]:
        """All measures of the rule's windows, and the other numbers its condition asks for."""
        found = {}
        for window in self.rule.windows.values():
            for measure in window.measures:
                value = self._measure_value(window.name, measure.name)
                bound = "unknown" if value is None else self._bound(window.name, measure.name)
                found[f"{window.name}.{measure.name}"] = quantity_of(value, measure.unit, bound)
        for node in walk(self.rule.when):
            if isinstance(node, Name | Call | PeerName) and node.text not in found and _is_number(node):
                value = self.value(node)
                found[node.text] = quantity_of(value, node.unit, "unknown" if value is None else "exact")
        return found

    def values(self) -> dict[str, Quantity]:
        """Plain fields that the alert's sentence may name."""
        named = {}
        for node in walk(self.rule.when):
            if isinstance(node, Name) and node.unit.detail in CLOSED:
                value = self.value(node)
                if value is not None:
                    named[node.text] = Quantity(CLOSED[node.unit.detail][int(value)], str(node.unit))
        return named

    def _parameters(self) -> dict[str, ParameterInForce]:
        chosen = self.engine.bound.parameter_rows[int(self.scene.combination[self.leg])]
        found = {}
        for name, column in self.plan.parameters.items():
            row, parameter = chosen[column], self.rule.parameters[name]
            if row is None:
                continue
            shown = (
                str(row.value) if isinstance(row.value, str) else quantity_of(Fraction(row.value), parameter.unit).value
            )
            found[name] = ParameterInForce(
                shown or "", str(parameter.unit), row.cite, format_time(row.from_us)[:10], row.segment, row.jurisdiction
            )
        return found

    def _excess(self) -> float:
        """How far the condition's measures exceed their thresholds, from 0 to 1: the mean of ``1 - threshold / actual``."""
        shares = []
        for node in _conjuncts(self.rule.when):
            if isinstance(node, Compare) and node.op in (">", ">=") and isinstance(node.right, ParameterName):
                actual, threshold = self.value(node.left), self.value(node.right)
                if actual and threshold is not None:
                    shares.append(max(0.0, 1.0 - float(threshold / actual)))
        return sum(shares) / len(shares) if shares else 0.0

    # Evidence -----------------------------------------------------------------------------------------

    def _transactions(self, position: int) -> tuple[list[int], int]:
        """Positions of the payments in the rule's windows, and of the completing one."""
        found: set[int] = {position}
        total = 0
        for window in self.rule.windows.values():
            positions, count = self._behind(window, position)
            found.update(positions)
            total = max(total, count)
        newest = sorted(found)[-TRANSACTIONS_MAX:]
        return newest, max(total, len(found))

    def _behind(self, window: Window, position: int) -> tuple[list[int], int]:
        engine, scene, leg = self.engine, self.scene, self.leg
        number, place = engine.table_of_filter[window.by, self.plan.filters[window.name]]
        table = engine.tables[number]
        is_account = KEY_KINDS.index(window.by) == ACCOUNT
        row = int(scene.legs.account_row[leg] if is_account else scene.legs.row[leg])
        if row < 0:
            return [], 0
        start_us, bucket = int(scene.legs.judged_us[leg]) - (window.over_us or 0), None
        if window.calendar is not None:
            entity = scene.entity[leg : leg + 1]
            booked = scene.batch.booked_at_us[scene.legs.transaction[leg]][None]
            period = int(engine.inputs.entities.periods(entity, booked)[0, CALENDARS.index(window.calendar)])
            calendar = table.layout.calendars.index(window.calendar)
            bucket = calendar, table.bucket_of(row, calendar, int(entity[0]), period)
            start_us = UNKNOWN
        return table.events_behind(
            row, place, start_us=start_us, bucket=bucket, sequence=position, most=TRANSACTIONS_MAX
        )

    def _marks(
        self, is_quiet: bool, transaction: int, profile: int, total: int, measures: dict[str, Quantity]
    ) -> tuple[str, ...]:
        marks = {
            "quiet": is_quiet,
            "late": bool(self.scene.is_late[transaction]),
            "no_profile": profile < 0,
            "general_parameters": int(self.scene.segment_code[self.leg]) < 0,
            "lower_bound": any(quantity.bound == "at_least" for quantity in measures.values()),
            "transactions_cut": total > TRANSACTIONS_MAX,
        }
        return tuple(name for name, holds in marks.items() if holds)

    def _inputs(self, transaction: int) -> dict[str, str]:
        """Versions of the lists, and the time of the rate, that the verdict used."""
        used = {f"list.{name}": self.engine.bound.list_versions[name] for name in _lists_of(self.rule)}
        source = CURRENCIES[int(self.scene.batch.currency[transaction])]
        booked_us = int(self.scene.batch.booked_at_us[transaction])
        for target in sorted({w.currency for w in self.rule.windows.values() if w.currency} - {source}):
            published = self.engine.inputs.rate_date(source, target, booked_us)
            if published:
                used[f"rate {source}/{target}"] = published
        return used


def _fraction(value: int) -> Fraction | None:
    return None if value == UNKNOWN else Fraction(value)


def _field_use(node: Node) -> FieldUse:
    match node:
        case Name():
            return FieldUse(node.name, node.unit.detail if node.unit.kind == "money" else None)
        case Call(function="since_last"):
            return FieldUse("since_last()")
        case Call(function="first_seen"):
            return FieldUse(f"first_seen({node.arguments[0].text})")
    return FieldUse("")


def _is_number(node: Node) -> bool:
    is_test = isinstance(node, Call) and node.function in ("known", "multiple_of", "first_seen")
    return node.unit.kind not in ("category", "boolean") and not is_test


def _conjuncts(node: Node) -> tuple[Node, ...]:
    if isinstance(node, Logic) and node.op == "and":
        return tuple(part for child in node.parts for part in _conjuncts(child))
    return (node,)


def _lists_of(rule: Rule) -> list[str]:
    from monitor.rulebook.rule import Membership

    nodes = [rule.when, *(w.where for w in rule.windows.values() if w.where is not None)]
    names = {part.list_name for node in nodes for part in walk(node) if isinstance(part, Membership)}
    return sorted(name for name in names if name)
