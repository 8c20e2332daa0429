"""``aml refused --topic``: payments that the workers of the streaming shell refused."""

import json
import sys
from base64 import b64encode
from collections import Counter
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from monitor.cli.refused_lines import record_lines
from monitor.cli.stream import read_settings, told


def list_topic(topic: str, settings: Path | None, *, reason: str | None, limit: int, as_json: bool) -> None:
    """Count what was refused by reason, with what to do, then show the first records."""
    with told():
        from monitor.adapters.kafka.refused_records import remedy_of
        from monitor.adapters.kafka.refused_topic import RefusedTopic

        stored = RefusedTopic(read_settings(settings).kafka.client(), topic).read(reason)
        if as_json:
            for each in stored:
                sys.stdout.write(json.dumps(_json(each), ensure_ascii=False) + "\n")
            return
        counts: Counter[str] = Counter()
        first: list[Any] = []
        for each in stored:
            counts[each.payment.reason] += 1
            if not limit or len(first) < limit:
                first.append(each)
    console = Console(highlight=False)
    if not counts:
        of_reason = f" for the reason {reason}" if reason else ""
        console.print(f"Nothing was refused in topic {topic}{of_reason}.", soft_wrap=True)
        return
    for name, count in counts.most_common():
        console.print(f"{count:>7} {name}: {remedy_of(name)}", markup=False, soft_wrap=True)
    for each in first:
        payment = each.payment
        taken = "  (sent again)" if each.is_retried else ""
        for line in record_lines(
            f"{each.partition}:{each.offset}", payment.place, payment.reason, payment.detail, payment.original, taken
        ):
            console.print(line, markup=False, soft_wrap=True)
    if len(first) < counts.total():
        console.print(
            f"{len(first)} of {counts.total()} shown. --limit 0 shows all, --json with all bytes.", soft_wrap=True
        )


def retry_topic(topic: str, settings: Path | None, *, into: str, reason: str | None) -> None:
    """Send the bytes of refused payments into a topic again, each once."""
    with told():
        from monitor.adapters.kafka.refused_topic import RefusedTopic

        done = RefusedTopic(read_settings(settings).kafka.client(), topic).retry(into, reason)
    if not done.sent:
        typer.echo("Nothing to send: every refused payment was sent again before, or none was refused.")
    for name, count in done.sent.most_common():
        typer.echo(f"{count:>7} {name}: sent into {into}")
    if done.cut:
        typer.echo(
            f"{done.cut} were left out: they are longer than a record may be, and whole only where they came from. "
            "Ask their sender."
        )


def _json(stored: Any) -> dict[str, Any]:
    """Bytes that are no UTF-8 stand as base 64, as in ``refused.jsonl`` of a store."""
    payment = stored.payment
    found: dict[str, Any] = {
        "partition": stored.partition, "offset": stored.offset, "place": payment.place, "reason": payment.reason,
        "detail": payment.detail, "source_partition": payment.source_partition, "source_offset": payment.source_offset,
        "content": payment.content, "cut_from": payment.cut_from, "is_retried": stored.is_retried,
    }  # fmt: skip
    try:
        found["original"] = payment.original.decode()
    except UnicodeDecodeError:
        found["original_base64"] = b64encode(payment.original).decode()
    return found
