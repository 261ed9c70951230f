"""What an invocation leaves behind: a line of metrics, its trace on every line, and spans where they are asked for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TRACE_ID = "6b014b9a" + "ab" * 12
TRACEPARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"

#: A function of its own, in a process of its own: two invocations with the event on standard input.
PROGRAM = """
import json, sys
from fastapi import APIRouter
from fullon.runtime import aws_lambda, http
from fullon.runtime.container import Container

router = APIRouter()

@router.get("/probe/{name}", operation_id="probe", summary="probe")
async def probe(name: str) -> dict[str, str]:
    if name == "broken":
        raise RuntimeError("hunter2")
    return {"name": name}

settings = aws_lambda.start("probe")
handler = aws_lambda.http_handler(http.create_app("probe", "Probe", Container(settings), router))

class Context:
    aws_request_id = "invocation-1"

for event in json.load(sys.stdin):
    handler(event, Context())
"""


def event(path: str, headers: dict[str, str], query: str = "") -> dict[str, Any]:
    http = {"method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "test"}
    return {
        "version": "2.0",
        "routeKey": "ANY /probe/{proxy+}",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"host": "api.example.test", **headers},
        "requestContext": {"http": http, "requestId": "request-1", "domainName": "x", "stage": "$default"},
        "isBase64Encoded": False,
    }


def run(events: list[dict[str, Any]], **environment: str) -> list[dict[str, Any]]:
    """The lines that the function prints, all of them JSON."""
    return [json.loads(line) for line in run_text(events, **environment).splitlines()]


def run_text(events: list[dict[str, Any]], **environment: str) -> str:
    """What the function prints."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("TRACES", "OTEL"))}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(events),
        env={**clean, "ENVIRONMENT": "local", **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_each_invocation_ends_with_its_metrics_and_only_the_first_is_cold() -> None:
    ordinary = event("/probe/a", {"traceparent": TRACEPARENT})

    lines = run([ordinary, ordinary, event("/probe/broken", {})])

    first, second, broken = (line for line in lines if "_aws" in line)
    assert (first["Requests"], first["Errors"], len(first["Latency"]), first["ColdStarts"]) == (1, 0, 1, 1)
    assert 0 < first["InitDuration"][0] < 60_000
    assert "ColdStarts" not in second
    assert (broken["Requests"], broken["Errors"]) == (1, 1)
    assert {line["Component"] for line in (first, second, broken)} == {"probe"}
    assert {line["event"] for line in (first, second, broken)} == {"request"}
    assert (first["request_id"], first["trace_id"]) == ("request-1", TRACE_ID)


@pytest.mark.parametrize("quiet", [{"LOG_LEVEL": "WARNING"}, {"LOG_FORMAT": "console"}])
def test_metrics_have_a_line_of_their_own_where_requests_have_none(quiet: dict[str, str]) -> None:
    ordinary = event("/probe/a", {})

    printed = run_text([ordinary, ordinary], **quiet).splitlines()

    lines = [json.loads(line) for line in printed if line.startswith("{")]
    assert [(line["event"], line["Requests"], line["request_id"]) for line in lines] == [
        ("metrics", 1, "request-1")
    ] * 2


def test_the_trace_is_on_every_line_also_while_no_spans_are_kept() -> None:
    from_xray = event("/probe/a", {})

    lines = run(
        [event("/probe/a", {"traceparent": TRACEPARENT}), from_xray],
        _X_AMZN_TRACE_ID=f"Root=1-6b014b9a-{'cd' * 12};Parent=00f067aa0ba902b7;Sampled=0",
    )

    named, near = (line for line in lines if line["event"] == "request")
    assert named["trace_id"] == TRACE_ID
    assert near["trace_id"] == "6b014b9a" + "cd" * 12


def test_spans_of_a_sampled_request_are_kept_without_its_query(tmp_path: Path) -> None:
    file = tmp_path / "spans.jsonl"
    secret = event("/probe/a", {"traceparent": TRACEPARENT}, query="ticket=hunter2")
    unsampled = event("/probe/b", {"traceparent": TRACEPARENT[:-1] + "0"})

    run([secret, unsampled], TRACES_FILE=str(file))

    documents = [json.loads(line)["resourceSpans"][0] for line in file.read_text().splitlines()]
    spans = {span["name"]: span for document in documents for span in document["scopeSpans"][0]["spans"]}
    assert {span["traceId"] for span in spans.values()} == {TRACE_ID}
    assert spans["probe"]["parentSpanId"] == "00f067aa0ba902b7"
    assert spans["GET /probe/{name}"]["parentSpanId"] == spans["probe"]["spanId"]
    assert "hunter2" not in file.read_text()
    assert "/probe/b" not in file.read_text()


@pytest.mark.parametrize("place", ["TRACES_FILE", "OTEL_EXPORTER_OTLP_ENDPOINT"])
def test_a_place_for_spans_that_does_not_work_costs_no_request(place: str, tmp_path: Path) -> None:
    value = str(tmp_path / "missing" / "file") if place == "TRACES_FILE" else "http://127.0.0.1:9"

    lines = run([event("/probe/a", {"traceparent": TRACEPARENT})], **{place: value})

    assert [line["status"] for line in lines if line["event"] == "request"] == [200]
