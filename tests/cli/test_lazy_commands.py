"""Commands are imported when they are asked for; their help stands in a table that must agree with them."""

import subprocess
import sys

import pytest

from monitor.cli import COMMANDS
from monitor.cli.lazy import Place, loaded
from monitor.cli.worker import WORKERS

HEAVY = "numba", "sqlalchemy", "pyarrow", "river", "sklearn", "faust"


PROGRAM = """
import sys
try:
    from monitor.cli import main
    main()
except SystemExit as end:
    assert not end.code
print("imported", *sorted({name.split(".")[0] for name in sys.modules}))
"""


def modules_after(*words: str) -> set[str]:
    """The packages that a command imported before it ended."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(("name", "place"), [*COMMANDS.items(), *WORKERS.items()])
def test_the_line_in_the_list_is_what_the_command_says_of_itself(name: str, place: Place):
    assert loaded(name, place).get_short_help_str(1_000) == place.help


@pytest.mark.parametrize("words", [["--help"], ["worker", "--help"], ["--version"]])
def test_help_imports_no_command(words: list[str]):
    imported = modules_after(*words)
    assert "typer" in imported
    assert not imported & set(HEAVY)


def test_a_cases_command_needs_no_library_of_the_models():
    imported = modules_after("cases", "--help")
    assert "sqlalchemy" in imported
    assert not imported & {"river", "sklearn", "faust"}


def test_a_mistyped_command_is_told_its_neighbour():
    done = subprocess.run([sys.executable, "-m", "monitor", "jurnal"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "journal" in done.stderr
