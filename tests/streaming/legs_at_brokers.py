"""The log of legs as the brokers have it, and what undisturbed partitions make of it.

Workers write into the log as well, and where their records stand depends on time. So what is expected of workers is
computed from the log as it is in the end, and how far they are is compared with its ends.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from confluent_kafka import Consumer, TopicPartition

from monitor.adapters.kafka import bank_records, legs_log
from monitor.app.inputs import LoadedInputs
from monitor.app.streaming.partition import BANK, LogRecord, Partition, Profiles
from monitor.app.streaming.token_table import TokenTable
from monitor.domain.alert import Alert
from tests.streaming.committed import committed
from tests.streaming.legs_stream import KEY

Logs = dict[int, list[LogRecord]]
"""The records of each partition."""
Told = dict[tuple[int, int], list[bytes]]
"""Records of kind ``bank`` by who tells and who is told, each once, in their order."""


@dataclass(frozen=True)
class LegsAtBrokers:
    """The log, and up to where the scoring workers have committed it."""

    client: dict[str, str]
    topic: str
    group: str
    count: int

    def ends(self) -> list[int]:
        """How many records each partition holds."""
        with self._reader() as reader:
            return [reader.get_watermark_offsets(each, timeout=20)[1] for each in self._places()]

    def committed(self) -> list[int]:
        """Up to where each partition is judged, saved and committed."""
        with self._reader() as reader:
            return [max(each.offset, 0) for each in committed(reader, self._places())]

    def is_judged(self, numbers: Collection[int]) -> bool:
        """Whether all that these partitions hold is committed, and nothing more comes that follows from it.

        An offset is committed when the brokers have all that was told before it. So the ends are asked for after that.
        """
        done, ends = self.committed(), self.ends()
        return all(done[number] == ends[number] for number in numbers)

    def logs(self) -> Logs:
        """All records, as they stand at the brokers now."""
        found: Logs = {}
        for number, end in enumerate(self.ends()):
            stretches = legs_log.stretch(self.client, self.topic, number, 0, end)
            found[number] = [LogRecord(*each) for records in stretches for each in records]
            assert [each.offset for each in found[number]] == list(range(end))
        return found

    def _reader(self) -> "Consumer":
        return Consumer({**self.client, "group.id": self.group, "enable.auto.commit": "false", "log_level": "0"})

    def _places(self) -> list[TopicPartition]:
        return [TopicPartition(self.topic, number) for number in range(self.count)]


@dataclass
class Undisturbed:
    """What partitions lead to that judge the log without a break, hearing each record of kind ``bank`` once."""

    alerts: dict[str, Alert] = field(default_factory=dict)
    told: Told = field(default_factory=dict)
    partitions: dict[int, Partition] = field(default_factory=dict)

    def take(self, partition: Partition, records: Iterable[LogRecord]) -> list[Alert]:
        """Judge records; what they raise."""
        judged = partition.step(list(records))
        assert (judged.blocked, judged.damaged) == (None, [])
        for to, kind, value in judged.messages:
            if kind == BANK:
                self.told.setdefault((partition.number, to), []).append(value)
        self.alerts |= {each.alert_id: each for each in judged.alerts}
        self.partitions[partition.number] = partition
        return judged.alerts

    def heard_of(self) -> list[int]:
        """How many customers of the others each partition has heard of."""
        found = []
        for _, partition in sorted(self.partitions.items()):
            peers = partition.engine.peers
            own = peers.histograms[: len(peers.segment_code) + 1]
            found.append(int(peers.told.merged(own)[0, 0].sum() - own[0, 0].sum()))
        return found


def undisturbed(
    logs: Logs, loaded: LoadedInputs, new_profiles: Callable[[TokenTable], Profiles], numbers: Iterable[int]
) -> Undisturbed:
    """Judge the logs of some partitions."""
    found = Undisturbed()
    for number in numbers:
        found.take(Partition(number, len(logs), loaded, KEY, new_profiles), without_repeats(logs[number]))
    return found


def without_repeats(records: Iterable[LogRecord]) -> list[LogRecord]:
    """The records without those of kind ``bank`` that stood there before: a worker that was killed tells again."""
    heard: set[bytes] = set()
    found = []
    for record in records:
        if record.kind != BANK or record.value not in heard:
            found.append(record)
        if record.kind == BANK:
            heard.add(record.value)
    return found


def told_in(logs: Logs) -> Told:
    """What stands in the logs of kind ``bank``."""
    found: Told = {}
    for to, records in logs.items():
        for record in without_repeats(records):
            if record.kind == BANK:
                teller = bank_records.decode(record.value, len(logs)).teller
                found.setdefault((teller, to), []).append(record.value)
    return found
