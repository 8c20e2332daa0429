"""The engine: a batch of transactions in, findings out. ``step`` is the only door.

The engine is a function of the log: transactions, profiles, rulebooks, lists, rates and bank snapshots at their
positions. It has no clock, does no I/O and keeps tokens and codes, never names. How the log is cut
into batches changes nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Protocol

import numpy as np
import numpy.typing as npt

from monitor.domain.alert import Alert
from monitor.domain.bank_part import BankPart
from monitor.domain.flow import OFFSET_BITS, FlowMessage
from monitor.domain.identifiers import IdentifierKind
from monitor.domain.partitions import Partition
from monitor.domain.time import UNKNOWN
from monitor.domain.transaction import Bytes16, Int32s, Int64s, TransactionBatch
from monitor.domain.vocabulary import CALENDARS, MODELS_OFF, SELDOM_GIVEN
from monitor.engine import admission, admitting, decide
from monitor.engine.admission import Admission, Legs
from monitor.engine.anomalies import Anomalies
from monitor.engine.anomaly_alerts import alerts_of
from monitor.engine.awaited import Awaited
from monitor.engine.binding import Bound, NamedList, bind
from monitor.engine.conditions import Asked, Code, scratch
from monitor.engine.conversion import Rates
from monitor.engine.far_behind import forget_periods
from monitor.engine.findings import Findings, Scene
from monitor.engine.firsts import Firsts
from monitor.engine.flow import FlowTable
from monitor.engine.flow_messages import CodeOf
from monitor.engine.following import Followed, Following, Told
from monitor.engine.further_keys import ACCOUNT, CREDITOR, HOLDER, KEY_KINDS, PAIR, Bools
from monitor.engine.kept_verdicts import KeptVerdicts
from monitor.engine.legs import LegFacts, Scopes, build_fields, classes_of, day_of, describe, plan_columns
from monitor.engine.ownership import NOWHERE, Destinations
from monitor.engine.peers import BankSnapshot, Peers
from monitor.engine.profiles import ProfileTable
from monitor.engine.rule_errors import Raised
from monitor.engine.table import WindowTable
from monitor.engine.windows import Arriving
from monitor.rulebook.dispatch import CLASSES
from monitor.rulebook.plan import FieldUse, Program

_NOTHING = np.zeros((1, 1), np.int64)


class Identifiers(Protocol):
    """What the engine needs of the identifier table of the run."""

    def code(self, kind: IdentifierKind, text: str) -> int:
        """The code of a word of a rule or list; a new one where it is new."""

    def token(self, code: int) -> str:
        """The keyed token in hex."""

    @property
    def tokens(self) -> Bytes16:
        """Tokens of 16 bytes of all codes so far, shape (codes, 16)."""

    def kind(self, code: int) -> IdentifierKind:
        """What the code identifies."""

    def word(self, code: int) -> str | None:
        """The text of an identifier that is not personal (segment, entity, purpose); None of others."""


class Entities(Protocol):
    """Booking entities: where they are, and their calendars."""

    def country(self, code: int) -> str | None:
        """ISO 3166 code of the entity's country."""

    def periods(self, entity: Int32s, time_us: Int64s) -> npt.NDArray[np.int64]:
        """Calendar periods of each time in the order of CALENDARS (days since 1970; months as 12 x year + month), and
        the time since local midnight in microseconds; shape (n, 5)."""


@dataclass(frozen=True, slots=True)
class EngineInputs:
    """What verdicts depend on besides transactions and profiles."""

    identifiers: Identifiers
    entities: Entities
    lists: Mapping[str, NamedList] = field(default_factory=dict)
    rates: Mapping[str, Rates] = field(default_factory=dict)
    rate_date: Callable[[str, str, int], str | None] = lambda source, target, time_us: None
    """The time at which the rate used for (source, target, time) was published, as text."""
    live: frozenset[str] = frozenset()
    """Ids of the rules that raise alerts; all others of the program run in shadow."""
    models: str = MODELS_OFF
    """One of :data:`monitor.domain.vocabulary.MODEL_MODES`. Whether models run is decided when the engine is made."""
    models_rates: Rates | None = None
    """Rates by which the models compare amounts, into any one currency."""


@dataclass(slots=True)
class Step:
    """What a batch led to. ``outcome`` and ``is_late`` have one entry per transaction of the batch."""

    outcome: npt.NDArray[np.int8]
    is_late: npt.NDArray[np.bool_]
    alerts: list[Alert]
    snapshots: list[BankSnapshot]
    legs: int
    reversals_found: int
    reversals_without_original: int
    matches_without_subject: int = 0
    """Conditions that held for a leg that has no such party, for example no account."""
    raised: Mapping[str, Raised] = field(default_factory=dict)
    """Rules that raised while their alerts were made, by id; the alerts are there, with a mark."""
    forward: Destinations = NOWHERE
    """Payments of the batch that must go on, as whole rows, to partitions where further holders of an account live."""
    told: list[Told] = field(default_factory=list)
    """What other partitions must be told of the money of the batch."""
    parts: list[BankPart] = field(default_factory=list)
    """What all other partitions must be told of the customers of this one, at each change of day."""


class Engine:
    """State of one partition, and the rulebook in force.

    Of several partitions it judges the legs of the keys that live in its own (:mod:`monitor.engine.ownership`); it must
    be given every payment that :func:`~monitor.engine.ownership.destinations` or another engine's :attr:`Step.forward`
    send there, and hear what another's :attr:`Step.told` and :attr:`Step.parts` have for it. Positions of its alerts
    begin at ``first``.
    """

    def __init__(
        self, program: Program, inputs: EngineInputs, *, lateness_us: int = admission.LATENESS_MAX_US,
        partition: Partition = admission.ALL_KEYS,
    ) -> None:  # fmt: skip
        self.program, self.inputs = program, inputs
        self.bound: Bound = bind(program, encode=inputs.identifiers.code, lists=inputs.lists)
        keep_accounts = any(layout.by == "account" for layout in self.bound.layouts)
        self.admission = Admission(
            extra_kinds=self.bound.extra_kinds,
            keep_accounts=keep_accounts,
            lateness_us=lateness_us,
            window_us=max(int(layout.shape.overs_us.max()) for layout in self.bound.layouts),
            asked_of_pairs=self.bound.is_looked_at[PAIR],
            partition=partition,
        )
        layouts = self.bound.layouts
        self.tables = [WindowTable(layout) for layout in layouts]
        self.value_columns = [np.array([program.fields.index(u) for u in o.values], np.int64) for o in layouts]
        self.calendars = [np.array([CALENDARS.index(c) for c in o.calendars], np.int64) for o in layouts]
        self.table_of_filter = {
            (layout.by, number): (table, place)
            for table, layout in enumerate(self.bound.layouts)
            for place, number in enumerate(layout.filters)
        }
        self.peers = Peers(program)
        self.firsts = Firsts()
        self.first = partition.number << OFFSET_BITS
        self.flow: Following | None = None
        if program.follows_money:
            table = FlowTable(tokens=lambda: self.inputs.identifiers.tokens)
            self.flow = Following(table, self.admission.ownership)
        self.awaited = Awaited(program.fields)
        self.anomalies = None if inputs.models == MODELS_OFF else Anomalies()
        self.findings = Findings(self)
        self.kept = KeptVerdicts(self)
        self.has_obligations = any(rule.kind == "obligation" for rule in program.rulebook.rules)
        self.undecided = np.zeros((len(program.rules), len(self.bound.program.operands) + 1), np.int64)
        self.hits = np.zeros(len(program.rules), np.int64)
        self.day: int | None = None
        self.jurisdiction_of = np.full(1, -1, np.int32)
        self.combination_segment = _by_code(self.bound.segment_index)
        self.columns = plan_columns(program.fields)
        self.seldom = [n for n, use in enumerate(program.fields) if use.name in SELDOM_GIVEN]
        self.room = scratch(max(CLASSES, len(self.bound.rule_groups.is_shown)))

    def use(self, inputs: EngineInputs) -> None:
        """Go on with other lists or approvals. What was measured with the former ones stays as it was.

        Models that run may go on in shadow or live, and models that do not run stay off.

        Raises:
            ListMissing: A rule names a list that is not among the inputs.
        """
        self.inputs = inputs
        self.bound = bind(self.program, encode=inputs.identifiers.code, lists=inputs.lists)
        self.room = scratch(max(CLASSES, len(self.bound.rule_groups.is_shown)))
        self.findings.views = []

    def step(self, batch: TransactionBatch, profiles: ProfileTable) -> Step:
        """Judge a batch.

        Args:
            batch: Accepted transactions in the order of the log; their positions rise from batch to batch.
            profiles: The profiles in force at these positions.
        """
        self.firsts.forget(self.admission.spaces, len(batch))
        ownership = self.admission.ownership
        if not ownership.is_of_all:
            ownership.learn(self.inputs.identifiers.tokens)
        admitted = self.admission.admit(batch, profiles.joint)
        result = Step(admitted.outcome, admitted.is_late, [], [], len(admitted.legs), admitted.reversals_found,
                      admitted.reversals_without_original)  # fmt: skip
        if not ownership.is_of_all:
            result.forward = ownership.forward(
                batch, admitted.outcome == admitting.JUDGED, profiles.joint, self.inputs.identifiers.tokens,
                self.bound.extra_kinds, follows_money=self.flow is not None,
            )  # fmt: skip
        followed = None if self.flow is None else self.flow.follow(batch, admitted, self.inputs.identifiers.tokens)
        result.told = [] if followed is None else followed.told
        for start, stop, day in self._days(batch, admitted.outcome):
            if self.day is not None and day > self.day:
                position = int(batch.position[start])
                result.parts += [] if ownership.is_of_all else [self.peers.part(position=position)]
                result.snapshots.append(self.peers.publish(position=position, day=day))
            self.day = day
            first, last = np.searchsorted(admitted.legs.transaction, (start, stop))
            legs = admitted.legs.slice(int(first), int(last))
            alerts = self._judge(batch, legs, profiles, followed) if last > first else []
            if self.anomalies is not None:
                day_of_batch = batch.slice(start, stop)
                found = self.anomalies.step(
                    day_of_batch, admitted.outcome[start:stop], profiles, self.inputs.models_rates
                )
                if ownership.is_owned is not None:
                    found = [each for each in found if ownership.is_owned[day_of_batch.debtor_holder[each.row]]]
                of_day = replace(legs, transaction=legs.transaction - start)
                alerts += alerts_of(self, found, day_of_batch, of_day, profiles)
                alerts.sort(key=lambda alert: alert.position)
            result.alerts += alerts
        result.matches_without_subject = self.findings.take_without_subject()
        result.raised = self.findings.take_raised()
        return result

    def hear(self, message: FlowMessage, ids: npt.NDArray[np.int64], code_of: CodeOf, position: int) -> Step:
        """Take in what another partition told of money, and judge the legs that waited for it.

        Args:
            message: What was told, and
            ids: of which payments; see :class:`monitor.engine.following.Told`.
            code_of: The codes of tokens in this process, which :attr:`EngineInputs.identifiers` knows from then on.
            position: Where the message stands in the log: no payment has this position.

        Raises:
            UnsoundMessage: The message is not sound; nothing has been taken in.
        """
        assert self.flow is not None
        heard = self.flow.hear(message, ids, code_of, lambda: self.inputs.identifiers.tokens, position)
        waited, is_answered = self.awaited.answered(heard)
        is_early = (heard.ids[:, 0] != UNKNOWN) & ~is_answered & ~self.admission.knows(heard.ids)
        self.flow.keep(heard, np.flatnonzero(is_early))
        nothing = np.zeros(0, np.int8)
        step = Step(nothing, nothing.astype(np.bool_), [], [], 0, 0, 0, told=heard.told)
        step.alerts = self._alerts_of(waited)
        step.matches_without_subject = self.findings.take_without_subject()
        return step

    def _days(self, batch: TransactionBatch, outcome: npt.NDArray[np.int8]) -> list[tuple[int, int, int]]:
        """Runs of the batch within one UTC day of the log's clock: (start, stop, day)."""
        is_judged = outcome == admitting.JUDGED
        if not len(batch):
            return []
        start_day = np.iinfo(np.int64).min if self.day is None else self.day
        days = np.maximum.accumulate(np.where(is_judged, day_of(batch.booked_at_us), np.iinfo(np.int64).min))
        days = np.maximum(days, start_day)
        cuts = [0, *(np.flatnonzero(np.diff(days)) + 1).tolist(), len(batch)]
        runs = [(a, b, int(days[a])) for a, b in pairwise(cuts) if b > a]
        return [run for run in runs if run[2] != np.iinfo(np.int64).min]

    def _judge(
        self, batch: TransactionBatch, legs: Legs, profiles: ProfileTable, followed: Followed | None
    ) -> list[Alert]:
        self.peers.make_room(self.admission.spaces[HOLDER].count)
        legs, leg_class = self._looked_at(batch, legs)
        facts = self.facts(batch, legs, profiles)
        periods = self._periods(facts)
        fields = build_fields(
            self.columns,
            batch,
            legs,
            facts,
            profiles,
            self.inputs.rates,
            self.peers.is_hub,
            self.firsts,
            periods,
            _NOTHING if followed is None else followed.traced.measures,
        )
        # Zeros where a leg has no such measure: what is kept of it is saved.
        measures = np.zeros((len(legs), max(len(self.program.measures), 1)), np.int64)
        bounds = np.zeros(measures.shape, np.uint8)
        bare = self._bare(fields)
        if profiles.lacking:  # The version that lacks may have a field that is seldom given.
            bare[np.isin(facts.holder, list(profiles.lacking))] = 0
        group = self.bound.rule_groups.group_of[legs.kind, facts.jurisdiction, leg_class, bare]
        traced = None if followed is None else followed.traced
        scene = Scene(batch, legs, facts, fields, measures, bounds, profiles, periods, leg_class, group, traced)
        for number in range(len(self.tables)):
            self._run_table(number, scene)
        self.peers.record(facts.holder_row, legs.operation, facts.segment, measures)
        if followed is None or followed.is_awaited is None:
            hits, waited = self._decide(scene, group), list[Alert]()
        else:
            hits = self._decide(scene, self._hold(scene, followed.is_awaited))
            waited = self._alerts_of(self.awaited.too_many())
        if profiles.lacking:
            self.kept.keep(scene, hits)
        return self.findings.alerts(hits, scene) + waited

    def _hold(self, scene: Scene, is_awaited: npt.NDArray[np.bool_]) -> Int32s:
        """Keep the legs of payees whose money is awaited, where rules ask for it and are not false without; gives the
        groups of rules that all legs are asked now."""
        legs, asks = scene.legs, self.bound.rule_groups.asks_for_money
        waits = is_awaited[legs.transaction] & (legs.side == CREDITOR) & (legs.operation == 0) & asks[scene.group]
        if not waits.any():
            return scene.group
        later = np.where(waits, scene.group + 2 * len(asks), -1).astype(np.int32)
        hits, _, is_open = self._ask(scene, later)
        is_open[hits[:, 0]] = True
        self.awaited.hold(scene, np.flatnonzero(is_open), later[is_open])
        return np.where(waits, scene.group + len(asks), scene.group).astype(np.int32)

    def _alerts_of(self, waited: Scene | None) -> list[Alert]:
        """The alerts of legs that have waited."""
        return [] if waited is None else self.findings.alerts(self._decide(waited, waited.group), waited)

    def _looked_at(self, batch: TransactionBatch, legs: Legs) -> tuple[Legs, Int64s]:
        """The legs that some rule or filter of their kind may be about, and their classes; and all that take back."""
        leg_class = classes_of(legs.side, batch.channel[legs.transaction], batch.status[legs.transaction])
        if self.bound.is_looked_at.all():
            return legs, leg_class
        kept = self.bound.is_looked_at[legs.kind, leg_class] | (legs.operation != 0)
        return (legs, leg_class) if kept.all() else (legs.where(kept), leg_class[kept])

    def facts(self, batch: TransactionBatch, legs: Legs, profiles: ProfileTable) -> LegFacts:
        """Who, where and when of each leg; new segments and entities are numbered in the order of the log."""
        facts, code_of = LegFacts.of_length(len(legs)), self.admission.spaces[HOLDER].code_of
        while not describe(batch, legs, code_of, profiles, self._scopes(), facts):
            self.peers.number_segments(facts.segment_code)
            self._number_entities(facts.entity)
            self.peers.make_room(0)
        return facts

    def _scopes(self) -> Scopes:
        return Scopes(
            self.peers.index_of, self.jurisdiction_of, self.combination_segment, self.bound.breaks_us,
            len(self.bound.jurisdiction_index) + 1,
        )  # fmt: skip

    def _run_table(self, number: int, scene: Scene) -> None:
        """Filters, then windows: writes the table's columns of the measure matrix."""
        table = self.tables[number]
        bound, layout, legs, facts = self.bound, table.layout, scene.legs, scene.facts
        kind = KEY_KINDS.index(layout.by)
        row = facts.holder_row if kind == HOLDER else legs.account_row
        if kind not in (HOLDER, ACCOUNT):
            row = np.where(legs.kind == kind, legs.row, -1)
        if not bound.tables_touched[number].all():
            row = np.where(bound.tables_touched[number][scene.leg_class] | (legs.operation != 0), row, -1)
        mask = np.zeros((len(legs), layout.shape.mark_words), np.int64)
        decide.filter_masks(
            np.array(layout.filters, np.int64), *bound.filters_by_class[number], bound.filter_spans,
            scene.leg_class, row, self._code(), self._asked(scene), self.room, mask,
        )  # fmt: skip
        arriving = Arriving(
            legs.operation, row, legs.judged_us, scene.batch.position[legs.transaction], legs.target, mask,
            scene.fields, self.value_columns[number], facts.entity, scene.periods, self.calendars[number],
            scene.group, bound.outputs[number],
        )  # fmt: skip
        table.run(arriving, scene.measures, scene.bounds, keys=self.admission.spaces[kind].count)
        if layout.calendars:
            is_far_behind = legs.judged_us - facts.booked_us > self.admission.lateness_us
            forget_periods(layout, is_far_behind, scene.measures, scene.bounds)

    def _decide(self, scene: Scene, group: Int32s) -> npt.NDArray[np.int64]:
        """(leg, rule) of all conditions that hold, in the order of the log; ``group`` has the rules of each leg."""
        hits, undecided, _ = self._ask(scene, group)
        self.undecided += undecided
        np.add.at(self.hits, hits[:, 1], 1)
        return hits[np.lexsort((hits[:, 1], hits[:, 0]))]

    def _ask(self, scene: Scene, group: Int32s) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Bools]:
        """What holds, how often each rule is undecided for want of what, and the legs of which one is."""
        bound, legs, room = self.bound, scene.legs, 4096
        while True:
            hits, undecided = np.empty((room, 2), np.int64), np.zeros_like(self.undecided)
            is_open = np.zeros(len(legs), np.bool_)
            found = decide.decide(
                legs.operation, group, bound.rule_groups.sharing, bound.rule_spans, self._code(),
                self._asked(scene), self.room, hits, undecided, is_open,
            )  # fmt: skip
            if found <= room:
                return hits[:found], undecided, is_open
            room = found

    def decided_again(self, scene: Scene, raised: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """(leg, rule) of the conditions that hold and did not before. Only these are counted: the legs were before."""
        undecided, counts = self.undecided.copy(), self.hits.copy()
        found = self._decide(scene, scene.group)
        found = found[~raised[found[:, 0], found[:, 1]]]
        self.undecided, self.hits = undecided, counts
        np.add.at(self.hits, found[:, 1], 1)
        return found

    def _bare(self, fields: npt.NDArray[np.int64]) -> npt.NDArray[np.int8]:
        """1 for each leg that has none of the fields that are seldom given."""
        bare = np.ones(len(fields), np.bool_)
        for column in self.seldom:
            bare &= fields[:, column] == UNKNOWN
        return bare.view(np.int8)

    def _code(self) -> Code:
        bound = self.bound
        return Code(
            self.program.instructions, self.program.operands, bound.constants, bound.sets, bound.set_values
        )  # fmt: skip

    def _asked(self, scene: Scene) -> Asked:
        facts = scene.facts
        return Asked(
            scene.fields, scene.measures, scene.bounds, self.bound.parameters, facts.combination, self.peers.table,
            facts.segment,
        )  # fmt: skip

    def _periods(self, facts: LegFacts) -> npt.NDArray[np.int64]:
        """Calendar periods and time of day of each leg; zeros where neither a rule nor an obligation asks for them."""
        asks = any(layout.calendars for layout in self.bound.layouts) or self.has_obligations
        if not (asks or FieldUse("time_of_day") in self.program.fields):
            return np.zeros((len(facts.entity), len(CALENDARS) + 1), np.int64)
        return self.inputs.entities.periods(facts.entity, facts.booked_us)

    def _number_entities(self, entity: Int32s) -> None:
        """Find the jurisdiction of entities: 0 for one that no rule names, the last for an unknown one."""
        highest, index = int(entity.max(initial=-1)), self.bound.jurisdiction_index
        if highest >= len(self.jurisdiction_of):
            grown = np.full(highest + 1, -1, np.int32)
            grown[: len(self.jurisdiction_of)] = self.jurisdiction_of
            self.jurisdiction_of = grown
        for code in np.unique(entity[entity >= 0]).tolist():
            country = self.inputs.entities.country(code)
            self.jurisdiction_of[code] = len(index) + 1 if country is None else index.get(country, 0)

    def undecided_by_field(self) -> dict[str, dict[str, int]]:
        """Undecided verdicts per rule and first missing name."""
        counts: dict[str, dict[str, int]] = {}
        for rule, operand in np.argwhere(self.undecided):
            names = counts.setdefault(self.program.rulebook.rules[rule].id, {})
            name = self.findings.operand_name(int(operand))
            names[name] = names.get(name, 0) + int(self.undecided[rule, operand])
        return counts


def _by_code(index: dict[int, int]) -> Int32s:
    table = np.zeros(max(index, default=-1) + 1, np.int32)
    for code, number in index.items():
        table[code] = number
    return table
