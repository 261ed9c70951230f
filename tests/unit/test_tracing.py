"""Traces: headers in and out, what is sampled, what a span holds and what it must not."""

from __future__ import annotations

import base64
import gzip
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData

from fullon.runtime import tracing
from fullon.runtime.traced_stores import statement_name
from fullon.runtime.tracing import Budget, Trace

TRACE_ID = "6b014b9a" + "ab" * 12
PARENT = "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE_ID}-{PARENT}-01"
XRAY = f"Root=1-6b014b9a-{'ab' * 12};Parent={PARENT};Sampled=1"


@pytest.fixture
def spans(tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "spans.jsonl"
    tracing.configure("test", traces_file=str(file))
    yield file
    tracing.enter(None)
    tracing.configure("test")


def kept(file: Path) -> list[dict[str, Any]]:
    if not file.exists():
        return []
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return [line["resourceSpans"][0]["scopeSpans"][0]["spans"][0] for line in lines]


def test_both_headers_name_the_same_trace() -> None:
    w3c, xray = tracing.parse_traceparent(TRACEPARENT), tracing.parse_xray(XRAY)

    assert w3c == xray == Trace(TRACE_ID, PARENT, sampled=True)
    assert w3c is not None
    assert (w3c.traceparent, w3c.xray) == (TRACEPARENT, XRAY)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "nonsense",
        f"ff-{TRACE_ID}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"00-{TRACE_ID.upper()}-{PARENT}-01",
        f"00-{TRACE_ID}-{PARENT}-01-more",
        f"00-{TRACE_ID}-{PARENT}",
    ],
)
def test_what_is_no_traceparent_is_ignored(text: str | None) -> None:
    assert tracing.parse_traceparent(text) is None


def test_a_later_version_with_more_members_is_understood() -> None:
    assert tracing.parse_traceparent(f"01-{TRACE_ID}-{PARENT}-00-more") == Trace(TRACE_ID, PARENT, sampled=False)


@pytest.mark.parametrize("text", [None, "", "Root=", "Root=1-xyz-abc;Sampled=1", "Self=1-6b014b9a-" + "ab" * 12])
def test_what_is_no_xray_header_is_ignored(text: str | None) -> None:
    assert tracing.parse_xray(text) is None


def test_the_w3c_header_says_which_trace_and_xray_the_nearer_parent_in_it() -> None:
    nearer = f"Root=1-6b014b9a-{'ab' * 12};Parent={'1' * 16};Sampled=1"
    other = f"Root=1-6b014b9a-{'cd' * 12};Parent={'1' * 16};Sampled=1"

    assert tracing.incoming({"traceparent": TRACEPARENT}, nearer) == Trace(TRACE_ID, "1" * 16, sampled=True)
    assert tracing.incoming({"traceparent": TRACEPARENT}, other) == Trace(TRACE_ID, PARENT, sampled=True)
    assert tracing.incoming({"x-amzn-trace-id": XRAY}) == Trace(TRACE_ID, PARENT, sampled=True)
    assert tracing.incoming({}, None) is None


def test_a_budget_samples_the_first_of_each_second() -> None:
    none, some = Budget(0), Budget(2)

    assert not any(none.take() for _ in range(10))
    assert 2 <= sum(some.take() for _ in range(1000)) <= 4


def test_spans_of_a_sampled_trace_form_a_tree_below_the_caller(spans: Path) -> None:
    tracing.enter(tracing.parse_traceparent(TRACEPARENT))

    with tracing.span("outer", "server", {"http.route": "/x"}):
        handed_on = tracing.traceparent()
        tracing.passed("SELECT users", "client", 0.004)

    inner, outer = kept(spans)
    assert outer["traceId"] == inner["traceId"] == TRACE_ID
    assert (outer["parentSpanId"], inner["parentSpanId"]) == (PARENT, outer["spanId"])
    assert handed_on == f"00-{TRACE_ID}-{outer['spanId']}-01"
    assert int(inner["endTimeUnixNano"]) - int(inner["startTimeUnixNano"]) == 4_000_000
    assert outer["attributes"] == [{"key": "http.route", "value": {"stringValue": "/x"}}]


def test_a_new_trace_keeps_its_id_and_has_no_parent(spans: Path) -> None:
    trace = Trace.begin(sampled=True)
    tracing.enter(trace)

    with tracing.span("root"):
        pass

    [root] = kept(spans)
    assert root["traceId"] == trace.trace_id
    assert "parentSpanId" not in root


def test_of_a_trace_that_is_not_sampled_nothing_is_kept_and_its_id_goes_on(spans: Path) -> None:
    tracing.enter(Trace(TRACE_ID, PARENT, sampled=False))

    with tracing.span("unseen") as span:
        tracing.passed("SELECT users", "client", 0.004)
        tracing.caused(tracing.traceparent(), "unseen").end()

    assert span is None
    assert kept(spans) == []
    assert tracing.trace_id() == TRACE_ID
    assert tracing.traceparent() == f"00-{TRACE_ID}-{PARENT}-00"


def test_an_error_is_kept_by_its_type_and_not_by_its_words(spans: Path) -> None:
    tracing.enter(tracing.parse_traceparent(TRACEPARENT))

    with pytest.raises(ValueError, match="hunter2"), tracing.span("fails"):
        raise ValueError("the password is hunter2")

    [span] = kept(spans)
    assert span["status"] == {"code": 2}
    assert {"key": "error.type", "value": {"stringValue": "ValueError"}} in span["attributes"]
    assert "hunter2" not in spans.read_text()


def test_work_that_a_row_caused_belongs_to_the_trace_of_the_row(spans: Path) -> None:
    tracing.enter(None)

    span = tracing.caused(TRACEPARENT, "start ticker", {"fullon.fence": 3}, start=1_795_000_000.5)
    span.end()
    tracing.caused(None, "unseen").end()

    [found] = kept(spans)
    assert (found["traceId"], found["parentSpanId"]) == (TRACE_ID, PARENT)
    assert found["startTimeUnixNano"] == "1795000000500000000"


def test_a_line_of_the_file_is_a_message_of_the_protocol(spans: Path) -> None:
    tracing.enter(tracing.parse_traceparent(TRACEPARENT))
    with tracing.span("outer", "server", {"a": 1, "b": 0.5, "c": True, "d": "text"}):
        pass

    document = json.loads(spans.read_text())
    span = document["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    for name in ("traceId", "spanId", "parentSpanId"):  # the protocol writes ids in hexadecimal, protobuf in base64
        span[name] = base64.b64encode(bytes.fromhex(span[name])).decode()
    message = json_format.ParseDict(document, TracesData())

    parsed = message.resource_spans[0].scope_spans[0].spans[0]
    assert parsed.trace_id.hex() == TRACE_ID
    assert Span.SpanKind.Name(parsed.kind) == "SPAN_KIND_SERVER"
    assert {each.key: each.value.WhichOneof("value") for each in parsed.attributes} == {
        "a": "int_value", "b": "double_value", "c": "bool_value", "d": "string_value",
    }  # fmt: skip


def test_spans_are_sent_to_an_endpoint_of_the_protocol() -> None:
    received: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.path, gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            return

    server = HTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    tracing.configure("test", otlp_endpoint=f"http://127.0.0.1:{server.server_port}")
    tracing.enter(tracing.parse_traceparent(TRACEPARENT))
    with tracing.span("sent"):
        pass

    tracing.flush()

    tracing.enter(None)
    tracing.configure("test")
    server.shutdown()
    [(path, body)] = received
    request = ExportTraceServiceRequest.FromString(body)
    assert path == "/v1/traces"
    assert [span.name for span in request.resource_spans[0].scope_spans[0].spans] == ["sent"]


def test_a_full_disk_loses_spans_and_no_request(tmp_path: Path) -> None:
    tracing.configure("test", traces_file=str(tmp_path / "missing" / "spans.jsonl"))
    tracing.enter(tracing.parse_traceparent(TRACEPARENT))

    with tracing.span("lost"):
        pass

    tracing.enter(None)
    tracing.configure("test")


def test_without_tracing_the_sdk_is_never_imported() -> None:
    program = (
        "import sys\n"
        "from fullon.runtime import tracing\n"
        "import fullon.runtime.aws_lambda, fullon.runtime.container, redis.asyncio, fullon.runtime.http\n"
        f"tracing.enter(tracing.parse_traceparent({TRACEPARENT!r}))\n"
        "with tracing.span('x'): pass\n"
        "sdk = ('opentelemetry.sdk.', 'fullon.runtime.spans')\n"
        "print([name for name, module in sys.modules.items() if name.startswith(sdk) and module])\n"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("SELECT uid FROM users WHERE mail = $1", "SELECT users"),
        ("\nINSERT INTO service_wants AS held (name) VALUES ($1)", "INSERT service_wants"),
        ("INSERT INTO users (uid) VALUES ($1) ON CONFLICT (uid) DO UPDATE SET uid = $1", "INSERT users"),
        ("UPDATE leases SET holder = NULL", "UPDATE leases"),
        ("DELETE FROM ws_connections WHERE connection_id = ANY($1)", "DELETE ws_connections"),
        ("SELECT name FROM unnest($1::text[]) AS name", "SELECT"),
        ("BEGIN;", "BEGIN"),
        ("/* note */ SELECT 1", "SELECT"),
        ("SELECT 'FROM secrets'", "SELECT"),
        ("", "statement"),
    ],
)
def test_a_statement_is_named_by_its_verb_and_table(statement: str, name: str) -> None:
    assert statement_name(statement) == name
