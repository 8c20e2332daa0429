"""``aml worker``: the processes of the streaming shell, one command each."""

import typer

from monitor.cli import stream, worker_cases, worker_history, worker_intake, worker_profiles, worker_score

app = typer.Typer(help="Workers of the streaming shell.", no_args_is_help=True, rich_markup_mode=None)
app.command("intake", epilog=worker_intake.EXIT_STATUS)(worker_intake.intake)
app.command("score", epilog=stream.EXIT_STATUS)(worker_score.score)
app.command("cases", epilog=worker_cases.EXIT_STATUS)(worker_cases.cases)
app.command("history", epilog=stream.EXIT_STATUS)(worker_history.history)
app.command("profiles", epilog=stream.EXIT_STATUS)(worker_profiles.profiles)
