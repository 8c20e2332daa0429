"""``aml refused``: what was refused and why, and how to run it again once it is mended."""

import json
import sys
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from monitor.adapters.quarantine import QUARANTINE_FILE, Quarantine, RefusedRecord
from monitor.cli.ending import fail
from monitor.cli.refused_lines import record_lines
from monitor.cli.refused_topic import list_topic, retry_topic
from monitor.cli.stream import SettingsFile
from monitor.domain.refusal import REMEDIES, Reason

app = typer.Typer(help="Records that were refused: list them, or take them out to be run again.", no_args_is_help=True)

_ROWS_MAX = 50
_FURTHER_REASON = "decoder_failed"
"""A reason that only topics have."""

Database = Annotated[Path, typer.Option("--db", envvar="AML_DB", help="The store, as given to aml run.")]


def _known(reason: str | None) -> str | None:
    if reason is not None and reason not in (*(each.value for each in Reason), _FURTHER_REASON):
        raise typer.BadParameter(f"{reason!r} is no reason; known are {', '.join(Reason)} and {_FURTHER_REASON}")
    return reason


WantedReason = Annotated[
    str | None, typer.Option("--reason", callback=_known, help="Only records refused for this reason.")
]
Topic = Annotated[
    str | None,
    typer.Option("--topic", metavar="NAME", help="The topic of a streaming shell, instead of a store: refused."),
]


def data_folder(db: Path) -> Path:
    """The folder beside a store that holds its vault, history and quarantine.

    >>> data_folder(Path("bank/aml.db")).as_posix()
    'bank/aml.data'
    """
    return db.with_suffix(".data")


@app.command(name="list")
def list_refused(
    db: Database = Path("aml.db"),
    reason: WantedReason = None,
    limit: Annotated[int, typer.Option("--limit", min=0, help="Rows shown; 0 shows all.")] = _ROWS_MAX,
    as_json: Annotated[
        bool, typer.Option("--json", help="Every record with all its bytes, one JSON object a line.")
    ] = False,
    topic: Topic = None,
    settings: SettingsFile = None,
) -> None:
    """Count refused records by reason, with what to do, then show the first of them.

    \b
    examples:
      aml refused list --db bank.db                     all reasons, the first 50 records
      aml refused list --db bank.db --reason time_without_zone --limit 0
      aml refused list --db bank.db --json              for other programs
      aml refused list --topic refused                  what intake workers refused, found by the settings

    \b
    exit status:
      0  done
      2  there is no store or topic of this name
    """
    if topic is not None:
        list_topic(topic, settings, reason=reason, limit=limit, as_json=as_json)
        return
    quarantine, wanted = _open(db), _of_store(reason)
    if as_json:
        for record in quarantine.read(wanted):
            sys.stdout.write(json.dumps(_json(record), ensure_ascii=False) + "\n")
        return
    console = Console(highlight=False)
    counts = quarantine.counts()
    if not counts:
        console.print(f"Nothing was refused in {db}.", soft_wrap=True)
        return
    for each, count in counts.most_common():
        console.print(f"{count:>7} {each.value}: {REMEDIES[each]}", markup=False, soft_wrap=True)
    shown = total = profiles = 0
    for record in quarantine.read(wanted):
        total += 1
        profiles += record.is_profile
        if not limit or shown < limit:
            shown += 1
            for line in _lines(record):
                console.print(line, markup=False, soft_wrap=True)
    if shown < total:
        console.print(f"{shown} of {total} shown. --limit 0 shows all, --json with all bytes.", soft_wrap=True)
    if profiles:
        console.print(
            f"{profiles} of them are customer profiles. Mend them in the profiles file; the next run reads it anew.",
            soft_wrap=True,
        )


@app.command()
def retry(
    out: Annotated[Path | None, typer.Option("--out", help="File to write; it must not exist.")] = None,
    db: Database = Path("aml.db"),
    reason: WantedReason = None,
    topic: Topic = None,
    into: Annotated[
        str, typer.Option("--into", metavar="NAME", help="With --topic: where they are sent to.")
    ] = "transactions",
    settings: SettingsFile = None,
) -> None:
    """Write the original bytes of refused payments to a file, to be mended and run again with aml run.

    Each payment is written once: a second call writes only what was refused since. The quarantine keeps everything.
    Profiles are not written: mend them in the profiles file, which the next run reads anew.

    With --topic they are sent again as they are, for example once a booking entity is in entities.yaml. Each is
    sent once; what is refused again can be sent again.

    \b
    examples:
      aml refused retry --db bank.db --reason time_without_zone --out again.jsonl
      aml run again.jsonl --db bank.db
      aml refused retry --topic refused --reason entity_unknown

    \b
    exit status:
      0  written or sent, or there was nothing
      2  there is no store or topic of this name, or the file exists already
    """
    if (out is None) == (topic is None):
        fail("Give --out FILE for the records of a store, or --topic NAME for those of a topic.", 2)
    if topic is not None:
        retry_topic(topic, settings, into=into, reason=reason)
        return
    assert out is not None
    quarantine = _open(db)
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    try:
        written = quarantine.retry(out, retried_at=now, reason=_of_store(reason))
    except FileExistsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    if not written:
        typer.echo("Nothing to write: every refused payment was taken out before, or none was refused.")
    for file, records in written.items():
        typer.echo(
            f"{records} records written to {file}. Mend them and run, with --mapping or --format as "
            f"before:  aml run {file} --db {db}"
        )


def _of_store(reason: str | None) -> Reason | None:
    if reason == _FURTHER_REASON:
        fail(f"--reason {reason}: only records of a topic have this reason. Name the topic with --topic.", 2)
    return None if reason is None else Reason(reason)


def _open(db: Path) -> Quarantine:
    folder = data_folder(db)
    if not (folder / QUARANTINE_FILE).exists():
        typer.echo(f"{db}: no quarantine at {folder / QUARANTINE_FILE}. Name the store with --db.", err=True)
        raise typer.Exit(2)
    return Quarantine(folder)


def _json(record: RefusedRecord) -> dict[str, Any]:
    """As in ``refused.jsonl``: bytes that are no UTF-8 stand as base 64."""
    refusal = record.refusal
    found: dict[str, Any] = {
        "position": refusal.position, "place": refusal.place, "reason": refusal.reason.value, "detail": refusal.detail,
        "refused_at": record.refused_at, "is_profile": record.is_profile, "retried_to": record.retried_to,
    }  # fmt: skip
    for name, body in (("original", refusal.original), ("header", refusal.header)):
        try:
            found[name] = body.decode()
        except UnicodeDecodeError:
            found[f"{name}_base64"] = b64encode(body).decode()
    return found


def _lines(record: RefusedRecord) -> list[str]:
    refusal = record.refusal
    position = "profile" if record.is_profile else str(refusal.position)
    taken = f"  (taken out to {record.retried_to})" if record.retried_to else ""
    return record_lines(position, refusal.place, refusal.reason.value, refusal.detail, refusal.original, taken)
