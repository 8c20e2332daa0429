"""Topics as they should be (``deploy/topics.yaml``), and as they are at the brokers."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from confluent_kafka import KafkaError as Code
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic  # type: ignore[attr-defined]
from pydantic import BaseModel, ConfigDict, Field

from monitor.intake.yaml_files import read_model

SECONDS = 15.0
"""How long an answer of the brokers may take."""
_DAY_MS = 86_400_000


class KafkaError(Exception):
    """The brokers refused or did not answer; the message says fact and remedy."""


class Topic(BaseModel):
    """One topic as it should be."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    partitions: Annotated[int, Field(ge=1, le=10_000)]
    purpose: str
    retention_days: Annotated[int, Field(ge=0, le=36_500)] = 0
    cleanup: Literal["delete", "compact"] = "delete"

    def config(self) -> dict[str, str]:
        """Its settings at the brokers."""
        kept = self.retention_days * _DAY_MS if self.retention_days else -1
        return {"cleanup.policy": self.cleanup, "retention.ms": str(kept)}


class Topics(BaseModel):
    """All topics by name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    topics: dict[Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]{1,200}$")], Topic]


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a topic is not as it should be; ``can_be_made`` if creating mends it."""

    topic: str
    fact: str
    remedy: str
    can_be_made: bool = False

    def __str__(self) -> str:
        return f"{self.topic}: {self.fact}. {self.remedy}"


def read_topics(path: Path) -> dict[str, Topic]:
    """The topics of a file, by name.

    Raises:
        YamlFileError: The file is wrong; it names the line.
        OSError: The file cannot be read.
    """
    return dict(read_model(path, Topics).topics)


class TopicAdmin:
    """Looks at topics and makes them.

    Args:
        client: Settings of the client (:meth:`monitor.app.settings.KafkaSettings.client`).
    """

    def __init__(self, client: Mapping[str, str]) -> None:
        self._where = client["bootstrap.servers"]
        self._admin = AdminClient({**client, "log_level": "0"})

    def differences(self, wanted: Mapping[str, Topic]) -> list[Difference]:
        """Where topics are not as they should be, in the order wanted; others are left alone.

        Raises:
            KafkaError: The brokers do not answer.
        """
        there = self._partitions()
        known = [name for name in wanted if name in there]
        configs = self._configs(known)
        found: list[Difference] = []
        for name, topic in wanted.items():
            if name not in there:
                found.append(Difference(name, "it is not there", "Make it:  aml topics create", True))
                continue
            if there[name] != topic.partitions:
                found.append(
                    Difference(
                        name, f"it has {there[name]} partitions, {topic.partitions} are wanted",
                        "Keys would change their partition, so this is not changed here: correct the file, or make the "
                        "topic anew before it holds anything.",
                    )
                )  # fmt: skip
            for key, value in topic.config().items():
                if configs[name].get(key) != value:
                    fact = f"its {key} is {configs[name].get(key)}, {value} is wanted"
                    found.append(Difference(name, fact, "Change it with the brokers' own tools, or correct the file."))
        return found

    def create(self, wanted: Mapping[str, Topic], *, replication: int) -> list[str]:
        """Make the topics that are not there; their names. What is there is left as it is.

        Raises:
            KafkaError: The brokers refuse one, or do not answer.
        """
        there = self._partitions()
        missing = [
            NewTopic(name, num_partitions=topic.partitions, replication_factor=replication, config=topic.config())
            for name, topic in wanted.items()
            if name not in there
        ]
        if not missing:
            return []
        for name, made in self._admin.create_topics(missing, operation_timeout=SECONDS).items():
            # A slow broker's answer can be lost and the client asks again: then the topic is there already.
            self._answer(made, f"topic {name} could not be made", passed_over=Code.TOPIC_ALREADY_EXISTS)
        names = [each.topic for each in missing]
        self._wait_for(names)
        return names

    def partitions(self) -> dict[str, int]:
        """How many partitions each topic has.

        Raises:
            KafkaError: The brokers do not answer.
        """
        return self._partitions()

    def _wait_for(self, names: list[str]) -> None:
        """Wait until every broker that is asked knows the topics: they are made before all of them do."""
        until = time.monotonic() + SECONDS
        while not set(names) <= self._partitions().keys():
            if time.monotonic() > until:
                raise KafkaError(f"{self._where}: {', '.join(names)} were made and are not there yet. Ask again later.")
            time.sleep(0.1)

    def _partitions(self) -> dict[str, int]:
        try:
            listed = self._admin.list_topics(timeout=SECONDS)
        except KafkaException as error:
            raise KafkaError(
                f"{self._where}: no broker answers ({error.args[0].str()}). Start one, or set AML_KAFKA_BOOTSTRAP."
            ) from None
        return {name: len(topic.partitions) for name, topic in listed.topics.items()}

    def _configs(self, names: list[str]) -> dict[str, dict[str, str]]:
        if not names:
            return {}
        asked = self._admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, name) for name in names])
        found = {}
        for resource, answer in asked.items():
            entries = self._answer(answer, f"the settings of topic {resource.name} could not be read")
            found[resource.name] = {key: entry.value for key, entry in entries.items()}
        return found

    def _answer(self, future: Any, what: str, *, passed_over: int | None = None) -> Any:
        try:
            return future.result(timeout=SECONDS)
        except KafkaException as error:
            if error.args[0].code() == passed_over:
                return None
            raise KafkaError(f"{self._where}: {what}: {error.args[0].str()}.") from None
