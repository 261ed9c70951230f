"""Lines of metrics: what CloudWatch reads of them, what is added up, what is sampled, what never gets in."""

from __future__ import annotations

import asyncio
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fullon.kernel.clock import ManualClock
from fullon.runtime import metrics
from fullon.runtime.metrics import Recorder

#: Amazon CloudWatch User Guide, "Embedded metric format schema".
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["_aws"],
    "properties": {
        "_aws": {
            "type": "object",
            "required": ["Timestamp", "CloudWatchMetrics"],
            "properties": {
                "Timestamp": {"type": "integer"},
                "CloudWatchMetrics": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["Namespace", "Dimensions", "Metrics"],
                        "properties": {
                            "Namespace": {"type": "string", "minLength": 1, "maxLength": 1024},
                            "Dimensions": {
                                "type": "array",
                                "minItems": 1,
                                "items": {
                                    "type": "array",
                                    "minItems": 0,
                                    "maxItems": 30,
                                    "items": {"type": "string", "minLength": 1, "maxLength": 250},
                                },
                            },
                            "Metrics": {
                                "type": "array",
                                "maxItems": 100,
                                "items": {
                                    "type": "object",
                                    "required": ["Name"],
                                    "properties": {
                                        "Name": {"type": "string", "minLength": 1, "maxLength": 1024},
                                        "Unit": {"enum": ["Count", "Milliseconds"]},
                                        "StorageResolution": {"enum": [1, 60]},
                                    },
                                    "additionalProperties": False,
                                },
                            },
                        },
                    },
                },
            },
        }
    },
}
NOON = datetime(2026, 8, 17, 12, tzinfo=UTC)


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def recorder(stream: io.StringIO) -> Recorder:
    return Recorder("auth", ManualClock(NOON), stream)


def written(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_every_metric_of_the_catalogue_makes_a_line_that_cloudwatch_can_read(
    recorder: Recorder, stream: io.StringIO
) -> None:
    for metric in metrics.CATALOGUE.values():
        if metric.kind is metrics.Kind.COUNT:
            recorder.count(metric, 2.5)
        elif metric.kind is metrics.Kind.GAUGE:
            recorder.gauge(metric, 2.5)
        else:
            recorder.record(metric, 2.5)

    recorder.flush()

    [line] = written(stream)
    jsonschema.validate(line, SCHEMA)
    [directive] = line["_aws"]["CloudWatchMetrics"]
    assert {entry["Name"] for entry in directive["Metrics"]} == set(metrics.CATALOGUE)
    for entry in directive["Metrics"]:
        values = line[entry["Name"]]
        assert values == ([2.5] if metrics.CATALOGUE[entry["Name"]].kind is metrics.Kind.VALUES else 2.5)
    assert all(line[name] for dimensions in directive["Dimensions"] for name in dimensions)
    assert line["_aws"]["Timestamp"] == NOON.timestamp() * 1000


def test_the_component_is_the_only_dimension(recorder: Recorder, stream: io.StringIO) -> None:
    recorder.count(metrics.REQUESTS)

    recorder.flush(request_id="r-1", user_id="u-1")

    [line] = written(stream)
    assert line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["Component"]]
    assert (line["Component"], line["request_id"], line["user_id"]) == ("auth", "r-1", "u-1")


def test_counts_are_added_up_and_gauges_keep_the_last_until_they_are_written(
    recorder: Recorder, stream: io.StringIO
) -> None:
    recorder.count(metrics.TICKS, 3)
    recorder.count(metrics.TICKS, 4)
    recorder.gauge(metrics.CONNECTIONS, 9)
    recorder.gauge(metrics.CONNECTIONS, 2)

    recorder.flush()
    recorder.count(metrics.TICKS)
    recorder.flush()
    recorder.flush()

    first, second = written(stream)
    assert (first["Ticks"], first["Connections"]) == (7, 2)
    assert second["Ticks"] == 1
    assert "Connections" not in second


def test_of_many_values_a_hundred_stand_for_all(recorder: Recorder, stream: io.StringIO) -> None:
    for value in range(10_000):
        recorder.record(metrics.LATENCY, value)

    recorder.flush()

    [line] = written(stream)
    assert len(line["Latency"]) == 100
    assert min(line["Latency"]) < 2_500
    assert max(line["Latency"]) > 7_500


def test_one_process_may_speak_for_several_components(recorder: Recorder, stream: io.StringIO) -> None:
    recorder.count(metrics.REQUESTS, component="orm")
    recorder.count(metrics.REQUESTS, component="health")

    recorder.flush()

    assert [(line["component"], line["Component"]) for line in written(stream)] == [
        ("orm", "orm"),
        ("health", "health"),
    ]


def test_a_request_that_raises_is_counted_as_an_error(stream: io.StringIO) -> None:
    metrics.configure("websocket", stream=stream)

    with pytest.raises(RuntimeError), metrics.request():
        raise RuntimeError
    with metrics.request():
        pass
    metrics.flush()

    [line] = written(stream)
    assert (line["Requests"], line["Errors"], len(line["Latency"])) == (2, 1, 2)


async def test_a_process_that_ends_writes_what_is_left(stream: io.StringIO) -> None:
    metrics.configure("ticker", stream=stream)
    flushing = asyncio.create_task(metrics.flush_forever(3600))
    await asyncio.sleep(0)

    metrics.collecting().ticks_written(5, 0.25)
    flushing.cancel()
    await asyncio.wait({flushing})

    [line] = written(stream)
    assert (line["Ticks"], line["TickDelay"]) == (5, [0.25])


def test_the_documents_explain_every_metric_as_the_catalogue_does() -> None:
    page = (Path(__file__).parents[2] / "docs" / "observability.md").read_text()

    for metric in metrics.CATALOGUE.values():
        assert f"| `{metric.name}` |" in page
        assert metric.meaning in page
