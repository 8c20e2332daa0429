"""The dashboards, one per question, as data; ``python -m deploy.grafana.boards`` writes them as JSON.

Each board is rows of panels. A row is up to four panels on a screen of 24 columns: big figures with colours first, then
how they came about over time. On a phone Grafana shows one panel under the other, in the same order, so the answer to
the question comes first there too. A panel that belongs to an alert links to its runbook.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "dashboards"
DATASOURCE = {"type": "prometheus", "uid": "aml-prometheus"}
WIDTH = 24
STAT_HEIGHT, GRAPH_HEIGHT = 5, 8
GREEN, ORANGE, RED = "green", "orange", "red"
BAD_ABOVE, BAD_BELOW = "above", "below"
COMES_FIRST = "The figures on top answer the question; green is well. Below is how they came about."


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on a figure is orange and red, above or below."""

    orange: float
    red: float
    bad: str = BAD_ABOVE

    def steps(self) -> list[dict[str, Any]]:
        """As Grafana wants it: colours by rising value."""
        if self.bad == BAD_ABOVE:
            return [_step(GREEN, None), _step(ORANGE, self.orange), _step(RED, self.red)]
        return [_step(RED, None), _step(ORANGE, self.red), _step(GREEN, self.orange)]


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. ``asks`` maps an expression to the legend of its series; ``unit`` is one of Grafana's."""

    title: str
    says: str
    asks: tuple[tuple[str, str], ...]
    unit: str
    kind: str = "timeseries"
    limits: Limits | None = None
    alerts: tuple[str, ...] = ()
    stacks: bool = False


@dataclass(frozen=True, slots=True)
class Board:
    """One question and the rows that answer it."""

    uid: str
    title: str
    rows: tuple[tuple[Panel, ...], ...]


def stat(title: str, says: str, ask: str, unit: str, limits: Limits, *alerts: str, legend: str = "") -> Panel:
    """A big figure with a colour."""
    return Panel(title, says, ((ask, legend),), unit, "stat", limits, alerts)


def graph(title: str, says: str, unit: str, *asks: tuple[str, str], alerts: tuple[str, ...] = (), stacks: bool = False,
          limits: Limits | None = None) -> Panel:  # fmt: skip
    """Lines over time."""
    return Panel(title, says, asks, unit, "timeseries", limits, alerts, stacks)


KEEPING_UP = Board("aml-keeping-up", "Is it keeping up?", (
    (
        stat("Workers that do not answer", "Processes that Prometheus does not reach.",
             'count(up{job=~"intake|score|cases|profiles"} == 0) or vector(0)', "none", Limits(1, 1), "WorkerDown"),
        stat("Delay, 99 %", "From the broker to the end of the slowest kind of worker; promised: 2 s.",
             'max(aml:delay_seconds:p99{clock="broker"})', "s", Limits(0.1, 2), "NotKeepingUp"),
        stat("Records that wait", "Lag of all partitions together.",
             "sum(aml:lag_records:sum)", "short", Limits(10_000, 100_000), "LagGrows"),
        stat("Busiest worker", "Share of its time that the busiest process works.",
             "max(aml:busy:ratio5m)", "percentunit", Limits(0.6, 0.8), "WorkerBusy"),
    ),
    (
        stat("Not ready", "Processes that restore, catch up or wait.",
             "count(aml_worker_ready == 0) or vector(0)", "none", Limits(1, 2), "WorkerNotReady"),
        stat("Out of reach", "Pairs of worker and dependency: Kafka, Redis, PostgreSQL, places to save in.",
             "count(aml_dependency_up == 0) or vector(0)", "none", Limits(1, 1), "KafkaDown", "RedisDown",
             "PostgresDown", "DiskFull"),
        stat("Partitions paused", "They wait for something they need.",
             "sum(aml_partition_paused)", "none", Limits(1, 1), "PartitionPaused",
             "StepRaises"),
        stat("Put aside", "Messages that could not be read, in a day.",
             "sum(increase(aml_quarantined_total[1d]))", "none", Limits(1, 1), "MessageQuarantined"),
    ),
    (
        graph("In and out", "Records a second by kind of worker.", "cps",
              ("aml:records_in:rate5m", "{{worker}} in"), ("aml:records_out:rate5m", "{{worker}} out")),
        graph("Delay from the broker, 99 % and 99.9 %", "Promised: 99.9 % below 100 ms at half load.", "s",
              ('aml:delay_seconds:p99{clock="broker"}', "{{worker}} 99 %"),
              ('aml:delay_seconds:p999{clock="broker"}', "{{worker}} 99.9 %"), limits=Limits(0.1, 2)),
    ),
    (
        graph("Lag by kind of worker", "Records that wait.", "short", ("aml:lag_records:sum", "{{worker}}"),
              alerts=("LagGrows", "PartitionUnread")),
        graph("Lag, the ten worst partitions", "One alone is a key with very many payments, or a stuck worker.",
              "short", ("topk(10, aml_lag_records)", "{{worker}} {{partition}}")),
    ),
    (
        graph("Delay since the payment was booked, 50 % and 99 %", "The bank's own way to us is part of it.", "s",
              ('aml:delay_seconds:p50{clock="event"}', "{{worker}} 50 %"),
              ('aml:delay_seconds:p99{clock="event"}', "{{worker}} 99 %")),
        graph("Time of work, 50 % and 99 %", "Inside the process, without waiting.", "s",
              ('aml:delay_seconds:p50{clock="wall"}', "{{worker}} 50 %"),
              ('aml:delay_seconds:p99{clock="wall"}', "{{worker}} 99 %")),
    ),
    (
        graph("Busy", "Share of its time that each process works.", "percentunit",
              ("aml:busy:ratio5m", "{{worker}} {{instance}}"), limits=Limits(0.6, 0.8)),
        graph("Partitions by kind of worker", "A step down that stays: nobody reads them.", "none",
              ("aml:partitions:count", "{{worker}}"), alerts=("PartitionUnread",)),
    ),
))  # fmt: skip

JUDGING = Board("aml-judging-well", "Is it judging well?", (
    (
        stat("Refused", "Share of the records of the last quarter of an hour.",
             "aml:refused:ratio15m", "percentunit", Limits(0.001, 0.01), "RefusalsJump"),
        stat("Partitions degraded", "They judge without profiles; their alerts are marked.",
             "sum(aml_partition_degraded)", "none", Limits(1, 1), "PartitionDegraded"),
        stat("Rules at fault", "Those that raised in the last day, and mistakes in rule files, which were left out.",
             "(count(sum by (rule) (increase(aml_rule_errors_total[1d])) > 0) or vector(0)) + max(aml_rules_left_out)",
             "none", Limits(1, 1), "RuleRaises", "RuleLeftOut"),
        stat("Most undecided rule", "Share of the legs of the last hour that it could not decide.",
             "max(aml:rule_undecided:ratio1h)", "percentunit", Limits(0.01, 0.1), "RuleUndecidedJumps"),
    ),
    (
        graph("Alerts by status", "Alerts an hour. New ones reach the queue.", "none",
              ("sum by (status) (increase(aml_alerts_total[1h]))", "{{status}}"), stacks=True),
        graph("New alerts, the ten busiest rules", "Alerts an hour.", "none",
              ('topk(10, sum by (rule) (increase(aml_alerts_total{status="new"}[1h])))', "{{rule}}"), stacks=True),
    ),
    (
        graph("Hits of a day against the week before, the ten most changed",
              "0 is as ever, 1 twice or half of it, 2 four times or a quarter.", "none",
              ("topk(10, abs(log2((aml:rule_hits:increase1d + 1) / (aml:rule_hits:usual1d + 1))))", "{{rule}}"),
              alerts=("RuleHitsChanged",)),
        graph("Undecided, the ten worst rules", "Share of the legs of an hour.", "percentunit",
              ("topk(10, aml:rule_undecided:ratio1h)", "{{rule}}"), alerts=("RuleUndecidedJumps",)),
    ),
    (
        graph("Refused, the ten most frequent reasons", "Records an hour.", "none",
              ("topk(10, sum by (reason) (increase(aml_refused_total[1h])))", "{{reason}}"), alerts=("RefusalsJump",),
              stacks=True),
        graph("What admission said", "Payments a second by outcome, and those judged late.", "cps",
              ("sum by (outcome) (rate(aml_payments_total[5m]))", "{{outcome}}"),
              ("sum(rate(aml_late_total[5m]))", "late")),
    ),
    (
        graph("Alerts without a profile", "Alerts an hour that carry the mark.", "none",
              ("sum(increase(aml_without_profile_total[1h]))", "without a profile"), alerts=("PartitionDegraded",)),
        graph("Legs judged", "A payment seen from one key; a second.", "cps",
              ("sum(rate(aml_legs_total[5m]))", "legs")),
    ),
))  # fmt: skip

QUEUE = Board("aml-queue-healthy", "Is the queue healthy?", (
    (
        stat("Over due", "Open cases past their due date.",
             'aml:cases_due:max{due="over"}', "none", Limits(1, 10), "DueDatesBurn"),
        stat("Filing ends today", "Obligations whose last day is today, filed ones among them.",
             'aml:obligations_due:max{due="1d"}', "none", Limits(1, 10), "FilingDeadlineNear"),
        stat("Nobody has taken", "Open cases.", "max(aml_cases_unassigned)", "none", Limits(20, 100), "BacklogOld"),
        stat("Oldest untaken", "Age of the oldest case that nobody has taken.",
             "max(aml_cases_oldest_unassigned_seconds)", "s", Limits(86_400, 259_200), "BacklogOld"),
    ),
    (
        stat("Due within a day", "Open cases.", 'aml:cases_due:max{due="1d"}', "none", Limits(10, 50), "DueDatesBurn"),
        stat("Days of work due in three", "Cases over due or due in three days, at the last day's pace.",
             'sum(aml:cases_due:max{due=~"over|1d|3d"}) / clamp_min(max(aml:cases_closed:last_day), 1)', "none",
             Limits(2, 3), "DueDatesBurn"),
        stat("Closed in a day", "Cases.", "max(aml:cases_closed:last_day)", "none", Limits(1, 0, BAD_BELOW)),
        stat("Open", "All that do not sleep.", "sum(aml:case_backlog:max)", "none", Limits(200, 1000)),
    ),
    (
        graph("Open cases by age", "At most so old.", "none", ("aml:case_backlog:max", "{{age}}"), stacks=True),
        graph("Alerts of open cases by age", "At most so old.", "none", ("aml:alert_backlog:max", "{{age}}"),
              stacks=True),
    ),
    (
        graph("Open cases by time left", "Over, within a day, three, seven, later.", "none",
              ("aml:cases_due:max", "{{due}}"), stacks=True, alerts=("DueDatesBurn",)),
        graph("Obligations by time left", "Those past their day are left out.", "none",
              ("aml:obligations_due:max", "{{due}}"), stacks=True, alerts=("FilingDeadlineNear",)),
    ),
    (
        graph("Cases by state", "Closed is one state, whatever the outcome.", "none",
              ("aml:cases:max", "{{state}}")),
        graph("Opened, stored and repeated", "Cases and alerts an hour.", "none",
              ("sum(increase(aml_cases_opened_total[1h]))", "cases opened"),
              ("sum(increase(aml_alerts_stored_total[1h]))", "alerts stored"),
              ("sum(increase(aml_alerts_known_total[1h]))", "alerts that came again")),
    ),
    (
        graph("Reading these figures", "From the case store; below 0.5 s.", "s",
              ("max(aml_store_read_seconds)", "seconds"), alerts=("PostgresDown",)),
        stat("Case store", "1 when it answered.", "min(aml_store_readable)", "none", Limits(1, 0.5, BAD_BELOW),
             "PostgresDown"),
    ),
))  # fmt: skip

FRESH = Board("aml-data-and-models", "Are data and models fresh?", (
    (
        stat("Feeds that are silent", "For longer than they may.",
             "count(aml:feed_silence:seconds > max by (source) (aml_feed_silent_after_seconds)) or vector(0)", "none",
             Limits(1, 1), "FeedSilent"),
        stat("Feeds that differ", "From the bank's control totals.",
             "count(max by (source) (abs(aml_control_difference_records)) + max by (source) "
             "(aml_control_differing_sums) + max by (source) (aml_control_missing_days) > 0) or vector(0)", "none",
             Limits(1, 1), "ControlTotalsDiffer"),
        stat("Profiles awaited since", "Age of the oldest announced version that cannot be read.",
             "max(aml_profile_staleness_seconds)", "s", Limits(60, 300), "ProfilesStale"),
        stat("Models frozen", "Partitions in which a model says nothing.",
             "sum(aml_model_frozen)", "none", Limits(1, 1), "ModelFrozen"),
    ),
    (
        stat("Worst signal", "Stability index; 0.25 is a shift.",
             "max(aml_model_stability_index)", "none", Limits(0.1, 0.25), "ModelDrifted"),
        stat("Profiles missing in Redis", "Share of those asked for.",
             "aml:profile_cache:miss_ratio5m", "percentunit", Limits(0.001, 0.01), "ProfileCacheMisses"),
        stat("Oldest saved state", "Age of the state of the worst partition.",
             "max(time() - aml_state_saved_timestamp_seconds)", "s", Limits(120, 300), "StateOld"),
        stat("Newest rate", "Age.", "time() - max(aml_rates_timestamp_seconds)", "s", Limits(172_800, 345_600),
             "RatesOld"),
    ),
    (
        graph("Silence of feeds", "Since the last record.", "s", ("aml:feed_silence:seconds", "{{source}}"),
              alerts=("FeedSilent",)),
        graph("Control totals", "Ours less the bank's records; currencies that differ; days that miss.", "none",
              ("max by (source) (aml_control_difference_records)", "{{source}} records"),
              ("max by (source) (aml_control_differing_sums)", "{{source}} sums"),
              ("max by (source) (aml_control_missing_days)", "{{source}} days"), alerts=("ControlTotalsDiffer",)),
    ),
    (
        graph("Stability of signals", "Last 7 days against the 28 before.", "none",
              ("max by (signal) (aml_model_stability_index)", "{{signal}}"), alerts=("ModelDrifted",),
              limits=Limits(0.1, 0.25)),
        graph("Partitions whose models are ready", "Of all that run models; and frozen ones by model.", "none",
              ("sum(aml_model_ready_partitions)", "ready"), ("sum(aml_model_partitions)", "run models"),
              ("sum by (model) (aml_model_frozen)", "{{model}} frozen"), alerts=("ModelFrozen",)),
    ),
    (
        graph("Profile cache", "Requests a second by result; versions awaited; legs that lacked one.", "none",
              ("sum by (result) (rate(aml_profile_cache_requests_total[5m]))", "{{result}}"),
              ("sum(aml_profiles_awaited)", "awaited"),
              ("sum(rate(aml_legs_judged_again_total[5m]))", "judged again"),
              ("sum(rate(aml_legs_left_out_total[5m]))", "left out"), alerts=("ProfileCacheMisses", "ProfilesStale")),
        graph("Time of one request to the profile cache", "Promised: 99 % below 10 ms.", "s",
              ("histogram_quantile(0.99, sum by (le) (rate(aml_profile_cache_seconds_bucket[5m])))", "99 %"),
              limits=Limits(0.01, 0.1)),
    ),
    (
        graph("Saving and restoring state", "The longest of 99 %; a million accounts are back within 30 s.", "s",
              ("histogram_quantile(0.99, sum by (le) (rate(aml_state_save_seconds_bucket[1h])))", "save"),
              ("histogram_quantile(0.99, sum by (le) (rate(aml_state_restore_seconds_bucket[1d])))", "restore")),
        graph("Size of state", "All partitions, and the largest.", "bytes",
              ("sum(aml_state_bytes)", "all"), ("max(aml_state_bytes)", "largest"), alerts=("StateOld",)),
    ),
    (
        graph("Age of what comes daily", "Profiles written, bank snapshot, rates.", "s",
              ("time() - max(aml_profiles_written_timestamp_seconds)", "profiles"),
              ("time() - min(aml_bank_snapshot_timestamp_seconds)", "bank snapshot"),
              ("time() - max(aml_rates_timestamp_seconds)", "rates"),
              alerts=("ProfilesNotLoaded", "BankSnapshotOld", "RatesOld")),
        graph("History for explanations", "Rows recorded a second; identifiers that wait; versions that Redis lacked.",
              "none", ("sum(rate(aml_records_out_total{worker=\"history\"}[5m]))", "rows a second"),
              ("sum(deriv(aml_history_records[15m]))", "rows a second, of 15 minutes"),
              ("sum(aml_history_identities_lag_records)", "identifiers that wait"),
              ("sum(rate(aml_history_versions_absent_total[5m]))", "versions absent")),
    ),
))  # fmt: skip

BOARDS = (KEEPING_UP, JUDGING, QUEUE, FRESH)


def board_json(board: Board) -> dict[str, Any]:
    """A board as Grafana's dashboard model, schema version 39 (Grafana 11)."""
    panels: list[dict[str, Any]] = []
    y = 0
    for row in board.rows:
        is_stat = all(panel.kind == "stat" for panel in row)
        height, width = STAT_HEIGHT if is_stat else GRAPH_HEIGHT, WIDTH // len(row)
        for place, panel in enumerate(row):
            at = {"h": height, "w": width, "x": place * width, "y": y}
            panels.append({"id": len(panels) + 1, "gridPos": at, **_panel_json(panel)})
        y += height
    others = [{"title": other.title, "type": "link", "url": f"/d/{other.uid}", "keepTime": True} for other in BOARDS]
    return {
        "uid": board.uid,
        "title": board.title,
        "description": COMES_FIRST,
        "tags": ["aml"],
        "schemaVersion": 39,
        "editable": False,
        "refresh": "10s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "utc",
        "links": others,
        "templating": {"list": [_runbooks()]},
        "panels": panels,
    }


def text_of(board: Board) -> str:
    """The JSON file of a board."""
    return json.dumps(board_json(board), indent=1, ensure_ascii=False) + "\n"


def _panel_json(panel: Panel) -> dict[str, Any]:
    steps = [_step(GREEN, None)] if panel.limits is None else panel.limits.steps()
    defaults: dict[str, Any] = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.kind == "stat":
        defaults["color"] = {"mode": "thresholds"}
        options: dict[str, Any] = {
            "colorMode": "background", "graphMode": "area", "textMode": "value", "justifyMode": "center",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        }  # fmt: skip
    else:
        defaults["custom"] = {
            "axisSoftMin": 0, "lineWidth": 2, "fillOpacity": 20 if panel.stacks else 0, "showPoints": "never",
            "stacking": {"mode": "normal" if panel.stacks else "none"},
            "thresholdsStyle": {"mode": "off" if panel.limits is None else "line"},
        }  # fmt: skip
        options = {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.says,
        "datasource": DATASOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
        "links": [{"title": name, "url": f"${{runbooks}}/{name}.md", "targetBlank": True} for name in panel.alerts],
        "targets": [
            {"refId": chr(ord("A") + number), "expr": expression, "legendFormat": legend, "datasource": DATASOURCE}
            for number, (expression, legend) in enumerate(panel.asks)
        ],
    }


def _runbooks() -> dict[str, Any]:
    """Where runbooks are shown; a bank sets the address of its own pages."""
    return {
        "name": "runbooks", "type": "textbox", "label": "Runbooks at", "hide": 2,
        "query": "/docs/runbooks", "current": {"text": "/docs/runbooks", "value": "/docs/runbooks"},
    }  # fmt: skip


def _step(color: str, value: float | None) -> dict[str, Any]:
    return {"color": color, "value": value}


def main() -> None:
    """Write all boards."""
    FOLDER.mkdir(exist_ok=True)
    for board in BOARDS:
        (FOLDER / f"{board.uid}.json").write_text(text_of(board), "utf-8")


if __name__ == "__main__":
    main()
