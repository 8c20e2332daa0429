"""Traces: from a chunk over the step to the case, one in so many, joined steps linked, nothing personal.

They need the extra ``watch``; without it all but one of these tests are skipped, and the last line of the run says so.
"""

from typing import Any

import pytest

from monitor.app.streaming.tracing import Traced, Untraced, tracing_of

MISSING = "no traces: the extra watch is not installed"


def traced(worker: str, **options: int) -> tuple[Traced, Any]:
    export = pytest.importorskip("opentelemetry.sdk.trace.export", reason=MISSING)
    memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter", reason=MISSING)
    spans = memory.InMemorySpanExporter()
    return Traced(worker, export.SimpleSpanProcessor(spans), begins=worker == "intake", **options), spans


def test_a_trace_goes_from_the_chunk_to_the_case():
    own = {worker: traced(worker) for worker in ("intake", "score", "cases")}
    headers = [("kind", b"raw")]
    for worker, (tracing, _) in own.items():
        with tracing.step(worker, headers, payments=3) as more:
            headers = [("kind", b"ours"), *more]
    spans = [span for _, exporter in own.values() for span in exporter.get_finished_spans()]
    assert [span.name for span in spans] == ["intake", "score", "cases"]
    assert len({span.context.trace_id for span in spans}) == 1
    assert [span.parent and span.parent.span_id for span in spans] == [None, *(s.context.span_id for s in spans[:2])]


def test_one_chunk_in_so_many_begins_a_trace_and_only_intake_begins_any():
    intake, spans = traced("intake", chunks_per_trace=10)
    begun = []
    for _ in range(25):
        with intake.step("intake", []) as headers:
            begun.append(bool(headers))
    assert begun == [number % 10 == 0 for number in range(25)]
    assert len(spans.get_finished_spans()) == 3
    score, others = traced("score")
    with score.step("score", []) as headers:
        assert headers == []
    assert others.get_finished_spans() == ()


def test_a_step_that_joins_messages_belongs_to_the_first_and_links_to_the_others():
    intake, _ = traced("intake", chunks_per_trace=1)
    messages = []
    for _ in range(3):
        with intake.step("intake", []) as headers:
            messages.append(headers)
    score, spans = traced("score")
    with score.step("score", [("kind", b"x")], *messages):
        pass
    (span,) = spans.get_finished_spans()
    assert span.parent is not None
    ids = [message[0][1].split(b"-")[1].decode() for message in messages]
    assert f"{span.parent.trace_id:032x}" == ids[0]
    assert [f"{link.context.trace_id:032x}" for link in span.links] == ids[1:]


@pytest.mark.parametrize("value", [b"", b"00-zz-11-01", b"\xff\xfe", b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-00"])
def test_a_header_that_is_wrong_or_not_sampled_is_no_trace(value: bytes):
    score, spans = traced("score")
    with score.step("score", [("traceparent", value)]) as headers:
        assert headers == []
    assert spans.get_finished_spans() == ()


def test_a_span_holds_numbers_and_the_class_of_an_error():
    intake, spans = traced("intake")
    with (
        pytest.raises(ValueError, match="Larsson"),
        intake.step("intake", [], payments=3, customer=4111111111111111),  # type: ignore[arg-type]
    ):
        raise ValueError("account 4111111111111111 of Anna Larsson")
    (span,) = spans.get_finished_spans()
    assert dict(span.attributes or {}) == {"payments": 3}
    assert span.status.description == "ValueError"
    text = span.to_json()
    assert "4111" not in text
    assert "Larsson" not in text


def test_without_an_endpoint_nothing_is_traced_and_traced_messages_stay_so():
    tracing = tracing_of("score", {})
    assert isinstance(tracing, Untraced)
    header = ("traceparent", b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01")
    with tracing.step("score", [("kind", b"x")], [("kind", b"y"), header], payments=3) as headers:
        assert headers == [header]
    tracing.close()


def test_with_an_endpoint_spans_leave_the_worker():
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason=MISSING)
    tracing = tracing_of("intake", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"})
    assert isinstance(tracing, Traced)
    tracing.close()
