"""Control of a run from outside: orders taken up at log positions, and breakers, applied to what the engine found.

Orders are read from the store between commits. Each is recorded as an input of the log at the position from which it
holds; after a stop those with a recorded position are in force again, and others are taken up where the run goes on.
The counts of the breaker are kept with the position of the run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from monitor.adapters.sql.orders import ORDER_INPUT, hidden_subjects, orders, taken_up
from monitor.adapters.sql.store import CaseStore
from monitor.casework.breaker import Breaker, Tripped
from monitor.casework.control import Control
from monitor.casework.journal import Draft, canonical_json
from monitor.casework.orders import Order
from monitor.casework.position import LogInput
from monitor.domain.alert import Alert
from monitor.domain.case import MONITOR
from monitor.domain.time import format_time
from monitor.engine.anomalies import MODEL_ID
from monitor.engine.peers import BankSnapshot
from monitor.rulebook.rule import Rule, Rulebook

BREAKER_SAVED = "breaker"
"""Key of the breaker's counts among the details of a run's position."""
MODEL_OWNER = "model risk"
"""Who is told when the breaker of the models opens, as their cards say."""
_WORDS = {
    "suppress": "suppression {id} in force",
    "end_suppression": "suppression {refers_to} ended",
    "disable_rule": "{rule} switched off",
    "enable_rule": "{rule} switched on",
}


@dataclass(slots=True)
class LiveControl:
    """The control of one run.

    Attributes:
        entries: Journal entries that wait for the next commit.
        messages: What people are to be told, in order; the shell empties it.
    """

    store: CaseStore
    run: str
    control: Control
    rules: Mapping[str, Rule] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    entries: list[Draft] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    @classmethod
    def restored(
        cls, store: CaseStore, run: str, rulebook: Rulebook, breaker: Breaker, details: Mapping[str, object]
    ) -> "LiveControl":
        """The control as it was at the run's stored position; ``breaker`` is a fresh one."""
        breaker.load(details.get(BREAKER_SAVED) or {})  # type: ignore[arg-type]
        live = cls(store, run, Control(frozenset(), breaker, hidden_subjects(store, run)))
        live.use(rulebook)
        positions = taken_up(store, run)
        recorded = [order for order in orders(store) if order.order_id in positions]
        for order in sorted(recorded, key=lambda order: positions[order.order_id]):
            live.control.take(order)
            live.known.add(order.order_id)
        return live

    def use(self, rulebook: Rulebook) -> None:
        """Take over a rulebook: which rules are obligations, and who owns each."""
        self.rules = {rule.id: rule for rule in rulebook.rules}
        self.control.obligations = frozenset(rule.id for rule in rulebook.rules if rule.kind == "obligation")

    def waiting(self) -> list[Order]:
        """Orders that the log does not hold yet, in the order in which they were given."""
        return [order for order in orders(self.store) if order.order_id not in self.known]

    def take_up(self, waiting: Sequence[Order], *, position: int) -> list[LogInput]:
        """Put orders in force from ``position`` on; the inputs to record there."""
        for order in waiting:
            self.control.take(order)
            self.known.add(order.order_id)
            words = _WORDS[order.kind].format(id=order.order_id, refers_to=order.refers_to, rule=order.rule)
            self.messages.append(f"From position {position}: {words} (by {order.by}: {order.reason}).")
        return [LogInput(position, ORDER_INPUT, each.order_id, each.kind, each.digest) for each in waiting]

    def decide(self, alerts: Sequence[Alert], snapshots: Sequence[BankSnapshot]) -> list[Alert]:
        """The alerts of a batch with their final status; ``snapshots`` are those published within the batch."""
        for snapshot in snapshots:
            self.see_bank(snapshot)
        decided, tripped = self.control.decide(alerts)
        for each in tripped:
            self._tell(each)
        return decided

    def see_bank(self, snapshot: BankSnapshot | None) -> None:
        """A bank snapshot is in force."""
        if snapshot is not None:
            self.control.breaker.see_bank(snapshot.version, snapshot.customers)

    def _tell(self, tripped: Tripped) -> None:
        rule = self.rules.get(tripped.rule)
        owner = MODEL_OWNER if tripped.rule == MODEL_ID else rule.owner if rule else None
        told = owner or "its owner (the rule names none)"
        day = format_time(tripped.at_us)[:10]
        self.messages.append(
            f"{tripped.rule} raised {tripped.limit} alerts on {day}, its limit for {tripped.customers} customers: in "
            f"shadow for the rest of the day, from position {tripped.position}. To tell: {told}."
        )
        facts = {"rule": tripped.rule, "limit": tripped.limit, "customers": tripped.customers,
                 "position": tripped.position, "owner": owner}  # fmt: skip
        self.note("breaker_opened", facts, at_us=tripped.at_us)

    def note(self, action: str, facts: Mapping[str, object], *, at_us: int) -> None:
        """A journal entry of the run's own doing, written with the next commit."""
        self.entries.append(Draft(f"control:{self.run}", at_us, MONITOR, action, canonical_json(dict(facts))))

    def take_entries(self) -> list[Draft]:
        """The entries that wait, once."""
        entries, self.entries = self.entries, []
        return entries

    def take_messages(self) -> list[str]:
        """What people are to be told, once."""
        messages, self.messages = self.messages, []
        return messages
