"""A Redis server: the system's ``redis-server``, with a TLS port and ACL users if asked for."""

import secrets
import shutil
from collections.abc import Mapping
from typing import ClassVar

from deploy.servers.certificates import Authority
from deploy.servers.server import MissingServer, Server, answers


class RedisServer(Server):
    """Redis of our own; keeps nothing over a restart unless ``settings`` say so (``appendonly``).

    Args:
        users: User to ACL rules, as in ``{"worker": "on >secret ~profile:* +get"}``. With users, a client without a
            name is refused.
        authority: Adds a TLS port with a certificate of this authority.
        settings: Further lines of ``redis.conf``; they win.
    """

    name = "redis"
    environment = "AML_REDIS_URL"
    port_count: ClassVar[int] = 2

    def __init__(
        self,
        *,
        users: Mapping[str, str] | None = None,
        authority: Authority | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self.users = dict(users or {})
        self.authority = authority
        self.settings = dict(settings or {})
        self._password = secrets.token_hex(16)

    @property
    def address(self) -> str:
        """The URL of the plain port."""
        return f"redis://127.0.0.1:{self.ports[0]}/0"

    @property
    def tls_address(self) -> str:
        """The URL of the TLS port."""
        assert self.authority is not None
        return f"rediss://127.0.0.1:{self.ports[1]}/0"

    def prepare(self) -> None:
        if shutil.which("redis-server") is None:
            raise MissingServer("no Redis: redis-server is not installed (on Debian: apt install redis-server)")
        settings = {
            "bind": "127.0.0.1",
            "port": str(self.ports[0]),
            "dir": str(self.folder),
            "save": '""',
            "appendonly": "no",
        }
        if self.authority:
            identity = self.authority.issue("redis", self.folder)
            settings |= {
                "tls-port": str(self.ports[1]),
                "tls-key-file": str(identity.key),
                "tls-cert-file": str(identity.certificate),
                "tls-ca-cert-file": str(self.authority.certificate),
                "tls-auth-clients": "no",
            }
        lines = [f"{key} {value}" for key, value in (settings | self.settings).items()]
        lines += [f"user {user} {rules}" for user, rules in self.users.items()]
        lines += [f"user ready on >{self._password} +info +client +hello"]
        lines += ["user default off"] if self.users else []
        (self.folder / "redis.conf").write_text("".join(f"{line}\n" for line in lines))

    def command(self) -> list[str]:
        return ["redis-server", str(self.folder / "redis.conf")]

    def is_ready(self) -> bool:
        if not answers(self.ports[0]):
            return False
        import redis

        with redis.Redis(port=self.ports[0], username="ready", password=self._password) as client:
            try:
                return bool(client.info("server")["process_id"] == self.pid)
            except redis.RedisError:
                return False
