"""The wheel works from any directory: rules, lists and migrations travel inside it."""

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DEPENDENCIES = [path for path in sys.path if path.endswith("site-packages")]


def ran(*command: object, cwd: Path, **environment: str) -> str:
    """Run a command; its output."""
    names = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "AML_"))}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=names | environment,
        capture_output=True,
        text=True,
        timeout=1_800,  # a busy machine takes long to compile all kernels
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout with the locked build tools."""
    out = tmp_path_factory.mktemp("wheel")
    pip = (
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        out,
        ROOT,
    )
    ran(*pip, cwd=out)
    (built,) = out.glob("aml_monitor-*.whl")
    return built


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``aml`` in a virtual environment of its own. Dependencies come from this one, the project from the wheel."""
    place = tmp_path_factory.mktemp("installed")
    venv.create(place, with_pip=False)
    (packages,) = place.glob("lib/python*/site-packages")
    pip = (sys.executable, "-m", "pip", "--python", place / "bin" / "python")
    ran(*pip, "install", "--quiet", "--no-deps", "--no-index", "--no-compile", wheel, cwd=place)
    copy_kernels(packages)
    # Entries that a .pth file names come last; an editable install's own .pth file is not read from there.
    (packages / "dependencies.pth").write_text("\n".join(DEPENDENCIES) + "\n")
    return place / "bin" / "aml"


def copy_kernels(packages: Path) -> None:
    """Give the installed program what was compiled here: the stamp is that of the sources, which are the same."""
    for package in ("monitor", "models"):
        for kernel in (ROOT / package).rglob("*.nb[ci]"):
            place = packages / kernel.relative_to(ROOT)
            place.parent.mkdir(exist_ok=True)
            shutil.copy2(kernel, place)


@pytest.mark.slow
def test_the_wheel_holds_three_packages_and_all_their_data(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    listed = ran("git", "ls-files", "monitor", "models", "rules", cwd=ROOT).splitlines()
    assert {name.split("/")[0] for name in held} == {"monitor", "models", "rules"}
    assert [name for name in listed if name not in held] == []
    assert "monitor/topics.yaml" in held


@pytest.mark.slow
def test_the_installed_program_tests_its_rules_and_runs_a_bank_from_an_empty_directory(program: Path, tmp_path: Path):
    import_place = ran(program.parent / "python", "-c", "import monitor; print(monitor.__file__)", cwd=tmp_path)
    assert import_place.startswith(str(program.parents[1]))
    assert "every verdict as stated" in ran(program, "rules", "test", "AML-STR-001", cwd=tmp_path)
    ran(
        program,
        "simulate",
        "--customers",
        150,
        "--days",
        20,
        "--seed",
        9,
        "--out",
        "bank",
        "--no-progress",
        cwd=tmp_path,
    )
    words = ran(
        program, "run", "bank/transactions.jsonl", "--profiles", "bank/profiles.jsonl", "--rates", "bank/rates.csv",
        "--entities", "bank/entities.yaml", "--lists", "bank", "--approve-examples", "--db", "bank.db", cwd=tmp_path,
    )  # fmt: skip
    assert "judged" in words
    assert "open" in ran(program, "cases", "list", "--db", "bank.db", "--as-of", "latest", cwd=tmp_path)
