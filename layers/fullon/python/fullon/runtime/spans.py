"""Spans by OpenTelemetry's SDK. Imported by :mod:`tracing` with the first span that is kept, and by nobody else.

They leave in a file (a line of OTLP/JSON for each, which collectors read too), to an OTLP endpoint, or both. Losing
them never costs a request: a full disk or an endpoint that does not answer loses spans.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import orjson
from opentelemetry import context as otel_context
from opentelemetry import trace as otel
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, StatusCode, TraceFlags

import fullon
from fullon.runtime.tracing import Facts, Kind, Trace, trace_id

_KINDS: Mapping[Kind, SpanKind] = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
}
#: OTLP's numbers begin with one for "unspecified", the API's do not.
_OTLP_KIND = 1
_EXPORT_SECONDS = 2.0
_FLUSH_MILLISECONDS = 2_000
_OWNED = ("url.query", "client.address")
"""Attributes of libraries that may hold what belongs to a user: tickets and tokens travel in queries."""

_tracer: otel.Tracer | None = None
_provider: TracerProvider | None = None


def start(component: str, file: str | None, endpoint: str | None) -> None:
    """Set the SDK up; the process's provider is ours, so that libraries' own spans join in."""
    global _tracer, _provider
    resource = Resource(
        {"service.name": component, "service.namespace": "fullon", "service.version": fullon.__version__}
    )
    _provider = TracerProvider(resource=resource, id_generator=_Ids(), shutdown_on_exit=False)
    _provider.add_span_processor(_WithoutQueries())
    if file is not None:
        _provider.add_span_processor(SimpleSpanProcessor(FileExporter(file)))
    if endpoint is not None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        logging.getLogger("opentelemetry").setLevel(logging.ERROR)
        address = f"{endpoint.rstrip('/')}/v1/traces"
        _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(address, timeout=_EXPORT_SECONDS)))
    if isinstance(otel.get_tracer_provider(), otel.ProxyTracerProvider):
        otel.set_tracer_provider(_provider)
    _tracer = _provider.get_tracer("fullon", fullon.__version__)


def stop() -> None:
    """Give away what is kept; nothing is recorded any more."""
    global _tracer, _provider
    if _provider is not None:
        _provider.shutdown()
    _tracer = _provider = None


def flush() -> None:
    """Have everything leave, within two seconds."""
    if _provider is not None:
        _provider.force_flush(_FLUSH_MILLISECONDS)


def innermost(trace: Trace) -> Trace:
    """``trace`` with the id of the innermost span under way."""
    here = otel.get_current_span().get_span_context()
    if here.is_valid and f"{here.trace_id:032x}" == trace.trace_id:
        return Trace(trace.trace_id, f"{here.span_id:016x}", trace.sampled)
    return trace


@contextmanager
def recorded(trace: Trace, name: str, kind: Kind, facts: Facts | None) -> Iterator[otel.Span]:
    """A span around the block; an exception marks it as failed by its type alone, whose text may hold a user's data."""
    assert _tracer is not None
    span = _tracer.start_span(name, _parent(trace), _KINDS[kind], facts)
    token = otel_context.attach(otel.set_span_in_context(span))
    try:
        yield span
    except BaseException as error:
        span.set_status(StatusCode.ERROR)
        span.set_attribute("error.type", type(error).__qualname__)
        raise
    finally:
        otel_context.detach(token)
        span.end()


def opened(trace: Trace, name: str, kind: Kind, facts: Facts | None, start: float | None) -> otel.Span:
    """A span that somebody else ends."""
    assert _tracer is not None
    began = None if start is None else int(start * 1e9)
    return _tracer.start_span(name, _parent(trace), _KINDS[kind], facts, start_time=began)


def over(trace: Trace, name: str, kind: Kind, facts: Facts | None, seconds: float, failure: str) -> None:
    """A span that has ended just now, after ``seconds``; ``failure`` is the type of what went wrong, or empty."""
    assert _tracer is not None
    end = time.time_ns()
    span = _tracer.start_span(name, _parent(trace), _KINDS[kind], facts, start_time=end - int(seconds * 1e9))
    if failure:
        span.set_status(StatusCode.ERROR)
        span.set_attribute("error.type", failure)
    span.end(end)


def _parent(trace: Trace) -> Context:
    """The innermost span of this trace here, else the remote one that caused the work, else none."""
    here = otel.get_current_span().get_span_context()
    number = int(trace.trace_id, 16)
    if here.is_valid and here.trace_id == number:
        return otel_context.get_current()
    if not trace.span_id:
        return Context()  # a root; :class:`_Ids` gives it this trace's id
    remote = SpanContext(number, int(trace.span_id, 16), is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    return otel.set_span_in_context(NonRecordingSpan(remote), Context())


class _Ids(RandomIdGenerator):
    """Roots get the id that their trace has already."""

    def generate_trace_id(self) -> int:
        known = trace_id()
        return int(known, 16) if known else super().generate_trace_id()


class _WithoutQueries(SpanProcessor):
    """Takes what may be a user's out of the spans of libraries."""

    def on_start(self, span: Any, parent_context: Context | None = None) -> None:
        for name in _OWNED:
            if span.attributes and name in span.attributes:
                span.set_attribute(name, "left out")

    def on_end(self, span: ReadableSpan) -> None:
        """Nothing."""


class FileExporter(SpanExporter):
    """Appends a line of OTLP/JSON for each span; many processes may write to one file.

    Source: OpenTelemetry Protocol, "JSON Protobuf Encoding"; "OpenTelemetry Protocol File Exporter".
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        data = b"".join(orjson.dumps(otlp(span), option=orjson.OPT_APPEND_NEWLINE) for span in spans)
        try:
            # Opened each time: whoever keeps the file small may have put it aside.
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                os.write(descriptor, data)
            finally:
                os.close(descriptor)
        except OSError:
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS


def otlp(span: ReadableSpan) -> dict[str, Any]:
    """A span as a ``TracesData`` message in JSON."""
    context = span.get_span_context()
    assert context is not None
    record: dict[str, Any] = {
        "traceId": f"{context.trace_id:032x}",
        "spanId": f"{context.span_id:016x}",
        "name": span.name,
        "kind": span.kind.value + _OTLP_KIND,
        "startTimeUnixNano": str(span.start_time),
        "endTimeUnixNano": str(span.end_time),
        "attributes": _attributes(span.attributes),
        "status": {"code": 2} if span.status.status_code is StatusCode.ERROR else {},
    }
    if span.parent is not None:
        record["parentSpanId"] = f"{span.parent.span_id:016x}"
    scope = {"name": span.instrumentation_scope.name} if span.instrumentation_scope else {}
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes(span.resource.attributes)},
                "scopeSpans": [{"scope": scope, "spans": [record]}],
            }
        ]
    }


def _attributes(attributes: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    return [{"key": name, "value": _value(value)} for name, value in (attributes or {}).items()]


def _value(value: Any) -> dict[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case tuple() | list():
            return {"arrayValue": {"values": [_value(each) for each in value]}}
        case _:
            return {"stringValue": str(value)}
