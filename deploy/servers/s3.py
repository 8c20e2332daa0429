"""An object store with the API of S3: the server of ``moto``, for tests. It keeps nothing over a restart."""

import sys
from importlib.util import find_spec
from typing import ClassVar

from deploy.servers.certificates import Authority
from deploy.servers.server import MissingServer, Server, answers


class S3Server(Server):
    """An object store of our own, without buckets at first. Any credentials are taken.

    Args:
        authority: Makes it speak TLS alone, with a certificate of this authority.
        open_requests: After so many requests it refuses all credentials; without it never.
    """

    name = "s3"
    ready_seconds: ClassVar[float] = 60.0

    def __init__(self, *, authority: Authority | None = None, open_requests: int | None = None) -> None:
        super().__init__()
        self.authority, self.open_requests = authority, open_requests
        self._tls: list[str] = []

    @property
    def address(self) -> str:
        """The URL of its endpoint."""
        return f"{'https' if self.authority else 'http'}://127.0.0.1:{self.ports[0]}"

    def prepare(self) -> None:
        missing = [name for name in ("moto", "flask", "flask_cors") if find_spec(name) is None]
        if missing:
            raise MissingServer(f"no object store: {missing[0]} is not installed (pip install 'aml-monitor[dev]')")
        if self.authority:
            identity = self.authority.issue("s3", self.folder)
            self._tls = ["--ssl", "--ssl-cert", str(identity.certificate), "--ssl-key", str(identity.key)]

    def command(self) -> list[str]:
        counted = [] if self.open_requests is None else ["env", f"INITIAL_NO_AUTH_ACTION_COUNT={self.open_requests}"]
        server = ["-m", "moto.server", "--host", "127.0.0.1", "--port", str(self.ports[0]), *self._tls]
        return [*counted, sys.executable, *server]

    def is_ready(self) -> bool:
        import psutil

        if self.pid is None or not answers(self.ports[0]):
            return False
        listening = [each for each in psutil.Process(self.pid).net_connections() if each.status == psutil.CONN_LISTEN]
        return any(each.laddr.port == self.ports[0] for each in listening)
