"""Reads of Valkey. A miss is 404, a cache that is down 503, one that does not answer in time 504."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any

from fastapi import APIRouter, Query

from fullon.fleet import cache as fleet_cache
from fullon.fleet.model import ProcessRecord, ProcessStatus
from fullon.kernel.clock import from_milliseconds, rfc3339
from fullon.kernel.timeframes import Timeframe
from fullon.market import cache
from fullon.market.errors import NotCached
from fullon.market.keys import RECENT_BARS
from fullon.runtime import manifest
from fullon.runtime.http import AdminCaller, Caller, Stores
from fullon.runtime.problems import responses
from fullon.venues import quotes
from functions.cache.ages import MILLISECOND, age
from functions.cache.schemas import (
    CachedBar,
    CachedBars,
    DaemonProcesses,
    ExchangeName,
    Process,
    Processes,
    ProcessHealth,
    SymbolName,
    Tick,
    TickerAnswer,
    Tickers,
    TimeframeName,
)

router = APIRouter(prefix="/api/v1/cache")


@router.get(
    "/tickers/{exchange}",
    operation_id="list_tickers",
    summary="All tickers of an exchange",
    responses=responses(401, 403, 404, 504),
)
async def tickers(stores: Stores, caller: Caller, exchange: ExchangeName) -> Tickers:
    """The latest tick of every collected symbol, by symbol."""
    name = exchange.lower()
    found = await cache.ticks(stores.valkey, name)
    if not found:
        raise NotCached(f"There is no ticker of {name!r} in the cache.", exchange=name)
    newest = from_milliseconds(max(tick.time for tick in found))
    return Tickers(exchange=name, items=[Tick(**_tick(tick)) for tick in found], **age(newest, stores.clock.now()))


@router.get(
    "/tickers/{exchange}/{symbol:path}",
    operation_id="get_ticker",
    summary="One ticker",
    responses=responses(401, 403, 404, 504),
)
async def ticker(stores: Stores, caller: Caller, exchange: ExchangeName, symbol: SymbolName) -> TickerAnswer:
    """The latest tick of a symbol."""
    name = exchange.lower()
    found = await cache.tick(stores.valkey, name, symbol)
    if found is None:
        raise NotCached(f"There is no ticker of {symbol!r} at {name!r} in the cache.", exchange=name, symbol=symbol)
    return TickerAnswer(**_tick(found), **age(from_milliseconds(found.time), stores.clock.now()))


@router.get(
    "/ohlcv/{exchange}/{symbol:path}/{timeframe}",
    operation_id="get_cached_bars",
    summary="The present and the recent bars",
    responses=responses(401, 403, 404, 504),
)
async def bars(
    stores: Stores,
    caller: Caller,
    exchange: ExchangeName,
    symbol: SymbolName,
    timeframe: TimeframeName,
    limit: Annotated[int, Query(ge=1, le=RECENT_BARS, description="How many final bars at most.", examples=[50])] = 50,
) -> CachedBars:
    """The bar that runs, and the latest final ones; `as_of` is the start of the newest of them."""
    bar = Timeframe.parse(timeframe)
    name = exchange.lower()
    current, recent = await cache.bars(stores.valkey, name, symbol, bar, limit)
    newest = current or (recent[-1] if recent else None)
    if newest is None:
        raise NotCached(
            f"There are no bars of {symbol!r} at {name!r} in the cache.",
            exchange=name,
            symbol=symbol,
            timeframe=timeframe,
        )
    return CachedBars(
        exchange=name,
        symbol=symbol,
        timeframe=timeframe,
        current=current and _bar(current),
        items=[_bar(each) for each in recent],
        **age(from_milliseconds(newest.ts), stores.clock.now()),
    )


@router.get(
    "/processes/status",
    operation_id="list_processes",
    summary="Running daemons",
    responses=responses(401, 403, 504),
)
async def process_status(stores: Stores, caller: AdminCaller) -> Processes:
    """What every daemon instance last said of itself. For admins."""
    now = stores.clock.now()
    found = await _records(stores)
    everyone = [record for records in found.values() for record in records]
    newest = max((record.heartbeat for record in everyone), default=now)
    return Processes(items=[_process(record, now) for record in everyone], **age(newest, now))


@router.get(
    "/processes/health",
    operation_id="get_process_health",
    summary="Do the daemons work?",
    responses=responses(401, 403, 504),
)
async def process_health(stores: Stores, caller: AdminCaller) -> ProcessHealth:
    """Each daemon over its instances. For admins."""
    now = stores.clock.now()
    found = await _records(stores)
    items = [_health(name, records, now) for name, records in found.items()]
    newest = max((record.heartbeat for records in found.values() for record in records), default=now)
    return ProcessHealth(healthy=all(item.healthy for item in items), items=items, **age(newest, now))


async def _records(stores: Stores) -> dict[str, list[ProcessRecord]]:
    async with cache.bounded():
        return await fleet_cache.records(stores.valkey, _daemons())


@lru_cache(maxsize=1)
def _daemons() -> tuple[str, ...]:
    return tuple(daemon.name for daemon in manifest.load().daemons)


def _tick(tick: quotes.Tick) -> dict[str, Any]:
    return {**tick.to_record(), "time": rfc3339(from_milliseconds(tick.time))}


def _bar(bar: quotes.Bar) -> CachedBar:
    return CachedBar(
        time=rfc3339(from_milliseconds(bar.ts)),
        open=bar.open,
        high=bar.high,
        low=bar.low,
        close=bar.close,
        volume=bar.volume,
        final=bar.final,
    )


def _process(record: ProcessRecord, now: datetime) -> Process:
    return Process(
        type=record.name,
        component=record.name,
        instance=record.instance,
        status=record.status,
        message=record.message,
        heartbeat=rfc3339(record.heartbeat),
        heartbeat_age_ms=max(0, (now - record.heartbeat) // MILLISECOND),
        started=rfc3339(record.started),
        version=record.version,
        host=record.host,
        work=record.work,
        stale=record.is_stale(now),
    )


def _health(name: str, records: list[ProcessRecord], now: datetime) -> DaemonProcesses:
    running = [record for record in records if record.status is not ProcessStatus.STOPPED]
    freshest = max(records, key=lambda record: record.heartbeat, default=None)
    ill = [record for record in running if record.is_stale(now) or record.status is ProcessStatus.ERROR]
    return DaemonProcesses(
        type=name,
        healthy=not ill,
        instances=len(running),
        status=freshest and freshest.status,
        heartbeat_age_ms=max(0, (now - freshest.heartbeat) // MILLISECOND) if freshest else None,
        message=ill[0].message if ill else freshest.message if freshest else "",
    )
