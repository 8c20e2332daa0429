"""The image: what it is made from is enough, pinned and nothing more; what it runs as has no rights."""

import re
import shlex
import subprocess
import sys
import zipfile
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.deploying.composed import DEPLOY, IMAGE, ROOT

TEXT = (DEPLOY / "Dockerfile").read_text()
INSTRUCTIONS = [
    line.split(None, 1) for line in re.sub(r"\\\n", " ", re.sub(r"(?m)^#.*\n", "", TEXT)).splitlines() if line.strip()
]


def copied() -> list[tuple[list[str], str]]:
    """What is copied from the repository: sources and the place in the image."""
    words = [shlex.split(rest) for name, rest in INSTRUCTIONS if name == "COPY"]
    plain = [[word for word in each if not word.startswith("--chmod")] for each in words]
    return [(each[:-1], each[-1]) for each in plain if not each[0].startswith("--from")]


def build_stage() -> list[tuple[list[str], str]]:
    """What the stage that builds the wheel copies."""
    return [(sources, place) for sources, place in copied() if not place.startswith("/")]


def is_sent(path: str) -> bool:
    """Whether ``.dockerignore`` lets a path of the repository into the build; its last pattern that fits decides."""
    sent = True
    for pattern in (ROOT / ".dockerignore").read_text().splitlines():
        if not pattern or pattern.startswith("#"):
            continue
        bare = pattern.removeprefix("!").removeprefix("**/")
        above = [path, *(str(each) for each in Path(path).parents)]
        if any(fnmatch(each, bare) or (pattern.startswith("**/") and fnmatch(Path(each).name, bare)) for each in above):
            sent = pattern.startswith("!")
    return sent


def test_both_stages_begin_with_the_same_pinned_python():
    arguments = dict(rest.split("=", 1) for name, rest in INSTRUCTIONS if name == "ARG" and "=" in rest)
    assert re.fullmatch(IMAGE, arguments["PYTHON"])
    assert "slim" in arguments["PYTHON"]
    assert [rest.split()[0] for name, rest in INSTRUCTIONS if name == "FROM"] == ["${PYTHON}", "${PYTHON}"]


def test_the_last_stage_has_no_build_tools_and_runs_as_a_user_without_rights():
    last = TEXT.rsplit("\nFROM ", 1)[1]
    assert "pip uninstall" in last
    assert not re.search(r"apt-get|pip\S* install|gcc|requirements", last)
    assert re.findall(r"(?m)^USER (.*)$", last) == ["10001:10001"]
    assert last.index("\nUSER") > last.rindex("\nRUN")
    assert re.search(r"(?m)^HEALTHCHECK .*--start-period", last)
    assert re.findall(r"(?m)^ENTRYPOINT (.*)$", last) == ['["/opt/aml/bin/entrypoint"]']


def test_the_kernels_are_compiled_for_the_processor_that_they_run_on():
    # Numba passes over machine code that was made for another processor, or for files in another place.
    assert TEXT.count('NUMBA_CPU_NAME=${KERNEL_CPU} NUMBA_CPU_FEATURES=""') == 2
    assert "compile-kernels.sh /opt/aml/bin/aml /opt/aml/kernels" in TEXT
    assert "COPY --from=build /opt/aml /opt/aml" in TEXT


def test_everything_that_is_installed_is_checked_by_its_hash():
    installs = re.findall(r"pip (?:--python \S+ )?install ([^&\n]*)", re.sub(r"\\\n", " ", TEXT))
    assert len(installs) == 3
    assert all("--require-hashes" in each for each in installs)
    assert re.fullmatch(r"pip==[\d.]+ --hash=sha256:[0-9a-f]{64}\n", (DEPLOY / "image" / "pip.txt").read_text())


def test_what_is_copied_is_sent_and_what_is_secret_or_large_is_not():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    for source in [source for sources, _ in copied() for source in sources]:
        files = [path for path in tracked if path == source or path.startswith(f"{source}/")]
        assert files, source
        assert all(is_sent(path) for path in files), source
    for path in ("deploy/secrets/token_key", ".git/config", ".venv/bin/python", "tests/conftest.py", "aml.db",
                 "deploy/inputs/rates.csv", "monitor/engine/__pycache__/decide.pyc"):  # fmt: skip
        assert not is_sent(path), path


@pytest.mark.slow
def test_what_the_build_copies_makes_the_whole_wheel(tmp_path: Path):
    for sources, place in build_stage():
        files = subprocess.run(
            ["git", "ls-files", *sources], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.split()
        for file in files:
            name = Path(place) / Path(file).name if place.endswith("/") else Path(file)
            target = tmp_path / "build" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / file).read_bytes())
    command = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir")
    names = []
    for source in (tmp_path / "build", ROOT):
        out = tmp_path / f"from-{source.name}"
        subprocess.run([*command, out, source], check=True, cwd=tmp_path, capture_output=True)
        (wheel,) = out.glob("aml_monitor-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            names.append({name for name in archive.namelist() if "__pycache__" not in name})
    assert names[0] == names[1]
    assert "monitor/topics.yaml" in names[0]


def test_the_entrypoint_brings_the_kernels_to_where_they_can_be_written_and_hands_over(tmp_path: Path):
    text = (DEPLOY / "image" / "entrypoint.sh").read_text().replace("/opt/aml", str(tmp_path / "aml"))
    (tmp_path / "aml" / "kernels" / "part").mkdir(parents=True)
    (tmp_path / "aml" / "kernels" / "part" / "one.nbc").write_text("code")
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "aml"
    program.write_text('#!/bin/sh\necho "$*"; exit 3\n')
    program.chmod(0o755)
    cache = tmp_path / "tmp" / "kernels"
    for _ in range(2):  # a container that is started again finds its copy
        done = subprocess.run(
            ["sh", "-c", text, "entrypoint", "worker", "score"], capture_output=True, text=True,
            env={"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "NUMBA_CACHE_DIR": str(cache)},
        )  # fmt: skip
        assert done.returncode == 3, done.stderr
        assert done.stdout == "worker score\n"
        assert (cache / "part" / "one.nbc").read_text() == "code"
