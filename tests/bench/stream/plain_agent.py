"""The baseline: a plain Faust agent that does the scoring worker's job one message at a time.

    python -m tests.bench.stream.plain_agent BOOTSTRAP FOLDER PORT

Each message of ``transactions`` is one payment in JSON. It is decoded, judged by one step of the same engine with the
same rules, models, profiles, rates and lists, its alerts are sent, and it is acknowledged. Nothing is saved. It answers
on a port as workers do.
"""

import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import faust
from faust.worker import Worker

from monitor.adapters.kafka import alert_records
from monitor.app.settings import KafkaSettings, WorkerSettings
from monitor.app.streaming.book import Book
from monitor.app.streaming.faust_app import make_app
from monitor.app.streaming.health import Health
from monitor.app.streaming.recording import WorkerMetrics
from monitor.intake.records import RecordChunk, SourcePosition
from tests.bench.banks import Bank, Plan
from tests.bench.pipeline import Pipeline

_START = SourcePosition(0, 0)


def agent_of(app: faust.App, pipeline: Pipeline, metrics: WorkerMetrics) -> Any:
    """The agent: a message in, its alerts out."""
    payments = app.topic("transactions", key_serializer="raw", value_serializer="raw", key_type=bytes, value_type=bytes)

    async def judge(stream: Any) -> None:
        async for value in stream:
            start = perf_counter()
            _, alerts = pipeline.run(RecordChunk("transactions", _START, _START, 1, lines=value + b"\n"))
            if alerts:
                await app.producer.send("plain-alerts", None, alert_records.encode(alerts), 0, None, None)
            metrics.passed(taken=1, given=len(alerts), seconds=perf_counter() - start)

    return app.agent(payments, name="plain")(judge)


def main() -> None:
    """The command."""
    bootstrap, folder, port = sys.argv[1:]
    book = Book()
    metrics = WorkerMetrics(book, "score")
    pipeline = Pipeline(Bank(Plan(0, 0, 0), Path(folder)), models="shadow")
    app = make_app("bench-plain", KafkaSettings(bootstrap=bootstrap), WorkerSettings(), commit_seconds=1.0)
    agent_of(app, pipeline, metrics)
    with Health("127.0.0.1", int(port), book.registry):
        worker = Worker(app, loglevel="WARN", redirect_stdouts=False, quiet=True)
        worker.spinner = None
        worker.execute_from_commandline()


if __name__ == "__main__":
    main()
