"""Bytes of the engine's state: per account, per event that a window can reach, per remembered payment id."""

from monitor.engine import windows
from monitor.engine.engine import Engine
from monitor.intake.identifiers import IdentifierTable
from tests.bench.pipeline import Pipeline

_OF_EVENTS = ("events", "latest", "seen", "blocks")
"""Arrays of a table that grow with the events; the others grow with the keys."""


def memory(pipeline: Pipeline) -> dict[str, float]:
    """Bytes as allocated, and as used: arrays double when they are full, and hash tables stay half empty.

    ``used`` counts rows and events that are held, hash entries at the fill at which a table grows (5/8).
    """
    engine, accounts, events = pipeline.engine, pipeline.accounts, pipeline.reachable
    ids, remembered = engine.admission.ids_held, engine.admission.remembered
    of_ids = sum(array.nbytes for array in remembered)
    of_events, of_events_used, of_keys, of_keys_used = 0, 0.0, 0, 0.0
    for table in engine.tables:
        bytes_used, counters = table.bytes_used(), table.counters
        of_events += sum(bytes_used[name] for name in _OF_EVENTS)
        of_keys += sum(size for name, size in bytes_used.items() if name not in _OF_EVENTS)
        distincts = int(counters[windows.DISTINCTS_USED] + counters[windows.CALENDAR_DISTINCTS])
        event_bytes = table.layout.shape.event_words * 8 + len(table.layout.narrow) * 4
        of_events_used += table.events_held * event_bytes + distincts * 24 * 1.6
        keys = accounts if table.layout.by == "account" else engine.admission.spaces[0].count
        buckets = int(counters[windows.BUCKETS_USED])
        of_keys_used += keys * table.layout.row_words * 8 + buckets * (table.layout.bucket_words * 8 + 24 * 1.6)
    spaces, spaces_used = _spaces(engine)
    names, names_used = _identifiers(pipeline.identifiers)
    keyed = of_keys + spaces + engine.peers.last_bucket.nbytes + engine.peers.is_hub.nbytes
    return {
        "accounts": accounts,
        "reachable_events": events,
        "reachable_events_per_account": round(events / accounts, 1),
        "remembered_ids": ids,
        "bytes_per_account": round(keyed / accounts),
        "bytes_per_account_used": round((of_keys_used + spaces_used) / accounts),
        "bytes_per_account_with_identifiers": round((keyed + names) / accounts),
        "bytes_per_identifier": round(names_used / max(len(pipeline.identifiers), 1)),
        "identifiers": len(pipeline.identifiers),
        "bytes_per_event": round(of_events / events, 1),
        "bytes_per_event_used": round(of_events_used / events, 1),
        "bytes_per_remembered_id": round(of_ids / max(ids, 1), 1),
        "bytes_per_remembered_id_used": round(remembered.rows.shape[1] * 8 + 8 * 1.6, 1),
        "state_bytes": keyed + names + of_events + of_ids + engine.firsts.seen.nbytes,
    }


def _spaces(engine: Engine) -> tuple[int, float]:
    allocated, used = 0, 0.0
    for space in engine.admission.spaces:
        arrays = (space.row_of, space.code_of, space.clock_us, space.booked_us)
        allocated += sum(array.nbytes for array in arrays)
        used += space.count * (arrays[1].itemsize + 16) + engine.admission.codes * 4
    customers = engine.admission.spaces[0].count
    return allocated, used + customers * (engine.peers.last_bucket.shape[1] * 4 + 14)


def _identifiers(table: IdentifierTable) -> tuple[int, float]:
    """The arrays of the table, and what its entries take: slot at half full, entry, token, text."""
    arrays = (table._slots, table._entries, table._arena, table._tokens)
    texts = len(table.export(0)[2])
    return sum(array.nbytes for array in arrays), len(table) * (16 + 8 + 16) + texts
