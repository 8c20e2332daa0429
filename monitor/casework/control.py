"""Control: what becomes of an alert after the engine: raised, suppressed, or in shadow. A fold in the order of the log.

The engine says whether a condition held, and whether the alert is a repeat. Control applies, in this order:

1. a rule that is switched off: ``shadow``, mark ``disabled``;
2. a suppression in force at the alert's judged time: ``suppressed``, or for the share that is reviewed, by a hash of
   the alert's id, as it was, with the mark ``suppression_sample``; in both cases the inputs name the suppression;
3. the breaker of a suspicion rule: ``shadow``, mark ``breaker``.

Only the first reaches obligations. An alert that repeats one which nobody saw, because that one was suppressed or in
shadow, is no repeat to those who work the queue: it becomes ``new``, with the mark ``first_shown`` in place of
``quiet``.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from msgspec.structs import replace

from monitor.casework.breaker import HELD, PASS, TRIP, Breaker, BreakerSettings, Tripped
from monitor.casework.orders import DISABLE, ENABLE, END, SAMPLED, SUPPRESS, Order
from monitor.domain.alert import Alert

HIDDEN = ("shadow", "suppressed")
"""Statuses of alerts that nobody is shown."""
Key = tuple[str, str]
"""A rule and the token of a subject."""


@dataclass(slots=True)
class Control:
    """What is in force, and what the fold remembers.

    Attributes:
        obligations: Ids of the rules that are obligations.
        breaker: The breaker with its counts.
        hidden: (rule, subject) whose present quiet period began with an alert that nobody was shown.
    """

    obligations: frozenset[str]
    breaker: Breaker = field(default_factory=lambda: Breaker(BreakerSettings()))
    hidden: set[Key] = field(default_factory=set)
    suppressions: dict[str, Order] = field(default_factory=dict)
    disabled: dict[str, str] = field(default_factory=dict)
    """Order by rule that is switched off."""

    def take(self, order: Order) -> None:
        """Put an order in force from here on."""
        if order.kind == SUPPRESS:
            self.suppressions[order.order_id] = order
        elif order.kind == END:
            self.suppressions.pop(order.refers_to or "", None)
        elif order.kind == DISABLE:
            self.disabled[order.rule or ""] = order.order_id
        elif order.kind == ENABLE:
            self.disabled.pop(order.rule or "", None)

    def decide(self, alerts: Iterable[Alert]) -> tuple[list[Alert], list[Tripped]]:
        """The alerts with their final status, and the breakers that opened; ``alerts`` in the order of the log."""
        decided: list[Alert] = []
        tripped: list[Tripped] = []
        for alert in alerts:
            decided.append(self._decide(alert, tripped))
            self._remember(alert, decided[-1])
        return decided, tripped

    def _decide(self, alert: Alert, tripped: list[Tripped]) -> Alert:
        if alert.status == "shadow":
            return alert
        rule = alert.source.id
        if rule in self.disabled:
            return replace(alert, status="shadow", marks=(*alert.marks, "disabled"))
        if rule in self.obligations:
            return alert
        shown = self._shown(alert)
        suppression = self._suppression(alert)
        if suppression is not None:
            if not suppression.samples(alert.alert_id):
                return _suppressed(alert, suppression)
            shown = _sampled(shown, suppression)
        day = self.breaker.day_of(alert)
        outcome = self.breaker.decide(rule, version=day, is_new=shown.status == "new")
        if outcome == PASS:
            return shown
        if outcome == TRIP:
            limit, customers = self.breaker.limit(rule, day), self.breaker.customers_on(day)
            tripped.append(Tripped(rule, alert.judged_at_us, alert.position, limit, customers))
        assert outcome in (TRIP, HELD)
        return replace(alert, status="shadow", marks=(*alert.marks, "breaker"))

    def look_back(self, alert: Alert) -> Alert:
        """An alert of a look-back: suppressed, or drawn for review, by what is in force now. No breaker counts it."""
        if alert.status == "shadow" or alert.source.id in self.obligations:
            return alert
        suppression = self._suppression(alert)
        if suppression is None:
            return alert
        reached = _sampled if suppression.samples(alert.alert_id) else _suppressed
        return reached(alert, suppression)

    def _shown(self, alert: Alert) -> Alert:
        """The alert as those see it who saw nothing of what was hidden."""
        if alert.status != "quiet" or (alert.source.id, alert.subject.token) not in self.hidden:
            return alert
        marks = ("first_shown", *(mark for mark in alert.marks if mark != "quiet"))
        return replace(alert, status="new", marks=marks)

    def _suppression(self, alert: Alert) -> Order | None:
        """The suppression that reaches the alert; of several the one with the least id."""
        reaching = [order_id for order_id, order in self.suppressions.items() if order.reaches(alert)]
        return self.suppressions[min(reaching)] if reaching else None

    def _remember(self, alert: Alert, decided: Alert) -> None:
        key = (alert.source.id, alert.subject.token)
        if decided.status == "new":
            self.hidden.discard(key)
        elif decided.status in HIDDEN and "quiet" not in alert.marks:
            self.hidden.add(key)


def _suppressed(alert: Alert, suppression: Order) -> Alert:
    return replace(alert, status="suppressed", inputs=alert.inputs | {"suppression": suppression.order_id})


def _sampled(alert: Alert, suppression: Order) -> Alert:
    named = alert.inputs | {"suppression": suppression.order_id}
    return replace(alert, marks=(*alert.marks, SAMPLED), inputs=named)
