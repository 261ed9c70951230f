"""Candles: the latest, of a range, and as a gapless series."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from fullon.kernel.errors import Invalid
from fullon.kernel.timeframes import Timeframe
from fullon.runtime.http import Caller, Stores
from fullon.runtime.pages import Cursor, decode_cursor
from fullon.runtime.problems import responses
from functions.ohlcv.encoding import candles_answer
from functions.ohlcv.reading import LATEST_MS, market, moment, time_range
from functions.ohlcv.schemas import (
    CandleArrays,
    CandleLimit,
    CandlePage,
    EndTime,
    ExchangeName,
    Layout,
    StartTime,
    SymbolName,
    TimeframeName,
)

router = APIRouter(prefix="/api/v1/ohlcv")
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"model": CandlePage | CandleArrays, "description": "Candles, oldest first."},
    304: {"description": "The client's copy (`If-None-Match`) is still right."},
    **responses(401, 403, 404),
}


@router.get(
    "/candles/{exchange}/{symbol:path}/{timeframe}/range",
    operation_id="get_candles_range",
    summary="Candles of a range",
    responses=ANSWERS,
)
async def candles_range(
    request: Request,
    stores: Stores,
    caller: Caller,
    exchange: ExchangeName,
    symbol: SymbolName,
    timeframe: TimeframeName,
    start_time: StartTime,
    end_time: EndTime = None,
    limit: CandleLimit = 50,
    cursor: Cursor = None,
    layout: Layout = "object",
) -> Response:
    """The first `limit` candles (up to 10,000) that begin in `start_time` ≤ time < `end_time`, oldest first; the next
    page by `next_cursor`. A range whose candles can no longer change may be kept (`Cache-Control`)."""
    bar = Timeframe.parse(timeframe)
    start, end = _range(start_time, end_time, cursor)
    series, found = await market(stores).between(exchange, symbol, bar, start, end, limit)
    return candles_answer(request, series, timeframe, found, arrays=layout == "array")


@router.get(
    "/candles/{exchange}/{symbol:path}/{timeframe}",
    operation_id="get_candles",
    summary="The latest candles",
    responses=ANSWERS,
)
async def candles(
    request: Request,
    stores: Stores,
    caller: Caller,
    exchange: ExchangeName,
    symbol: SymbolName,
    timeframe: TimeframeName,
    limit: CandleLimit = 50,
    layout: Layout = "object",
) -> Response:
    """The latest `limit` candles (up to 10,000) that exist, oldest first, the running one
    (`final: false`) last."""
    bar = Timeframe.parse(timeframe)
    series, found = await market(stores).latest(exchange, symbol, bar, limit)
    return candles_answer(request, series, timeframe, found, arrays=layout == "array")


@router.get(
    "/timeseries/{exchange}/{symbol:path}/ohlcv",
    operation_id="get_timeseries",
    summary="Candles as a series, gaps filled if wanted",
    responses=ANSWERS,
)
async def timeseries(
    request: Request,
    stores: Stores,
    caller: Caller,
    exchange: ExchangeName,
    symbol: SymbolName,
    timeframe: Annotated[
        str, Query(description="Length of a bar.", json_schema_extra={"enum": list(Timeframe)})
    ] = "1m",
    start_time: Annotated[
        str | None,
        Query(description="Without it: as many buckets of time as `limit`, up to the end or the newest candle."),
    ] = None,
    end_time: EndTime = None,
    fill: Annotated[
        Literal["none", "previous"],
        Query(description="`previous`: a bucket without trades becomes a flat bar at the close before, volume 0."),
    ] = "none",
    limit: CandleLimit = 1_000,
    cursor: Cursor = None,
    layout: Layout = "object",
) -> Response:
    """Candles that begin in `start_time` ≤ time < `end_time`, oldest first. With `fill=previous` no bucket is missing
    from the first candle there is up to the newest one."""
    bar = Timeframe.parse(timeframe)
    reader = market(stores)
    if start_time is None and cursor is None:
        end = None if end_time is None else moment(end_time, "end_time")
        newest = (await reader.find(exchange, symbol)).closed_until
        start = max(0, bar.floor(min(end or newest, newest)) - (limit - 1) * bar.milliseconds)
        start = bar.floor(start)
    else:
        start, end = _range(start_time or "0", end_time, cursor)
    read = reader.filled if fill == "previous" else reader.between
    series, found = await read(exchange, symbol, bar, start, end, limit)
    return candles_answer(request, series, timeframe, found, arrays=layout == "array")


def _range(start_time: str, end_time: str | None, cursor: str | None) -> tuple[int, int | None]:
    """Epoch milliseconds of both ends; a cursor moves the first one."""
    start, end = time_range(start_time, end_time)
    if cursor is not None:
        [position] = decode_cursor(cursor, 1)
        if not isinstance(position, int) or not start <= position <= LATEST_MS:
            raise Invalid("The cursor is not one of this list.", fields={"cursor": "not a cursor of this list"})
        start = position
    return start, end
