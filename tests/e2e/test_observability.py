"""One request seen from every process that had a part in it, by the commands of the platform."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from local.home import REPOSITORY
from tests.e2e.platform import Platform, SupervisedPlatform, until
from tests.e2e.test_sockets import ask, frames

pytestmark = pytest.mark.targets("run", reason="looks into the logs and spans of the supervisor's home")


def lines(file: Path, trace_id: str) -> list[dict[str, Any]]:
    """The log lines of a trace."""
    if not file.exists():
        return []
    found = (json.loads(line) for line in file.read_bytes().splitlines() if trace_id.encode() in line)
    return [line for line in found if line.get("trace_id") == trace_id and line["event"] != "metrics"]


def command(platform: SupervisedPlatform, *arguments: str) -> str:
    """What a command of the platform prints."""
    done = subprocess.run(
        [sys.executable, "-m", "local.cli.main", *arguments],
        cwd=REPOSITORY,
        env=platform.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def spans(platform: SupervisedPlatform, trace_id: str) -> list[dict[str, Any]]:
    """The spans of a trace, callers first."""
    found: list[dict[str, Any]] = json.loads(command(platform, "trace", trace_id, "--json"))["spans"]
    return found


async def test_an_order_is_one_trace_from_the_gateway_to_the_daemon_that_it_starts(
    collecting: Platform, supervised: SupervisedPlatform, admin: httpx2.AsyncClient
) -> None:
    trace_id = f"{int(time.time()):08x}{os.urandom(12).hex()}"
    headers = {"traceparent": f"00-{trace_id}-{os.urandom(8).hex()}-01"}
    logs = supervised.home.logs

    answer = await admin.post("/api/v1/services/ticker/restart", headers=headers)
    assert answer.status_code == 200, answer.text

    async def leads() -> bool:
        return bool(lines(logs / "daemons" / "ticker.log", trace_id))

    await until(leads, 60, "the new ticker's line")

    [gateway] = lines(logs / "gateway.log", trace_id)
    function = lines(logs / "functions" / "services.log", trace_id)
    [daemon] = lines(logs / "daemons" / "ticker.log", trace_id)
    assert gateway["path"] == "/api/v1/services/ticker/restart"
    assert {line["request_id"] for line in function} == {gateway["request_id"]}
    assert {line["user_id"] for line in (*function, gateway)} == {gateway["user_id"]}
    assert daemon["event"] == "leading"

    found = await asyncio.to_thread(spans, supervised, trace_id)
    by_name = {(span["component"], span["name"]): span for span in found}
    assert found[0]["component"] == "gateway"
    assert ("services", "POST /api/v1/services/{name}/restart") in by_name
    stored = by_name["services", "INSERT service_wants"]
    assert stored["attributes"]["db.system.name"] == "postgresql"
    started = by_name["ticker", "start ticker"]
    parents = {span["span_id"] for span in found}
    assert started["parent_id"] in parents
    assert all(span["parent_id"] in parents for span in found[1:])
    printed = await asyncio.to_thread(command, supervised, "logs", "--trace", trace_id, "--json")
    assert {json.loads(line)["source"] for line in printed.splitlines()} == {
        "gateway", "functions/services", "daemons/ticker",
    }  # fmt: skip


async def test_a_subscription_is_one_trace_from_the_socket_to_its_first_push(
    collecting: Platform, supervised: SupervisedPlatform
) -> None:
    logs = supervised.home.logs
    user_id, _, token = await collecting.new_user()
    async with collecting.socket(token) as socket:
        await asyncio.sleep(1.1)  # spans are kept of the first frames of each second
        answer = await ask(socket, action="subscribe", channel="tickers", exchange="paper", symbol="BTC/USDT")
        assert answer["type"] == "ack"
        await frames(socket, 1, "tickers")

    streamer = logs / "daemons" / "streamer.log"

    async def begun() -> Any:
        function = (json.loads(line) for line in (logs / "functions" / "websocket.log").read_bytes().splitlines())
        for line in function:
            if (line.get("route"), line.get("user_id")) == ("subscribe", user_id) and "trace_id" in line:
                return next(((line, pushed) for pushed in lines(streamer, line["trace_id"])), None)
        return None

    function, daemon = await until(begun, 90, "the same trace in the function and in the streamer")

    assert daemon["event"] == "subscriptions begun"
    assert (daemon["connection_id"], daemon["user_id"]) == (function["connection_id"], function["user_id"])

    async def pushed() -> bool:
        found = await asyncio.to_thread(spans, supervised, function["trace_id"])
        names = {(span["component"], span["name"]) for span in found}
        return {
            ("gateway", "socket subscribe"),
            ("websocket", "INSERT ws_subscriptions"),
            ("streamer", "first push tickers"),
        } <= names

    await until(pushed, 90, "a span of the first push")


async def test_what_functions_and_daemons_measure_is_shown(
    collecting: Platform, supervised: SupervisedPlatform, admin: httpx2.AsyncClient
) -> None:
    assert (await admin.get("/api/v1/services")).status_code == 200

    async def measured() -> Any:
        shown = json.loads(await asyncio.to_thread(command, supervised, "metrics", "--json", "--since", "10m"))
        figures = {(row["component"], row["metric"]): row for row in shown["metrics"]}
        wanted = {
            ("services", "Latency"),
            ("authorizer", "Requests"),
            ("ticker", "Ticks"),
            ("ohlcv", "CandlesStored"),
            ("streamer", "StreamLag"),
        }
        return figures if wanted <= figures.keys() else None

    figures = await until(measured, 90, "metrics of functions and daemons")

    assert figures["services", "Requests"]["total"] >= 1
    assert 0 < figures["services", "Latency"]["p50"] <= figures["services", "Latency"]["p99"]
    assert figures["ticker", "Ticks"]["total"] > 0
    assert "BTC" not in json.dumps(list(figures.values()))
