"""The paper venue's messages have the shape of recorded ones: the same names, the same types, decimals as text."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from websockets.asyncio.client import connect

from tests.paper_venue import RunningVenue, paper_venue

RECORDED = Path(__file__).resolve().parents[3] / "shared" / "data" / "binance"
EIGHT_DECIMALS = 8

pytestmark = pytest.mark.skipif(not RECORDED.is_dir(), reason=f"no recorded messages in {RECORDED}")


@pytest.fixture(scope="module")
def venue() -> Iterator[RunningVenue]:
    """A venue at 60 times the speed, so that every stream has something to say soon."""
    with paper_venue("--speed", "60") as running:
        yield running


@pytest.mark.parametrize("kind", ["depth@100ms", "bookTicker", "kline_1m", "aggTrade"])
async def test_a_stream_message_has_the_recorded_shape(venue: RunningVenue, kind: str) -> None:
    recorded = next(message for message in recorded_messages() if message["stream"].split("@", 1)[1] == kind)

    async with connect(venue.stream(f"stream?streams=btcusdt@{kind}")) as socket:
        message = json.loads(await asyncio.wait_for(socket.recv(), 20))

    assert shape(message) == shape(recorded)


async def test_a_depth_snapshot_has_the_recorded_shape(venue: RunningVenue) -> None:
    recorded = recorded_answers("BINANCE.http.0.0.gz", "/api/v3/depth")

    async with httpx.AsyncClient() as client:
        answer = (await client.get(f"{venue.url}/api/v3/depth", params={"symbol": "BTCUSDT", "limit": 1000})).json()

    assert shape(answer) == shape(recorded)


async def test_exchange_information_has_every_recorded_name(venue: RunningVenue) -> None:
    recorded = recorded_answers("BINANCE.0.gz", "/api/v3/exchangeInfo")

    async with httpx.AsyncClient() as client:
        answer = (await client.get(f"{venue.url}/api/v3/exchangeInfo")).json()

    assert set(answer) == set(recorded)
    assert set(answer["symbols"][0]) >= set(recorded["symbols"][0])
    ours, theirs = (filters(each["symbols"][0]) for each in (answer, recorded))
    for name in ("PRICE_FILTER", "LOT_SIZE", "MARKET_LOT_SIZE", "MAX_NUM_ORDERS", "ICEBERG_PARTS"):
        assert shape(ours[name]) == shape(theirs[name])
    for name in ("tickSize", "minPrice", "maxPrice"):
        assert len(ours["PRICE_FILTER"][name].partition(".")[2]) == EIGHT_DECIMALS


def shape(value: Any) -> Any:
    """Names and types, without the values; an array has the shape of its first element."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value and not isinstance(value[0], list) else "rows"
    return type(value).__name__


def filters(symbol: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """A symbol's filters by type."""
    return {each["filterType"]: each for each in symbol["filters"]}


def recorded_messages() -> Iterator[dict[str, Any]]:
    """Stream messages that an exchange sent."""
    with gzip.open(RECORDED / "BINANCE.ws.1.0.gz", "rt") as lines:
        for line in lines:
            _, brace, message = line.partition("{")
            if brace and not line.startswith("wss:"):
                yield json.loads(brace + message)


def recorded_answers(file: str, path: str) -> dict[str, Any]:
    """The first recorded answer to a REST path."""
    with gzip.open(RECORDED / file, "rt") as lines:
        for line in lines:
            head, brace, body = line.partition("{")
            if path in head and brace:
                answer: dict[str, Any] = json.loads(brace + body)
                return answer
    raise AssertionError(f"{path} is not recorded in {file}")
