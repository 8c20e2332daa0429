"""A missing server fails the tests where servers are required, and is one line elsewhere."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = ["tests/servers/test_redis.py", "tests/servers/test_prometheus.py"]


def run(**environment: str) -> tuple[int, list[str]]:
    """Status and lines of tests that need servers, on a machine that has none."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AML_", "PYTEST_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *TESTS],
        env=kept | {"PATH": "/nowhere"} | environment,
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    return done.returncode, done.stdout.splitlines()


def test_elsewhere_one_line_says_what_was_skipped_and_why():
    status, lines = run()
    assert status == 0
    (line,) = (line for line in lines if line.startswith("skipped "))
    assert "no Redis: redis-server is not installed" in line
    assert "no Prometheus: promtool is not installed" in line


def test_where_servers_are_required_each_test_fails():
    status, lines = run(AML_REQUIRE_SERVERS="1")
    assert status == 1
    assert not any(line.startswith("skipped ") for line in lines)
    assert any("AML_REQUIRE_SERVERS=1, and no Redis" in line for line in lines)
    assert " passed" not in lines[-1]
