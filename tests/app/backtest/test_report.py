"""The report stands alone, escapes what comes from outside, and shows the figures of the comparison."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from monitor.adapters.sql.store import open_store
from monitor.app.backtest.charts import line_chart, nice_top, split_bars
from monitor.app.backtest.replay import Replay, ReplayRequest, replay
from monitor.app.backtest.replay_json import replay_json
from monitor.app.backtest.report import replay_page
from tests.app.backtest.bank import Bank, alerted, decide

STR = "AML-STR-001"
_VOID = {"meta", "br", "link", "img", "hr"}


class Tags(HTMLParser):
    """Every tag is closed in its order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: set[str] = set()
        self.links: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href") or name.startswith("on")]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(page: str) -> Tags:
    tags = Tags()
    tags.feed(page)
    tags.close()
    assert tags.open == []
    return tags


@pytest.fixture(scope="module")
def made(bank: Bank, tmp_path_factory: pytest.TempPathFactory) -> Replay:
    """A change that loses reports, gains alerts elsewhere, and is overridden by two persons with awkward names."""
    copy = bank.copy(tmp_path_factory.mktemp("report"))
    with open_store(copy.db) as store:
        for number, case in enumerate(dict.fromkeys(case for case, _ in alerted(store, STR))):
            decide(store, case, ("reported", "false_positive")[number % 2])
    request = ReplayRequest(
        (f"{STR}.total_above=14000.00", "AML-FAN-001.payers_min=4"),
        overrides=("<script>alert(1)</script>:R&1", "ben:CR-2"),
    )
    return replay(copy.store_history(), request)


def test_the_page_is_whole_and_stands_alone(made: Replay):
    page = replay_page(made)
    tags = read(page)
    assert not {"script", "link", "img", "iframe"} & tags.names
    assert tags.links == []
    assert "http" not in page
    assert "url(" not in page
    assert "svg" in tags.names


def test_what_comes_from_outside_is_text(made: Replay):
    page = replay_page(made)
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_the_page_and_the_json_show_the_figures(made: Replay):
    totals, body, words = made.comparison.totals, replay_json(made), " ".join(read(replay_page(made)).text)
    assert totals.lost > 0
    assert totals.new > 0
    for number in (totals.before, totals.after, totals.same):
        assert re.search(rf"\b{number}\b", words)
    assert f"−{totals.lost}" in words
    assert f"+{totals.new}" in words
    for line in body["summary"]:
        assert line in words
    assert [each["alert_id"] for each in body["lost"]] == [each.alert.alert_id for each in made.comparison.lost]
    assert len(body["new"]) == totals.new
    assert {each["case_state"] for each in body["blocking"]} == {"closed_reported"}
    assert body["overrides"][1] == {"by": "ben", "record": "CR-2"}
    assert any(line.startswith("OVERRIDDEN") for line in body["summary"])
    assert sum(each["after"] for each in body["per_day"]) == totals.after
    assert all(each["subject"].startswith("C") for each in body["lost"])
    for each in body["lost"][:20]:
        assert each["text"] in words


def test_a_page_without_any_alert_is_whole_too(bank: Bank):
    made = replay(bank.store_history(), ReplayRequest(days="2020-01-01..2020-01-02"))
    assert made.comparison.totals.before == 0
    read(replay_page(made))


def test_bars_and_lines_end_where_the_numbers_say():
    svg = split_bars([("a", 10, 20, 5), ("b", 0, 0, 0)], title="t")
    widths = {hint: float(width) for width, hint in re.findall(r'width="([\d.]+)"[^>]*><title>(a: [^<]*)</title>', svg)}
    assert widths["a: 20 the same"] == pytest.approx(2 * widths["a: 10 lost"], rel=0.01)
    assert widths["a: 20 the same"] == pytest.approx(4 * widths["a: 5 new"], rel=0.01)
    assert "b: " not in svg
    chart = line_chart([("2026-01-01", 0, 10), ("2026-01-02", 5, 0)], title="t")
    before, after = re.findall(r'<path d="M[\d.]+,([\d.]+)H[\d.]+L[\d.]+,([\d.]+)H', chart)
    assert float(before[0]) == float(after[1]) > float(before[1]) > float(after[0])


def test_a_long_history_is_drawn_by_week_and_loses_nothing():
    chart = line_chart([(f"2026-{n}", 1, 2) for n in range(365)], title="t")
    hints = re.findall(r": (\d+) before, (\d+) after", chart)
    assert len(hints) == 53
    assert sum(int(one) for one, _ in hints) == 365
    assert sum(int(other) for _, other in hints) == 730


@pytest.mark.parametrize("most", range(0, 400, 7))
def test_the_top_of_an_axis_holds_the_highest_value_and_is_even(most: int):
    top = nice_top(most)
    assert most <= top <= max(2, 2.5 * most)
    assert top % 2 == 0


def test_the_summary_names_what_is_unchanged(bank: Bank, tmp_path: Path):
    made = replay(bank.store_history(), ReplayRequest((f"{STR}@active",)))
    assert "The change alters no alert" in replay_json(made)["summary"][0]
    assert replay_json(made)["unchanged"] is True
