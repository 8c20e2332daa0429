"""Fed through a pipe, killed at any moment and fed again from the first record, a run ends as if undisturbed."""

import random
import subprocess
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monitor.adapters.vault import PlainVault
from tests.app.embedded_stores import Source, result, simulated, start_child

pytestmark = pytest.mark.slow(minutes=1.5)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return simulated(tmp_path_factory.mktemp("simulated"), customers=100, days=25)


@pytest.fixture(scope="module")
def undisturbed(source: Source, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], float]:
    """What a run over the same records as a file ends with, and the seconds that it took after its start."""
    folder = tmp_path_factory.mktemp("undisturbed")
    child = start_child(source, folder)
    assert child.stdout is not None
    child.stdout.readline()
    started = time.monotonic()
    _, errors = child.communicate(timeout=900)
    assert child.returncode == 0, errors
    ended = result(folder)
    assert ended["counters"]["alerts_new"] > 5
    return ended, time.monotonic() - started


class Feeder(threading.Thread):
    """Writes the whole input into a pipe in pieces of any size, until the end or until nobody reads."""

    def __init__(self, child: "subprocess.Popen[str]", data: bytes, seed: int) -> None:
        super().__init__()
        self.child, self.data, self.rng = child, data, random.Random(seed)

    def run(self) -> None:
        assert self.child.stdin is not None
        at = 0
        try:
            with self.child.stdin.buffer as pipe:  # type: ignore[attr-defined]
                while at < len(self.data):
                    size = self.rng.choice([70, 30_000, 50_000, 200_000])
                    pipe.write(self.data[at : at + size])
                    pipe.flush()
                    at += size
                    time.sleep(self.rng.choice([0, 0, 0.001, 0.01]))
        except (BrokenPipeError, ValueError):
            pass


def fed(
    source: Source, folder: Path, rng: random.Random, *, kill_at: int | None = None, kill_after: float | None = None
) -> int:
    """Run once over standard input, perhaps until it is killed; the exit status."""
    child = start_child(
        replace(source, payments=Path("-")), folder, snapshot=2_000, kill_at=kill_at, stdin=subprocess.PIPE
    )
    feeder = Feeder(child, source.payments.read_bytes(), rng.randrange(2**32))
    feeder.start()
    if kill_after is not None:
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(kill_after)
        child.kill()
    status = child.wait(timeout=900)
    feeder.join()
    assert child.stderr is not None
    assert status in (0, -9), child.stderr.read()
    return status


def killed_and_fed_again(source: Source, folder: Path, rng: random.Random, kills: int, seconds: float) -> int:
    """How many kills came before the end; afterwards the run has reached its end."""
    killed = 0
    for number in range(4 * kills):
        if number % 2:
            killed += fed(source, folder, rng, kill_after=rng.uniform(0, seconds)) == -9
        else:
            killed += fed(source, folder, rng, kill_at=rng.randint(1, 200)) == -9
        if killed == kills:
            break
    assert fed(source, folder, rng) == 0
    return killed


def check(source: Source, folder: Path, expected: dict[str, Any], kills: int, seconds: float) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    killed = killed_and_fed_again(source, folder, random.Random(seed), kills, seconds)
    assert killed >= kills // 2, f"seed {seed}: only {killed} kills came before the end"
    assert result(folder) == expected, f"seed {seed}"
    assert spooled(folder, expected["position"][2]) == source.payments.read_bytes(), f"seed {seed}"


def spooled(folder: Path, records: int) -> bytes:
    """The original bytes that the store kept, in the order of the log."""
    found, position = b"", 0
    with closing(PlainVault(folder / "bank.data" / "vault", read_only=True)) as vault:
        while position < records:
            chunk = vault.raw(position)
            assert chunk is not None, f"no original bytes at position {position}"
            found, position = found + chunk.data, chunk.stop
    return found


def test_a_piped_run_killed_twice_ends_as_one_over_a_file_and_keeps_every_byte_once(
    source: Source, undisturbed: tuple[dict[str, Any], float], tmp_path: Path
):
    expected, seconds = undisturbed
    check(source, tmp_path, expected, 2, seconds / 2)


@pytest.mark.parametrize("store", range(2))
def test_piped_runs_killed_at_many_moments_end_as_one_over_a_file(
    source: Source, undisturbed: tuple[dict[str, Any], float], tmp_path: Path, store: int
):
    expected, seconds = undisturbed
    check(source, tmp_path, expected, 10, seconds / 4)
