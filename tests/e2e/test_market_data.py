"""Real market data from the venue to the API, through outages; compared with the venue's own candles."""

from __future__ import annotations

import asyncio
import math
from datetime import datetime
from typing import Any

import httpx2
import pytest

from fullon.kernel.clock import to_milliseconds
from fullon.kernel.timeframes import Timeframe
from tests.e2e.platform import Platform, until

Row = list[float]


async def stored(client: httpx2.AsyncClient, timeframe: str, start: int, end: int) -> list[Row]:
    """Final candles of BTC/USDT from ``start`` until before ``end`` (milliseconds), through all pages."""
    rows: list[Row] = []
    cursor: str | None = None
    while True:
        parameters: dict[str, Any] = {"start_time": start, "end_time": end, "limit": 1000}
        if cursor:
            parameters["cursor"] = cursor
        answer = await client.get(f"/api/v1/ohlcv/candles/paper/BTC/USDT/{timeframe}/range", params=parameters)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        rows += [
            [
                to_milliseconds(datetime.fromisoformat(item["time"])),
                *(item[name] for name in ("open", "high", "low", "close", "volume")),
            ]
            for item in page["items"]
            if item["final"]
        ]
        cursor = page["next_cursor"]
        if cursor is None:
            return rows


async def venue_minutes(platform: Platform, start: int, end: int) -> list[Row]:
    """The venue's own closed minutes from ``start`` until before ``end``."""
    rows: list[Row] = []
    async with httpx2.AsyncClient(base_url=platform.venue_url, timeout=30) as venue:
        while start < end:
            parameters: dict[str, Any] = {
                "symbol": "BTCUSDT",
                "interval": "1m",
                "startTime": start,
                "endTime": end - 1,
                "limit": 1000,
            }
            page = (await venue.get("/api/v3/klines", params=parameters)).json()
            if not page:
                break
            rows += [[row[0], *(float(part) for part in row[1:6])] for row in page]
            start = page[-1][0] + 60_000
    return rows


async def control(platform: Platform, **fault: Any) -> None:
    async with httpx2.AsyncClient() as client:
        answer = await client.post(f"{platform.venue_url}/control", json=fault)
    assert answer.status_code == 200, answer.text


async def newest(client: httpx2.AsyncClient) -> int:
    answer = await client.get("/api/v1/ohlcv/candles/paper/BTC/USDT/1m?limit=2")
    items = [item for item in answer.json()["items"] if item["final"]]
    return to_milliseconds(datetime.fromisoformat(items[-1]["time"])) if items else 0


async def caught_up_after(client: httpx2.AsyncClient, moment: int, seconds: float = 90) -> None:
    async def later() -> bool:
        return await newest(client) > moment

    await until(later, seconds, "newer candles")


async def no_difference(platform: Platform, client: httpx2.AsyncClient, start: int, end: int) -> None:
    """Wait until what is stored between the two times is exactly the venue's; the reconciler may need a moment."""
    truth = await venue_minutes(platform, start, end)
    assert [row[0] for row in truth] == list(range(start, end, 60_000))

    async def same() -> bool:
        return await stored(client, "1m", start, end) == truth

    await until(same, 90, "stored minutes equal the venue's")


async def test_every_stored_minute_equals_the_venues_and_every_timeframe_its_minutes(
    collecting: Platform, admin: httpx2.AsyncClient
) -> None:
    end = await newest(admin)
    start = Timeframe.D1.floor(end - 3 * 86_400_000)

    await no_difference(collecting, admin, start, end)

    minutes = await stored(admin, "1m", start, end)  # one for each minute, as was just found
    for timeframe in Timeframe:
        first, last = timeframe.next(start), timeframe.floor(end)
        bars = await stored(admin, timeframe.value, first, last) if first < last else []
        for bar in bars:
            opened = int(bar[0])
            inside = minutes[(opened - start) // 60_000 : (timeframe.next(opened) - start) // 60_000]
            assert inside[0][0] == opened
            assert inside[-1][0] == timeframe.next(opened) - 60_000
            assert bar[1:5] == [
                inside[0][1],
                max(row[2] for row in inside),
                min(row[3] for row in inside),
                inside[-1][4],
            ], (timeframe, opened)
            assert math.isclose(bar[5], math.fsum(row[5] for row in inside), rel_tol=1e-12), (timeframe, opened)
        if timeframe.milliseconds <= 43_200_000:
            assert bars, timeframe


@pytest.mark.targets("run", "container", reason="kills a daemon's process")
async def test_a_killed_collector_leaves_neither_gap_nor_duplicate(
    collecting: Platform, admin: httpx2.AsyncClient
) -> None:
    before = await newest(admin)

    collecting.daemon("ohlcv").kill()
    await asyncio.sleep(5)  # five minutes of the venue's time

    await caught_up_after(admin, before + 6 * 60_000)
    await no_difference(collecting, admin, before - 10 * 60_000, await newest(admin))


@pytest.mark.parametrize("fault", [{"down": 5}, {"streams_silent": True}], ids=["venue down", "streams silent"])
async def test_an_outage_of_the_venue_heals_by_itself(
    fault: dict[str, Any], collecting: Platform, admin: httpx2.AsyncClient
) -> None:
    before = await newest(admin)

    await control(collecting, **fault)
    await asyncio.sleep(6)
    if "streams_silent" in fault:
        await caught_up_after(admin, before + 3 * 60_000)  # the reconciler reads on although the streams say nothing
        await control(collecting, streams_silent=False)

    await caught_up_after(admin, before + 6 * 60_000, 90)
    await no_difference(collecting, admin, before - 10 * 60_000, await newest(admin))


async def test_candles_grow_while_one_watches(collecting: Platform, admin: httpx2.AsyncClient) -> None:
    first = await newest(admin)

    await caught_up_after(admin, first)
