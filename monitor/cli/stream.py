"""``aml topics``, ``aml produce`` and ``aml settings``: what stands around the workers of the streaming shell."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from monitor.app.settings import Settings, SettingsError, load_settings, shown
from monitor.cli.desk_session import fail
from monitor.intake.lines import SourceDamaged, read_lines
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
def _told() -> Iterator[None]:
    """What goes wrong inside ends the program with a message and an exit status."""
    try:
        from monitor.adapters.kafka.topics import KafkaError
    except ImportError:
        fail("The clients of Kafka are not installed. Install the extra:  pip install 'aml-monitor[stream]'", 2)
        raise
    try:
        yield
    except (SettingsError, YamlFileError, KafkaError, SourceDamaged) as error:
        fail(str(error), 2)
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}. Correct the path.", 2)


def _settings(file: Path | None) -> Settings:
    return load_settings(os.environ, file)


@topics.command("create", epilog=EXIT_STATUS)
def create_command(
    settings: SettingsFile = None,
    wanted: TopicsFile = TOPICS,
    replication: Annotated[int, typer.Option(min=1, metavar="N", help="copies of each partition")] = 1,
) -> None:
    """Make the topics that are not there. What is there is never changed."""
    with _told():
        from monitor.adapters.kafka.topics import TopicAdmin, read_topics

        admin = TopicAdmin(_settings(settings).kafka.client())
        made = admin.create(read_topics(wanted), replication=replication)
    typer.echo(f"Made {', '.join(made)}." if made else "All topics are there.")


@topics.command("check", epilog=EXIT_STATUS)
def check_command(settings: SettingsFile = None, wanted: TopicsFile = TOPICS) -> None:
    """Say where topics are not as they should be."""
    with _told():
        from monitor.adapters.kafka.topics import TopicAdmin, read_topics

        topics = read_topics(wanted)
        found = TopicAdmin(_settings(settings).kafka.client()).differences(topics)
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
    settings: SettingsFile = None,
) -> None:
    """Send a file of payments into a topic, at a stated rate and in open loop."""
    with _told():
        from monitor.adapters.kafka.producing import OpenLoop

        done = OpenLoop(_settings(settings).kafka.client(), topic, rate=rate).send(_records(file))
    per_second = done.acknowledged / done.seconds if done.seconds else 0.0
    typer.echo(f"{done.acknowledged:,} records into {topic} in {done.seconds:.1f} s, {per_second:,.0f} a second.")
    if rate is not None and done.behind_s > 1.0:
        sys.stderr.write(
            f"Sending was up to {done.behind_s:.1f} s behind the rate: the brokers or this program are slower.\n"
        )


def settings_command(settings: SettingsFile = None) -> None:
    """The settings in force: the environment before the file before the defaults. Secrets are hidden."""
    try:
        found = shown(_settings(settings))
    except (SettingsError, YamlFileError) as error:
        fail(str(error), 2)
        raise
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, value in found.items():
        table.add_row(name, value, f"AML_{name.replace('.', '_').upper()}")
    Console(highlight=False).print(table)


def _records(file: str) -> Iterator[bytes]:
    for chunk in read_lines(file, start=SourcePosition(0, 0)):
        for line in (chunk.lines or b"").split(b"\n"):
            if line.strip():
                yield line
