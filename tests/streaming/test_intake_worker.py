"""The intake worker at a real broker: nothing that comes is lost, wherever it is killed, however slow the broker is."""

import json
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from deploy.servers.kafka import KafkaServer
from monitor.adapters.kafka import identity_records, refused_records
from monitor.adapters.kafka.payment_chunks import COLUMNS, IDENTIFIERS, PaymentChunk
from monitor.adapters.kafka.topics import KafkaError
from monitor.app.inputs import GivenInputs, LoadedInputs, load_inputs
from monitor.app.streaming import intake
from monitor.app.streaming.intake import IntakeTopics, IntakeWorker
from monitor.app.streaming.tracing import Traced
from monitor.domain.identifiers import PERSONAL_KINDS, token_of
from monitor.domain.transaction import TransactionBatch
from monitor.intake.identifiers import IdentifierTable
from monitor.intake.jsonl import JsonLinesDecoder
from monitor.intake.records import RecordChunk, SourcePosition
from tests.conftest import StartServer
from tests.intake.iso20022.messages import Payment, settlement
from tests.intake.json_records import plain
from tests.streaming.intake_topics import KEY, LEGS, SESSION_MS, WAIT_SECONDS, TopicsHere, running, wait_until

pytestmark = pytest.mark.kafka

Row = tuple[object, ...]
ISO = [("content", b"iso20022")]


@pytest.fixture(scope="module")
def loaded() -> LoadedInputs:
    return load_inputs(GivenInputs())


@pytest.fixture
def here(kafka_bootstrap: str) -> TopicsHere:
    return TopicsHere.make(kafka_bootstrap)


def work(here: TopicsHere, loaded: LoadedInputs, group: str = "g", **changes: int) -> IntakeWorker:
    """A worker runs until everything in ``transactions`` is committed."""
    settings = here.settings(**{name: changes.pop(name) for name in ("chunk_rows", "chunk_ms") if name in changes})
    group = f"{here.topics.transactions}-{group}"
    worker = IntakeWorker(settings, loaded=loaded, topics=here.topics, group=group, **changes)
    ends = Counter(message.partition() for message in here.all_of(here.topics.transactions))
    with running(worker):
        wait_until(lambda: here.committed(group) == [ends[each] for each in range(3)])
    return worker


def records(count: int, seed: int = 1) -> list[bytes]:
    """Payments with many kinds of identifiers."""
    chance = random.Random(seed)
    found = []
    for number in range(count):
        fields = {"transaction_id": f"T{number}", "debtor_customer": f"C{chance.randrange(40)}"}
        fields |= {"creditor_account": f"A{chance.randrange(40)}", "amount": f"{chance.randrange(1, 10**6)}"}
        for name, kinds in (("creditor_customer", 40), ("debtor_agent", 5), ("device", 30), ("purpose", 4)):
            if chance.random() < 0.5:
                fields[name] = f"{name[0]}{chance.randrange(kinds)}"
        found.append(plain(**fields).strip())
    return found


def rows_of(batch: TransactionBatch, tokens: Sequence[bytes]) -> list[Row]:
    """The payments of a batch, with tokens for identifiers."""
    columns = []
    for name in COLUMNS:
        values = getattr(batch, name).tolist()
        columns.append([tokens[code] if code >= 0 else None for code in values] if name in IDENTIFIERS else values)
    return list(zip(*columns, strict=True))


def embedded(lines: Sequence[bytes]) -> list[Row]:
    """The payments of lines as the embedded run decodes them."""
    table, start = IdentifierTable(KEY), SourcePosition(0, 0)
    decoder = JsonLinesDecoder(table, entities=None, default_entity="BANK")
    chunk = RecordChunk("file", start, start, 1, lines=b"\n".join(lines))
    return rows_of(decoder.decode(chunk, first_position=0).batch, [token.tobytes() for token in table.tokens])


def received(chunk: PaymentChunk) -> list[tuple[int, int, Row]]:
    """The payments of a chunk: source partition and offset, and the payment."""
    batch = chunk.batch(np.arange(len(chunk.tokens), dtype=np.int32), first_position=0)
    rows = rows_of(batch, [token.tobytes() for token in chunk.tokens])
    return list(zip(chunk.source_partition.tolist(), chunk.source_offset.tolist(), rows, strict=True))


def refused(here: TopicsHere) -> list[refused_records.RefusedPayment]:
    found = []
    for message in here.all_of(here.topics.refused):
        each = refused_records.decode(message.value(), message.headers() or [])
        assert each is not None
        assert message.key() == f"{each.source_partition}:{each.source_offset}".encode()
        found.append(each)
    return sorted(found, key=lambda each: (each.source_partition, each.source_offset, each.place))


def test_payments_come_out_as_the_embedded_run_decodes_them_each_once_at_the_homes_of_its_holders(
    here: TopicsHere, loaded: LoadedInputs
):
    lines = records(1_000)
    here.send(lines)
    worker = work(here, loaded, chunk_rows=100)
    sent = {(m.partition(), m.offset()): m.value() for m in here.all_of(here.topics.transactions)}
    expected = dict(zip(sent, embedded(list(sent.values())), strict=True))
    chunks = here.chunks()
    assert max(len(chunk) for _, chunk in chunks) == 100
    found: dict[tuple[int, int], set[int]] = {}
    holders = [list(COLUMNS).index(side) for side in ("debtor_holder", "creditor_holder")]
    for partition, chunk in chunks:
        for source, offset, row in received(chunk):
            assert row == expected[source, offset]
            assert partition not in found.setdefault((source, offset), set()), "the same payment twice in a partition"
            found[source, offset].add(partition)
    assert found.keys() == expected.keys()
    for place, row in expected.items():
        homes = {int.from_bytes(token[:8], "big") % LEGS for token in (row[at] for at in holders) if token}
        assert homes <= found[place]
    assert worker.counts["payments"] == 1_000


def test_a_trace_begins_with_one_read_in_so_many_and_goes_on_in_the_headers_of_its_chunks(
    here: TopicsHere, loaded: LoadedInputs
):
    export = pytest.importorskip("opentelemetry.sdk.trace.export", reason="no traces: the extra watch is not installed")
    memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    spans, group = memory.InMemorySpanExporter(), f"{here.topics.transactions}-traced"
    worker = IntakeWorker(here.settings(chunk_rows=50), loaded=loaded, topics=here.topics, group=group)
    worker.tracing = Traced("intake", export.SimpleSpanProcessor(spans), begins=True, chunks_per_trace=2)
    with running(worker):
        for number in range(4):
            here.send(records(100, seed=number), partition=0)
            wait_until(lambda number=number: here.committed(group)[0] == 100 * (number + 1))
    begun = {f"{span.context.trace_id:032x}-{span.context.span_id:016x}" for span in spans.get_finished_spans()}
    assert {dict(span.attributes)["records"] <= 100 for span in spans.get_finished_spans()} == {True}
    said = [dict(message.headers()).get("traceparent") for message in here.all_of(here.topics.legs)]
    assert {each[3:52].decode() for each in said if each is not None} == begun
    assert None in said


def test_the_log_counts_refusals_by_reason_and_shows_nothing_of_a_record(
    here: TopicsHere, loaded: LoadedInputs, capsys: pytest.CaptureFixture[str]
):
    here.send([b'{"debtor_name": "Anna Larsson"}', b"Anna Larsson", b"4111111111111111", *records(3)])
    work(here, loaded)
    said = capsys.readouterr().err
    lines = [json.loads(line) for line in said.splitlines()]
    assert "ready" in {line["event"] for line in lines}
    found: Counter[str] = Counter()
    for line in lines:
        assert line["worker"] == "intake"
        if line["event"] == "records_refused":
            found[line["reason"]] += line["records"]
    assert found == {"field_missing": 1, "not_json": 1, "not_an_object": 1}
    assert "Larsson" not in said
    assert "4111" not in said


def test_within_a_partition_payments_keep_the_order_of_their_source(here: TopicsHere, loaded: LoadedInputs):
    here.send(records(900))
    work(here, loaded, chunk_rows=64)
    offsets: dict[tuple[int, int], list[int]] = {}
    for partition, chunk in here.chunks():
        for source, offset, _ in received(chunk):
            offsets.setdefault((partition, source), []).append(offset)
    assert len(offsets) == LEGS * 3
    assert all(each == sorted(each) for each in offsets.values())


def test_what_cannot_be_decoded_is_refused_with_its_reason_place_and_bytes(here: TopicsHere, loaded: LoadedInputs):
    good, late = plain(transaction_id="G1").strip(), plain(transaction_id="G2").strip()
    bad = {
        "not_json": b"{", "not_utf8": b'{"transaction_id":"\xff"}', "not_an_object": b"[]",
        "too_long": b'{"remittance":"' + b"x" * 70_000, "time_without_zone": plain(booked_at="2026-05-04T09:00:00"),
    }  # fmt: skip
    values = [good, *bad.values(), b"", b" \n", good + b"\n\n" + b"{}\n" + late]
    here.send(values, partition=1)
    work(here, loaded)
    found = refused(here)
    topic = here.topics.transactions
    assert [(each.source_offset, each.reason) for each in found] == [
        *((1 + number, reason) for number, reason in enumerate(bad)), (6, "not_json"), (7, "not_json"),
        (8, "field_missing"),
    ]  # fmt: skip
    assert [each.original.strip() for each in found] == [*(each.strip() for each in bad.values()), b"", b"", b"{}"]
    assert [each.place for each in found[-2:]] == [f"{topic}:1:7", f"{topic}:1:8:2"]
    assert found[0].detail
    first, second = embedded([good, late])
    assert {(offset, row) for _, chunk in here.chunks() for _, offset, row in received(chunk)} == {
        (0, first), (8, first), (8, second),
    }  # fmt: skip


def test_metrics_and_readiness_say_what_was_done(here: TopicsHere, loaded: LoadedInputs):
    here.send([*records(100), b"{", b"["])
    worker = IntakeWorker(here.settings(), loaded=loaded, topics=here.topics, group=here.topics.legs)
    assert worker.health.answer("/ready")[0] == 503
    with running(worker):
        wait_until(lambda: sum(here.committed(here.topics.legs)) == 102)
        wait_until(lambda: worker.health.answer("/ready")[0] == 200)
        wait_until(lambda: b'"partitions": {"0": 0, "1": 0, "2": 0}' in worker.health.answer("/lag")[2])
    found = worker.health.answer("/metrics")[2].decode().splitlines()
    assert 'aml_refused_total{reason="not_json"} 2.0' in found
    assert 'aml_records_in_total{worker="intake"} 102.0' in found
    assert f'aml_records_out_total{{worker="intake"}} {worker.counts["rows"]}.0' in found
    assert 'aml_delay_seconds_count{clock="broker",worker="intake"} 102.0' in found


class Withheld:
    """The client of a worker, which gets nothing of what was fetched until it is open."""

    def __init__(self, client: Any) -> None:
        self._client, self._kept, self.is_open = client, list[Any](), threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def consume(self, messages: int, seconds: float) -> list[Any]:
        self._kept += self._client.consume(messages, seconds)
        if not self.is_open.is_set():
            return []
        kept, self._kept = self._kept, []
        return kept


def test_a_worker_that_has_read_nothing_yet_is_not_ready_while_messages_wait(
    here: TopicsHere, loaded: LoadedInputs, monkeypatch: pytest.MonkeyPatch
):
    def withheld() -> tuple[IntakeWorker, Withheld]:
        worker = IntakeWorker(here.settings(), loaded=loaded, topics=here.topics, group=here.topics.legs)
        client = worker._consumer = Withheld(worker._consumer)  # type: ignore[assignment]
        return worker, client

    def says(worker: IntakeWorker, *reasons: str) -> bool:
        return list(json.loads(worker.health.answer("/ready")[2])["reasons"].values()) == list(reasons)

    monkeypatch.setattr(intake, "READY_LAG", 5)
    here.send(records(20), partition=0)  # The other two have no message.
    worker, client = withheld()
    with running(worker):
        wait_until(lambda: says(worker, "20 messages wait"))
        client.is_open.set()
        wait_until(lambda: says(worker))
        wait_until(lambda: here.committed(here.topics.legs) == [20, 0, 0])
    # The next one begins where this one ended.
    here.send(records(2), partition=0)
    worker, _ = withheld()
    with running(worker):
        wait_until(lambda: says(worker))
        assert json.loads(worker.health.answer("/lag")[2])["partitions"] == {"0": 2, "1": 0, "2": 0}


def test_messages_of_iso_20022_are_read_where_the_header_says_so(here: TopicsHere, loaded: LoadedInputs):
    here.send([settlement(Payment(), Payment(uetr=None, tx_id="T2"))], headers=ISO, partition=0)
    here.send([settlement(Payment())[:200], b"<nothing/>"], headers=ISO, partition=1)
    here.send([settlement(Payment())], headers=[("content", b"morse")], partition=2)
    work(here, loaded)
    sources = Counter((source, offset) for _, chunk in here.chunks() for source, offset, _ in received(chunk))
    assert set(sources) == {(0, 0)}
    ids = {(row[0], row[2]) for _, chunk in here.chunks() for _, _, row in received(chunk)}
    assert len(ids) == 2
    found = refused(here)
    assert [(each.source_partition, each.source_offset, each.content) for each in found] == [
        (1, 0, "iso20022"), (1, 1, "iso20022"), (2, 0, "morse"),
    ]  # fmt: skip
    assert found[2].reason == "message_unknown"
    assert found[2].original == settlement(Payment())


def test_each_identifier_is_told_once_with_its_text_and_personal_texts_are_nowhere_else(
    here: TopicsHere, loaded: LoadedInputs
):
    here.send(records(300))
    worker = work(here, loaded)
    told = Counter()
    for message in here.all_of(here.topics.identities):
        token, kind, text = identity_records.decode(message.key(), message.value())
        assert token == token_of(KEY, kind, text)
        told[kind, text] += 1
    assert set(told.values()) == {1}
    assert len(told) == worker.counts["identifiers"] == len(worker.making.identifiers)
    assert len({kind for kind, _ in told} & PERSONAL_KINDS) == 3
    in_chunks = {token.tobytes() for _, chunk in here.chunks() for token in chunk.tokens}
    assert in_chunks <= {token_of(KEY, kind, text) for kind, text in told}


def test_a_full_table_of_identifiers_is_begun_anew_and_nothing_changes_in_what_comes_out(
    here: TopicsHere, loaded: LoadedInputs
):
    lines, group = records(200), here.topics.legs
    few = IntakeWorker(here.settings(), loaded=loaded, topics=here.topics, group=group, identifiers_max=20)
    with running(few):
        for start, stop in ((0, 150), (150, 200)):
            here.send(lines[start:stop])
            wait_until(lambda stop=stop: sum(here.committed(group)) == stop)
    first = sorted(each for _, chunk in here.chunks() for each in received(chunk))
    many = work(here, loaded, group="many")
    both = sorted(each for _, chunk in here.chunks() for each in received(chunk))
    assert (few.counts["tables"] > 1, many.counts["tables"]) == (True, 1)
    assert len(first) > 200
    assert sorted([*first, *first]) == both


@pytest.mark.slow
def test_killed_and_started_again_every_payment_is_in_a_chunk_and_every_refused_one_in_refused(
    here: TopicsHere, loaded: LoadedInputs
):
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    lines = [line if chance.random() < 0.9 else b"{" + line for line in records(6_000, seed)]
    group = f"{here.topics.transactions}-killed"
    command = [sys.executable, "-m", "tests.streaming.intake_process", here.bootstrap, group, *astuple(here.topics)]
    parts = [lines[at : at + 20] for at in range(0, len(lines), 20)]
    while len(parts) > 75:
        before = sum(here.committed(group))
        process = subprocess.Popen(command)
        try:
            here.send(parts.pop())
            wait_until(lambda before=before: sum(here.committed(group)) > before)
            for _ in range(chance.randrange(10, 75)):
                here.send(parts.pop())
            process.kill()
            assert process.wait(WAIT_SECONDS) == -signal.SIGKILL
        finally:
            process.kill()
    here.send([line for part in parts for line in part])
    work(here, loaded, group="killed", session_ms=SESSION_MS)
    sent = {(m.partition(), m.offset()): m.value() for m in here.all_of(here.topics.transactions)}
    wrong = {place: value for place, value in sent.items() if value.startswith(b"{{")}
    right = {place: value for place, value in sent.items() if place not in wrong}
    expected = dict(zip(right, embedded(list(right.values())), strict=True))
    found = {(source, offset): row for _, chunk in here.chunks() for source, offset, row in received(chunk)}
    assert len(sent) == 6_000
    assert found == expected
    assert {(each.source_partition, each.source_offset): each.original for each in refused(here)} == wrong


def test_while_the_broker_is_away_what_waits_is_bounded_and_then_the_worker_goes_on(
    own_server: StartServer, loaded: LoadedInputs
):
    broker = own_server(KafkaServer)
    here = TopicsHere.make(broker.bootstrap)
    lines = records(60_000)
    here.send(lines)
    limit = 64 << 10
    settings = here.settings(chunk_rows=256)
    worker = IntakeWorker(settings, loaded=loaded, topics=here.topics, group="g", queued_bytes_max=limit)
    with running(worker):
        wait_until(lambda: worker.counts["chunks"] > 10)
        broker.kill()
        waits = worker.outbox.waits
        wait_until(lambda: worker.outbox.waits > waits + 20)
        waiting = worker.outbox.queued_bytes
        broker.restart()
        wait_until(lambda: sum(here.committed("g")) == len(lines))
    assert 0 < waiting < limit + 64_000, "more waits than the limit and one chunk"
    assert worker.outbox.queued_bytes == 0
    sources = {(source, offset) for _, chunk in here.chunks() for source, offset, _ in received(chunk)}
    assert len(sources) == len(lines)


def test_two_workers_share_the_partitions_and_one_that_stops_leaves_nothing_behind(
    here: TopicsHere, loaded: LoadedInputs
):
    lines = records(3_000)
    group = f"{here.topics.transactions}-two"
    workers = [IntakeWorker(here.settings(), loaded=loaded, topics=here.topics, group=group) for _ in range(2)]
    with running(workers[0]):
        here.send(lines[:1_000])
        wait_until(lambda: workers[0].counts["messages"] > 0)
        with running(workers[1]):
            for at in range(1_000, 3_000, 40):
                here.send(lines[at : at + 40])
            wait_until(lambda: sum(here.committed(group)) == 3_000)
        wait_until(lambda: sum(here.committed(group)) == 3_000)
    assert {(source, offset) for _, chunk in here.chunks() for source, offset, _ in received(chunk)} == {
        (m.partition(), m.offset()) for m in here.all_of(here.topics.transactions)
    }


def test_the_worker_says_which_topics_are_missing(kafka_bootstrap: str, here: TopicsHere, loaded: LoadedInputs):
    topics = IntakeTopics(here.topics.transactions, uuid4().hex, here.topics.refused, here.topics.identities)
    with pytest.raises(KafkaError, match=rf"topics {topics.legs} are not there. Make them:  aml topics create"):
        IntakeWorker(here.settings(), loaded=loaded, topics=topics)
