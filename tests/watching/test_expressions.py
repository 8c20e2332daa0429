"""A real Prometheus reads what workers would record: every panel, record and alert has data to speak of."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from deploy.servers.server import free_ports
from monitor.adapters.sql.store import open_store
from monitor.app.streaming.health import Health
from tests.conftest import needed
from tests.watching.asked import RememberingPrometheus, compared, config_for, expressions, has_number, over_days
from tests.watching.running_system import RULE, RunningSystem

LIMIT_SECONDS = 120


@pytest.fixture
def system(tmp_path: Path) -> Iterator[tuple[RunningSystem, dict[str, int]]]:
    """A system that shows its metrics, with the port of each kind of worker."""
    with ExitStack() as running:
        made = RunningSystem(running.enter_context(open_store(tmp_path / "cases.db", create=True)))
        ports = dict(zip(made.books, free_ports(len(made.books)), strict=True))
        for worker, book in made.books.items():
            running.enter_context(Health("127.0.0.1", ports[worker], book.registry))
        yield made, ports


def test_an_alert_is_cut_into_what_it_compares():
    expression = '(a:b > 3 * aml:c and on (rule) aml:d{x="1 or 2"} > 20) or absent(up{job="a"}) or 1 > aml_e == bool 0'
    assert compared(expression) == ["3 * aml:c", 'aml:d{x="1 or 2"}', 'up{job="a"}', "aml_e"]


@pytest.mark.prometheus
def test_every_panel_record_and_alert_has_data(system: tuple[RunningSystem, dict[str, int]], tmp_path: Path):
    running, ports = system
    missing = expressions()
    assert len(missing) > 150
    with needed(), RememberingPrometheus(config_for(ports, tmp_path), over_days(RULE)) as prometheus:
        until = time.monotonic() + LIMIT_SECONDS
        while missing and time.monotonic() < until:
            for _ in range(6):
                running.step(time.time())
                time.sleep(0.5)
            missing = {of: asked for of, asked in missing.items() if not has_number(prometheus, asked)}
    assert missing == {}
