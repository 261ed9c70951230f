"""`fullon metrics` and `fullon trace`: what they make of lines, and what they say when there are none."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fullon.runtime import metrics as product
from fullon.runtime.metrics import Recorder
from local.cli import logs, metrics, trace
from local.cli.errors import CommandFailed

TRACE = "6b014b9a" + "ab" * 12


class Clock:
    """A moment that tests move."""

    def __init__(self) -> None:
        self.moment = datetime.now(UTC)

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return 0.0


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FULLON_HOME", str(tmp_path))
    monkeypatch.setenv("NO_COLOR", "1")
    (tmp_path / "logs" / "functions").mkdir(parents=True)
    return tmp_path / "logs"


def rows(capsys: pytest.CaptureFixture[str], *names: str, since: str = "5m") -> dict[tuple[str, str], Any]:
    metrics.show(list(names), since=since, watch=False, as_json=True)
    shown = json.loads(capsys.readouterr().out)
    return {(row["component"], row["metric"]): row for row in shown["metrics"]}


def test_lines_are_added_up_by_component_and_metric(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (folder / "functions" / "auth.log").open("w") as file:
        recorder = Recorder("auth", Clock(), file)
        for number in range(1, 101):
            recorder.count(product.REQUESTS)
            recorder.count(product.ERRORS, int(number == 7))
            recorder.record(product.LATENCY, number)
            recorder.flush(request_id=f"r-{number}")
        file.write('{"event":"request","ts":"2026-11-21T11:59:00.000Z"}\nplain words\n{"_aws": "half')

    found = rows(capsys)

    assert found["auth", "Requests"]["total"] == 100
    assert found["auth", "Requests"]["per_second"] == pytest.approx(100 / 300)
    assert found["auth", "Errors"]["total"] == 1
    assert (found["auth", "Latency"]["p50"], found["auth", "Latency"]["p99"]) == (50, 99)


def test_of_a_gauge_the_last_value_counts_and_what_is_older_is_left_out(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock()
    with (folder / "streamer.log").open("w") as file:
        recorder = Recorder("streamer", clock, file)
        for ago, value in ((600, 99), (60, 7), (10, 3)):
            clock.moment = datetime.now(UTC) - timedelta(seconds=ago)
            recorder.gauge(product.CONNECTIONS, value)
            recorder.flush()

    found = rows(capsys)

    assert (found["streamer", "Connections"]["last"], found["streamer", "Connections"]["greatest"]) == (3, 7)
    assert rows(capsys, "ticker") == {}


def test_a_reader_takes_every_line_once_also_when_a_file_is_put_aside(folder: Path) -> None:
    file = folder / "ticker.log"
    with file.open("w") as stream:
        recorder = Recorder("ticker", Clock(), stream)
        recorder.count(product.TICKS)
        recorder.flush()
    reader = metrics.Reader(folder)

    first = list(reader.fresh())
    file.rename(folder / "ticker.log.1")
    with file.open("w") as stream:
        recorder = Recorder("ticker", Clock(), stream)
        recorder.count(product.TICKS, 2)
        recorder.flush()
    second = list(reader.fresh())

    assert [sample.values for sample in first] == [(1.0,)]
    assert [sample.values for sample in second] == [(2.0,)]


def test_without_metrics_it_says_where_they_come_from(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    metrics.show([], since="5m", watch=False, as_json=False)

    said = capsys.readouterr()
    assert said.out == ""
    assert "No metrics in the last 5m" in said.err


def test_logs_can_be_chosen_by_trace_and_level_and_leave_metrics_out(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moment = "2026-11-21T11:59:00.000Z"
    named = {"Namespace": "Fullon", "Dimensions": [["Component"]], "Metrics": [{"Name": "Requests", "Unit": "Count"}]}
    measured = {"_aws": {"CloudWatchMetrics": [named]}, "Component": "auth", "Requests": 1}
    written = [
        {"ts": moment, "level": "info", "event": "request", "trace_id": TRACE, **measured},
        {"ts": moment, "level": "warning", "event": "refused", "trace_id": TRACE},
        {"ts": moment, "level": "error", "event": "failed", "trace_id": "c" * 32},
        {"ts": moment, "level": "info", "event": "metrics", "_aws": {}, "trace_id": TRACE},
    ]
    (folder / "gateway.log").write_text("\n".join(map(json.dumps, written)) + "\n")
    (folder / "postgres.log").write_text("2026-11-21 11:59:10.000 UTC [7] FATAL:  no\n")

    def events(**options: Any) -> list[str]:
        logs.show([], follow=False, request_id=None, since=None, lines=9, as_json=True, **options)
        return [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()]

    assert events(trace_id=TRACE) == ["request", "refused"]
    logs.show([], follow=False, request_id=None, since=None, lines=9, as_json=False, trace_id=TRACE)
    assert "Requests" not in capsys.readouterr().out
    assert events(trace_id=f"1-6b014b9a-{'ab' * 12}") == ["request", "refused"]
    assert events(trace_id=f"00-{TRACE}-00f067aa0ba902b7-01") == ["request", "refused"]
    assert events(level="warning") == ["refused", "failed", "[7] FATAL:  no"]
    assert events(level="error") == ["failed", "[7] FATAL:  no"]
    assert events(with_metrics=True).count("metrics") == 1
    with pytest.raises(CommandFailed, match="loud"):
        events(level="loud")


def span(span_id: str, parent: str | None, name: str, start: int, end: int, component: str = "auth") -> str:
    record: dict[str, Any] = {
        "traceId": TRACE,
        "spanId": span_id,
        "name": name,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(end),
        "attributes": [{"key": "http.route", "value": {"stringValue": "/x"}}],
        "status": {},
    }
    if parent is not None:
        record["parentSpanId"] = parent
    service = {"attributes": [{"key": "service.name", "value": {"stringValue": component}}]}
    return json.dumps({"resourceSpans": [{"resource": service, "scopeSpans": [{"scope": {}, "spans": [record]}]}]})


def test_a_trace_is_a_tree_through_all_components(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    late = span("4", "2", "first push", 9_000_000, 12_000_000, "streamer")
    (folder / "spans.jsonl").write_text(
        "\n".join(
            [
                span("3", "2", "SELECT users", 3_000_000, 4_000_000),
                late,
                "half a line",
                span("2", "1", "auth", 1_000_000, 8_000_000),
                span("1", "outside", "gateway", 0, 10_000_000, "gateway"),
            ]
        )
        + "\n"
    )

    trace.show(TRACE, as_json=False)
    shown = capsys.readouterr()
    trace.show(None, as_json=True)
    [latest] = json.loads(capsys.readouterr().out)

    assert [line.split()[:2] for line in shown.out.splitlines()[1:]] == [
        ["gateway", "gateway"],
        ["auth", "auth"],
        ["auth", "SELECT"],
        ["streamer", "first"],
    ]
    assert "4 spans of 3 components, 12.0 ms" in shown.err
    assert (latest["trace_id"], latest["spans"], latest["took_ms"]) == (TRACE, 4, 12.0)


def test_a_trace_is_found_by_its_request(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = {"ts": "2026-11-21T11:59:00.000Z", "event": "request", "request_id": "r-1", "trace_id": TRACE}
    (folder / "gateway.log").write_text(json.dumps(line) + "\n")
    (folder / "spans.jsonl").write_text(span("1", None, "gateway", 0, 10, "gateway") + "\n")

    trace.show("r-1", as_json=True)

    assert json.loads(capsys.readouterr().out)["trace_id"] == TRACE
    with pytest.raises(CommandFailed, match="r-2"):
        trace.show("r-2", as_json=True)


def test_of_a_trace_without_spans_the_log_lines_are_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = {"ts": "2026-11-21T11:59:00.000Z", "event": "request", "request_id": "r-1", "trace_id": TRACE}
    (folder / "gateway.log").write_text(json.dumps(line) + "\n")

    trace.show(TRACE, as_json=False)

    said = capsys.readouterr()
    assert "request_id=r-1" in said.out
    assert "No spans were kept" in said.err
