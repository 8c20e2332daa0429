"""Options of every command that owns an embedded run: what verdicts depend on besides payments."""

from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.model_mode import ModelMode

ProfilesFile = Annotated[Path | None, typer.Option("--profiles", help="customer profiles, JSON lines")]
RuleFiles = Annotated[
    list[Path] | None, typer.Option("--rules", help="rule files or folders (default: the shipped rules)")
]
ListFolders = Annotated[list[Path] | None, typer.Option("--lists", help="folders that hold lists/ of named lists")]
RatesFile = Annotated[Path | None, typer.Option("--rates", help="dated exchange rates, CSV")]
EntitiesFile = Annotated[
    Path | None, typer.Option("--entities", help="booking entities: zone, cut-off, holidays; YAML")
]
ApproveExamples = Annotated[
    bool, typer.Option("--approve-examples", help="take the shipped rules' EXAMPLE approval as the bank's own")
]
ApprovalsFile = Annotated[
    Path | None, typer.Option("--approvals", help="the bank's own approvals (default: approvals.yaml beside the rules)")
]
Models = Annotated[
    ModelMode,
    typer.Option("--models", help="anomaly models: not at all, in shadow, or raising alerts; see docs/models.md"),
]
