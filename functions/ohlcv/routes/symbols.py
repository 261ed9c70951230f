"""Symbols of an exchange, across exchanges, and the pairs they stand for."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Query

from fullon.kernel.clock import rfc3339
from fullon.kernel.errors import Invalid
from fullon.kernel.money import to_text
from fullon.kernel.timeframes import Timeframe
from fullon.runtime.http import Caller, Stores
from fullon.runtime.pages import Cursor, Limit, Page, decode_cursor, encode_cursor
from fullon.runtime.problems import responses
from fullon.venues.model import Symbol
from functions.ohlcv.reading import after_name, overview
from functions.ohlcv.schemas import ExchangeName, Pair, SymbolInfo, SymbolName, SymbolSummary

router = APIRouter(prefix="/api/v1/ohlcv")


@router.get(
    "/exchanges/{exchange}/symbols",
    operation_id="list_market_symbols",
    summary="Symbols of an exchange",
    responses=responses(401, 403, 404),
)
async def symbols(
    stores: Stores,
    caller: Caller,
    exchange: ExchangeName,
    active: Annotated[bool | None, Query(description="Only collected symbols, or only the others.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[SymbolSummary]:
    """The symbols of an exchange, by name."""
    after = after_name(cursor)
    _, found = await overview(stores).symbols(exchange, active=active, after=after, limit=limit + 1)
    more = encode_cursor(found[limit - 1].symbol) if len(found) > limit else None
    return Page(items=[_summary(each) for each in found[:limit]], next_cursor=more)


@router.get(
    "/exchanges/{exchange}/symbols/{symbol:path}/info",
    operation_id="get_market_symbol",
    summary="One symbol",
    responses=responses(401, 403, 404),
)
async def symbol(stores: Stores, caller: Caller, exchange: ExchangeName, symbol: SymbolName) -> SymbolInfo:
    """A symbol, its precision and limits, and where its candles begin and end."""
    state = await overview(stores).symbol(exchange, symbol)
    each, stored = state.symbol, state.coverage
    return SymbolInfo(
        **_summary(each).model_dump(),
        price_decimals=each.price_decimals,
        quantity_decimals=each.quantity_decimals,
        tick_size=_plain(each.tick_size),
        step_size=_plain(each.step_size),
        min_quantity=_plain(each.min_quantity),
        min_notional=_plain(each.min_notional),
        only_ticker=each.only_ticker,
        first_candle=stored.first and rfc3339(stored.first),
        last_candle=stored.newest and rfc3339(stored.newest),
        timeframes=list(Timeframe),
    )


@router.get(
    "/symbols/search",
    operation_id="search_market_symbols",
    summary="Find a symbol",
    responses=responses(401, 403),
)
async def search(
    stores: Stores,
    caller: Caller,
    q: Annotated[str, Query(min_length=1, max_length=64, description="Part of a name, in any case.", examples=["btc"])],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[SymbolSummary]:
    """Symbols of all exchanges whose name contains `q`; where there is none, those that read alike (`btcusdt`)."""
    found = await overview(stores).search(q, after=_behind(cursor), limit=limit + 1)
    more = encode_cursor(found[limit - 1].symbol, found[limit - 1].symbol_id) if len(found) > limit else None
    return Page(items=[_summary(each) for each in found[:limit]], next_cursor=more)


@router.get("/pairs", operation_id="list_market_pairs", summary="All pairs", responses=responses(401, 403))
async def pairs(stores: Stores, caller: Caller, limit: Limit = 50, cursor: Cursor = None) -> Page[Pair]:
    """What active exchanges trade, by name, and which of them do."""
    found = await overview(stores).pairs(after=after_name(cursor), limit=limit + 1)
    more = encode_cursor(found[limit - 1].symbol) if len(found) > limit else None
    items = [
        Pair(symbol=each.symbol, base=each.base, quote=each.quote, exchanges=list(each.exchanges))
        for each in found[:limit]
    ]
    return Page(items=items, next_cursor=more)


def _behind(cursor: str | None) -> tuple[str, int]:
    if cursor is None:
        return "", 0
    name, symbol_id = decode_cursor(cursor, 2)
    if not isinstance(name, str) or not isinstance(symbol_id, int) or abs(symbol_id) >= 2**31:
        raise Invalid("The cursor is not one of this list.", fields={"cursor": "not a cursor of this list"})
    return name, symbol_id


def _summary(each: Symbol) -> SymbolSummary:
    return SymbolSummary(
        exchange=each.exchange,
        symbol=each.symbol,
        base=each.base,
        quote=each.quote,
        settle=each.settle,
        futures=each.futures,
        active=each.active,
    )


def _plain(value: Decimal | None) -> str | None:
    """Without the zeros that fill up the column's eighteen places."""
    return None if value is None else to_text(value.normalize())
