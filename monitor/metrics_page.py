"""The page ``docs/metrics.md``: ``python -m monitor.metrics_page > docs/metrics.md``."""

from monitor.metrics import LABELS, METRICS, OTHER


def page() -> str:
    """The text of ``docs/metrics.md``."""
    lines = [
        "# Metrics",
        "",
        "Printed by `python -m monitor.metrics_page` from `monitor/metrics.py`; a test holds both equal. Each worker",
        "shows its own at `/metrics`. What to look at first is in [watching](watching.md).",
        "",
        "| metric | kind | labels | what it says | promise |",
        "|---|---|---|---|---|",
    ]
    for metric in METRICS:
        labels = ", ".join(metric.labels) or "-"
        lines.append(f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help} | {metric.promise} |")
    lines += [
        "",
        "## Labels",
        "",
        f"A value that does not fit, or one beyond the limit of a process, is counted as `{OTHER}`.",
        "",
        "| label | meaning | values at most |",
        "|---|---|---|",
        *(f"| `{name}` | {label.meaning} | {label.values_max} |" for name, label in sorted(LABELS.items())),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(page(), end="")
