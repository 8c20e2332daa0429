"""Dashboards: the committed JSON is what the program writes, and each answers its question at a glance."""

import json
from pathlib import Path

import pytest
import yaml

from deploy.grafana.boards import BOARDS, DATASOURCE, FOLDER, WIDTH, Board, Limits, board_json, text_of
from monitor.metrics import METRICS

ROOT = Path(__file__).parents[2]
RULES = (ROOT / "deploy" / "prometheus" / "rules.yml").read_text("utf-8")
PROVISIONING = ROOT / "deploy" / "grafana" / "provisioning"

each_board = pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)


@each_board
def test_the_committed_board_is_what_the_program_writes(board: Board):
    committed = (FOLDER / f"{board.uid}.json").read_text("utf-8")
    assert committed == text_of(board), "run: python -m deploy.grafana.boards"


def test_there_is_one_board_per_question_and_no_other_file():
    assert [board.title for board in BOARDS] == [
        "Is it keeping up?", "Is it judging well?", "Is the queue healthy?", "Are data and models fresh?",
    ]  # fmt: skip
    assert {path.name for path in FOLDER.iterdir()} == {f"{board.uid}.json" for board in BOARDS}


@each_board
def test_the_answer_comes_first_and_rows_are_short(board: Board):
    assert {panel.kind for panel in board.rows[0]} == {"stat"}
    for row in board.rows:
        assert 1 <= len(row) <= 4
        assert len(row) <= 2 or {panel.kind for panel in row} == {"stat"}


@each_board
def test_panels_lie_side_by_side_without_gap_or_overlap(board: Board):
    taken: set[tuple[int, int]] = set()
    panels = board_json(board)["panels"]
    for panel in panels:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not taken & cells
        taken |= cells
    assert len(taken) == WIDTH * (1 + max(y for _, y in taken))
    assert len({panel["id"] for panel in panels}) == len(panels)


@each_board
def test_every_panel_has_a_unit_and_words_and_every_figure_its_colours(board: Board):
    for panel in (panel for row in board.rows for panel in row):
        assert panel.unit
        assert panel.says.endswith(".")
        assert panel.kind != "stat" or panel.limits is not None
        assert panel.asks


def test_colours_turn_red_on_the_bad_side():
    above = [(step["color"], step["value"]) for step in Limits(1, 2).steps()]
    below = [(step["color"], step["value"]) for step in Limits(2, 1, "below").steps()]
    assert above == [("green", None), ("orange", 1), ("red", 2)]
    assert below == [("red", None), ("orange", 1), ("green", 2)]


def test_every_alert_is_linked_from_a_board_and_every_link_leads_to_a_runbook():
    linked = {alert for board in BOARDS for row in board.rows for panel in row for alert in panel.alerts}
    assert linked == {path.stem for path in (ROOT / "docs" / "runbooks").glob("*.md")}
    urls = {link["url"] for board in BOARDS for panel in board_json(board)["panels"] for link in panel["links"]}
    assert urls == {f"${{runbooks}}/{alert}.md" for alert in linked}


def test_every_metric_is_looked_at():
    asked = RULES + "".join(ask for board in BOARDS for row in board.rows for panel in row for ask, _ in panel.asks)
    assert [metric.name for metric in METRICS if metric.name not in asked] == []


def test_grafana_is_told_where_prometheus_and_the_boards_are():
    (source,) = yaml.safe_load((PROVISIONING / "datasources" / "aml.yaml").read_text("utf-8"))["datasources"]
    assert {"type": source["type"], "uid": source["uid"]} == DATASOURCE
    (provider,) = yaml.safe_load((PROVISIONING / "dashboards" / "aml.yaml").read_text("utf-8"))["providers"]
    assert provider["type"] == "file"
    for board in BOARDS:
        model = json.loads(text_of(board))
        assert {panel["datasource"]["uid"] for panel in model["panels"]} == {source["uid"]}
