"""What ``aml suppressions`` and ``aml rules disable`` share: check an order against the rulebook, store it, say it."""

from pathlib import Path

from monitor.adapters.input_archive import InputNotKept
from monitor.adapters.sql.orders import give
from monitor.adapters.sql.store import CaseStore
from monitor.app.embedded import RUN
from monitor.app.recorded import recorded_rules
from monitor.app.resolving import stored_token_key
from monitor.app.store import data_folder
from monitor.casework.orders import SUSPICION, Order, OrderRefused, check
from monitor.cli.desk_session import fail, wall_clock_us
from monitor.domain.identifiers import IdentifierKind, token_of
from monitor.domain.time import parse_time_us
from monitor.domain.vocabulary import ANOMALY
from monitor.engine.anomalies import MODEL_ID
from monitor.rulebook.typologies import TYPOLOGIES

TAKEN_UP = "A run that goes on takes it up within about a second, another one at its start."


def give_order(db: str, store: CaseStore, order: Order) -> str:
    """Check and store an order; ends the program with a message where it is refused. Returns its id."""
    try:
        kinds = {rule_id: rule.kind for rule_id, rule in recorded_rules(db, store, RUN).items()} | {MODEL_ID: SUSPICION}
        check(order, kinds=kinds, typologies=frozenset({*TYPOLOGIES, ANOMALY}))
        return give(store, order, recorded_at_us=wall_clock_us())
    except InputNotKept as error:
        fail(str(error), 2)
    except OrderRefused as error:
        fail(str(error), 1)
    raise AssertionError("fail ends the program")


def subject_token(db: str, kind: str, text: str) -> str:
    """The token in hex of a customer or account, as the source names it."""
    key = stored_token_key(data_folder(Path(db))) if "://" not in db else None
    if key is None:
        fail(f"{db}: there is no token key beside this store, so no customer can be named. Give the run's --db.", 2)
        raise AssertionError("fail ends the program")
    return token_of(key, IdentifierKind[kind.upper()], text).hex()


def day_us(option: str, text: str) -> int:
    """A date, or a time with a zone, µs UTC."""
    try:
        return parse_time_us(text if "T" in text else text + "T00:00:00Z")
    except ValueError:
        fail(f"{option} {text}: not a time. Write 2026-05-04 or 2026-05-04T09:00:00Z.", 2)
        raise
