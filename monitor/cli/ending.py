"""How a command ends that cannot go on."""

import sys

import typer


def fail(message: str, status: int) -> None:
    """Say what is wrong on stderr and end."""
    sys.stderr.write(message + "\n")
    raise typer.Exit(status)
