"""How fast JSON lines become columns, as a ratio to msgspec on the same bytes in the same run.

    python -m tests.bench.decode [RECORDS] [ACCOUNTS]

The baseline decodes each line to a ``msgspec.Struct`` and then takes the columns out of the list, without checking
anything but types and without codes, digests or texts. All run in one thread.
"""

import random
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np

from monitor.intake.identifiers import IdentifierTable
from monitor.intake.jsonl import JsonLinesDecoder
from monitor.intake.lines import CHUNK_BYTES
from monitor.intake.records import RecordChunk, SourcePosition

ROUNDS = 12


class Payment(msgspec.Struct):
    """The fields of the bench's records, as msgspec reads them."""

    transaction_id: str
    booked_at: str
    amount: str
    currency: str
    received_at: str | None = None
    debtor_account: str | None = None
    debtor_customer: str | None = None
    debtor_name: str | None = None
    debtor_country: str | None = None
    debtor_agent: str | None = None
    creditor_account: str | None = None
    creditor_customer: str | None = None
    creditor_name: str | None = None
    creditor_country: str | None = None
    creditor_agent: str | None = None
    channel: str | None = None
    purpose: str | None = None
    remittance: str | None = None
    status: str | None = None


def records(count: int, accounts: int) -> bytes:
    """JSON lines of about 450 bytes with 17 fields, times ascending, accounts drawn evenly."""
    chance, start = random.Random(7), datetime(2026, 5, 4, tzinfo=UTC)
    lines = []
    for number in range(count):
        payer, payee = chance.randrange(accounts), chance.randrange(accounts)
        booked = start + timedelta(milliseconds=40 * number)
        record = {
            "transaction_id": f"TX-2026-{number:012d}",
            "booked_at": booked.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
            "debtor_account": f"DE{payer * 7919 % 10**9:020d}",
            "debtor_customer": f"C{payer // 2:09d}",
            "debtor_name": f"Anna Beispiel {payer}",
            "debtor_country": "DE",
            "creditor_account": f"FR{payee * 104729 % 10**9:022d}",
            "creditor_customer": f"C{payee // 2:09d}",
            "creditor_name": f"Société Exemple {payee}",
            "creditor_country": chance.choice(["DE", "FR", "US", "GB"]),
            "amount": f"{chance.randrange(100, 900000) / 100:.2f}",
            "currency": chance.choice(["EUR", "USD"]),
            "channel": chance.choice(["wire", "transfer", "card", "cash"]),
            "purpose": chance.choice(["SALA", "RENT", "GDDS"]),
            "remittance": f"invoice {chance.randrange(10**6)} of May",
            "received_at": booked.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "status": "booked",
        }
        lines.append(msgspec.json.encode(record) + b"\n")
    return b"".join(lines)


def chunks(lines: bytes) -> list[RecordChunk]:
    """Whole lines in chunks as the reader makes them."""
    found, at, place = [], 0, SourcePosition(0, 0)
    while at < len(lines):
        end = lines.find(b"\n", min(at + CHUNK_BYTES, len(lines) - 1)) + 1
        found.append(RecordChunk("bench", place, place, 1, lines=lines[at:end]))
        at = end
    return found


def best_seconds(runs: Sequence[Callable[[RecordChunk], object]], parts: Sequence[RecordChunk]) -> list[float]:
    """Processor seconds for all chunks, per run; each chunk counts with its shortest time of several rounds."""
    shortest = np.full((len(runs), len(parts)), np.inf)
    for _ in range(ROUNDS):
        for number, part in enumerate(parts):
            for which, run in enumerate(runs):
                start = time.thread_time()
                run(part)
                shortest[which, number] = min(shortest[which, number], time.thread_time() - start)
    return [float(total) for total in shortest.sum(axis=1)]


def main() -> None:
    """Print nanoseconds per record and the ratios."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    accounts = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    lines = records(count, accounts)
    parts = chunks(lines)
    decoder = JsonLinesDecoder(IdentifierTable(b"k" * 32), entities=None, default_entity="HQ")
    read = msgspec.json.Decoder(Payment)

    def columns(part: RecordChunk) -> list[np.ndarray]:
        rows = read.decode_lines(part.lines)  # type: ignore[arg-type]
        return [np.array([getattr(row, name) for row in rows], object) for name in Payment.__struct_fields__]

    runs: list[Callable[[RecordChunk], object]] = [
        lambda part: decoder.decode(part, first_position=0),
        lambda part: read.decode_lines(part.lines),  # type: ignore[arg-type]
        columns,
    ]
    assert sum(decoder.decode(part, first_position=0).records for part in parts) == count
    assert decoder.read_slowly == 0
    ours, structs, with_columns = (seconds / count * 1e9 for seconds in best_seconds(runs, parts))
    print(f"records {count}, {len(lines) / count:.0f} bytes each, accounts {accounts}")
    print(f"this decoder, to columns with codes and texts   {ours:7.0f} ns a record")
    print(f"msgspec to structs                              {structs:7.0f} ns, ratio {structs / ours:.2f}")
    print(f"msgspec to structs to columns of texts          {with_columns:7.0f} ns, ratio {with_columns / ours:.2f}")


if __name__ == "__main__":
    main()
