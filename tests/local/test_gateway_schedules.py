"""Scheduled functions on the local gateway: the event of EventBridge, shortly after the start and at their interval."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from fullon.runtime.manifest import Function
from tests.local.platform import HANDLERS, a_function, a_manifest, running_gateway, until

LOG = "gateway.log"


def a_schedule(handler: str) -> Function:
    return replace(a_function("keeper", f"{HANDLERS}.{handler}", kind="schedule"), schedule="rate(1 minute)")


def runs(home: Path) -> list[dict[str, Any]]:
    """What the gateway's log says of scheduled runs."""
    lines = [json.loads(line) for line in (home / LOG).read_text().splitlines()]
    return [line for line in lines if line["event"] == "schedule"]


async def test_a_scheduled_function_runs_after_the_start_with_the_event_of_a_rule(tmp_path: Path) -> None:
    told = tmp_path / "told.json"

    async with running_gateway(
        a_manifest(a_schedule("remember")), tmp_path, schedules_after=0.0, environment={"TOLD": str(told)}
    ):
        await until(told.exists)
        await until(lambda: told.read_text().endswith("}"))

    event = json.loads(told.read_text())
    assert event["source"] == "aws.events"
    assert event["detail-type"] == "Scheduled Event"
    assert event["resources"] == ["arn:aws:events:us-east-1:000000000000:rule/fullon-keeper"]
    assert event["detail"] == {}
    assert datetime.fromisoformat(event["time"]).tzinfo is not None


async def test_a_run_that_fails_is_logged_and_does_not_end_the_gateway(tmp_path: Path) -> None:
    async with running_gateway(a_manifest(a_schedule("fail")), tmp_path, schedules_after=0.0):
        await until(lambda: (tmp_path / LOG).exists() and len(runs(tmp_path)) == 1)

    (line,) = runs(tmp_path)
    assert line["level"] == "warning"
    assert line["function"] == "keeper"
    assert "ValueError" in line["error"] or "the secret of the house" in line["error"]
