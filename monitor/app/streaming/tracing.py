"""Sampled traces from a chunk of payments to the case, with OpenTelemetry where it is installed.

    tracing = tracing_of("score")
    with tracing.step("score", headers_of_message, partition=7, payments=4096) as headers:
        ...
        produce(..., headers=[*own_headers, *headers])

A trace follows a record of Kafka: its header ``traceparent`` (W3C Trace Context) goes from a message to those that it
led to. Intake decides, for one chunk in :data:`CHUNKS_PER_TRACE`; later workers do what the header says. A step that
joins several messages belongs to the first that is traced and links to the others. Attributes are the keys of
:mod:`monitor.app.streaming.telling` that are numbers, so no span holds a name or a token.

Without the extra ``watch``, or without ``OTEL_EXPORTER_OTLP_ENDPOINT``, a step costs nothing and headers pass through.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol

from monitor.app.streaming.telling import NUMBERS

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import Link, SpanContext

CHUNKS_PER_TRACE = 1000
"""One chunk in so many is followed."""
LINKS_MAX = 32
"""Further traced messages that a step links to; more are not named."""
TRACEPARENT = "traceparent"
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"

Headers = Sequence[tuple[str, bytes]]


class Tracing(Protocol):
    """Traces the steps of a worker."""

    def step(self, name: str, *messages: Headers, **numbers: float) -> AbstractContextManager[Headers]:
        """A step that these messages led to; gives the headers for the messages that it leads to."""

    def close(self) -> None:
        """Send what waits."""


class Untraced:
    """Traces nothing; a traced message stays traced."""

    @contextmanager
    def step(self, name: str, *messages: Headers, **numbers: float) -> Iterator[Headers]:
        yield next(([(TRACEPARENT, each)] for each in map(_traceparent, messages) if each is not None), [])

    def close(self) -> None:
        """Nothing waits."""


class Traced:
    """Traces with OpenTelemetry.

    Args:
        worker: The service's name in traces.
        processor: Where spans go.
        begins: Whether steps without messages of ours begin traces; intake does.
        chunks_per_trace: One step in so many begins one, the first among them.
    """

    def __init__(
        self, worker: str, processor: "SpanProcessor", *, begins: bool, chunks_per_trace: int = CHUNKS_PER_TRACE
    ) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider

        self._provider = TracerProvider(resource=Resource({"service.name": f"aml-{worker}"}), shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("aml")
        self._begins, self._chunks_per_trace, self._steps = begins, chunks_per_trace, 0

    @contextmanager
    def step(self, name: str, *messages: Headers, **numbers: float) -> Iterator[Headers]:
        from opentelemetry import trace

        parents = [each for each in map(_context, messages) if each is not None]
        is_first = self._begins and not parents and self._steps % self._chunks_per_trace == 0
        self._steps += 1
        if not parents and not is_first:
            yield []
            return
        context = trace.set_span_in_context(trace.NonRecordingSpan(parents[0])) if parents else None
        links: list[Link] = [trace.Link(each) for each in parents[1 : LINKS_MAX + 1]]
        attributes = {key: value for key, value in numbers.items() if key in NUMBERS}
        # An exception's message can quote a payment, so only its class is told.
        span = self._tracer.start_span(name, context, links=links, attributes=attributes)
        try:
            yield [(TRACEPARENT, _text(span.get_span_context()))]
        except BaseException as error:
            span.set_status(trace.StatusCode.ERROR, type(error).__name__)
            raise
        finally:
            span.end()

    def close(self) -> None:
        self._provider.shutdown()


def tracing_of(worker: str, environ: Mapping[str, str] = os.environ) -> Tracing:
    """The tracing of a worker: with OpenTelemetry where it is installed and an endpoint is named, else none."""
    if not environ.get(ENDPOINT):
        return Untraced()
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError:
        return Untraced()
    return Traced(worker, BatchSpanProcessor(OTLPSpanExporter()), begins=worker == "intake")


def _traceparent(headers: Headers) -> bytes | None:
    return next((value for key, value in headers if key == TRACEPARENT), None)


def _context(headers: Headers) -> "SpanContext | None":
    """What a message says of its trace; None where it says nothing, or nothing valid, or is not sampled."""
    from opentelemetry import trace
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    value = _traceparent(headers)
    if value is None:
        return None
    carrier = {TRACEPARENT: value.decode("ascii", "replace")}
    found = trace.get_current_span(TraceContextTextMapPropagator().extract(carrier)).get_span_context()
    return found if found.is_valid and found.trace_flags.sampled else None


def _text(context: "SpanContext") -> bytes:
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}".encode()
