"""One server process: started on free ports in a folder of its own, and gone when the one who started it is gone.

A server is a child in its own process group, stopped by the process id it was started with. It ends with
:meth:`Server.close`, at the interpreter's exit, and on Linux also when the starting thread dies in any other way: the
kernel sends it a signal (``PR_SET_PDEATHSIG``); its folder stays behind then. So start servers from a thread that lives
as long as they must.

Ports come from below the range that the system gives to outgoing connections: a client that knocks at the port of a
broker that is down could otherwise be given that same port, connect to itself and keep the broker from coming back.
"""

import atexit
import contextlib
import ctypes
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar, Self

PORTS = range(15_000, 32_000)
ATTEMPTS = 5
STOP_SECONDS = 30.0
POLL_SECONDS = 0.05
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class MissingServer(Exception):
    """This machine cannot run the server; the message is one line that says what is missing."""


class ServerFailed(Exception):
    """The server was started and did not become ready; the message ends with the last lines of its log."""


def free_ports(n: int) -> list[int]:
    """``n`` different loopback ports that nobody listens on now; another process may still take one."""
    ports: list[int] = []
    with contextlib.ExitStack() as held:
        for port in random.SystemRandom().sample(PORTS, len(PORTS)):
            if len(ports) == n:
                return ports
            trial = held.enter_context(socket.socket())
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                trial.bind(("127.0.0.1", port))
                ports.append(port)
    raise ServerFailed(f"there are no {n} free ports between {PORTS.start} and {PORTS.stop}")


def answers(port: int) -> bool:
    """Whether somebody listens on this loopback port."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def output_of(*command: str, timeout_seconds: float = 30) -> str | None:
    """What a command prints, both streams together; None if there is no such command or it fails."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout_seconds, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout + done.stderr


def _ends_with_parent(number: int) -> Callable[[], None]:
    """For the child, before it becomes the server: be sent signal ``number`` when the starting thread dies."""
    parent = os.getpid()

    def ask() -> None:
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, int(number))
            if os.getppid() != parent:
                os._exit(1)

    return ask


class Server:
    """A server process with its folder and ports; a context manager.

    ``start`` may be called once; ``stop``, ``kill`` and ``restart`` keep folder and ports; ``close`` ends the
    server and deletes the folder. A subclass says how many ports it needs, which command runs and how it is known
    that *this* process answers.
    """

    name: ClassVar[str]
    environment: ClassVar[str | None] = None
    """The variable that may name a server that runs already."""
    port_count: ClassVar[int] = 1
    ready_seconds: ClassVar[float] = 120.0
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    """Asks it to end in order."""
    end_signal: signal.Signals = signal.SIGKILL
    """Ends it at once when nobody needs its data any more."""

    def __init__(self) -> None:
        self.folder = Path()
        self.ports: list[int] = []
        self._process: subprocess.Popen[bytes] | None = None

    # What a subclass says.

    def prepare(self) -> None:
        """Fill the empty ``folder`` for ``ports``."""

    def command(self) -> list[str]:
        """The command that becomes the server."""
        raise NotImplementedError

    def is_ready(self) -> bool:
        """Whether this process, and no other on its ports, answers."""
        raise NotImplementedError

    def kill_the_rest(self) -> None:
        """Kill what runs outside the process group."""

    @property
    def user(self) -> str | None:
        """The system's user that runs it; None is ours."""
        return None

    @property
    def address(self) -> str:
        """What ``environment`` would hold to name this server."""
        raise NotImplementedError

    # What a caller does.

    @property
    def pid(self) -> int | None:
        """The process id; None while it does not run."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> Self:
        """Start on free ports and wait until it answers.

        Raises:
            MissingServer: The machine lacks something.
            ServerFailed: It did not become ready.
        """
        assert self._process is None, "started already"
        atexit.register(self.close)
        for _ in range(ATTEMPTS):
            self.folder = Path(tempfile.mkdtemp(prefix=f"aml-{self.name}-")).resolve()
            self.ports = free_ports(self.port_count)
            try:
                self.prepare()
                if self._launch():
                    return self
            except BaseException:
                self.close()
                raise
            self._discard()  # Somebody took a port since we looked.
        raise ServerFailed(f"{self.name} found its ports taken {ATTEMPTS} times")

    def stop(self) -> None:
        """Ask it to end, wait up to 30 s, then kill it. Its data stay."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """End it with SIGKILL, as a crash would. Its data stay."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Start it again with the data and on the ports it had; stops it first if it runs."""
        self.stop()
        for _ in range(ATTEMPTS):
            if self._launch():
                return
            time.sleep(1)
        raise ServerFailed(f"{self.name} cannot have its ports {self.ports} back")

    def close(self) -> None:
        """End it, whatever its state, and delete its folder."""
        self._discard()
        atexit.unregister(self.close)

    def log(self) -> str:
        """What it printed since its first start."""
        file = self.folder / "output.log"
        return file.read_text(errors="replace") if file.is_file() else ""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    # Inside.

    def _launch(self) -> bool:
        """Start the process and wait; False if a port was taken."""
        before = len(self.log())
        with (self.folder / "output.log").open("ab") as output:
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                start_new_session=True,
                user=self.user,
                group=self.user,
                extra_groups=None if self.user is None else [],
                preexec_fn=_ends_with_parent(self.end_signal),
            )
        until = time.monotonic() + self.ready_seconds
        while time.monotonic() < until and self._process.poll() is None:
            if self.is_ready():
                return True
            time.sleep(POLL_SECONDS)
        ended = self._process.poll()
        self._end(signal.SIGKILL)
        said = self.log()[before:]
        if ended is not None and "address already in use" in said.lower():
            return False
        what = f"did not answer within {self.ready_seconds:.0f} s" if ended is None else f"ended with status {ended}"
        raise ServerFailed(f"{self.name} {what}:\n" + "\n".join(said.splitlines()[-20:]))

    def _end(self, number: signal.Signals) -> None:
        """Send a signal and wait; nothing of the process group outlives this."""
        if self._process is None:
            return
        if self._process.poll() is None and number != signal.SIGKILL:
            self._process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
        self.kill_the_rest()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def _discard(self) -> None:
        self._end(self.end_signal)
        if self.folder != Path():
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = Path()


@contextlib.contextmanager
def address_of(kind: type[Server], environ: Mapping[str, str] = os.environ) -> Iterator[str]:
    """The address that the environment names, or that of a new server for as long as the block lasts.

    Raises:
        MissingServer: The environment names none, and this machine cannot run one.
    """
    if kind.environment is not None and (given := environ.get(kind.environment)):
        yield given
        return
    with kind() as server:
        yield server.address
