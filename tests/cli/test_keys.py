"""``aml keys``: a key is shown once, alone on standard output, listed without its secret, and revoked."""

from pathlib import Path

from typer.testing import CliRunner

from monitor.adapters.sql.api_keys import caller_of
from monitor.adapters.sql.store import open_store
from monitor.cli import app
from monitor.cli.desk_session import wall_clock_us


def aml(*words: str, code: int = 0) -> tuple[str, str]:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == code, result.output
    return result.stdout, result.stderr


def test_a_key_from_making_to_revoking(tmp_path: Path):
    db = str(tmp_path / "bank.db")
    open_store(db, create=True).close()
    aml("users", "add", "robot", "--role", "senior", "--service", "--db", db)
    token, told = aml("keys", "add", "robot", "--scope", "read", "--scope", "decide", "--days", "7", "--db", db)
    token = token.strip()
    assert "not shown again" in told
    assert token.count("\n") == 0
    key_id = token.split("_")[1]
    listed, _ = aml("keys", "list", "--db", db)
    assert key_id in listed
    assert "in force" in listed
    assert "never used" in listed
    assert "read decide" in listed
    assert token.split("_", 2)[2] not in listed
    with open_store(db) as store:
        caller = caller_of(store, token, now_us=wall_clock_us())
        assert caller is not None
        assert caller.person.name == "robot"
    assert "used 2" in aml("keys", "list", "--db", db)[0]
    aml("keys", "revoke", key_id, "--db", db)
    assert "revoked" in aml("keys", "list", "--db", db)[0]
    with open_store(db) as store:
        assert caller_of(store, token, now_us=wall_clock_us()) is None
        assert store.verify().findings == ()


def test_what_cannot_be_is_refused_in_words(tmp_path: Path):
    db = str(tmp_path / "bank.db")
    open_store(db, create=True).close()
    aml("users", "add", "robot", "--role", "analyst", "--service", "--db", db)
    for words, said in (
        (("add", "nobody", "--scope", "read"), "there is none"),
        (("add", "robot", "--scope", "fly"), "no scope 'fly'"),
        (("add", "robot", "--scope", "transactions"), "cannot use the scope"),
        (("add", "robot", "--scope", "decide", "--scope", "approve"), "both of the four eyes"),
        (("add", "robot", "--scope", "read", "--days", "400"), "1 to 366 days"),
        (("revoke", "ffffffff"), "none that could be revoked"),
    ):
        assert said in aml("keys", *words, "--db", db, code=1)[1], words
