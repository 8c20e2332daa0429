"""A replay leaves each alert as the run did: suppressed, switched off, held by the breaker; and measures lists."""

from pathlib import Path

import pytest

from monitor.app.backtest.history import GivenHistory, open_history
from monitor.app.backtest.judging import Judged, Variant, changed, judge
from monitor.app.backtest.problem import BacktestError
from monitor.app.backtest.replay import Replay, ReplayRequest, replay
from monitor.casework.breaker import BreakerSettings
from monitor.casework.orders import DISABLE, ENABLE, Order
from monitor.domain.time import DAY_US
from tests.app.backtest.test_replay import stored_statuses
from tests.app.changing_bank import START_US, ChangingBank, rule_text, small_chunks
from tests.app.test_live_control import KEY, suppression

FIRST, SECOND = "AML-CSH-001", "AML-CSH-002"


@pytest.fixture
def bank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ChangingBank:
    """Two rules; one customer is suppressed for a time, and the second rule is switched off for a time."""
    monkeypatch.setenv("AML_TOKEN_KEY", KEY)
    small_chunks(monkeypatch)
    made = ChangingBank(tmp_path)
    made.rule(1)
    made.rule(2, quiet="2d")
    made.watched(1, "KP")
    made.at[4] = lambda: made.order(suppression("C0", rule=FIRST, until_us=START_US + 4 * DAY_US))
    made.at[8] = lambda: made.order(Order(DISABLE, "ann", "Floods.", 1, rule=SECOND))
    made.at[20] = lambda: made.order(Order(ENABLE, "ann", "Mended.", 2, rule=SECOND))
    return made


def replayed(bank: ChangingBank, *changes: str, as_written: bool = False) -> Replay:
    history = open_history(GivenHistory(bank.db))
    try:
        return replay(history, ReplayRequest(changes, as_written=as_written))
    finally:
        history.close()


def judged_again(bank: ChangingBank, *, is_controlled: bool = True) -> Judged:
    history = open_history(GivenHistory(bank.db))
    return judge(history, [Variant("in force", changed(()))], is_controlled=is_controlled)


def kinds(judged: Judged) -> dict[str, str]:
    """What became of each alert, as the store says it."""
    return {alert.alert_id: alert.kind.partition("_")[0] for alert in judged.alerts[0]}


def test_without_a_change_each_alert_is_left_as_the_run_left_it(bank: ChangingBank) -> None:
    bank.run(bank.payments(30))
    stored = stored_statuses(bank.db)
    assert set(stored.values()) == {"new", "quiet", "shadow", "suppressed"}
    assert kinds(judged_again(bank)) == stored
    as_written = kinds(judged_again(bank, is_controlled=False))
    assert as_written.keys() == stored.keys()
    assert set(as_written.values()) == {"new", "quiet"}


def test_a_change_is_measured_under_the_same_orders(bank: ChangingBank, tmp_path: Path) -> None:
    bank.run(bank.payments(30))
    made = replayed(bank, f"{FIRST}.few=3")
    other = ChangingBank(tmp_path / "other")
    other.rule(1, few=3)
    other.rule(2, quiet="2d")
    other.watched(1, "KP")
    other.at = {n: (lambda order=order: other.order(order)) for n, order in (
        (4, suppression("C0", rule=FIRST, until_us=START_US + 4 * DAY_US)),
        (8, Order(DISABLE, "ann", "Floods.", 1, rule=SECOND)), (20, Order(ENABLE, "ann", "Mended.", 2, rule=SECOND)),
    )}  # fmt: skip
    other.run(other.payments(30))
    live = list(stored_statuses(other.db).values())
    assert made.comparison.totals.after == live.count("new") > 0
    assert made.comparison.classes[""]["suppressed"][1] == live.count("suppressed") > 0
    [note] = [note for note in made.notes if "--as-written" in note]
    assert "1 suppressions, 1 rules switched off, 1 rules switched on" in note
    assert replayed(bank, as_written=True).comparison.totals.before > made.comparison.totals.before


def test_an_alert_that_goes_over_to_a_suppressed_one_says_so(bank: ChangingBank, tmp_path: Path) -> None:
    bank.run(bank.payments(30))
    path = tmp_path / "mine" / "cash" / "once.yaml"
    path.parent.mkdir(parents=True)
    # The fourth deposit of C0 falls under the suppression, that of C1 does not.
    path.write_text(rule_text(1, version=2, few=4, when="w.n == few"))
    lost = [each for each in replayed(bank, str(path)).comparison.lost if each.alert.rule == FIRST]
    suppressed = [each for each in lost if each.reason.startswith("suppressed: the rule still matches")]
    assert {each.alert.position % 2 for each in suppressed} == {0}
    assert {each.alert.position % 2 for each in lost if each not in suppressed} == {1}


def test_the_breaker_holds_in_a_replay_what_it_held_live(bank: ChangingBank) -> None:
    bank.breaker = BreakerSettings(by_rule={FIRST: 1})
    bank.run(bank.payments(30))
    stored = stored_statuses(bank.db)
    judged = judged_again(bank)
    assert kinds(judged) == stored
    assert judged.breakers[0][FIRST] > 3
    notes = [note for note in replayed(bank).notes if f"the breaker of {FIRST} opens on" in note]
    assert len(notes) == 1
    assert judged_again(bank, is_controlled=False).breakers == [{}]


# Lists ------------------------------------------------------------------------------------------------------


def write_list(path: Path, *words: str, vocabulary: str = "country") -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        f"name: {path.stem}\nversion: 9\nas_of: 2026-01-01\nvocabulary: {vocabulary}\nsource: a test\n"
        f"words: [{', '.join(words)}]\n"
    )
    return path


@pytest.fixture
def listed(bank: ChangingBank) -> ChangingBank:
    """Deposits from Iran are 0, 3, 6, ...; North Korea pays nothing."""
    bank.at.clear()
    bank.rule(2, few=1, when="w.n >= few and counterparty_country in list.watched")
    bank.run(bank.payments(12))
    return bank


@pytest.mark.parametrize("is_folder", [False, True])
def test_a_changed_list_is_a_change(listed: ChangingBank, tmp_path: Path, is_folder: bool) -> None:
    path = write_list(tmp_path / "mine" / "watched.yaml", "KP", "IR")
    made = replayed(listed, str(path.parent if is_folder else path))
    assert sorted(each.position for each in made.comparison.new) == [0, 3, 6, 9]
    assert made.comparison.totals.lost == 0
    assert "list watched: 1 words added and 0 taken out, over the whole log" in made.notes


def test_a_list_that_no_rule_asks_or_of_another_kind_is_named(listed: ChangingBank, tmp_path: Path) -> None:
    unused = write_list(tmp_path / "mine" / "friends.yaml", "IR")
    made = replayed(listed, str(unused))
    assert made.comparison.is_unchanged
    assert "list friends: no rule asks it, so it changes nothing" in made.notes
    other = write_list(tmp_path / "mine" / "watched.yaml", "SOMEBANK", vocabulary="agent")
    with pytest.raises(BacktestError, match="in force holds words of the vocabulary country, this one of agent"):
        replayed(listed, str(other))
    with pytest.raises(BacktestError, match=r"broken.yaml:6: the word 'QQ'"):
        replayed(listed, str(write_list(tmp_path / "mine" / "broken.yaml", "QQ")))


def test_lists_beside_changed_rules_are_not_taken_unsaid(listed: ChangingBank, tmp_path: Path) -> None:
    (tmp_path / "mine" / "cash").mkdir(parents=True)
    (tmp_path / "mine" / "cash" / "one.yaml").write_text(rule_text(1, version=2, few=3))
    write_list(tmp_path / "mine" / "lists" / "watched.yaml", "KP", "IR")
    made = replayed(listed, str(tmp_path / "mine"))
    assert any("lists beside it are not taken where one is in force (watched)" in note for note in made.notes)
