"""Users of the workbench from the command line."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from monitor.adapters.sql.people import come_in
from monitor.adapters.sql.store import open_store
from monitor.cli import app

PASSWORD = "correct horse battery"


@pytest.fixture
def db(tmp_path: Path) -> str:
    with open_store(tmp_path / "bank.db", create=True):
        return str(tmp_path / "bank.db")


def aml(*words: str, given: str = "") -> tuple[int, str]:
    done = CliRunner().invoke(app, words, input=given)
    return done.exit_code, done.output


def may_come_in(db: str, password: str) -> bool:
    with open_store(db) as store:
        return come_in(store, name="ann", password=password, now_us=5) is not None


def test_a_user_that_is_added_may_come_in_until_switched_off(db: str):
    assert aml("serve", "--db", db)[0] == 1
    assert (
        aml("users", "add", "ann", "--role", "analyst", "--db", db, "--password-stdin", given=PASSWORD + "\n")[0] == 0
    )
    assert may_come_in(db, PASSWORD)
    assert not may_come_in(db, PASSWORD + "\n")
    code, told = aml("users", "change", "ann", "--role", "senior", "--off", "--db", db)
    assert (code, "ann: senior, switched off." in told) == (0, True)
    assert not may_come_in(db, PASSWORD)
    assert "switched off" in aml("users", "list", "--db", db)[1]
    changed = aml("users", "change", "ann", "--on", "--password-stdin", "--db", db, given="another long password\n")
    assert changed[0] == 0
    assert may_come_in(db, "another long password")


@pytest.mark.parametrize(
    ("words", "given", "told"),
    [
        (("add", "ann", "--role", "king", "--password-stdin"), PASSWORD, "there is no role"),
        (("add", "ann", "--role", "analyst", "--password-stdin"), "short", "12 to 256"),
        (("change", "bob", "--off"), "", "there is none"),
    ],
)
def test_what_cannot_be_is_refused_in_words(db: str, words: tuple[str, ...], given: str, told: str):
    code, output = aml("users", *words, "--db", db, given=given)
    assert (code, told in output) == (1, True)
