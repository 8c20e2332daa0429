"""``aml worker intake``: from records to payments in columns."""

import signal
import sys

import typer

from monitor.app.inputs import ApprovalsError
from monitor.cli.ending import fail
from monitor.cli.stream import SettingsFile, read_settings, told
from monitor.intake.rates import RatesError

EXIT_STATUS = """\b
exit status:
  0  stopped by SIGTERM or SIGINT
  2  a setting or a file is wrong, or the brokers do not answer or refuse something"""


def intake(settings: SettingsFile = None) -> None:
    """Decode topic transactions: payments into legs, what is wrong into refused, new identifiers into identities.

    Goes on until stopped; then what was read is brought home. Several share the partitions among them.
    """
    with told():
        from monitor.app.streaming.health import HealthError
        from monitor.app.streaming.intake import IntakeWorker

        try:
            worker = IntakeWorker(read_settings(settings))
        except (ApprovalsError, RatesError) as error:
            fail(str(error), 2)
            raise
        for wrong in worker.loaded.errors:
            sys.stderr.write(f"{wrong}\n")
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: worker.stop())
        try:
            worker.run()
        except HealthError as error:
            fail(str(error), 2)
    counts = worker.counts
    typer.echo(
        f"{counts['messages']:,} messages: {counts['payments']:,} payments in {counts['chunks']:,} chunks, "
        f"{counts['refused']:,} refused."
    )
