"""The stages of the bench: each starts its workers, lets them work, and says at what rate they did."""

import subprocess
import sys
from collections.abc import Sequence
from time import monotonic, process_time
from typing import Any

import msgspec
from confluent_kafka import Consumer, TopicPartition

from deploy.servers.server import free_ports
from monitor.adapters.kafka.producing import OpenLoop
from tests.bench.measuring import Payment
from tests.bench.stream.cluster import ROOT, TRANSACTIONS, BenchFailed, Cluster, Sample, Worker
from tests.bench.stream.delays import rows_of_legs
from tests.bench.stream.feeding import Schedule
from tests.bench.stream.rates import Rate, rate

_READ = 16_384


def profiles(cluster: Cluster) -> dict[str, Any]:
    """All profiles of the bank into the topic, and from there into Redis and, as announcements, into ``legs``."""
    lines = (cluster.bank.folder / "profiles.jsonl").read_bytes().splitlines()
    key = msgspec.json.Decoder(msgspec.defstruct("Keyed", [("customer", str)])).decode
    OpenLoop(cluster.client, "profiles").send((key(line).customer.encode(), line) for line in lines)
    start, worker = monotonic(), cluster.start("profiles")
    cluster.wait("all profiles", lambda: sum(cluster.committed("aml-profiles", "profiles")) == len(lines))
    worker.stop()
    return {"versions": len(lines), "seconds_with_start": round(monotonic() - start, 1)}


def feed(cluster: Cluster, *, skip: int, count: int, per_second: float | None) -> "subprocess.Popen[bytes]":
    """Begin to feed payments of the bank, by a process of its own; :func:`schedule_of` waits for its end."""
    command = [
        sys.executable, "-m", "tests.bench.stream.feeding", cluster.broker.bootstrap,
        str(cluster.bank.folder / "transactions.jsonl"), "--skip", str(skip), "--count", str(count),
        "--schedule", str(cluster.folder / "schedule.npz"),
    ]  # fmt: skip
    if per_second is not None:
        command += ["--rate", str(per_second)]
    return subprocess.Popen(command, cwd=ROOT)


def schedule_of(cluster: Cluster, feeding: "subprocess.Popen[bytes]") -> Schedule:
    """What was fed, once all of it is acknowledged."""
    if feeding.wait() != 0:
        raise BenchFailed(f"feeding ended with status {feeding.returncode}")
    return Schedule.load(cluster.folder / "schedule.npz")


def caught_up(expected: int) -> Any:
    """A condition: so many taken in together, and none waits."""

    def is_so(now: Sequence[Sample]) -> bool:
        return sum(each.taken for each in now) >= expected and not any(each.lag for each in now)

    return is_so


def intake(cluster: Cluster, expected: int) -> tuple[Rate, int]:
    """The whole of ``transactions`` through one intake worker.

    Returns:
        Its rate, and how many rows it sent: a payment goes to the partition of each of its keys.
    """
    worker = cluster.start("intake")
    (samples,) = cluster.watch([worker], caught_up(expected))
    rows = int(worker.numbers()["aml_records_out_total", "intake"])
    worker.stop()
    return rate([samples]), rows


def scoring(cluster: Cluster, count: int, expected: int) -> tuple[Rate, dict[str, int], int]:
    """The whole of ``legs`` through so many scoring workers that know nothing yet.

    Args:
        cluster: The servers.
        count: How many workers.
        expected: Rows that ``legs`` holds at least.

    Returns:
        Their rate in rows, what became of the rows by outcome, and how many legs were judged.
    """
    workers = [cluster.start("score") for _ in range(count)]
    samples = cluster.watch(workers, caught_up(expected))
    outcomes = summed([worker.outcomes() for worker in workers])
    legs = sum(int(worker.numbers()["aml_legs_total",]) for worker in workers)
    for worker in workers:
        worker.stop()
    return rate(samples), outcomes, legs


def summed(counts: Sequence[dict[str, int]]) -> dict[str, int]:
    """Counts of several, together."""
    return {name: sum(each.get(name, 0) for each in counts) for name in {name for each in counts for name in each}}


def plain_agent(cluster: Cluster, seconds: float) -> Rate:
    """A Faust agent that takes one payment at a time, for so long behind its first payments."""
    (port,) = free_ports(1)
    command = ["-m", "tests.bench.stream.plain_agent", cluster.broker.bootstrap, str(cluster.bank.folder), str(port)]
    return _for_a_while(cluster, cluster.run("plain", command, port), seconds)


def cases(cluster: Cluster, seconds: float) -> Rate:
    """The casework worker on the alerts that wait, into SQLite, for so long behind the first; in alerts."""
    return _for_a_while(cluster, cluster.start("cases"), seconds)


def _for_a_while(cluster: Cluster, worker: Worker, seconds: float) -> Rate:
    began: list[float] = []

    def is_over(now: Sequence[Sample]) -> bool:
        if now[0].taken > 0 and not began:
            began.append(now[0].at)
        return bool(began) and now[0].at - began[0] >= seconds

    (samples,) = cluster.watch([worker], is_over)
    worker.kill()
    return rate([samples], low=0.1)


def decode_only(cluster: Cluster) -> Rate:
    """All of ``transactions`` read by confluent-kafka and each message decoded by msgspec, and nothing else."""
    ends = cluster.ends("transactions")
    reader: Any = Consumer(
        {**cluster.client, "group.id": "bench-decode", "enable.auto.commit": "false", "log_level": "0",
         "queued.max.messages.kbytes": "16384", "fetch.max.bytes": str(8 << 20)}
    )  # fmt: skip
    decode, left, cpu, start = msgspec.json.Decoder(Payment).decode, sum(ends), process_time(), monotonic()
    reader.assign([TopicPartition("transactions", number, 0) for number in range(TRANSACTIONS)])
    try:
        while left > 0:
            messages = reader.consume(_READ, 0.05)
            for message in messages:
                decode(message.value())
            left -= len(messages)
        return Rate(sum(ends), monotonic() - start, process_time() - cpu)
    finally:
        reader.close()


class Chain:
    """One intake and one scoring worker that work together on what is fed; they go on where those before them ended."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.rows_before = sum(len(each) for each in rows_of_legs(cluster))
        """Rows of ``legs`` that were judged before these workers."""
        self._intake, self._score = cluster.start("intake"), cluster.start("score")
        cluster.wait("intake and scoring", lambda: self._intake.is_ready() and self._score.is_ready())

    def run(self, *, skip: int, count: int, per_second: float | None) -> tuple[Schedule, Rate, Rate]:
        """Feed payments and wait until all are judged.

        Returns:
            The schedule, the rate of intake in payments, and that of scoring in rows.
        """
        before = self.taken()
        feeding = feed(self.cluster, skip=skip, count=count, per_second=per_second)

        def is_over(now: Sequence[Sample]) -> bool:
            is_fed = feeding.poll() is not None and now[0].taken - before[0] >= count
            return is_fed and now[1].taken - before[1] >= self.rows_since(before) and not now[1].lag

        intaken, scored = self.cluster.watch([self._intake, self._score], is_over)
        schedule = schedule_of(self.cluster, feeding)
        return schedule, rate([_from(intaken, before[0])]), rate([_from(scored, before[1])])

    def taken(self) -> tuple[int, int, int]:
        """What intake and scoring have taken in, and the rows that intake has given."""
        intake = self._intake.numbers()
        return (
            int(intake["aml_records_in_total", "intake"]),
            int(self._score.numbers()["aml_records_in_total", "score"]),
            int(intake["aml_records_out_total", "intake"]),
        )

    def rows_since(self, before: tuple[int, int, int]) -> int:
        """Rows that intake has given since then."""
        return int(self._intake.numbers()["aml_records_out_total", "intake"]) - before[2]

    def outcomes(self) -> dict[str, int]:
        """What became of the rows since the start of these workers."""
        return self._score.outcomes()

    def stop(self) -> None:
        """End both in order, intake first."""
        self._intake.stop()
        self._score.stop()


def _from(samples: Sequence[Sample], taken: int) -> list[Sample]:
    """Samples that count from what was taken in before."""
    return [msgspec.structs.replace(each, taken=each.taken - taken) for each in samples]
