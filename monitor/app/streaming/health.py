"""One small HTTP server per worker: does it live, is it ready, what waits, and its metrics.

    with Health(settings.worker.host, settings.worker.port, book.registry) as health:
        while not stopped:
            health.live()
            ...
            health.ready(True)

| path | answer |
|---|---|
| ``/live`` | 200; 503 once :meth:`Health.live` has not been called for ``stalled_after_seconds`` |
| ``/ready`` | 200, or 503 with the reasons |
| ``/lag`` | records that wait, by partition |
| ``/metrics`` | what Prometheus reads |

Answers are JSON but the last. Nothing here names a customer, and nothing can be changed through it.
"""

import json
import sys
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from types import TracebackType
from typing import Any, Self

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

STALLED_AFTER_SECONDS = 120.0
"""A worker that has not gone round for so long does not live any more; longer than the longest wait of a step."""
REQUEST_SECONDS = 5.0
"""A client that sends its request more slowly is dropped."""
STARTING = "it is starting"


class HealthError(Exception):
    """The server cannot be started; the message names address, fact and remedy."""


class Health:
    """The server and what it answers; a context manager. All methods may be called from any thread.

    Args:
        host: The address that the port is bound to.
        port: The port; 0: there is no server, and everything else works as ever.
        registry: What ``/metrics`` shows.
        stalled_after_seconds: See :data:`STALLED_AFTER_SECONDS`.
        tick: A clock that never goes back, seconds.
    """

    def __init__(
        self,
        host: str,
        port: int,
        registry: CollectorRegistry | None = None,
        *,
        stalled_after_seconds: float = STALLED_AFTER_SECONDS,
        tick: Callable[[], float] = time.monotonic,
    ) -> None:
        self.host, self.port = host, port
        self.registry = registry or CollectorRegistry()
        self._stalled_after, self._tick = stalled_after_seconds, tick
        self._lock = Lock()
        self._lived_at = tick()
        self._reasons: dict[str, str] = {"worker": STARTING}
        self._lag: dict[int, int] = {}
        self._server: ThreadingHTTPServer | None = None
        self._thread: Thread | None = None

    def live(self) -> None:
        """The worker has gone round once more."""
        with self._lock:
            self._lived_at = self._tick()

    def ready(self, is_ready: bool, reason: str = "", *, part: str = "worker") -> None:
        """Whether a part of the worker is ready, and if not, why. It is ready when all its parts are.

        Raises:
            ValueError: It is not ready, and no reason is given.
        """
        if not is_ready and not reason:
            raise ValueError(f"{part}: not ready without a reason. Say what it waits for.")
        with self._lock:
            if is_ready:
                self._reasons.pop(part, None)
            else:
                self._reasons[part] = reason

    def lag(self, partition: int, records: int) -> None:
        """Records of a partition that wait to be read."""
        with self._lock:
            self._lag[partition] = records

    def forget(self, partition: int) -> None:
        """A partition went to another worker."""
        with self._lock:
            self._lag.pop(partition, None)

    def answer(self, path: str) -> tuple[HTTPStatus, str, bytes]:
        """Status, content type and body for a path."""
        if path == "/metrics":
            return HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(self.registry)
        with self._lock:
            still_seconds = self._tick() - self._lived_at
            reasons, lag = dict(sorted(self._reasons.items())), dict(sorted(self._lag.items()))
        if path == "/live":
            return _json(
                {"live": still_seconds < self._stalled_after, "still_seconds": round(still_seconds, 3)}, "live"
            )
        if path == "/ready":
            return _json({"ready": not reasons, "reasons": reasons}, "ready")
        if path == "/lag":
            return _json({"records": sum(lag.values()), "partitions": {str(key): each for key, each in lag.items()}})
        return HTTPStatus.NOT_FOUND, "application/json", b'{"paths": ["/live", "/ready", "/lag", "/metrics"]}'

    def start(self) -> Self:
        """Listen, in a thread of its own.

        Raises:
            HealthError: The port is taken, or may not be bound.
        """
        if self.port:
            try:
                self._server = _Server((self.host, self.port), _handler(self))
            except OSError as error:
                raise HealthError(
                    f"{self.host}:{self.port}: health and metrics cannot be shown there: {error.strerror}. "
                    "Give another AML_WORKER_PORT, or 0 for none."
                ) from None
            self._thread = Thread(target=self._server.serve_forever, name="health", daemon=True)
            self._thread.start()
        return self

    def close(self) -> None:
        """Stop listening."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._server = self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone before its answer is no error."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


def _handler(health: Health) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = REQUEST_SECONDS
        server_version, sys_version = "aml", ""

        def do_GET(self) -> None:
            status, kind, body = health.answer(self.path.partition("?")[0])
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Probes are not worth a line."""

    return Handler


def _json(content: dict[str, Any], claim: str | None = None) -> tuple[HTTPStatus, str, bytes]:
    """An answer; 503 where what it claims is not so."""
    is_well = claim is None or bool(content[claim])
    status = HTTPStatus.OK if is_well else HTTPStatus.SERVICE_UNAVAILABLE
    return status, "application/json", json.dumps(content).encode()
