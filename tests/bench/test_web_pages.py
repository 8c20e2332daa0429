"""The bench of the workbench's pages asks for each order, and says which figure is missed."""

import json
from pathlib import Path

import pytest

from monitor.adapters.sql.queue import ORDERS
from tests.bench import web_pages


def test_every_order_is_measured_and_a_missed_figure_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(web_pages, "WANTED_MS", {"queue": 1e9, "order": 1e9, "case": 0})
    out = tmp_path / "pages.json"
    monkeypatch.setattr("sys.argv", ["web_pages", "--cases", "12", "--times", "1", "--out", str(out)])
    web_pages.main()
    found = json.loads(out.read_text())
    orders = {f"order {each}{way}" for each in ORDERS for way in ("", " falling")}
    assert set(found) == {"queue", "search", "case", *orders}
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if "MISSED" in line] == ["case"]
