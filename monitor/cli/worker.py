"""``aml worker``: the processes of the streaming shell, one command each."""

from monitor.cli.lazy import Place, group

WORKERS = {
    "intake": Place(
        "monitor.cli.worker_intake:intake",
        "Decode topic transactions: payments into legs, what is wrong into refused, new identifiers into identities.",
        "monitor.cli.worker_intake:EXIT_STATUS",
    ),
    "score": Place(
        "monitor.cli.worker_score:score",
        "Judge the partitions that are assigned to this worker, and go on until stopped.",
        "monitor.cli.stream:EXIT_STATUS",
    ),
    "cases": Place(
        "monitor.cli.worker_cases:cases",
        "Store alerts and cases, each once, and go on until stopped.",
        "monitor.cli.worker_cases:EXIT_STATUS",
    ),
    "history": Place(
        "monitor.cli.worker_history:history",
        "Record the partitions that are assigned to this worker, and go on until stopped.",
        "monitor.cli.stream:EXIT_STATUS",
    ),
    "profiles": Place(
        "monitor.cli.worker_profiles:profiles",
        "Keep profile versions in Redis and announce them to the scoring workers; ends on SIGTERM or Ctrl-C.",
        "monitor.cli.stream:EXIT_STATUS",
    ),
}

app = group(WORKERS, help="Workers of the streaming shell.")
