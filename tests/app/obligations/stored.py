"""What a store holds of obligations, in the source's own identifiers."""

from dataclasses import dataclass
from datetime import date

from monitor.adapters.sql.obligations import list_obligations, revisions_of
from monitor.adapters.sql.store import open_store
from monitor.app.obligation_payments import reported_payments
from monitor.app.reconciling import Reconciler, Reconciliation
from monitor.app.resolving import open_resolver
from monitor.domain.obligation import Obligation
from tests.app.obligations.cash_bank import CashBank


@dataclass(frozen=True, slots=True)
class Owed:
    """An obligation in the words of the source."""

    rule: str
    subject: str | None
    entity: str | None
    period: str
    direction: str
    total: str | None
    payments: tuple[str, ...]


def obligations(bank: CashBank, *, withdrawn: bool = False) -> list[Obligation]:
    """The recorded obligations that stand, or those that were withdrawn."""
    with open_store(bank.db) as store, store.reading() as connection:
        return [each for each in list_obligations(connection) if (each.state == "withdrawn") == withdrawn]


def revisions(bank: CashBank, obligation: Obligation) -> list[dict[str, object]]:
    """The content of an obligation's revisions."""
    with open_store(bank.db) as store, store.reading() as connection:
        return revisions_of(connection, obligation.obligation_id)


def owed(bank: CashBank) -> set[Owed]:
    """The obligations that stand, comparable with what a test expects."""
    find = open_resolver(bank.db)
    return {
        Owed(
            rule=each.rule_id,
            subject=find(each.subject.token),
            entity=each.booking_entity,
            period=each.period,
            direction=each.direction,
            total=each.measures["day.total"].value,
            payments=tuple(payment.transaction_id for payment in reported_payments(str(bank.db), each.transactions)),
        )
        for each in obligations(bank)
    }


def reconciled(bank: CashBank, day: str, *, record: bool = False) -> Reconciliation:
    """The reconciliation of a day."""
    with Reconciler(bank.db) as reconciler:
        found = reconciler.reconcile(date.fromisoformat(day))
        if record:
            reconciler.record(found, at_us=1, actor="ann")
    return found
