"""Suppressions and switched-off rules from the command line, in a store that casework workers write."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from monitor.adapters.kafka.alert_records import encode
from monitor.adapters.sql.store import open_store
from monitor.app.inputs import GivenInputs, load_inputs
from monitor.app.streaming.cases_run import AlertsRecord, AlertsRun, Doubt, batches
from monitor.cli import app
from monitor.domain.alert import Subject
from monitor.domain.identifiers import IdentifierKind, token_of
from monitor.domain.time import format_time
from tests.casework.alert_building import START_US, alert
from tests.streaming.cases_cluster import database

KEY = "07" * 32
ENV = {"AML_STORE_TOKEN_KEY": KEY, "COLUMNS": "180", "NO_COLOR": "1"}
RULE = "AML-STR-001"


def aml(*words: str, status: int = 0, env: dict[str, str] | None = None) -> str:
    done = CliRunner().invoke(app, list(words), env=ENV | (env or {}))
    assert done.exit_code == status, done.output
    return done.output


def take(place: str, partition: int, offset: int) -> str:
    """Take one alert of the customer C1 in a partition; its status."""
    who = Subject("customer", token_of(bytes.fromhex(KEY), IdentifierKind.CUSTOMER, "C1").hex())
    built = alert(100 * partition + offset, rule=RULE, subject=who, alert_id=f"A-{partition}-{offset}")
    with open_store(place, create=True) as store:
        run = AlertsRun.claim(store, load_inputs(GivenInputs()), partition=partition, partitions=2)
        for batch in batches([AlertsRecord(offset, encode([built]))], Doubt()):
            run.commit(batch, recorded_at_us=1, refused=())
        evidence = store.evidence(built.alert_id)
        assert evidence is not None
        return str(evidence["status"])


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield str(tmp_path / "cases.db")
        return
    with database(request.getfixturevalue("postgres_url")) as made:
        yield made


def test_orders_reach_the_partitions_one_by_one(place: str):
    assert [take(place, partition, 0) for partition in (0, 1)] == ["new", "new"]
    day = format_time(START_US - START_US % 86_400_000_000)[:10]
    words = ("--from", day, "--until", "2026-12-01", "--reason", "x", "--by", "ann", "--approver", "bob", "--db", place)
    said = aml("suppressions", "add", "--rule", RULE, "--customer", "C1", *words)
    name = said.split()[1].rstrip(".")
    assert "waits for a run" in aml("suppressions", "list", "--db", place)
    assert take(place, 0, 1) == "suppressed"
    assert "in 1 of 2 partitions" in aml("suppressions", "list", "--db", place)
    assert take(place, 1, 1) == "suppressed"
    assert "in 2 of 2 partitions" in aml("suppressions", "list", "--db", place)
    aml("suppressions", "end", name, "--reason", "x", "--by", "ann", "--db", place)
    assert take(place, 0, 2) == "new"
    assert "ended in 1 of 2 partitions" in aml("suppressions", "list", "--db", place)
    assert take(place, 1, 2) == "new"
    assert "ended by ann" in aml("suppressions", "list", "--db", place)
    aml("rules", "disable", RULE, "--by", "ann", "--reason", "x", "--db", place)
    assert take(place, 0, 3) == "shadow"
    assert "no rule or model AML-ZZZ-009" in aml(
        "rules", "disable", "AML-ZZZ-009", "--by", "ann", "--reason", "x", "--db", place, status=1
    )


def test_what_is_missing_to_give_an_order_is_named(tmp_path: Path):
    place = str(tmp_path / "cases.db")
    take(place, 0, 0)
    words = ("--from", "2026-05-04", "--until", "2026-06-04", "--reason", "x", "--approver", "bob", "--db", place)
    ask = ("suppressions", "add", "--rule", RULE, "--customer", "C1", *words)
    assert "it is not 64 hexadecimal digits" in aml(*ask, status=2, env={"AML_STORE_TOKEN_KEY": "1"})
    done = CliRunner().invoke(app, list(ask))
    assert (done.exit_code, "or set AML_STORE_TOKEN_KEY as the workers have it" in done.output) == (2, True)
    nowhere = {"AML_INPUTS_RULES": str(tmp_path / "nowhere")}
    said = aml("rules", "disable", RULE, "--by", "ann", "--reason", "x", "--db", place, status=2, env=nowhere)
    assert said == f"{tmp_path / 'nowhere'}: No such file or directory. Correct the setting.\n"
