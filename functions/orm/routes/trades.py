"""Fills and closed trades of the caller."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from fullon.bots import store as bots
from fullon.orders import fill_store, views
from fullon.orders.model import Side
from fullon.orders.selection import Selection
from fullon.orders.views import By
from fullon.runtime.container import Container
from fullon.runtime.http import Caller, Stores
from fullon.runtime.pages import Cursor, Limit, Page
from fullon.runtime.problems import responses
from functions.orm.routes.returns import performance_of
from functions.orm.routes.windows import (
    BotFilter,
    Chosen,
    Currency,
    DryRun,
    GivenCapital,
    after,
    cursor_of,
    window_of,
)
from functions.orm.trade_schemas import (
    MODES_BASIS,
    TRADES_BASIS,
    Figures,
    FillAnswer,
    Stats,
    Summary,
    SymbolFigures,
    SymbolPerformance,
    TradeAnswer,
    TradeSide,
    executed,
    figures,
)
from functions.orm.view_schemas import PerformanceMetrics

router = APIRouter(prefix="/api/v1/orm/trades")

FillSide = Annotated[Side | None, Query(description="Only purchases, or only sales.")]
LotSide = Annotated[TradeSide | None, Query(description="Only long trades, or only short ones.")]


@router.get(
    "/bot",
    operation_id="list_fills_of_bot",
    summary="The fills of a bot, newest first",
    responses=responses(401, 403, 404),
)
async def list_fills_of_bot(
    bot_id: UUID,
    chosen: Chosen,
    caller: Caller,
    stores: Stores,
    dry_run: DryRun = None,
    side: FillSide = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[FillAnswer]:
    async with stores.connection() as connection:
        await bots.get(connection, caller.user_id, bot_id)
    selection = chosen.of(caller.user_id, bot_id=bot_id, dry_run=dry_run, side=side)
    return await _fills(stores, selection, limit, cursor)


@router.get(
    "/history",
    operation_id="list_fills",
    summary="All fills, newest first",
    responses=responses(401, 403),
)
async def list_fills(
    chosen: Chosen,
    caller: Caller,
    stores: Stores,
    bot_id: BotFilter = None,
    dry_run: DryRun = None,
    side: FillSide = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[FillAnswer]:
    selection = chosen.of(caller.user_id, bot_id=bot_id, dry_run=dry_run, side=side)
    return await _fills(stores, selection, limit, cursor)


@router.get(
    "/live",
    operation_id="list_live_fills",
    summary="The fills that are not on paper, newest first",
    responses=responses(401, 403),
)
async def list_live_fills(
    chosen: Chosen,
    caller: Caller,
    stores: Stores,
    bot_id: BotFilter = None,
    side: FillSide = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[FillAnswer]:
    return await _fills(stores, chosen.of(caller.user_id, bot_id=bot_id, dry_run=False, side=side), limit, cursor)


@router.get(
    "/by-bot",
    operation_id="list_trades_by_bot",
    summary="Closed trades that bots opened, last closed first",
    description="Of one bot with `bot_id`, else of all. A trade is the bot's whose fill opened it.",
    responses=responses(401, 403, 404),
)
async def list_trades_by_bot(
    chosen: Chosen,
    caller: Caller,
    stores: Stores,
    bot_id: BotFilter = None,
    dry_run: DryRun = None,
    side: LotSide = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[TradeAnswer]:
    if bot_id is not None:
        async with stores.connection() as connection:
            await bots.get(connection, caller.user_id, bot_id)
    selection = chosen.of(caller.user_id, bot_id=bot_id, dry_run=dry_run, side=side, of_bots=True)
    return await _trades(stores, selection, limit, cursor)


@router.get(
    "/by-symbol",
    operation_id="list_trades_by_symbol",
    summary="Closed trades, last closed first",
    description="Of one symbol with `symbol`, else of all.",
    responses=responses(401, 403),
)
async def list_trades_by_symbol(
    chosen: Chosen,
    caller: Caller,
    stores: Stores,
    bot_id: BotFilter = None,
    dry_run: DryRun = None,
    side: LotSide = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[TradeAnswer]:
    return await _trades(stores, chosen.of(caller.user_id, bot_id=bot_id, dry_run=dry_run, side=side), limit, cursor)


@router.get(
    "/performance",
    operation_id="get_trades_performance",
    summary="How trading went",
    description="Of real trades unless `dry_run=true`. The same as `views/performance-metrics`.",
    responses=responses(401, 403),
)
async def get_trades_performance(
    chosen: Chosen,
    caller: Caller,
    stores: Stores,
    bot_id: BotFilter = None,
    dry_run: Annotated[bool, Query(description="Of trades on paper instead.")] = False,
    side: LotSide = None,
    currency: Currency = None,
    capital: GivenCapital = None,
) -> PerformanceMetrics:
    selection = chosen.of(caller.user_id, bot_id=bot_id, dry_run=dry_run, side=side)
    return await performance_of(stores, selection, currency, capital)


@router.get(
    "/stats",
    operation_id="get_trades_stats",
    summary="Figures of closed trades by quote currency",
    responses=responses(401, 403),
)
async def get_trades_stats(
    chosen: Chosen,
    caller: Caller,
    stores: Stores,
    bot_id: BotFilter = None,
    dry_run: DryRun = None,
    side: LotSide = None,
) -> Stats:
    selection = chosen.of(caller.user_id, bot_id=bot_id, dry_run=dry_run, side=side)
    async with stores.connection() as connection:
        found = await views.groups(connection, selection, By.DRY_RUN)
    return Stats(window=window_of(selection), basis=f"{TRADES_BASIS} {MODES_BASIS}", figures=by_mode(found))


@router.get(
    "/stats/overall",
    operation_id="get_overall_trades_stats",
    summary="Figures of all closed trades by quote currency",
    responses=responses(401, 403),
)
async def get_overall_trades_stats(caller: Caller, stores: Stores) -> Stats:
    selection = Selection(uid=caller.user_id)
    async with stores.connection() as connection:
        found = await views.groups(connection, selection, By.DRY_RUN)
    return Stats(window=window_of(selection), basis=f"{TRADES_BASIS} {MODES_BASIS}", figures=by_mode(found))


@router.get(
    "/summary",
    operation_id="get_trades_summary",
    summary="Fills, closed trades and open positions, counted and added up",
    responses=responses(401, 403),
)
async def get_trades_summary(
    chosen: Chosen, caller: Caller, stores: Stores, bot_id: BotFilter = None, dry_run: DryRun = None
) -> Summary:
    selection = chosen.of(caller.user_id, bot_id=bot_id, dry_run=dry_run)
    present = Selection(uid=caller.user_id, bot_id=bot_id, ex_id=chosen.ex_id, symbol=chosen.symbol, dry_run=dry_run)
    async with stores.connection() as connection:
        return Summary(
            window=window_of(selection),
            basis=f"{TRADES_BASIS} {MODES_BASIS} Fills are of the window by their time, trades by that of closing;"
            " positions are of now.",
            figures=by_mode(await views.groups(connection, selection, By.DRY_RUN)),
            executed=executed(await views.executed(connection, selection)),
            open_positions=len(await views.held(connection, present)),
        )


@router.get(
    "/symbol-performance",
    operation_id="get_symbol_performance",
    summary="Figures of closed trades by symbol",
    responses=responses(401, 403),
)
async def get_symbol_performance(
    chosen: Chosen,
    caller: Caller,
    stores: Stores,
    bot_id: BotFilter = None,
    dry_run: DryRun = None,
    side: LotSide = None,
) -> SymbolPerformance:
    selection = chosen.of(caller.user_id, bot_id=bot_id, dry_run=dry_run, side=side)
    async with stores.connection() as connection:
        found = await views.groups(connection, selection, By.SYMBOL, By.DRY_RUN)
    items = [
        SymbolFigures.model_validate(
            {**figures(each.totals), "currency": each.currency, "symbol": each.by[0], "dry_run": each.by[1]}
        )
        for each in sorted(found, key=lambda each: each.by)
    ]
    return SymbolPerformance(window=window_of(selection), basis=f"{TRADES_BASIS} {MODES_BASIS}", items=items)


def by_mode(found: list[views.Group]) -> list[Figures]:
    """Groups by symbol and mode, added up by currency: the real ones first."""
    return [
        Figures.of(currency, totals, dry_run=dry_run)
        for dry_run in (False, True)
        for currency, totals in views.by_currency(each for each in found if each.by[0] is dry_run).items()
    ]


async def _fills(stores: Container, selection: Selection, limit: int, cursor: str | None) -> Page[FillAnswer]:
    before = after(cursor)
    async with stores.connection() as connection:
        found = await fill_store.listing(connection, selection, before=before, limit=limit + 1)
    page = found[:limit]
    following = cursor_of(page[-1].at, page[-1].fill_id) if len(found) > limit else None
    return Page(items=[FillAnswer.of(each) for each in page], next_cursor=following)


async def _trades(stores: Container, selection: Selection, limit: int, cursor: str | None) -> Page[TradeAnswer]:
    before = after(cursor)
    async with stores.connection() as connection:
        found = await views.closed(connection, selection, before=before, limit=limit + 1)
    page = found[:limit]
    following = cursor_of(page[-1].closed_at, page[-1].trade_id) if len(found) > limit else None
    return Page(items=[TradeAnswer.of(each) for each in page], next_cursor=following)
