"""A real Prometheus answers expressions over what its configuration says, and promtool judges rules."""

import subprocess
import urllib.error
from pathlib import Path

import pytest

from deploy.servers.prometheus import PrometheusServer
from tests.conftest import StartServer

pytestmark = pytest.mark.prometheus

RULES = "groups: [{name: ours, interval: 1s, rules: [{record: 'answer', expr: '%s'}]}]\n"


def test_an_expression_is_answered(own_server: StartServer):
    server = own_server(PrometheusServer)
    (answer,) = server.query("vector(6) * 7")
    assert answer["value"][1] == "42"
    assert server.query("absent_metric") == []
    with pytest.raises(urllib.error.HTTPError):
        server.query("6 *")


def test_the_given_configuration_is_the_one_that_runs(own_server: StartServer):
    server = own_server(PrometheusServer, "global: {external_labels: {bank: ours}}\n")
    assert "bank: ours" in server.running_config()


@pytest.mark.parametrize(("expression", "status"), [("vector(42)", 0), ("vector(", 1)])
def test_promtool_accepts_good_rules_and_refuses_others(promtool: str, tmp_path: Path, expression: str, status: int):
    (tmp_path / "rules.yml").write_text(RULES % expression)
    done = subprocess.run([promtool, "check", "rules", str(tmp_path / "rules.yml")], capture_output=True, check=False)
    assert done.returncode == status
