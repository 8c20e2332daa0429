"""``aml totals`` over what an embedded run read: every difference by its name, with the exit status of the help."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from monitor.adapters.sql.store import open_store
from monitor.app.streaming.feed_figures import feed_figures
from monitor.cli import app
from monitor.domain.time import DAY_US
from monitor.metrics import CONTROL_MISSING, CONTROL_RECORDS, CONTROL_SUMS
from tests.app.rough_bank import RULES, rule_text
from tests.intake.json_records import plain

MAY_4 = 20_577
OVER_US = (MAY_4 + 3) * DAY_US


def said(*words: str, status: int) -> str:
    result = CliRunner().invoke(app, list(words), env={"COLUMNS": "160", "NO_COLOR": "1", "AML_DB": "bank.db"})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == status, result.output
    return result.output


def paid(name: str, currency: str = "EUR", amount: str = "10.00", day: int = 4) -> bytes:
    return plain(transaction_id=name, currency=currency, amount=amount, booked_at=f"2026-05-{day:02}T09:00:00Z").strip()


def ran(name: str, lines: Sequence[bytes]) -> None:
    Path(f"{name}.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    said("run", f"{name}.jsonl", "--feed", name, "--rules", "behaviour", "--models", "off", "--no-progress", status=0)


def stated(*totals: tuple[str, str, int, int], day: str = "2026-05-04", at: str = "2026-05-05T00:00:00Z") -> str:
    lines = ["feed,day,currency,count,sum_minor,expected_at"]
    lines += [f"{feed},{day},{currency},{count},{amount},{at}" for feed, currency, count, amount in totals]
    Path("totals.csv").write_text("\n".join(lines) + "\n")
    return said("totals", "load", "totals.csv", status=0)


def findings(*more: str, status: int) -> dict[tuple[str, str], str | None]:
    lines = said("totals", "show", "--json", *more, status=status).splitlines()
    return {(each["feed"], each["currency"]): each["finding"] for each in map(json.loads, lines)}


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that has read two feeds: repeats and refused records among them."""
    folder = tmp_path_factory.mktemp("bank")
    (folder / "behaviour").mkdir()
    (folder / "behaviour" / "rule.yaml").write_text(rule_text(1, RULES[0]))
    cards = [paid("C1"), paid("C2", "USD"), paid("C1"), paid("C3", "XXX"), b"garbage", paid("C4", amount="12.34")]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        ran("cards", cards)
        ran("wires", [paid("W1"), paid("W2", "JPY", "500")])
    return folder


@pytest.fixture(autouse=True)
def here(bank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of the store."""
    shutil.copytree(bank, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)


def test_what_a_run_counted_equals_what_the_bank_says():
    assert stated(("cards", "EUR", 2, 2_234), ("cards", "USD", 1, 1_000), ("wires", "EUR", 1, 1_000),
                  ("wires", "JPY", 1, 500)) == (
        "4 control totals taken. Compare them:  aml totals show\n"
    )  # fmt: skip
    shown = said("totals", "show", status=0)
    assert shown.splitlines()[-1] == "0 of 4 differ."
    lines = [line.split() for line in shown.splitlines()]
    assert "2026-05-04 cards EUR 2 2 22.34 EUR 22.34 EUR 0 1 equal".split() in lines
    (refused,) = [each for each in map(json.loads, said("totals", "show", "--json", status=0).splitlines())
                  if not each["currency"]]  # fmt: skip
    assert (refused["feed"], refused["refused"], refused["finding"]) == ("cards", 2, None)


@pytest.mark.parametrize(
    ("total", "finding"),
    [
        (("wires", "EUR", 0, 0), "too_many"),
        (("wires", "EUR", 3, 3_000), "too_few"),
        (("wires", "EUR", 1, 1_001), "sum"),
        (("cards", "EUR", 4, 4_000), "refused"),
        (("cards", "EUR", 5, 4_000), "too_few"),
        (("atm", "EUR", 1, 1_000), "missing"),
        (("wires", "GBP", 1, 1), "missing"),
    ],
)
def test_each_difference_has_its_name_and_ends_with_1(total: tuple[str, str, int, int], finding: str):
    stated(total)
    assert findings(status=1)[total[:2]] == finding


def test_a_currency_that_the_bank_does_not_state_is_named_and_a_feed_without_totals_is_not_compared():
    stated(("wires", "EUR", 1, 1_000))
    found = findings(status=1)
    assert (found["wires", "EUR"], found["wires", "JPY"], found["cards", "EUR"]) == ("equal", "not_stated", None)
    assert "1 of 2 differ." in said("totals", "show", status=1)


def test_what_is_not_expected_yet_is_awaited_and_no_difference():
    stated(("atm", "EUR", 1, 1_000), at="2126-05-05T00:00:00Z")
    assert findings("--day", "2026-05-04", status=0)["atm", "EUR"] == "awaited"
    assert findings("--day", "2026-05-03", status=0) == {}
    assert "There are no control totals for these days." in said("totals", "show", "--day", "2026-05-03", status=0)


def test_a_later_total_replaces_the_former_and_the_same_again_changes_nothing():
    stated(("wires", "EUR", 9, 9_000))
    assert "; 1 replaced others" in stated(("wires", "EUR", 1, 1_000))
    assert "replaced" not in stated(("wires", "EUR", 1, 1_000))
    assert findings(status=1)["wires", "EUR"] == "equal"


def test_a_wrong_file_or_day_is_said_and_nothing_is_taken():
    Path("bad.csv").write_text(
        "feed,day,currency,count,sum_minor\ncards,2026-05-04,EUR,1,1\nCards,2026-05-04,EUR,1,1\n"
    )
    assert "bad.csv:3: feed 'Cards' can be no name of a feed" in said("totals", "load", "bad.csv", status=1)
    assert "none.csv: No such file" in said("totals", "load", "none.csv", status=2)
    assert "--day: 'monday' is no date" in said("totals", "show", "--day", "monday", status=2)
    assert "--feed: 'A B' can be no name of a feed" in said("run", "cards.jsonl", "--feed", "A B", status=1)
    assert set(findings(status=0).values()) == {None}


def test_figures_for_boards_show_the_worst_day_until_it_is_mended():
    stated(("cards", "EUR", 2, 2_234), ("cards", "USD", 1, 1_000), ("wires", "EUR", 3, 3_000), ("wires", "JPY", 1, 400))
    stated(("cards", "EUR", 7, 7_000), day="2026-05-05")
    stated(("cards", "EUR", 0, 0), ("wires", "EUR", 0, 0), day="2026-05-06")
    with open_store("bank.db") as store, store.reading() as connection:
        figures = feed_figures(connection, now_us=OVER_US)
        later = feed_figures(connection, now_us=OVER_US + 40 * DAY_US)
    assert figures == {
        CONTROL_RECORDS: {("cards",): 0.0, ("wires",): -2.0},
        CONTROL_SUMS: {("cards",): 0.0, ("wires",): 1.0},
        CONTROL_MISSING: {("cards",): 1.0, ("wires",): 0.0},
    }
    assert later == {CONTROL_RECORDS: {}, CONTROL_SUMS: {}, CONTROL_MISSING: {}}


def test_a_day_that_the_bank_does_not_state_is_missing_once_it_is_over():
    stated(("wires", "EUR", 0, 0), day="2026-05-03")
    with open_store("bank.db") as store, store.reading() as connection:
        before = feed_figures(connection, now_us=(MAY_4 + 2) * DAY_US - 1)
        after = feed_figures(connection, now_us=(MAY_4 + 2) * DAY_US)
    assert (before[CONTROL_MISSING][("wires",)], after[CONTROL_MISSING][("wires",)]) == (0.0, 1.0)
