"""Exchanges: what they are, how fresh and complete their candles are, whether these can be relied on."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from fullon.kernel.clock import rfc3339
from fullon.kernel.timeframes import Timeframe
from fullon.market.overview import SymbolState
from fullon.runtime.http import Caller, Stores
from fullon.runtime.pages import Cursor, Limit, Page, encode_cursor
from fullon.runtime.problems import responses
from functions.ohlcv.reading import after_name, overview
from functions.ohlcv.schemas import (
    Check,
    ExchangeInfo,
    ExchangeName,
    ExchangeStatus,
    ExchangeSummary,
    Gap,
    SymbolStatus,
    Validation,
)

router = APIRouter(prefix="/api/v1/ohlcv")


@router.get(
    "/exchanges",
    operation_id="list_market_exchanges",
    summary="All exchanges",
    responses=responses(401, 403),
)
async def exchanges(stores: Stores, caller: Caller) -> Page[ExchangeSummary]:
    """The exchanges of the catalogue, by name; always whole."""
    return Page(
        items=[
            ExchangeSummary(name=each.name, title=each.title, active=each.active, paper=each.paper)
            for each in await overview(stores).exchanges()
        ]
    )


@router.get(
    "/exchanges/{exchange}/info",
    operation_id="get_market_exchange",
    summary="One exchange",
    responses=responses(401, 403, 404),
)
async def info(stores: Stores, caller: Caller, exchange: ExchangeName) -> ExchangeInfo:
    """An exchange, and how many symbols there are of it."""
    venue, symbols = await overview(stores).symbols(exchange)
    return ExchangeInfo(
        name=venue.name,
        title=venue.title,
        active=venue.active,
        paper=venue.paper,
        ccxt_id=venue.ccxt_id,
        symbols=len(symbols),
        active_symbols=sum(each.active for each in symbols),
        timeframes=list(Timeframe),
    )


@router.get(
    "/exchanges/{exchange}/status",
    operation_id="get_market_exchange_status",
    summary="Freshness and completeness",
    responses=responses(401, 403, 404),
)
async def status(
    stores: Stores,
    caller: Caller,
    exchange: ExchangeName,
    active: Annotated[bool | None, Query(description="Only collected symbols, or only the others.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> ExchangeStatus:
    """First and last candle, age, and gaps, for each symbol by name."""
    now = stores.clock.now()
    after = after_name(cursor)
    venue, found = await overview(stores).status(exchange, active=active, after=after, limit=limit + 1)
    return ExchangeStatus(
        exchange=venue.name,
        as_of=rfc3339(now),
        next_cursor=encode_cursor(found[limit - 1].symbol.symbol) if len(found) > limit else None,
        items=[_status(each, now) for each in found[:limit]],
    )


@router.get(
    "/exchanges/{exchange}/validate",
    operation_id="validate_market_exchange",
    summary="Can the data be relied on?",
    responses=responses(401, 403, 404),
)
async def validate(stores: Stores, caller: Caller, exchange: ExchangeName) -> Validation:
    """Checks the active symbols: that they have candles, fresh and without gaps, plausible, and with roll-ups equal to
    their minutes over the last day."""
    venue, checks = await overview(stores).validate(exchange, stores.clock.now())
    return Validation(
        exchange=venue.name,
        valid=all(check.passed for check in checks),
        checks=[Check(name=check.name, passed=check.passed, detail=check.detail) for check in checks],
    )


def _status(each: SymbolState, now: datetime) -> SymbolStatus:
    stored = each.coverage
    age = stored.age(now)
    return SymbolStatus(
        symbol=each.symbol.symbol,
        active=each.symbol.active,
        first_candle=stored.first and rfc3339(stored.first),
        last_candle=stored.newest and rfc3339(stored.newest),
        candles=stored.candles,
        missing_minutes=stored.missing,
        gap_count=each.gap_count,
        gaps=[Gap(start_time=rfc3339(gap.start), end_time=rfc3339(gap.end), minutes=gap.minutes) for gap in each.gaps],
        verified_until=stored.verified_until and rfc3339(stored.verified_until),
        age_ms=None if age is None else age // timedelta(milliseconds=1),
        fresh=each.is_fresh(now),
    )
