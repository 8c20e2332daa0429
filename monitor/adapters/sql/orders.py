"""Orders in SQL: given by people, read by a run, each with its journal entry. Rows are never changed."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa

from monitor.adapters.sql.ledger import append_entries
from monitor.adapters.sql.schema import alerts, control_orders, log_inputs
from monitor.adapters.sql.store import CaseStore
from monitor.casework.orders import DISABLE, ENABLE, END, SUPPRESS, Order, OrderRefused, draft_of

ORDER_INPUT = "order"
"""Kind of the entries in the log of inputs that put an order in force."""
_NAMES = tuple(Order.__slots__)


def give(store: CaseStore, order: Order, *, recorded_at_us: int) -> str:
    """Store an order with its journal entry; returns its id.

    Raises:
        OrderRefused: The same stands already, or there is nothing to end.
        StoreBusy: Another writer does not finish in time.
    """
    with store.writing() as connection:
        _check_state(_all(connection), order)
        values: dict[str, Any] = {name: getattr(order, name) for name in _NAMES}
        connection.execute(
            control_orders.insert(), [values | {"order_id": order.order_id, "recorded_at_us": recorded_at_us}]
        )
        append_entries(connection, [draft_of(order)], recorded_at_us=recorded_at_us)
    return order.order_id


def _check_state(known: list[Order], order: Order) -> None:
    if any(each.order_id == order.order_id for each in known):
        raise OrderRefused(f"The order {order.order_id} has been given already.")
    if order.kind == END:
        ended = {each.refers_to for each in known if each.kind == END}
        if not any(each.order_id == order.refers_to and each.kind == SUPPRESS for each in known):
            raise OrderRefused(f"There is no suppression {order.refers_to}. aml suppressions list names them.")
        if order.refers_to in ended:
            raise OrderRefused(f"The suppression {order.refers_to} has been ended already.")
    if order.kind in (DISABLE, ENABLE):
        last = [each.kind for each in known if each.rule == order.rule and each.kind in (DISABLE, ENABLE)]
        if (last[-1] if last else ENABLE) == order.kind:
            word = "on" if order.kind == ENABLE else "off"
            raise OrderRefused(f"The rule {order.rule} is switched {word} already.")


def orders(store: CaseStore) -> list[Order]:
    """All orders, in the order in which they were stored."""
    with store.reading() as connection:
        return _all(connection)


def _all(connection: sa.Connection) -> list[Order]:
    columns = [control_orders.c[name] for name in _NAMES]
    by_time = (control_orders.c.recorded_at_us, control_orders.c.at_us, control_orders.c.order_id)
    return [Order(**row._mapping) for row in connection.execute(sa.select(*columns).order_by(*by_time))]


def taken_up(store: CaseStore, run: str) -> dict[str, int]:
    """From which log position on each order is in force."""
    query = sa.select(log_inputs.c.name, log_inputs.c.position).where(
        log_inputs.c.run == run, log_inputs.c.kind == ORDER_INPUT
    )
    with store.reading() as connection:
        return {row.name: row.position for row in connection.execute(query)}


def hidden_subjects(store: CaseStore, run: str) -> set[tuple[str, str]]:
    """(rule, subject token) whose present quiet period began with an alert in shadow or suppressed."""
    begins = alerts.c.evidence.not_like('%"marks":["quiet"%')
    query = (
        sa.select(
            alerts.c.source_id,
            alerts.c.subject_token,
            sa.func.max(sa.case((sa.and_(alerts.c.status.in_(("shadow", "suppressed")), begins), alerts.c.position))),
            sa.func.max(sa.case((alerts.c.status == "new", alerts.c.position))),
        )
        .where(alerts.c.run == run, alerts.c.evidence.not_like('%"marks":["lookback"%'))
        .group_by(alerts.c.source_id, alerts.c.subject_token)
    )
    with store.reading() as connection:
        return {
            (rule, token)
            for rule, token, hidden, shown in connection.execute(query)
            if hidden is not None and (shown is None or hidden > shown)
        }


@dataclass(frozen=True, slots=True)
class HeldBack:
    """An alert that a suppression reached. ``is_sampled``: it stands in the queue for review."""

    suppression: str
    alert_id: str
    rule: str
    subject_kind: str
    subject_token: str
    judged_at_us: int
    amount_minor: int
    currency: str
    severity: str
    is_sampled: bool


def held_back(store: CaseStore) -> Iterator[HeldBack]:
    """All alerts that suppressions reached, in the order of the log."""
    named = {"rule": alerts.c.source_id} | {
        name: alerts.c[name]
        for name in (
            "alert_id",
            "subject_kind",
            "subject_token",
            "judged_at_us",
            "amount_minor",
            "currency",
            "severity",
        )
    }
    reached = sa.or_(alerts.c.status == "suppressed", alerts.c.evidence.like('%"suppression_sample"%'))
    columns = [column.label(name) for name, column in named.items()]
    query = sa.select(alerts.c.evidence, alerts.c.status, *columns).where(reached)
    with store.reading() as connection:
        ordered = query.order_by(alerts.c.position, alerts.c.alert_id)
        for row in connection.execution_options(yield_per=1000).execute(ordered):
            suppression = msgspec.json.decode(row.evidence)["inputs"].get("suppression")
            if suppression is not None:
                values = {name: row._mapping[name] for name in named}
                yield HeldBack(suppression=suppression, is_sampled=row.status != "suppressed", **values)
