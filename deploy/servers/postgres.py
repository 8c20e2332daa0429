"""A PostgreSQL server from the system's binaries. It does not run as root, so under root it runs as ``postgres``."""

import os
import pwd
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import ClassVar

from deploy.servers.server import MissingServer, Server, ServerFailed, answers

DEBIAN = Path("/usr/lib/postgresql")


def binaries() -> Path:
    """The folder of the newest server's programs: Debian's, which are not on the path, or those that are.

    Raises:
        MissingServer: There is none.
    """
    found = sorted(DEBIAN.glob("*/bin/initdb"), key=lambda path: int(re.sub(r"\D", "", path.parts[-3]) or 0))
    if found:
        return found[-1].parent
    if on_path := shutil.which("initdb"):
        return Path(on_path).resolve().parent
    raise MissingServer("no PostgreSQL: initdb is not installed (on Debian: apt install postgresql)")


class PostgresServer(Server):
    """PostgreSQL of our own, with the superuser ``postgres`` and no password.

    It does not flush to the disk: its data outlive a crash of the server, not one of the machine.
    """

    name = "postgres"
    environment = "AML_TEST_POSTGRES"
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT  # SIGTERM would wait for clients to leave.
    end_signal: signal.Signals = signal.SIGQUIT  # SIGKILL would leave its shared memory behind.

    @property
    def user(self) -> str | None:
        return "postgres" if os.geteuid() == 0 else None

    @property
    def address(self) -> str:
        """The URL of the database ``postgres``."""
        return f"postgresql://postgres@127.0.0.1:{self.ports[0]}/postgres"

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def prepare(self) -> None:
        initdb = binaries() / "initdb"
        if self.user is not None:
            try:
                pwd.getpwnam(self.user)
            except KeyError:
                raise MissingServer(
                    f"no PostgreSQL: it does not run as root, and there is no user {self.user}"
                ) from None
            shutil.chown(self.folder, self.user, self.user)
        done = subprocess.run(
            [initdb, "-D", self._data, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=self.folder,
            user=self.user,
            group=self.user,
            extra_groups=None if self.user is None else [],
            check=False,
        )
        if done.returncode:
            raise ServerFailed(f"initdb failed:\n{done.stdout}{done.stderr}")

    def command(self) -> list[str]:
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self.ports[0],
            "unix_socket_directories": "",
            "fsync": "off",
        }
        settings = [part for key, value in options.items() for part in ("-c", f"{key}={value}")]
        return [str(binaries() / "postgres"), "-D", str(self._data), *settings]

    def is_ready(self) -> bool:
        if not answers(self.ports[0]):
            return False
        import psycopg

        try:
            with psycopg.connect(self.address, connect_timeout=5) as connection:
                row = connection.execute("SHOW data_directory").fetchone()
                return row == (str(self._data),)
        except psycopg.Error:
            return False
