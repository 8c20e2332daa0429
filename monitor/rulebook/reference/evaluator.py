"""Verdicts of rules over a log of plain transactions."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from monitor.rulebook.reference.conditions import Scene, truth_of, value_of
from monitor.rulebook.reference.history import History
from monitor.rulebook.reference.inputs import PlainInputs
from monitor.rulebook.reference.legs import HOLDER, PlainLeg, legs_of
from monitor.rulebook.reference.measures import Inside, measured
from monitor.rulebook.reference.parameters import row_in_force
from monitor.rulebook.reference.transactions import PlainTransaction
from monitor.rulebook.reference.values import FALSE, TRUE, Value
from monitor.rulebook.rule import ANY, Node, ParameterRow, Rule, Window

NO_INPUTS = PlainInputs()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule says of a leg, with every number behind it.

    ``verdict`` is ``true``, ``false`` or ``unknown``; ``status`` is ``alert`` or ``quiet`` for ``true`` about a known
    subject, else ``None``.
    ``missing`` names the first lacking field of an unknown verdict. ``transactions`` are the log positions inside the
    rule's windows, and the leg's own; of a false verdict only inside those that the condition read.
    """

    position: int
    leg_role: str
    rule_id: str
    verdict: str
    status: str | None
    measures: dict[str, Value]
    parameters: dict[str, ParameterRow | None]
    missing: str | None
    subject: str | None
    transactions: tuple[int, ...]


@dataclass(slots=True)
class ReferenceEngine:
    """Judges by definition. Every call starts afresh; nothing is kept between calls.

    ``in_full`` computes every measure of every verdict; otherwise false verdicts carry those that were looked at.
    """

    in_full: bool = False

    def judge(
        self, rules: Sequence[Rule], transactions: Iterable[PlainTransaction], inputs: PlainInputs = NO_INPUTS
    ) -> list[Verdict]:
        """Verdicts of every rule on every leg it applies to, by leg in log order, then by rule as given."""
        keys = {window.by for rule in rules for window in rule.windows.values()}
        return self.judge_legs(rules, legs_of(transactions, keys), inputs)

    def judge_legs(
        self, rules: Sequence[Rule], legs: Iterable[PlainLeg], inputs: PlainInputs = NO_INPUTS
    ) -> list[Verdict]:
        """Like :meth:`judge`, for legs whose judged times are given."""
        run = _Run(History.of(legs, inputs), self.in_full)
        return [
            run.with_quiet(rule, leg, run.verdict(rule, leg))
            for leg in run.history.legs
            for rule in rules
            if _applies(rule, leg, inputs)
        ]

    def recompute(
        self,
        rule: Rule,
        subject_legs: Iterable[PlainLeg],
        *,
        at_position: int,
        leg_role: str,
        inputs: PlainInputs = NO_INPUTS,
    ) -> Verdict:
        """The verdict at one leg, from no more than the legs of its keys over the horizon of the rule's windows.

        ``status`` is ``alert`` for a match: whether it was quiet depends on earlier alerts, which are recorded.

        Raises:
            ValueError: The leg is not among those given.
        """
        legs = list(subject_legs)
        for leg in legs:
            if leg.position == at_position and leg.role == leg_role:
                return self.at(rule, leg, legs, inputs).verdict
        raise ValueError(
            f"position {at_position}, {leg_role}: no such leg among the {len(legs)} given; "
            "the history lacks the transaction that the alert names. Restore its day and try again."
        )

    def at(
        self, rule: Rule, leg: PlainLeg, subject_legs: Iterable[PlainLeg], inputs: PlainInputs = NO_INPUTS
    ) -> "Recomputed":
        """The rule at one of the legs given, to be asked for every number behind the verdict."""
        return Recomputed(rule, leg, _Run(History.of(subject_legs, inputs), in_full=True))


@dataclass(slots=True)
class Recomputed:
    """A rule at one leg. Nothing is kept between two questions."""

    rule: Rule
    leg: PlainLeg
    run: "_Run"

    @property
    def verdict(self) -> Verdict:
        """The verdict with all measures."""
        return self.run.verdict(self.rule, self.leg)

    def value(self, node: Node) -> Value:
        """What a part of the rule's condition is worth at the leg."""
        return value_of(node, self.run.scene(self.rule, self.leg))

    def behind(self) -> dict[str, tuple[int, ...]]:
        """By window the log positions of the payments inside it, whether the condition asked for it or not."""
        found = {}
        for window in self.rule.windows.values():
            inside = self.run.inside(self.rule, window, self.leg)
            found[window.name] = inside.positions if inside is not None else ()
        return found


def _applies(rule: Rule, leg: PlainLeg, inputs: PlainInputs) -> bool:
    """Whether the rule looks at this leg: the key of its windows, and the jurisdiction of the booking entity.

    A booking entity without a jurisdiction is under every rule: not knowing where is no reason not to look.
    """
    jurisdiction = inputs.entity(leg.transaction.booking_entity).jurisdiction
    in_scope = jurisdiction is None or ANY in rule.jurisdictions or jurisdiction in rule.jurisdictions
    return in_scope and leg.kind == kind_of(rule)


def kind_of(rule: Rule) -> str:
    """The legs that a rule judges: those of its windows' key; the holder's for ``customer`` and ``account``."""
    further = [window.by for window in rule.windows.values() if window.by not in (HOLDER, "account")]
    return further[0] if further else HOLDER


@dataclass(slots=True)
class _Run:
    """One pass over a log: filters already decided, and when each subject was last alerted."""

    history: History
    in_full: bool
    passed: dict[tuple[str, str, tuple[int, int]], Value] = field(default_factory=dict)
    alerted_us: dict[tuple[str, str | None], int] = field(default_factory=dict)

    def verdict(self, rule: Rule, leg: PlainLeg) -> Verdict:
        measures: dict[str, Value] = {}
        scene = self.scene(rule, leg, measures)
        truth = truth_of(rule.when, scene)
        if self.in_full or truth != FALSE:
            scene.read.update(rule.windows)
            for window in rule.windows.values():
                for one in window.measures:
                    scene.measure(window.name, one.name)
        behind = {leg.position}
        for name in scene.read:
            inside = self.inside(rule, rule.windows[name], leg)
            behind.update(inside.positions if inside is not None else ())
        return Verdict(
            position=leg.position,
            leg_role=leg.role,
            rule_id=rule.id,
            verdict="unknown" if truth.is_unknown else str(truth.value).lower(),
            status="alert" if truth == TRUE else None,
            measures=measures,
            parameters={name: row_in_force(one, leg, self.history.inputs) for name, one in rule.parameters.items()},
            missing=truth.missing if truth.is_unknown else None,
            subject=leg.subject(rule.alert.subject),
            transactions=tuple(sorted(behind)),
        )

    def scene(self, rule: Rule, leg: PlainLeg, measures: dict[str, Value] | None = None) -> Scene:
        """The leg before the rule's condition; measures are computed once and kept in ``measures``."""
        known = {} if measures is None else measures

        def measure(window: str, name: str) -> Value:
            full = f"{window}.{name}"
            if full not in known:
                known[full] = self._measure(rule, rule.windows[window], name, leg)
            return known[full]

        return Scene(rule, leg, self.history, measure)

    def with_quiet(self, rule: Rule, leg: PlainLeg, verdict: Verdict) -> Verdict:
        """Hold a match back while the subject's last alert is younger than the quiet period.

        A match without a subject, such as an unknown account, alerts nobody.
        """
        if verdict.status is None or verdict.subject is None:
            return replace(verdict, status=None)
        now = leg.judged_us
        subject = (rule.id, verdict.subject)
        last = self.alerted_us.get(subject)
        if rule.kind != "obligation" and last is not None and now < last + rule.alert.quiet_us:
            return replace(verdict, status="quiet")
        self.alerted_us[subject] = now
        return verdict

    def _measure(self, rule: Rule, window: Window, name: str, leg: PlainLeg) -> Value:
        inside = self.inside(rule, window, leg)
        if inside is None:
            return Value.unknown(window.by)
        measure = next(one for one in window.measures if one.name == name)
        argument = []
        if measure.argument is not None:
            legs = [one for one in self.history.inside(window, leg) or [] if self._passes(rule, window, one) == TRUE]
            argument = [value_of(measure.argument, self._scene(rule, one)) for one in legs]
        return measured(measure.function, inside, argument, f"{window.name}.{name}")

    def inside(self, rule: Rule, window: Window, leg: PlainLeg) -> Inside | None:
        """The legs inside a window that pass its filter; ``None`` where the leg has no such key."""
        candidates = self.history.inside(window, leg)
        if candidates is None:
            return None
        filtered = [(one.position, self._passes(rule, window, one)) for one in candidates]
        doubt = next((passed.missing or window.name for _, passed in filtered if passed.is_unknown), None)
        return Inside(tuple(position for position, passed in filtered if passed == TRUE), doubt)

    def _passes(self, rule: Rule, window: Window, leg: PlainLeg) -> Value:
        """The filter's truth for a leg, decided once, with what was in force when the leg was judged."""
        key = (rule.id, window.name, leg.order)
        if key not in self.passed:
            if window.where is None:
                self.passed[key] = Value(leg.transaction.status == "booked")
            else:
                self.passed[key] = truth_of(window.where, self._scene(rule, leg))
        return self.passed[key]

    def _scene(self, rule: Rule, leg: PlainLeg) -> Scene:
        return Scene(rule, leg, self.history, _no_measure)


def _no_measure(window: str, name: str) -> Value:
    raise AssertionError(f"{window}.{name}: a filter cannot read a measure")
