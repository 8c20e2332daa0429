"""Killed at any moment and resumed, a run ends with the alerts, cases, journal and counts of an undisturbed one."""

import random
import time
from pathlib import Path
from typing import Any

import pytest

from monitor.adapters.sql.store import open_store
from tests.app.embedded_stores import Source, result, simulated, start_child

RELOAD = 4_000
"""Records after which the rules change, in the middle of the stream."""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return simulated(tmp_path_factory.mktemp("simulated"))


@pytest.fixture(scope="module")
def undisturbed(source: Source, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], float]:
    """What an undisturbed run ends with, and the seconds from its first record to its end."""
    folder = tmp_path_factory.mktemp("undisturbed")
    child = start_child(source, folder)
    assert child.stdout is not None
    child.stdout.readline()
    started = time.monotonic()
    _, errors = child.communicate(timeout=900)
    assert child.returncode == 0, errors
    ended = result(folder)
    assert ended["counters"]["alerts_new"] > 10
    assert ended["position"][-1] is True
    # Obligations and their revisions are part of the fingerprint that must be equal.
    with open_store(folder / "bank.db") as store, store.reading() as connection:
        count = connection.exec_driver_sql("SELECT count(*) FROM obligation_revisions").scalar_one()
    assert count > 5
    return ended, time.monotonic() - started


def kill_somewhere(source: Source, folder: Path, rng: random.Random, seconds: float, reload: int | None = None) -> bool:
    """Run until killed at a random moment; whether the run had not come to its end before."""
    if rng.random() < 0.5:
        child = start_child(source, folder, kill_at=rng.randint(1, 250), reload=reload)
        child.communicate(timeout=900)
        assert child.returncode in (0, -9)
    else:
        child = start_child(source, folder, reload=reload)
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(rng.uniform(0, seconds))
        child.kill()
        child.communicate(timeout=900)
    return child.returncode == -9


def crash_and_resume(
    source: Source, folder: Path, seed: int, kills: int, seconds: float, reload: int | None = None
) -> dict[str, Any]:
    rng, killed = random.Random(seed), 0
    for _ in range(4 * kills):
        killed += kill_somewhere(source, folder, rng, seconds, reload)
        if killed == kills:
            break
    assert killed >= kills // 2, f"seed {seed}: only {killed} kills came before the end"
    child = start_child(source, folder, reload=reload)
    _, errors = child.communicate(timeout=900)
    assert child.returncode == 0, f"seed {seed}: {errors}"
    return result(folder)


def test_a_run_killed_three_times_ends_as_if_it_had_not_been(
    source: Source, undisturbed: tuple[dict[str, Any], float], tmp_path: Path
):
    expected, seconds = undisturbed
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    assert crash_and_resume(source, tmp_path, seed, 3, seconds / 4) == expected


@pytest.fixture(scope="module")
def reloaded(source: Source, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What an undisturbed run ends with whose rules and lists change in the middle."""
    folder = tmp_path_factory.mktemp("reloaded")
    child = start_child(source, folder, reload=RELOAD)
    _, errors = child.communicate(timeout=900)
    assert child.returncode == 0, errors
    ended = result(folder)
    assert ended["counters"]["inputs_changed"] == 1
    assert ended["counters"]["alerts_lookback"] > 0
    return ended


@pytest.mark.parametrize(
    "kill_at", [4, *(pytest.param(each, marks=pytest.mark.slow) for each in (None, 11, 18, 25, 32))]
)
def test_a_run_killed_around_a_reload_ends_as_if_it_had_not_been(
    source: Source, reloaded: dict[str, Any], tmp_path: Path, kill_at: int | None
):
    # The first child is killed at some file operation after the new rules were written; with None at random moments.
    seed = random.randrange(2**32)
    print(f"seed {seed}, kill_at {kill_at}")
    if kill_at is None:
        assert crash_and_resume(source, tmp_path, seed, 3, 1.0, RELOAD) == reloaded
        return
    child = start_child(source, tmp_path, reload=RELOAD, kill_after_reload=kill_at)
    child.communicate(timeout=900)
    assert child.returncode == -9
    child = start_child(source, tmp_path, reload=RELOAD)
    _, errors = child.communicate(timeout=900)
    assert child.returncode == 0, errors
    assert result(tmp_path) == reloaded


@pytest.mark.slow(minutes=2)
@pytest.mark.parametrize("store", range(3))
def test_runs_killed_at_thirty_random_moments_end_as_if_they_had_not_been(
    source: Source, undisturbed: tuple[dict[str, Any], float], tmp_path: Path, store: int
):
    expected, seconds = undisturbed
    seed = random.randrange(2**32)
    print(f"store {store}, seed {seed}")
    assert crash_and_resume(source, tmp_path, seed, 10, seconds / 8) == expected
