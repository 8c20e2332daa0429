"""The commands as people type them: what is printed, what is refused, with which exit status."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from monitor.adapters.sql.store import open_store
from monitor.casework.position import RunPosition
from monitor.cli import cases, journal
from monitor.domain.time import DAY_US, format_time
from tests.adapters.test_sql_learning import taught
from tests.casework.alert_building import START_US, stored

app = typer.Typer()
app.add_typer(cases.app, name="cases")
app.add_typer(journal.app, name="journal")

AS_OF = format_time(START_US + DAY_US)


@pytest.fixture
def db(tmp_path: Path) -> str:
    """A store with three cases: ann (medium, 2 alerts), bob (high), cid (low); and a shadow alert."""
    path = str(tmp_path / "bank.db")
    stream = [
        stored(0, customer="ann"),
        stored(1, customer="bob", severity="high", score=1.0, typology="fan_in", customer_risk_rating="high"),
        stored(2, customer="cid", severity="low", customer_segment=None, customer_risk_rating=None),
        stored(3, customer="ann", status="quiet", amount_minor=2_400_050),
        stored(4, customer="ann", status="shadow"),
    ]
    with open_store(path, create=True) as store:
        store.commit_batch(stream, RunPosition("r", 0, 0, 5, 0), recorded_at_us=5)
    return path


def aml(*words: str, columns: int = 140, status: int = 0) -> str:
    """Run a command; returns what it prints on both streams."""
    result = CliRunner().invoke(app, list(words), env={"COLUMNS": str(columns), "NO_COLOR": "1"})
    assert result.exit_code == status, result.output
    return result.output


def case_ids(db: str, *words: str) -> list[str]:
    lines = aml("cases", "list", "--db", db, "--as", "ann", "--as-of", AS_OF, "--json", *words).splitlines()
    return [json.loads(line)["case_id"] for line in lines]


def close(db: str, case: str, *words: str, outcome: str = "explained", reason: str = "sale_of_asset") -> list[str]:
    return ["cases", "close", case, "--db", db, "--outcome", outcome, "--reason", reason, "--note", "Seen.", *words]


def test_the_queue_is_a_table_with_the_most_pressing_case_first(db):
    lines = aml("cases", "list", "--db", db, "--as", "ann", "--as-of", AS_OF).splitlines()
    assert lines[0] == "3 open   3 unassigned"
    for title in (
        "Prio",
        "Subject",
        "Segment",
        "Rating",
        "What",
        "Alerts",
        "Amount",
        "Age",
        "Due",
        "Assignee",
        "State",
    ):
        assert title in lines[1]
    assert "Fan in: 9 cash deposits" in lines[3]
    assert "in 4d 1h" in lines[3]
    assert "24 000 USD" in lines[4]
    assert "2 new" in lines[4]


@pytest.mark.parametrize("columns", [60, 80, 100, 140, 200])
def test_no_line_is_longer_than_the_terminal_and_ids_stay_whole(db, columns):
    output = aml("cases", "list", "--db", db, "--as", "ann", "--as-of", AS_OF, columns=columns)
    assert max(len(line.rstrip()) for line in output.splitlines()) <= columns
    for case in case_ids(db):
        assert case[:10] in output


def test_json_lines_hold_the_priority_and_its_reasons(db):
    lines = aml("cases", "list", "--db", db, "--as", "ann", "--as-of", AS_OF, "--json").splitlines()
    first = json.loads(lines[0])
    assert len(lines) == 3
    assert first["priority"] == pytest.approx(first["risk"] * first["urgency"] * first["novelty"], abs=1e-5)
    assert first["reasons"][0].startswith("Risk 0.70: strongest alert is high")
    assert (first["alerts"], first["alerts_new"], first["is_overdue"]) == (1, 1, False)


def test_old_data_are_recognised_and_the_remedy_is_named(db):
    assert "For past data: --as-of latest" in aml("cases", "list", "--db", db)
    assert "For past data" not in aml("cases", "list", "--db", db, "--as-of", "latest")


def test_a_case_shows_why_what_and_what_can_be_done(db):
    case = case_ids(db, "--severity", "medium")[0]
    page = aml("cases", "show", case, "--db", db, "--as", "ann", "--as-of", AS_OF)
    for words in (
        "Risk 0.",
        "Urgency 0.25: due in 14d.",
        "nobody has looked yet",
        "AML-STR-001 (quiet)",
        "9 cash deposits of together 18 000.00 USD within 6 days",
        "24 000.50 USD",
        "Possible now: assign, start, escalate, snooze, close, note",
    ):
        assert words in page
    assert "nothing new since the last look" in aml("cases", "show", case, "--db", db, "--as", "ann")


def test_show_as_json_holds_evidence_notes_and_journal(db):
    case = case_ids(db)[0]
    aml("cases", "note", case, "Asked the branch.", "--db", db, "--as", "ann")
    body = json.loads(aml("cases", "show", case, "--db", db, "--as", "ann", "--json"))
    assert body["alerts_list"][0]["measures"]["small_cash.deposits"]["value"] == "9"
    assert body["notes"][0]["text"] == "Asked the branch."
    assert [entry["action"] for entry in body["journal"]] == ["opened", "note"]


def test_a_case_is_worked_from_the_queue_to_its_end_by_two_people(db):
    case = case_ids(db, "--severity", "high")[0]
    assert "assigned to ann" in aml("cases", "assign", case, "--db", db, "--as", "ann")
    assert case_ids(db, "--mine") == [case]
    assert "in review" in aml("cases", "start", case, "--db", db, "--as", "ann")
    assert "has not looked at" in aml(*close(db, case, "--as", "ann"), status=1)
    aml("cases", "show", case, "--db", db, "--as", "ann")
    assert "A second person decides:  aml cases approve" in aml(*close(db, case, "--as", "ann"))
    assert "needs a second person" in aml("cases", "approve", case, "--db", db, "--as", "ann", status=1)
    aml("cases", "show", case, "--db", db, "--as", "bob")
    assert "closed: explained." in aml("cases", "approve", case, "--db", db, "--as", "bob")
    assert case_ids(db, "--closed") == [case]
    assert "closed: explained" in aml("cases", "show", case, "--db", db, "--as", "bob")
    reopen = ("--reason", "closed_in_error", "--note", "Too early.")
    assert "open" in aml("cases", "reopen", case, "--db", db, *reopen)
    assert "The journal is whole" in aml("journal", "verify", "--db", db)


def test_an_overdue_case_cannot_be_put_off(db):
    case = case_ids(db, "--severity", "low")[0]
    refused = aml("cases", "snooze", case, "--db", db, "--until", "2d", "--reason", "awaiting_branch", status=1)
    assert "Choose an earlier time, or escalate the case" in refused
    assert "not a time" in aml("cases", "snooze", case, "--db", db, "--until", "soon", status=2)


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["cases", "list", "--state", "lost"], 2, "--state lost: there is no such word"),
        (["cases", "list", "--severity", "huge"], 2, "--severity huge"),
        (["cases", "list", "--order", "mood"], 2, "--order mood"),
        (["cases", "list", "--due-within", "soon"], 2, "not a length of time"),
        (["cases", "list", "--as-of", "yesterday"], 2, "--as-of yesterday: not a time"),
        (["cases", "show", "C-ZZZZZZ"], 1, "there is no case C-ZZZZZZ"),
        (["cases", "note", "C-ZZZZZZ", "text"], 1, "there is no case"),
        (["cases", "close", "C-ZZZZZZ", "--outcome", "explained"], 1, "there is no case"),
        (["cases", "assign", "C-ZZZZZZ", "--role", "king"], 2, "--role king: there is no such role"),
        (["journal", "show", "C-ZZZZZZ"], 1, "there is no case"),
    ],
)
def test_a_mistake_is_said_in_words_with_its_exit_status(db, words, status, message):
    output = aml(*words, "--db", db, status=status)
    assert message in output
    assert "Traceback" not in output


def test_without_a_store_nothing_is_made(tmp_path):
    missing = str(tmp_path / "no.db")
    assert "there is no case store" in aml("cases", "list", "--db", missing, status=2)
    assert "there is no case store" in aml("journal", "verify", "--db", missing, status=2)
    assert list(tmp_path.iterdir()) == []


def test_a_close_without_a_known_reason_lists_the_codes(db):
    case = case_ids(db, "--severity", "medium")[0]
    aml("cases", "show", case, "--db", db, "--as", "ann")
    output = aml(*close(db, case, "--as", "ann", reason="hunch"), status=1)
    assert "does not know the reason 'hunch'" in output
    assert "sale_of_asset        Proceeds of a sale that is documented." in output


def test_every_command_says_how_it_is_used(db):
    for command in ("list", "show", "note", "assign", "close", "snooze", "start", "escalate", "approve", "reopen"):
        page = aml("cases", command, "--help")
        assert "examples:" in page
        assert "exit status:" in page


def test_verify_names_what_was_altered_and_ends_with_1(db):
    whole = json.loads(aml("journal", "verify", "--db", db, "--json"))
    assert (whole["is_whole"], whole["entries"], whole["roots"]) == (True, 5, 1)
    case = case_ids(db)[0]
    with open_store(db) as store, store.writing() as connection:
        connection.exec_driver_sql(f"UPDATE journal SET actor = 'eve' WHERE chain = '{case}'")
    output = aml("journal", "verify", "--db", db, status=1)
    assert "NOT whole" in output
    assert f"altered    {case} entry 1: its content does not give its hash." in output
    broken = json.loads(aml("journal", "verify", "--db", db, "--json", status=1))
    assert broken["findings"][0]["kind"] == "altered"


def test_a_root_kept_elsewhere_is_found_again_or_missed(db):
    root = json.loads(aml("journal", "verify", "--db", db, "--json"))["last_root"]["hash"]
    aml("cases", "assign", case_ids(db)[0], "--db", db, "--as", "ann")
    aml("journal", "verify", "--db", db, "--root", root[:16])
    output = aml("journal", "verify", "--db", db, "--root", "0" * 64, status=1)
    assert "no root of this store has this hash" in output


def test_the_journal_says_who_looked_at_what(db):
    case = case_ids(db)[0]
    aml("cases", "show", case, "--db", db, "--as", "bob", "--peek")
    entry = json.loads(aml("journal", "show", "access:cli", "--db", db, "--json"))
    assert (entry["actor"], entry["action"], entry["payload"]["case"]) == ("bob", "case_viewed", case)
    page = aml("journal", "show", case, "--db", db)
    assert "opened" in page
    assert "No entries." in aml("journal", "show", "access:nobody", "--db", db)
    assert "case_viewed" in aml("journal", "show", "--db", db, "--limit", "2")


@pytest.mark.parametrize("columns", [30, 55, 79])
def test_a_narrow_terminal_cuts_no_case_id(db: str, columns: int):
    shown = aml("cases", "list", "--db", db, "--as", "ann", "--as-of", AS_OF, columns=columns)
    assert [each[:10] for each in case_ids(db) if each[:10] not in shown] == []


def test_an_amount_is_never_broken_at_the_end_of_a_line(db):
    case_id = next(
        line.split()[1] for line in aml("cases", "list", "--db", db, "--as-of", AS_OF).splitlines() if " C-" in line
    )
    for columns in range(40, 121):
        words = aml("cases", "show", case_id, "--db", db, "--peek", columns=columns)
        assert "18 000.00 USD" in words, columns
        assert "10 000.00 USD" in words, columns


def test_what_decisions_taught_is_shown_and_can_be_switched_off(db):
    assert "untrained one until there are 10 of each kind" in aml("cases", "learned", "--db", db)
    with open_store(db) as store:
        taught(store)
    lines = aml("cases", "learned", "--db", db).splitlines()
    assert lines[0] == "12 cases were decided as suspicious and 12 as innocent."
    assert lines[2].split()[:2] in (["typology", "mule"], ["typology", "round"])
    assert json.loads(aml("cases", "learned", "--db", db, "--json"))["is_on"] is True
    waiting = aml("cases", "show", stored(12, customer="mule-12", rule="AML-MUL-001").alert.alert_id, "--db", db)
    assert "Learned 1." in waiting or "Learned 2." in waiting
    assert "need --reason" in aml("cases", "learned", "--db", db, "--off", status=2)
    assert "Switched off; 11 open cases scored anew" in aml(
        "cases", "learned", "--db", db, "--off", "--reason", "Look."
    )
    assert "does not follow it" in aml("cases", "learned", "--db", db)
