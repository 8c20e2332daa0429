"""Alert rules: each fires and is quiet in a case of its own, says what it means, and leads to its runbook."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.metrics import METRICS

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
RUNBOOKS = ROOT / "docs" / "runbooks"
CASES = sorted((PROMETHEUS / "tests").glob("*.yml"))
SECTIONS = ["What it means", "What users see", "Look at", "Do", "If it does not help"]
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((PROMETHEUS / "rules.yml").read_text("utf-8"))["groups"] for rule in group["rules"]
]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}


def shown_names() -> set[str]:
    """The names under which Prometheus keeps our metrics."""
    names = {"up"}
    for metric in METRICS:
        names |= {f"{metric.name}_{part}" for part in ("bucket", "sum", "count")} if metric.buckets else {metric.name}
    return names


def test_every_alert_says_who_is_called_and_what_is_wrong():
    assert len(ALERTS) >= 25
    for name, rule in ALERTS.items():
        assert re.fullmatch("[A-Z][A-Za-z]+", name)
        assert rule["labels"]["severity"] in ("page", "ticket"), name
        assert rule["annotations"]["summary"].endswith("."), name
        assert rule["annotations"]["runbook_url"] == f"docs/runbooks/{name}.md"


def test_every_alert_has_its_runbook_and_every_runbook_its_alert():
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == set(ALERTS)


@pytest.mark.parametrize("name", sorted(ALERTS))
def test_a_runbook_says_what_is_asked_at_night(name: str):
    title, *sections = re.split(r"^#+ ", (RUNBOOKS / f"{name}.md").read_text("utf-8"), flags=re.MULTILINE)[1:]
    assert title.strip() == name
    assert [section.split("\n", 1)[0] for section in sections] == SECTIONS
    for section in sections:
        assert len(section.split("\n", 1)[1].strip()) > 20, section


def test_reasons_that_a_runbook_quotes_are_what_workers_say():
    table = re.findall(
        r"^\| (.*`.*?) \| [a-z, ]+ \|", (RUNBOOKS / "WorkerNotReady.md").read_text("utf-8"), re.MULTILINE
    )
    reasons = [reason for cell in table for reason in re.findall(r"`(.+?)`", cell)]
    assert len(reasons) > 15
    said = "".join(path.read_text("utf-8") for path in (ROOT / "monitor").rglob("*.py"))
    said = re.sub(r'"\n *f?"', "", said)
    for reason in reasons:
        for words in re.split(r"\b(?:legs )?[NM]\b", reason):
            assert words.strip() in said, reason


def test_rules_ask_only_for_metrics_and_records_that_are_there():
    records = {rule["record"] for rule in RULES if "record" in rule}
    asked: set[str] = set()
    for rule in RULES:
        asked |= set(re.findall(r"\baml(?:_[a-z_]+|(?::[a-z_0-9]+)+)", rule["expr"]))
    assert len(asked) > 30
    assert asked - shown_names() - records == set()


def test_a_record_stands_above_the_alert_that_compares_it_in_its_group():
    for group in yaml.safe_load((PROMETHEUS / "rules.yml").read_text("utf-8"))["groups"]:
        known: set[str] = set()
        for rule in group["rules"]:
            assert set(re.findall(r"aml(?::[a-z_0-9]+)+", rule["expr"])) <= known, rule
            known.add(rule.get("record", ""))


def test_each_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not():
    fires: set[str] = set()
    quiet: set[str] = set()
    for path in CASES:
        for case in yaml.safe_load(path.read_text("utf-8"))["tests"]:
            for asked in case["alert_rule_test"]:
                (fires if asked.get("exp_alerts") else quiet).add(asked["alertname"])
    assert fires == quiet == set(ALERTS)


@pytest.mark.prometheus
@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should(promtool: str, path: Path):
    done = subprocess.run([promtool, "test", "rules", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.prometheus
def test_the_configuration_is_one_that_prometheus_takes(promtool: str):
    done = subprocess.run(
        [promtool, "check", "config", str(PROMETHEUS / "prometheus.yml")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_jobs_are_the_kinds_of_workers():
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text("utf-8"))
    jobs = {job["job_name"] for job in config["scrape_configs"]}
    assert jobs == {"intake", "score", "cases", "profiles", "history"}
    assert {job for job in jobs if f'absent(up{{job="{job}"}})' in ALERTS["WorkerDown"]["expr"]} == jobs
