"""What ``aml suppressions`` and ``aml rules disable`` share: check an order against the rulebook, store it, say it.

The rulebook and the key of the tokens are those that lie beside the store. A store that casework workers write has none
beside it; then they are those of the settings, as the workers have them.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from monitor.adapters.input_archive import InputNotKept
from monitor.adapters.sql.orders import give
from monitor.adapters.sql.store import CaseStore
from monitor.app.embedded import RUN
from monitor.app.inputs import ApprovalsError, load_inputs
from monitor.app.recorded import recorded_rules
from monitor.app.resolving import stored_token_key
from monitor.app.settings import SettingsError, load_settings
from monitor.app.store import data_folder
from monitor.app.streaming.given import RUN_START, given_inputs
from monitor.casework.orders import SUSPICION, Order, OrderRefused, check
from monitor.cli.desk_session import wall_clock_us
from monitor.cli.ending import fail
from monitor.domain.identifiers import IdentifierKind, token_of
from monitor.domain.time import parse_time_us
from monitor.domain.vocabulary import ANOMALY
from monitor.engine.anomalies import MODEL_ID
from monitor.intake.yaml_files import YamlFileError
from monitor.rulebook.rule import Rule
from monitor.rulebook.typologies import TYPOLOGIES

TAKEN_UP = "A run that goes on takes it up within about a second, another one at its start."


def give_order(db: str, store: CaseStore, order: Order) -> str:
    """Check and store an order; ends the program with a message where it is refused. Returns its id."""
    try:
        kinds = {rule_id: rule.kind for rule_id, rule in _rules(db, store).items()}
        check(order, kinds=kinds | {MODEL_ID: SUSPICION}, typologies=frozenset({*TYPOLOGIES, ANOMALY}))
        return give(store, order, recorded_at_us=wall_clock_us())
    except InputNotKept as error:
        fail(str(error), 2)
    except (SettingsError, ApprovalsError, YamlFileError) as error:
        fail(str(error), 2)
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}. Correct the setting.", 2)
    except OrderRefused as error:
        fail(str(error), 1)
    raise AssertionError("fail ends the program")


def _rules(db: str, store: CaseStore) -> Mapping[str, Rule]:
    """The rules in force, by id: those that the store's run recorded, or those of the workers' settings."""
    runs = store.runs()
    if RUN in runs or not any(run.startswith(RUN_START) for run in runs):
        return recorded_rules(db, store, RUN)
    loaded = load_inputs(given_inputs(load_settings(os.environ).inputs))
    return {rule.id: rule for rule in loaded.program.rulebook.rules}


def subject_token(db: str, kind: str, text: str) -> str:
    """The token in hex of a customer or account, as the source names it."""
    key = stored_token_key(data_folder(Path(db))) if "://" not in db else None
    try:
        given = load_settings(os.environ).store
    except SettingsError as error:
        fail(str(error), 2)
        raise
    if key is None and given.token_key is not None:
        key = given.key()
    if key is None:
        fail(
            f"{db}: there is no token key beside this store, so no customer can be named. Give the run's --db, or set "
            "AML_STORE_TOKEN_KEY as the workers have it.", 2,
        )  # fmt: skip
        raise AssertionError("fail ends the program")
    return token_of(key, IdentifierKind[kind.upper()], text).hex()


def day_us(option: str, text: str) -> int:
    """A date, or a time with a zone, µs UTC."""
    try:
        return parse_time_us(text if "T" in text else text + "T00:00:00Z")
    except ValueError:
        fail(f"{option} {text}: not a time. Write 2026-05-04 or 2026-05-04T09:00:00Z.", 2)
        raise
