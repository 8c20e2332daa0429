"""Machine code on disk is used only for the source that it was made of."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from monitor.intake import compiled

ROOT = Path(__file__).parents[2]
PROGRAM = """
import numpy as np
from monitor.intake.json_scan import count_lines
print(count_lines(np.full(96, 10, np.uint8), 64))
"""


def test_every_file_that_goes_into_kernels_is_stamped() -> None:
    stamped = {source for source in compiled.SOURCES if source.startswith("intake/")}
    modules = (ROOT / "monitor/intake").glob("*.py")
    with_kernels = {f"intake/{path.name}" for path in modules if "@kernel" in path.read_text()}
    assert with_kernels <= stamped
    assert all((ROOT / "monitor" / source).exists() for source in compiled.SOURCES)


def test_a_change_in_a_called_file_is_noticed(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "monitor", tmp_path / "monitor", ignore=shutil.ignore_patterns("__pycache__"))
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": str(tmp_path)}

    def run() -> str:
        command = [sys.executable, "-c", PROGRAM]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True).stdout

    assert run() == "64\n"
    called = tmp_path / "monitor/intake/compiled.py"
    called.write_text(called.read_text().replace("builder.ctpop(args[0])", "args[0]"))
    assert run() != "64\n"
