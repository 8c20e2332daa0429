"""A Prometheus server with a given configuration, and ``promtool``, which checks rules and runs their tests."""

import json
import shutil
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from deploy.servers.server import MissingServer, Server, answers

NOTHING_TO_WATCH = "scrape_configs: []\n"
MISSING = "is not installed (on Debian: apt install prometheus)"


def promtool() -> str:
    """The path of ``promtool``.

    Raises:
        MissingServer: It is not installed.
    """
    found = shutil.which("promtool")
    if found is None:
        raise MissingServer(f"no Prometheus: promtool {MISSING}")
    return found


class PrometheusServer(Server):
    """Prometheus of our own.

    Args:
        config: The text of ``prometheus.yml``; paths in it are absolute.
    """

    name = "prometheus"

    def __init__(self, config: str = NOTHING_TO_WATCH) -> None:
        super().__init__()
        self.config = config

    @property
    def address(self) -> str:
        """The URL of its API and pages."""
        return f"http://127.0.0.1:{self.ports[0]}"

    def prepare(self) -> None:
        if shutil.which("prometheus") is None:
            raise MissingServer(f"no Prometheus: prometheus {MISSING}")
        (self.folder / "prometheus.yml").write_text(self.config)

    def command(self) -> list[str]:
        return [
            "prometheus",
            f"--config.file={self.folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.ports[0]}",
            "--log.level=warn",
        ]

    def is_ready(self) -> bool:
        if not answers(self.ports[0]):
            return False
        try:
            self._get("/-/ready")
            flags = json.loads(self._get("/api/v1/status/flags"))["data"]
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False
        return bool(flags["storage.tsdb.path"] == str(self.folder / "data"))

    def running_config(self) -> str:
        """The configuration it works by, with its defaults filled in."""
        return str(json.loads(self._get("/api/v1/status/config"))["data"]["yaml"])

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The current value of an expression: one dict with ``metric`` and ``value`` for each series.

        Raises:
            urllib.error.HTTPError: Prometheus cannot evaluate it.
        """
        answer = json.loads(self._get("/api/v1/query?" + urllib.parse.urlencode({"query": expression})))
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(self.address + path, timeout=10) as answer:
            body: bytes = answer.read()
            return body
