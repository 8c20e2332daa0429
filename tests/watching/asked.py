"""What a Prometheus beside a system must be able to answer: expressions of panels, records and alerts, and their parts.

A panel and a record must return a number as they are. Of an alert, which is silent when all is well, what it compares
must: its expression is cut at comparisons and at ``and``, ``or`` and ``unless``, and ``absent(x)`` stands for ``x``.
Besides, every single selector of every expression must find series. Expressions that look back over days get nine days
of history from promtool.
"""

import re
import subprocess
import time
from collections.abc import Mapping
from math import isnan
from pathlib import Path

import yaml

from deploy.grafana.boards import BOARDS
from deploy.servers.prometheus import PrometheusServer, promtool

PROMETHEUS = Path(__file__).parents[2] / "deploy" / "prometheus"
RULES = yaml.safe_load((PROMETHEUS / "rules.yml").read_text("utf-8"))
DAYS, STEP_SECONDS = 9, 240
_CUT = re.compile(r"\s(?:and|or|unless)\b(?:\s+on \([a-z, ]*\))?|[=!><]=|[><]")
_SELECTOR = re.compile(r"\b(?:aml(?:_[a-z_]+|(?::[a-z_0-9]+)+)|up)\b(?:\{[^}]*\})?")


def compared(expression: str) -> list[str]:
    """The parts of an expression between comparisons and set operators, at any depth of brackets, that ask for
    series."""
    text = expression.strip()
    while text.startswith("(") and _closes_at(text, 0) == len(text) - 1:
        text = text[1:-1].strip()
    depths = _depths(text)
    cuts = [match for match in _CUT.finditer(text) if depths[match.start()] == 0]
    if not cuts:
        inner = re.fullmatch(r"absent\((.*)\)", text)
        return [inner[1] if inner else text] if _SELECTOR.search(text) else []
    edges = [0, *(edge for cut in cuts for edge in cut.span()), len(text)]
    return [part for a, b in zip(edges[::2], edges[1::2], strict=True) for part in compared(text[a:b])]


def _depths(text: str) -> list[int]:
    """How deep in brackets of any kind each character stands."""
    depth, depths = 0, []
    for character in text:
        depth += character in "({["
        depths.append(depth)
        depth -= character in ")}]"
    return depths


def _closes_at(text: str, start: int) -> int:
    depths = _depths(text)
    return next(place for place in range(start, len(text)) if text[place] == ")" and depths[place] == depths[start])


def expressions() -> dict[str, str]:
    """What must return data, by what it is of."""
    found: dict[str, str] = {}
    whole: list[str] = []
    for board in BOARDS:
        for panel in (panel for row in board.rows for panel in row):
            for number, (ask, _) in enumerate(panel.asks):
                found[f"{board.title} {panel.title} {number}"] = ask
                whole.append(ask)
    for rule in (rule for group in RULES["groups"] for rule in group["rules"]):
        whole.append(rule["expr"])
        if "record" in rule:
            found[rule["record"]] = rule["expr"]
        else:
            found |= {f"{rule['alert']} {n}": part for n, part in enumerate(compared(rule["expr"]))}
    selectors = {selector for expression in whole for selector in _SELECTOR.findall(expression)}
    return found | {f"selector {selector}": selector for selector in selectors}


def over_days(rule: str) -> dict[str, int]:
    """Series with a history, and by how much each rises in a step."""
    return {
        f'aml_rule_hits_total{{rule="{rule}"}}': 3,
        f'aml_rule_undecided_total{{rule="{rule}"}}': 2,
        "aml_legs_total": 1000,
        'aml_refused_total{reason="not_json"}': 1,
        'aml_records_in_total{worker="intake"}': 10_000,
    }


class RememberingPrometheus(PrometheusServer):
    """Prometheus that has been there for nine days, of which it remembers some series."""

    def __init__(self, config: str, history: Mapping[str, int]) -> None:
        super().__init__(config)
        self.history = history

    def prepare(self) -> None:
        super().prepare()
        end = int(time.time()) - 300
        times = range(end - DAYS * 86_400, end, STEP_SECONDS)
        lines: list[str] = []
        for series, more in self.history.items():
            lines.append(f"# TYPE {series.partition('{')[0].removesuffix('_total')} counter")
            lines += [f"{series} {more * number} {at}" for number, at in enumerate(times)]
        history = self.folder / "history.txt"
        history.write_text("\n".join([*lines, "# EOF", ""]))
        subprocess.run(
            [promtool(), "tsdb", "create-blocks-from", "openmetrics", str(history), str(self.folder / "data")],
            check=True, capture_output=True,
        )  # fmt: skip


def config_for(ports: dict[str, int], folder: Path) -> str:
    """The committed configuration and rules, with our addresses and seconds for minutes."""
    rules = {"groups": [group | {"interval": "1s"} for group in RULES["groups"]]}
    (folder / "rules.yml").write_text(yaml.safe_dump(rules))
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text("utf-8"))
    config["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(folder / "rules.yml")]
    for job in config["scrape_configs"]:
        del job["dns_sd_configs"]
        job["static_configs"] = [{"targets": [f"127.0.0.1:{ports[job['job_name']]}"]}]
    return str(yaml.safe_dump(config))


def has_number(prometheus: PrometheusServer, expression: str) -> bool:
    """Whether some series of an expression has a number now."""
    return any(not isnan(float(series["value"][1])) for series in prometheus.query(expression))
