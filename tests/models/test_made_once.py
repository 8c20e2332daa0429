"""Machine code is made by one of the processes that need it; the others wait for it, even if that one dies."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

KERNEL = """
import sys, time
from pathlib import Path
import numpy as np
import numba
from models.compiled import kernel

@kernel
def inner(a):
    total = 0
    for i in range(len(a)):
        total += a[i] * a[i] % 7
    return total

@kernel
def outer(a):
    return inner(a) + inner(a[:2])

if __name__ == "__main__":
    numba.njit(lambda x: x + 1)(1)  # what numba itself needs to begin
    Path(sys.argv[1]).touch()
    while not Path("go").exists():
        time.sleep(0.001)
    print("begins", flush=True)
    answer = outer(np.arange(10))
    print(answer, sum(inner.stats.cache_misses.values()) + sum(outer.stats.cache_misses.values()))
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "some_kernels.py").write_text(KERNEL)
    return tmp_path


def begun(place: Path, number: int) -> "list[subprocess.Popen[str]]":
    """So many processes, all imported and waiting for the file ``go``."""
    root = Path(__file__).parents[2]
    processes = [
        subprocess.Popen(
            [sys.executable, "some_kernels.py", f"ready{i}"], cwd=place, stdout=subprocess.PIPE, text=True,
            env={"PYTHONPATH": str(root), "PATH": "/usr/bin"},
        )
        for i in range(number)
    ]  # fmt: skip
    while len(list(place.glob("ready*"))) < number:
        assert all(each.poll() is None for each in processes)
        time.sleep(0.01)
    return processes


def test_of_processes_that_begin_together_each_kernel_is_made_by_one(place: Path):
    processes = begun(place, 4)
    (place / "go").touch()
    said = [each.communicate(timeout=300)[0].split()[1:] for each in processes]
    assert [answer for answer, _ in said] == [str(sum(n * n % 7 for n in range(10)) + 1)] * 4
    assert sum(int(made) for _, made in said) == 2, said
    (later,) = begun(place, 1)
    assert later.communicate(timeout=300)[0].split()[1:] == [said[0][0], "0"]


def test_one_that_is_killed_while_it_makes_a_kernel_is_waited_for_no_longer(place: Path):
    holding = subprocess.Popen(["flock", "--exclusive", "--no-fork", str(cache_lock(place)), "sleep", "600"])
    (waiting,) = begun(place, 1)
    (place / "go").touch()
    assert waiting.stdout is not None
    assert waiting.stdout.readline() == "begins\n"
    time.sleep(2.0)
    assert waiting.poll() is None
    assert not list((place / "__pycache__").glob("*outer*.nbc"))
    holding.kill()
    assert waiting.communicate(timeout=300)[0].split()[1] == "2"


def cache_lock(place: Path) -> Path:
    """The file that is locked for ``outer``."""
    (place / "__pycache__").mkdir()
    line = KERNEL.splitlines().index("def outer(a):") + 1
    tag = f"py{sys.version_info.major}{sys.version_info.minor}"
    return place / "__pycache__" / f"some_kernels.outer-{line - 1}.{tag}.lock"
