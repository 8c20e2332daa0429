"""The compose file: read by Docker, everything pinned and watched, every worker with what it needs and no more."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deploy.servers import kafka
from monitor.app.settings import load_settings
from tests.deploying.composed import DEPLOY, IMAGE, NEEDED, ROOT, SECRETS, compose, setting

SERVICES: dict[str, dict[str, Any]] = compose()["services"]
OURS = {name: each for name, each in SERVICES.items() if each["image"].startswith("aml-monitor:")}


def made_secrets(folder: Path) -> dict[str, Path]:
    """The secrets of the compose file by name, made into ``folder``."""
    subprocess.run(["sh", DEPLOY / "make-secrets.sh", folder], check=True, capture_output=True)
    return {name: folder / Path(each["file"]).name for name, each in compose()["secrets"].items()}


def test_docker_reads_it(tmp_path: Path):
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "compose", "version"], capture_output=True).returncode
    ):
        pytest.skip("no docker command with its compose plugin")
    done = subprocess.run(
        ["docker", "compose", "--file", DEPLOY / "compose.yaml", "config", "--quiet"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_every_image_is_pinned_and_kafka_is_the_version_that_tests_use():
    assert len(SERVICES) == 11
    for name, each in SERVICES.items():
        assert re.fullmatch(IMAGE, each["image"]), name
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{kafka.version()}"


def test_every_service_has_a_health_check_or_ends():
    for name, each in SERVICES.items():
        check = each.get("healthcheck", {})
        if check.get("disable"):
            assert each["restart"] == "no", name
        else:
            assert check["test"], name
            assert each["restart"] == "unless-stopped", name


def test_what_ends_is_waited_for_by_another():
    # Otherwise `docker compose up --wait`, which make up uses, takes its end for a failure.
    ending = {name for name, each in SERVICES.items() if each["restart"] == "no"}
    awaited = {
        name
        for each in SERVICES.values()
        for name, how in each.get("depends_on", {}).items()
        if how["condition"] == "service_completed_successfully"
    }
    assert ending == awaited == {"topics"}


def test_whatever_is_waited_for_is_waited_for_until_it_is_healthy():
    conditions = {
        (name, on): how["condition"]
        for name, each in SERVICES.items()
        for on, how in each.get("depends_on", {}).items()
    }
    assert {on for _, on in conditions} == {"kafka", "topics", "redis", "postgres", "prometheus"}
    for (name, on), condition in conditions.items():
        assert condition == ("service_completed_successfully" if on == "topics" else "service_healthy"), (name, on)


@pytest.mark.parametrize("name", sorted(NEEDED))
def test_a_worker_is_given_what_it_needs_and_no_secret_more(name: str, tmp_path: Path):
    service = OURS[name]
    files = made_secrets(tmp_path)
    given = {variable: value for variable, value in service["environment"].items() if variable.startswith("AML_")}
    for variable, value in given.items():
        if variable.endswith("_FILE"):
            secret = value.removeprefix("/run/secrets/")
            assert secret in service["secrets"], variable
            given[variable] = str(files[secret])
    load_settings(given)  # every variable is known, and every secret has its form
    settings = {setting(variable) for variable in given}
    assert NEEDED[name] <= settings
    assert settings & SECRETS == NEEDED[name] & SECRETS
    assert len(service.get("secrets", [])) == len(settings & SECRETS)


def test_ours_are_the_five_workers_and_the_topics():
    assert {name: each["command"][:2] for name, each in OURS.items()} == {
        "topics": ["topics", "create"],
        "intake": ["worker", "intake"],
        "score": ["worker", "score"],
        "cases": ["worker", "cases"],
        "profiles": ["worker", "profiles"],
        "history": ["worker", "history"],
    }
    assert OURS["score"]["deploy"]["replicas"] == 2


def test_ours_run_without_rights_on_a_root_that_cannot_be_written():
    for name, each in OURS.items():
        assert each["read_only"] is True, name
        assert each["user"] == "10001:10001", name
        assert each["cap_drop"] == ["ALL"], name
        assert each["security_opt"] == ["no-new-privileges:true"], name


def test_every_service_has_a_limit_of_memory_and_processors():
    for name, each in SERVICES.items():
        assert each["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}, name


def test_ports_are_open_to_this_machine_only():
    published = [port for each in SERVICES.values() for port in each.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_volumes_and_secrets_that_are_used_are_named_and_the_other_way_round():
    whole = compose()
    mounts = [mount.split(":")[0] for each in SERVICES.values() for mount in each.get("volumes", [])]
    assert {mount for mount in mounts if not mount.startswith(".")} == set(whole["volumes"])
    assert {name for each in SERVICES.values() for name in each.get("secrets", [])} == set(whole["secrets"])


def test_files_that_are_mounted_are_in_the_repository():
    mounts = [mount.split(":")[0] for each in SERVICES.values() for mount in each.get("volumes", [])]
    ignored = {"./inputs"}  # the bank's own; `make up` makes the folder
    sources = {DEPLOY / mount for mount in mounts if mount.startswith("./")} - {DEPLOY / each for each in ignored}
    assert len(sources) == 4
    assert [each for each in sources if not each.exists()] == []


@pytest.mark.parametrize("name", ["secrets/token_key", "inputs/rates.csv", "settings.env"])
def test_what_is_the_banks_own_never_enters_the_repository(name: str):
    done = subprocess.run(["git", "check-ignore", "--quiet", f"deploy/{name}"], cwd=ROOT)
    assert done.returncode == 0
