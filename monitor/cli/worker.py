"""``aml worker``: the processes of the streaming shell, one command each."""

import typer

from monitor.cli import worker_cases

app = typer.Typer(help="Workers of the streaming shell.", no_args_is_help=True, rich_markup_mode=None)
app.command("cases", epilog=worker_cases.EXIT_STATUS)(worker_cases.cases)
