"""The README's commands run, in the order in which they stand there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_BLOCK = re.compile(r"^```sh run\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
_TARGET = re.compile(r"^([a-z]+):", re.MULTILINE)


def commands() -> list[str]:
    blocks = _BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    return [line for block in blocks for line in block.splitlines() if line]


@pytest.mark.slow(minutes=3)
def test_every_runnable_command_of_the_readme_succeeds(tmp_path: Path):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "100"}
    ran = 0
    for command in commands():
        program, *words = command.split()
        assert program == "aml", f"the README runs {program}"
        done = subprocess.run(
            [sys.executable, "-m", "monitor", *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=1_800,  # a busy machine takes long to compile all kernels
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        assert done.stdout, f"{command} says nothing"
        ran += 1
    assert ran >= 6


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/glossary.md"])
def test_every_link_of_a_page_leads_to_a_file(page: str):
    path = ROOT / page
    links = [link for link in _LINK.findall(path.read_text(encoding="utf-8")) if "://" not in link]
    missing = [link for link in links if not (path.parent / link).exists()]
    assert links
    assert missing == []


def test_every_make_command_that_pages_name_exists():
    targets = set(_TARGET.findall((ROOT / "Makefile").read_text(encoding="utf-8")))
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    named = {word for page in pages for word in re.findall(r"\bmake ([a-z]+)", page.read_text(encoding="utf-8"))}
    assert {"demo", "test", "check"} <= named | {"test", "check"}
    assert named - targets - {"and"} == set()
