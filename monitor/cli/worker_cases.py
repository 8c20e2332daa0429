"""``aml worker cases``: alerts from Kafka into cases."""

import os
from typing import Annotated

import typer

from monitor.app.inputs import ApprovalsError
from monitor.app.settings import SettingsError, load_settings
from monitor.cli.ending import fail
from monitor.cli.stream import SettingsFile
from monitor.intake.rates import RatesError
from monitor.intake.yaml_files import YamlFileError

EXIT_STATUS = """\b
exit status:
  0  stopped by SIGTERM or SIGINT
  2  a setting or a file is wrong, the brokers do not answer or refuse something, or a SQLite file cannot be opened"""

Instance = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="a name that this worker keeps: started again, it goes on at once, and others "
                 "need not wait for its session to end. No two workers have the same."),
]  # fmt: skip


def cases(settings: SettingsFile = None, instance: Instance = None) -> None:
    """Store alerts and cases, each once, and go on until stopped. A database that is gone is waited for."""
    try:
        from monitor.adapters.kafka.topics import KafkaError
        from monitor.app.streaming.cases import CasesWorker
        from monitor.app.streaming.cases_group import Group
    except ImportError:
        fail("The clients of Kafka are not installed. Install the extra:  pip install 'aml-monitor[stream]'", 2)
        raise
    from monitor.adapters.sql.store import StoreError
    from monitor.app.streaming.health import HealthError

    try:
        CasesWorker(load_settings(os.environ, settings), group=Group(instance=instance)).run()
    except (SettingsError, YamlFileError, ApprovalsError, RatesError, HealthError, KafkaError, StoreError) as error:
        fail(str(error), 2)
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}. Correct the path.", 2)
