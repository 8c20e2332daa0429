"""Health of a worker: what the four paths answer, over a real socket."""

import json
import socket
import struct
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from threading import Event

import pytest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from deploy.servers.server import free_ports
from monitor import metrics as m
from monitor.app.streaming.book import Book
from monitor.app.streaming.health import Health, HealthError
from monitor.app.streaming.recording import ScoringMetrics


def ask(health: Health, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{health.port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_a_worker_is_ready_when_all_its_parts_are_and_says_why_not():
    with Health("127.0.0.1", free_ports(1)[0]) as health:
        status, text = ask(health, "/ready")
        assert (status, json.loads(text)) == (503, {"ready": False, "reasons": {"worker": "it is starting"}})
        health.ready(True)
        health.ready(False, "Redis does not answer", part="profiles")
        status, text = ask(health, "/ready?verbose")
        assert (status, json.loads(text)["reasons"]) == (503, {"profiles": "Redis does not answer"})
        health.ready(True, part="profiles")
        assert ask(health, "/ready") == (200, '{"ready": true, "reasons": {}}')


def test_not_ready_needs_a_reason():
    with pytest.raises(ValueError, match="without a reason"):
        Health("127.0.0.1", 0).ready(False)


def test_a_worker_that_no_longer_goes_round_does_not_live():
    ticks = [0.0]
    with Health("127.0.0.1", free_ports(1)[0], stalled_after_seconds=60, tick=lambda: ticks[0]) as health:
        ticks[0] = 59.0
        assert ask(health, "/live")[0] == 200
        health.live()
        ticks[0] = 118.0
        assert ask(health, "/live")[0] == 200
        ticks[0] = 119.0
        assert ask(health, "/live") == (503, '{"live": false, "still_seconds": 60.0}')


def test_lag_is_told_by_partition_as_long_as_the_partition_is_here():
    with Health("127.0.0.1", free_ports(1)[0]) as health:
        health.lag(11, 5)
        health.lag(2, 7)
        assert json.loads(ask(health, "/lag")[1]) == {"records": 12, "partitions": {"2": 7, "11": 5}}
        health.forget(11)
        assert json.loads(ask(health, "/lag")[1]) == {"records": 7, "partitions": {"2": 7}}


def test_metrics_are_shown_as_prometheus_reads_them_and_other_paths_are_named():
    book = Book()
    book.put(m.LAG, 12, "score", "4")
    with Health("127.0.0.1", free_ports(1)[0], book.registry) as health:
        assert 'aml_lag_records{partition="4",worker="score"} 12.0' in ask(health, "/metrics")[1]
        status, text = ask(health, "/secret")
        assert status == 404
        assert "/ready" in text


def test_port_0_means_no_server_and_a_taken_port_is_named():
    with Health("127.0.0.1", 0) as health:
        health.live()
        health.ready(True)
        assert health.answer("/ready")[0] == 200
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(HealthError, match=rf"127\.0\.0\.1:{port}.*AML_WORKER_PORT"):
            Health("127.0.0.1", port).start()


def test_the_port_is_free_again_afterwards():
    port = free_ports(1)[0]
    for _ in range(2):
        with Health("127.0.0.1", port) as health:
            assert ask(health, "/lag")[0] == 200
    with pytest.raises(urllib.error.URLError):
        ask(health, "/lag")


def test_what_is_recorded_of_readiness_and_lag_is_asked_for_too():
    book = Book()
    with Health("127.0.0.1", free_ports(1)[0], book.registry) as health:
        metrics = ScoringMetrics(book, health)
        metrics.ready(False, "it restores partition 3")
        metrics.lag(3, 40)
        assert "it restores partition 3" in ask(health, "/ready")[1]
        assert json.loads(ask(health, "/lag")[1])["partitions"] == {"3": 40}
        assert book.read(m.READY, "score") == 0
        metrics.ready(True)
        metrics.gone(3)
        assert ask(health, "/ready")[0] == 200
        assert json.loads(ask(health, "/lag")[1])["partitions"] == {}


class Slow(Collector):
    """A metric that is long, and only told once the client is gone."""

    def __init__(self) -> None:
        self.asked, self.is_gone = Event(), Event()

    def describe(self) -> list[GaugeMetricFamily]:
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        self.asked.set()
        self.is_gone.wait(20)
        yield GaugeMetricFamily("aml_test", "x" * 4_000_000, value=1)


def test_a_client_that_goes_before_its_answer_leaves_no_trace_in_the_log(capsys: pytest.CaptureFixture[str]):
    book, slow = Book(), Slow()
    book.registry.register(slow)
    with Health("127.0.0.1", free_ports(1)[0], book.registry) as health:
        with socket.create_connection(("127.0.0.1", health.port), timeout=20) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            assert slow.asked.wait(20)
            answering = [each for each in threading.enumerate() if "process_request" in each.name]
            assert answering
        slow.is_gone.set()
        for each in answering:
            each.join(20)
        assert ask(health, "/live")[0] == 200
    assert capsys.readouterr().err == ""
