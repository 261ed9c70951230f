"""Public trades: the latest, and of a range."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response

from fullon.kernel.clock import from_milliseconds, rfc3339, to_milliseconds
from fullon.kernel.errors import Invalid
from fullon.market.store import Series, StoredTrade
from fullon.runtime.http import Caller, Stores
from fullon.runtime.pages import Cursor, Limit, decode_cursor, encode_cursor
from fullon.runtime.problems import responses
from functions.ohlcv.encoding import compressed
from functions.ohlcv.reading import market, time_range
from functions.ohlcv.schemas import EndTime, ExchangeName, StartTime, SymbolName, TradePage

router = APIRouter(prefix="/api/v1/ohlcv")
ANSWERS: dict[int | str, dict[str, Any]] = {200: {"model": TradePage}, **responses(401, 403, 404)}


@router.get(
    "/trades/{exchange}/{symbol:path}/range",
    operation_id="get_public_trades_range",
    summary="Public trades of a range",
    responses=ANSWERS,
)
async def trades_range(
    request: Request,
    stores: Stores,
    caller: Caller,
    exchange: ExchangeName,
    symbol: SymbolName,
    start_time: StartTime,
    end_time: EndTime = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Trades with `start_time` ≤ time < `end_time`, oldest first; trades of the same time are never torn apart or lost
    between pages."""
    start, end = time_range(start_time, end_time)
    begin, after = from_milliseconds(start), None
    if cursor is not None:
        begin, after = _position(cursor)
    stop = None if end is None else from_milliseconds(end)
    series, found = await market(stores).trades_between(exchange, symbol, begin, stop, limit + 1, after)
    more = encode_cursor(*_key(found[limit - 1])) if len(found) > limit else None
    return _answer(request, series, found[:limit], more)


@router.get(
    "/trades/{exchange}/{symbol:path}",
    operation_id="get_public_trades",
    summary="The latest public trades",
    responses=ANSWERS,
)
async def trades(
    request: Request,
    stores: Stores,
    caller: Caller,
    exchange: ExchangeName,
    symbol: SymbolName,
    limit: Limit = 50,
) -> Response:
    """The latest `limit` trades anybody made at the venue, oldest first."""
    series, found = await market(stores).latest_trades(exchange, symbol, limit)
    return _answer(request, series, found, None)


def _answer(request: Request, series: Series, found: Sequence[StoredTrade], next_cursor: str | None) -> Response:
    body = orjson.dumps(
        {
            "items": [
                {
                    "id": each.trade_id,
                    "time": rfc3339(each.ts),
                    "price": each.price,
                    "amount": each.amount,
                    "side": each.side,
                }
                for each in found
            ],
            "next_cursor": next_cursor,
            "exchange": series.exchange,
            "symbol": series.symbol,
        }
    )
    headers = {"Cache-Control": "private, no-cache", "Vary": "Accept-Encoding"}
    return compressed(request, body, "application/json", headers)


def _key(trade: StoredTrade) -> tuple[int, int, str]:
    return to_milliseconds(trade.ts), trade.ordinal, trade.trade_id


def _position(cursor: str) -> tuple[datetime, tuple[int, str]]:
    ts, ordinal, trade_id = decode_cursor(cursor, 3)
    try:
        if isinstance(ts, int) and isinstance(ordinal, int) and isinstance(trade_id, str) and abs(ordinal) < 2**63:
            return from_milliseconds(ts), (ordinal, trade_id)
    except OverflowError:
        pass
    raise Invalid("The cursor is not one of this list.", fields={"cursor": "not a cursor of this list"})
