"""A server is alive between start and close, and never after the one who started it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from deploy.servers.server import Server, ServerFailed, answers

ROOT = Path(__file__).parents[2]
PROGRAM = """
import socket, sys, time
listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    time.sleep(1)
"""


class Listener(Server):
    """The smallest server: it listens."""

    name = "listener"

    def command(self) -> list[str]:
        return [sys.executable, "-c", PROGRAM, str(self.ports[0])]

    def is_ready(self) -> bool:
        return answers(self.ports[0]) and self.pid is not None


class LateListener(Listener):
    """Somebody takes its first port before it does."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: socket.socket | None = None

    def prepare(self) -> None:
        if self.taken is None:
            self.taken = socket.socket()
            self.taken.bind(("127.0.0.1", self.ports[0]))  # Bound and not listening: nobody answers there.


class Broken(Listener):
    """It says why it ends."""

    def command(self) -> list[str]:
        return [sys.executable, "-c", "raise SystemExit('no disk left')"]


def is_gone(pid: int) -> bool:
    """Whether the process ends within ten seconds."""
    for _ in range(200):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as started:
        yield started


def test_close_ends_the_process_and_deletes_its_folder(listener: Listener):
    pid, folder, port = listener.pid, listener.folder, listener.ports[0]
    assert pid is not None
    assert folder.is_dir()
    listener.close()
    assert is_gone(pid)
    assert not folder.exists()
    assert not answers(port)


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_server_that_was_ended_comes_back_on_its_port_and_in_its_folder(listener: Listener, how: str):
    pid, folder, ports = listener.pid, listener.folder, listener.ports
    getattr(listener, how)()
    assert listener.pid is None
    assert not answers(ports[0])
    listener.restart()
    assert (listener.folder, listener.ports) == (folder, ports)
    assert listener.pid not in (None, pid)


def test_a_port_that_is_taken_in_between_makes_it_try_another():
    server = LateListener()
    with server:
        assert server.taken is not None
        with closing(server.taken) as taken:
            assert taken.getsockname()[1] != server.ports[0]
            assert answers(server.ports[0])


def test_a_server_that_ends_at_once_is_quoted():
    with pytest.raises(ServerFailed, match=r"listener ended with status 1:\nno disk left"):
        Broken().start()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_the_process_that_started_it(number: signal.Signals, tmp_path: Path):
    starter = (  # Who starts the tests in the background may have SIGINT ignored.
        "import signal, time; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from tests.servers.test_server import Listener; print(Listener().start().pid, flush=True); "
    )
    with subprocess.Popen(
        [sys.executable, "-c", starter + "time.sleep(60)"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        os.kill(pid, 0)
        parent.send_signal(number)
        assert is_gone(pid)


def test_it_is_closed_when_the_interpreter_ends():
    starter = "from tests.servers.test_server import Listener; s = Listener().start(); print(s.pid, s.folder)"
    done = subprocess.run([sys.executable, "-c", starter], capture_output=True, text=True, cwd=ROOT, check=True)
    pid, folder = done.stdout.split()
    assert is_gone(int(pid))
    assert not Path(folder).exists()
