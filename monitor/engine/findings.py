"""From hits to alerts: the numbers that made each, its sentence, its transactions, and the quiet period.

Runs for hits only, in the order of the log, so a loop over them is fine.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from monitor.domain.alert import Alert, Quantity, Source, Subject, alert_id
from monitor.domain.identifiers import IdentifierKind
from monitor.domain.money import CURRENCIES
from monitor.domain.time import UNKNOWN
from monitor.domain.transaction import TransactionBatch
from monitor.domain.vocabulary import RISK_RATINGS, SEVERITIES
from monitor.engine.admission import HOLDER, KEY_KINDS, ROLES, Legs
from monitor.engine.legs import LegFacts
from monitor.engine.profiles import COLUMN, ProfileTable
from monitor.engine.sentences import fill
from monitor.engine.views import LegValues, RuleView, WindowView
from monitor.rulebook.bytecode import OperandKind
from monitor.rulebook.rule import Rule

if TYPE_CHECKING:
    from monitor.engine.engine import Engine

TRANSACTIONS_MAX = 200
"""Most transactions that an alert names; the newest ones."""
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
    is_late: npt.NDArray[np.bool_]


@dataclass(slots=True)
class Findings:
    """Turns hits into alerts and remembers when each (rule, subject) was last alerted."""

    engine: "Engine"
    views: list[RuleView] = field(default_factory=list)
    last_alert_us: dict[tuple[str, int], int] = field(default_factory=dict)
    without_subject: int = 0

    def alerts(self, hits: npt.NDArray[np.int64], scene: Scene) -> list[Alert]:
        """One alert per hit whose subject is known."""
        if len(hits) and not self.views:
            self.views = [RuleView(self.engine, number) for number in range(len(self.engine.program.rules))]
        found = []
        for leg, number in hits.tolist():
            view = self.views[number]
            subject = self._subject(view.rule, scene, leg)
            if subject >= 0:
                status, is_quiet = self._status(view.rule, int(scene.legs.judged_us[leg]), subject)
                found.append(_alert(self.engine, view, scene, leg, subject, status, is_quiet))
            else:
                self.without_subject += 1
        return found

    def take_without_subject(self) -> int:
        """How many matches had no subject since the last call."""
        count, self.without_subject = self.without_subject, 0
        return count

    def _subject(self, rule: Rule, scene: Scene, leg: int) -> int:
        """The code of whom the alert is about; -1 where the leg has no such party."""
        kind = int(scene.legs.kind[leg])
        if rule.alert.subject == "account" and kind == HOLDER:
            side = "creditor" if scene.legs.side[leg] else "debtor"
            return int(getattr(scene.batch, f"{side}_account")[scene.legs.transaction[leg]])
        return int(self.engine.admission.spaces[kind].code_of[scene.legs.row[leg]])

    def _status(self, rule: Rule, judged_us: int, subject: int) -> tuple[str, bool]:
        """The alert's status, and whether it falls into the quiet period. Obligations are never quiet."""
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
            return str(program.fields[index].name)
        if kind == OperandKind.PARAMETER:
            return str(program.parameters[index].name)
        if kind == OperandKind.PEER:
            return f"peer quantile {program.peers[index][1]}"
        if kind in (OperandKind.MEASURE, OperandKind.MEAN):
            measure = program.measures[index]
            return f"{measure.function}({measure.argument.name if measure.argument else ''})"
        return "a computed value"


def _alert(
    engine: "Engine", view: RuleView, scene: Scene, leg: int, subject: int, status: str, is_quiet: bool
) -> Alert:
    """The alert with everything that explains it."""
    rule, identifiers, batch = view.rule, engine.inputs.identifiers, scene.batch
    transaction = int(scene.legs.transaction[leg])
    values = LegValues(
        scene.fields[leg].tolist(), scene.measures[leg].tolist(), scene.bounds[leg].tolist(),
        int(scene.facts.combination[leg]), int(scene.facts.segment[leg]),
    )  # fmt: skip
    position = int(batch.position[transaction])
    positions, total = _transactions(engine, view, scene, leg, position)
    measures, parameters = view.quantities(values), view.parameters_of(values.combination)
    role = _role(engine, scene, leg)
    token = identifiers.token(subject)
    profile, segment, entity = (
        int(scene.facts.profile_row[leg]),
        int(scene.facts.segment_code[leg]),
        int(scene.facts.entity[leg]),
    )
    booked_us = int(batch.booked_at_us[transaction])
    return Alert(
        alert_id=alert_id(
            rule=rule.id,
            digest=rule.digest,
            subject_token=token,
            transaction=(int(batch.id_hi[transaction]), int(batch.id_lo[transaction])),
            leg_role=role,
        ),
        event_time_us=booked_us,
        judged_at_us=int(scene.legs.judged_us[leg]),
        position=position,
        leg_role=role,
        subject=Subject(_subject_kind(engine, rule, subject), token),
        source=Source("rule", rule.id, rule.version, rule.digest),
        title=rule.title,
        typology=rule.typology,
        severity=rule.severity,
        score=round(_SEVERITY_SCORE[rule.severity] + 0.199 * view.excess(values), 6),
        status=status,
        text=fill(rule.alert.text, measures, parameters, view.named_words(values)),
        measures=measures,
        parameters=parameters,
        transactions=tuple(positions),
        transactions_total=total,
        customer_segment=identifiers.word(segment) if segment >= 0 else None,
        customer_risk_rating=_rating(scene, profile),
        profile_version=int(scene.profiles.values[profile, COLUMN["version"]]) if profile >= 0 else None,
        booking_entity=identifiers.word(entity) if entity >= 0 else None,
        jurisdiction=engine.inputs.entities.country(entity),
        amount_minor=int(batch.amount_minor[transaction]),
        currency=CURRENCIES[int(batch.currency[transaction])],
        rulebook_digest=engine.program.rulebook.digest,
        bank_snapshot=engine.peers.snapshot.version if engine.peers.snapshot else None,
        marks=_marks(scene, transaction, is_quiet, profile, segment, total, measures),
        inputs=_inputs(engine, view, CURRENCIES[int(batch.currency[transaction])], booked_us),
    )


def _role(engine: "Engine", scene: Scene, leg: int) -> str:
    """How the leg takes part: debtor, creditor, the same as further holder of a joint account, or the kind of key."""
    kind, side = int(scene.legs.kind[leg]), int(scene.legs.side[leg])
    if kind != HOLDER:
        return KEY_KINDS[kind]
    holders = scene.batch.creditor_holder if side else scene.batch.debtor_holder
    is_first = int(holders[scene.legs.transaction[leg]]) == int(
        engine.admission.spaces[HOLDER].code_of[scene.legs.row[leg]]
    )
    return ROLES[side] if is_first else f"{ROLES[side]}_joint"


def _subject_kind(engine: "Engine", rule: Rule, subject: int) -> str:
    """The kind as the rule names it; ``account`` where the source names no customers."""
    is_account = engine.inputs.identifiers.kind(subject) is IdentifierKind.ACCOUNT
    return "account" if is_account and rule.alert.subject == "customer" else rule.alert.subject


def _rating(scene: Scene, profile: int) -> str | None:
    rating = int(scene.profiles.values[profile, COLUMN["risk_rating"]]) if profile >= 0 else UNKNOWN
    return RISK_RATINGS[rating] if rating >= 0 else None


def _transactions(engine: "Engine", view: RuleView, scene: Scene, leg: int, position: int) -> tuple[list[int], int]:
    """Positions of the payments in the rule's windows and of the completing one, ascending; and how many there are."""
    found, total = {position}, 0
    for window in view.windows:
        positions, count = _behind(engine, window, scene, leg, position)
        found.update(positions)
        total = max(total, count)
    newest = sorted(found)[-TRANSACTIONS_MAX:]
    return newest, max(total, len(found))


def _behind(engine: "Engine", window: WindowView, scene: Scene, leg: int, position: int) -> tuple[list[int], int]:
    table = engine.tables[window.table]
    row = int(scene.legs.account_row[leg] if window.is_of_account else scene.legs.row[leg])
    if row < 0:
        return [], 0
    start_us, bucket = int(scene.legs.judged_us[leg]) - window.over_us, None
    if window.calendar >= 0:
        calendar = table.calendar_index[window.calendar]
        period = int(scene.periods[leg, window.calendar])
        bucket = calendar, table.bucket_of(row, calendar, int(scene.facts.entity[leg]), period)
        start_us = UNKNOWN
    return table.events_behind(
        row, window.place, start_us=start_us, bucket=bucket, sequence=position, most=TRANSACTIONS_MAX
    )


def _marks(
    scene: Scene,
    transaction: int,
    is_quiet: bool,
    profile: int,
    segment: int,
    total: int,
    measures: dict[str, Quantity],
) -> tuple[str, ...]:
    marks = {
        "quiet": is_quiet,
        "late": bool(scene.is_late[transaction]),
        "no_profile": profile < 0,
        "general_parameters": segment < 0,
        "lower_bound": any(quantity.bound == "at_least" for quantity in measures.values()),
        "transactions_cut": total > TRANSACTIONS_MAX,
    }
    return tuple(name for name, holds in marks.items() if holds)


def _inputs(engine: "Engine", view: RuleView, source: str, booked_us: int) -> dict[str, str]:
    """Versions of the lists, and the time of the rate, that the verdict used."""
    used = {f"list.{name}": engine.bound.list_versions[name] for name in view.lists}
    for target in view.currencies:
        published = engine.inputs.rate_date(source, target, booked_us) if target != source else None
        if published:
            used[f"rate {source}/{target}"] = published
    return used
