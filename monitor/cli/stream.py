"""``aml topics``, ``aml produce`` and ``aml settings``: what stands around the workers of the streaming shell."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from monitor.adapters.snapshot_objects import ObjectStoreError
from monitor.app.settings import Settings, SettingsError, load_settings, shown
from monitor.cli.ending import fail
from monitor.domain.feed import FEED, NO_FEED, is_feed
from monitor.intake.lines import STANDARD_INPUT, SourceDamaged, read_lines
from monitor.intake.profiles import profile_lines
from monitor.intake.records import SourcePosition
from monitor.intake.yaml_files import YamlFileError

_PACKAGE = Path(__file__).resolve().parents[1]
_INSTALLED = _PACKAGE / "topics.yaml"
TOPICS = _INSTALLED if _INSTALLED.is_file() else _PACKAGE.parent / "deploy" / "topics.yaml"
"""The shipped topics: inside the package where it is installed, in ``deploy/`` of a checkout."""
EXIT_STATUS = """\b
exit status:
  0  done
  1  topics are not as they should be
  2  a setting or a file is wrong, or the brokers do not answer or refuse something"""

SettingsFile = Annotated[
    Path | None, typer.Option("--settings", metavar="FILE", help="settings in YAML; the environment goes before it")
]
TopicsFile = Annotated[Path, typer.Option("--topics", metavar="FILE", help="the topics as they should be")]

topics = typer.Typer(
    help="Topics of the streaming shell: make them, and compare them with what they should be.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@contextmanager
def told() -> Iterator[None]:
    """What goes wrong inside ends the program with a message and an exit status."""
    try:
        from monitor.adapters.kafka.topics import KafkaError
    except ImportError:
        fail("The clients of Kafka are not installed. Install the extra:  pip install 'aml-monitor[stream]'", 2)
        raise
    try:
        yield
    except (SettingsError, YamlFileError, KafkaError, SourceDamaged, RecordWithoutKey, ObjectStoreError) as error:
        fail(str(error), 2)
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}. Correct the path.", 2)


def read_settings(file: Path | None) -> Settings:
    """The settings in force."""
    return load_settings(os.environ, file)


@topics.command("create", epilog=EXIT_STATUS)
def create_command(
    settings: SettingsFile = None,
    wanted: TopicsFile = TOPICS,
    replication: Annotated[int, typer.Option(min=1, metavar="N", help="copies of each partition")] = 1,
) -> None:
    """Make the topics that are not there. What is there is never changed."""
    with told():
        from monitor.adapters.kafka.topics import TopicAdmin, read_topics

        admin = TopicAdmin(read_settings(settings).kafka.client())
        made = admin.create(read_topics(wanted), replication=replication)
    typer.echo(f"Made {', '.join(made)}." if made else "All topics are there.")


@topics.command("check", epilog=EXIT_STATUS)
def check_command(settings: SettingsFile = None, wanted: TopicsFile = TOPICS) -> None:
    """Say where topics are not as they should be."""
    with told():
        from monitor.adapters.kafka.topics import TopicAdmin, read_topics

        topics = read_topics(wanted)
        found = TopicAdmin(read_settings(settings).kafka.client()).differences(topics)
    for difference in found:
        typer.echo(str(difference))
    if found:
        raise typer.Exit(1)
    typer.echo(f"{len(topics)} topics are as they should be.")


def produce(
    file: Annotated[str, typer.Argument(metavar="FILE", help="JSON lines, also gzip; - reads standard input")],
    topic: Annotated[str, typer.Option(metavar="NAME", help="where to")] = "transactions",
    rate: Annotated[
        float | None, typer.Option(min=0.001, metavar="N", help="records a second (default: as fast as they are taken)")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(metavar="FIELD", help="the text of this field is the record's key; customer for profiles"),
    ] = None,
    feed: Annotated[
        str | None, typer.Option(metavar="NAME", help=f"the feed that its payments are of (default: {FEED})")
    ] = None,
    settings: SettingsFile = None,
) -> None:
    """Send a file of records into a topic, at a stated rate and in open loop.

    \b
    examples:
      aml produce transactions.jsonl --rate 20000
      aml produce cards.jsonl --feed cards
      aml produce profiles.jsonl --topic profiles --key customer
    """
    if feed is not None and not is_feed(feed):
        fail(f"--feed: {feed!r} {NO_FEED}.", 2)
    with told():
        from monitor.adapters.kafka.producing import OpenLoop

        headers = {} if feed is None else {"feed": feed}
        records = _records(file) if key is None else _keyed_records(file, key)
        done = OpenLoop(read_settings(settings).kafka.client(), topic, rate=rate, headers=headers).send(records)
    per_second = done.acknowledged / done.seconds if done.seconds else 0.0
    typer.echo(f"{done.acknowledged:,} records into {topic} in {done.seconds:.1f} s, {per_second:,.0f} a second.")
    if rate is not None and done.behind_s > 1.0:
        sys.stderr.write(
            f"Sending was up to {done.behind_s:.1f} s behind the rate: the brokers or this program are slower.\n"
        )


def settings_command(settings: SettingsFile = None) -> None:
    """The settings in force: the environment before the file before the defaults. Secrets are hidden."""
    try:
        found = shown(read_settings(settings))
    except (SettingsError, YamlFileError) as error:
        fail(str(error), 2)
        raise
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, value in found.items():
        table.add_row(name, value, f"AML_{name.replace('.', '_').upper()}")
    Console(highlight=False).print(table)


class RecordWithoutKey(Exception):
    """A record has no text to be keyed by; the message says where."""


def _records(file: str) -> Iterator[tuple[bytes | None, bytes]]:
    for chunk in read_lines(file, start=SourcePosition(0, 0)):
        for line in (chunk.lines or b"").split(b"\n"):
            if line.strip():
                yield None, line


def _keyed_records(file: str, field: str) -> Iterable[tuple[bytes, bytes]]:
    """Records and the text of a field of each; up to a mebibyte long, as profiles can be.

    Raises:
        RecordWithoutKey: One has none.
    """
    read_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
    read_text = msgspec.json.Decoder(Annotated[str, msgspec.Meta(min_length=1)]).decode
    for number, line in profile_lines(Path("/dev/stdin" if file == STANDARD_INPUT else file)):
        try:
            key = read_text(read_fields(line)[field])
        except (msgspec.MsgspecError, UnicodeDecodeError, KeyError):
            raise RecordWithoutKey(
                f"{file}:{number}: there is no text {field!r} to key the record by; those before it were sent. "
                "Correct the record, or name another field with --key."
            ) from None
        yield key.encode(), line.rstrip(b"\r\n")
