"""The state of a partition as a worker finds it: its newest snapshot, and where the log stands beside it."""

import time
from collections.abc import Callable

import structlog

from monitor.adapters.kafka import legs_log
from monitor.adapters.kafka.legs_log import Extent, LogShorter
from monitor.adapters.kafka.missing_profiles import MISSING
from monitor.adapters.kafka.topics import KafkaError
from monitor.app import state_formats
from monitor.app.inputs import LoadedInputs
from monitor.app.settings import Settings
from monitor.app.streaming.partition import Partition, Profiles
from monitor.app.streaming.recording import ScoringMetrics
from monitor.app.streaming.scoring_state import UNREAD_SECONDS, Held, reason_of
from monitor.app.streaming.snapshot_places import SnapshotPlaces
from monitor.app.streaming.token_table import TokenTable


class Restoring:
    """Finds states. All of it waits for brokers and the store, and may run in a thread.

    Args:
        settings: Brokers, the place of snapshots, the key of the tokens.
        loaded: Rules and all other inputs of verdicts.
        topic: The topic of legs.
        group: The group that commits.
        new_profiles: Makes the empty profiles of a partition.
        metrics: What it records.
        say: What it says.

    Raises:
        KafkaError: There is no such topic, or no broker answers.
    """

    def __init__(
        self,
        settings: Settings,
        loaded: LoadedInputs,
        topic: str,
        group: str,
        new_profiles: Callable[[TokenTable], Profiles],
        metrics: ScoringMetrics,
        say: structlog.typing.FilteringBoundLogger,
    ) -> None:
        self.places = SnapshotPlaces(settings.store)
        self._client, self._topic, self._group = settings.kafka.client(), topic, group
        self._key, self._loaded, self._new_profiles = settings.store.key(), loaded, new_profiles
        self._metrics, self._say = metrics, say
        self._partitions = legs_log.partitions_of(self._client, topic)

    def restored(self, number: int) -> Held:
        """A partition with its newest state, or an empty one; what cannot be read is to be asked for again later.

        Raises:
            LogShorter: The log ends before that state.
        """
        start = time.perf_counter()
        partition = Partition(number, self._partitions, self._loaded, self._key, self._new_profiles)
        try:
            store = self.places.of(f"{self._topic}-{number}")
            found = state_formats.newest(store, partition.engine)
            if found is not None:
                partition.load(found.arrays, offset=found.position, clock_us=found.clock_us)
            log = self.extent(number)
            if partition.offset > log.end:
                where = f"{self._client['bootstrap.servers']}: topic {self._topic}: partition {number}"
                raise LogShorter(
                    f"{where} ends at {log.end}, and its state is of {partition.offset}. The topic was made anew, or "
                    "the store belongs to other brokers. Name the brokers and the store that belong together."
                )
            # What workers before went on without stands in the log behind the place where it did.
            for value in legs_log.of_kind(self._client, self._topic, number, partition.offset, log.end, MISSING):
                partition.go_without(value)
        except OSError as error:
            self._metrics.dependency("snapshots", False)
            self._say.error("state_not_read", partition=number, reason=reason_of(error), error=error)
            return Held(partition, None, 0, retry_at=time.monotonic() + UNREAD_SECONDS, runbook="DiskFull")
        except KafkaError as error:
            self._metrics.dependency("kafka", False)
            self._say.error("log_not_read", partition=number, error=error)
            return Held(partition, None, 0, retry_at=time.monotonic() + UNREAD_SECONDS, runbook="KafkaDown")
        seconds = round(time.perf_counter() - start, 3)
        self._say.info("state_restored", partition=number, offset=partition.offset, seconds=seconds)
        return Held(partition, store, partition.offset)

    def extent(self, number: int) -> Extent:
        """What the brokers have of a partition's log, and what of it is committed.

        Raises:
            KafkaError: They do not say it.
        """
        return legs_log.extent(self._client, self._topic, number, self._group)
