"""Candles as a file."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from fullon.kernel.timeframes import Timeframe
from fullon.market import export
from fullon.market.errors import TooManyCandles
from fullon.runtime.http import Caller, Stores
from fullon.runtime.problems import responses
from functions.ohlcv.encoding import compressed
from functions.ohlcv.reading import market, time_range
from functions.ohlcv.schemas import EndTime, ExchangeName, SymbolName, TimeframeName

router = APIRouter(prefix="/api/v1/ohlcv")

#: As CSV about 4.5 MB; an answer of Lambda may have 6 MB.
MAXIMUM_ROWS = 60_000
PARQUET = "application/vnd.apache.parquet"


@router.get(
    "/export/{exchange}/{symbol:path}/{timeframe}",
    operation_id="export_candles",
    summary="Candles as a file",
    response_class=Response,
    responses={
        200: {
            "content": {
                "text/csv": {
                    "example": f"{export.COLUMNS}\n2026-08-17T10:00:00Z,64210.5,64333.0,64187.1,64301.2,12.40512\n"
                },
                PARQUET: {"schema": {"type": "string", "format": "binary"}},
            },
            "description": "The file.",
        },
        **responses(401, 403, 404),
    },
)
async def export_candles(
    request: Request,
    stores: Stores,
    caller: Caller,
    exchange: ExchangeName,
    symbol: SymbolName,
    timeframe: TimeframeName,
    start_time: Annotated[
        str, Query(description="First moment, RFC 3339 or epoch milliseconds; without it, the first candle.")
    ] = "0",
    end_time: EndTime = None,
    layout: Annotated[Literal["csv", "parquet"], Query(alias="format")] = "csv",
) -> Response:
    """The final candles that begin in `start_time` ≤ time < `end_time`, oldest first, as CSV or Parquet; the running
    bar is left out. At most 60,000 rows, else 422."""
    start, end = time_range(start_time, end_time)
    bar = Timeframe.parse(timeframe)
    series, found = await market(stores).between(exchange, symbol, bar, start, end, MAXIMUM_ROWS)
    if found.next_start is not None:
        raise TooManyCandles(MAXIMUM_ROWS)
    title = f"{series.exchange}_{series.symbol}_{timeframe}".replace("/", "-").replace(":", "-")
    title = "".join(letter for letter in title if letter.isascii() and (letter.isalnum() or letter in "-_."))
    headers = {"Content-Disposition": f'attachment; filename="{title}.{layout}"', "Cache-Control": "private, no-cache"}
    if layout == "parquet":
        return Response(export.parquet(found.stored), media_type=PARQUET, headers=headers)
    headers["Vary"] = "Accept-Encoding"
    return compressed(request, export.csv(found.stored), "text/csv", headers)


assert MAXIMUM_ROWS == 60_000, "the description above says so"
