"""Bots of the caller. A foreign bot answers exactly as a missing one."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response

from fullon.bots import store
from fullon.bots.model import Bot, Level
from fullon.identity.model import Identity
from fullon.kernel.errors import Forbidden, Invalid
from fullon.orders import views
from fullon.orders.selection import Selection
from fullon.runtime.audited import Act, act
from fullon.runtime.container import Container
from fullon.runtime.http import Caller, Stores, TradingCaller
from fullon.runtime.pages import Cursor, Limit, Page, decode_id_cursor, page_of
from fullon.runtime.problems import responses
from fullon.strategies import store as strategies
from functions.orm.bot_schemas import (
    STATS_BASIS,
    BotAnswer,
    BotChange,
    BotDetails,
    BotExchangeAnswer,
    BotExchangeRequest,
    BotReplacement,
    BotStats,
    NewBot,
)
from functions.orm.strategy_schemas import FeedAnswer, StrategyAnswer

router = APIRouter(prefix="/api/v1/orm/bots")

IsActive = Annotated[bool | None, Query(description="Only those that are, or are not.")]
IsDry = Annotated[bool | None, Query(description="Only those that trade on paper, or really.")]


@router.post("", operation_id="create_bot", summary="Make a bot", status_code=201, responses=responses(401, 403, 409))
async def create_bot(body: NewBot, caller: TradingCaller, stores: Stores) -> BotAnswer:
    own(body.uid, caller)
    async with act(stores, caller, "create_bot", dry_run=body.dry_run, active=body.active) as doing:
        bot = await store.add(
            doing.connection,
            stores.clock,
            caller.user_id,
            name=body.name,
            active=body.active,
            dry_run=body.dry_run,
            note=body.note,
        )
        doing.subject = f"bot {bot.bot_id}"
        await _note(doing, stores, bot, "created", "The bot was made.")
    return BotAnswer.of(bot)


@router.get("", operation_id="list_bots", summary="One's own bots, oldest first", responses=responses(401, 403))
async def list_bots(
    caller: Caller,
    stores: Stores,
    active: IsActive = None,
    dry_run: IsDry = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[BotAnswer]:
    return await _list(stores, caller.user_id, active, dry_run, limit, cursor)


@router.get(
    "/by-user",
    operation_id="list_bots_by_user",
    summary="The bots of a user",
    description="One's own; admins may look at anybody's.",
    responses=responses(401, 403),
)
async def list_bots_by_user(
    user_id: UUID,
    caller: Caller,
    stores: Stores,
    active: IsActive = None,
    dry_run: IsDry = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[BotAnswer]:
    if user_id != caller.user_id and not caller.is_admin:
        raise Forbidden("You can list only your own bots.")
    return await _list(stores, user_id, active, dry_run, limit, cursor)


@router.get("/{bot_id}", operation_id="get_bot", summary="A bot", responses=responses(401, 403, 404))
async def get_bot(bot_id: UUID, caller: Caller, stores: Stores) -> BotAnswer:
    async with stores.connection() as connection:
        return BotAnswer.of(await store.get(connection, caller.user_id, bot_id))


@router.patch(
    "/{bot_id}",
    operation_id="change_bot",
    summary="Change a bot, switch it on or off",
    responses=responses(401, 403, 404, 409),
)
async def change_bot(bot_id: UUID, body: BotChange, caller: TradingCaller, stores: Stores) -> BotAnswer:
    return await _change("change_bot", bot_id, body.model_dump(exclude_unset=True), caller, stores)


@router.put(
    "/{bot_id}",
    operation_id="replace_bot",
    summary="Write all of a bot's record anew",
    description="Fields that are left out get their defaults; exchanges, strategies and feeds stay.",
    responses=responses(401, 403, 404, 409),
)
async def replace_bot(bot_id: UUID, body: BotReplacement, caller: TradingCaller, stores: Stores) -> BotAnswer:
    return await _change("replace_bot", bot_id, body.model_dump(), caller, stores)


@router.delete(
    "/{bot_id}",
    operation_id="delete_bot",
    summary="Remove a bot",
    description="Its strategies, log and simulations go with it; orders and fills stay.",
    status_code=204,
    responses=responses(401, 403, 404),
)
async def delete_bot(bot_id: UUID, caller: TradingCaller, stores: Stores) -> Response:
    async with act(stores, caller, "delete_bot", f"bot {bot_id}") as doing:
        await store.delete(doing.connection, stores.clock, caller.user_id, bot_id)
    return Response(status_code=204)


@router.get(
    "/{bot_id}/details",
    operation_id="get_bot_details",
    summary="A bot with its exchanges, strategies and feeds",
    responses=responses(401, 403, 404),
)
async def get_bot_details(bot_id: UUID, caller: Caller, stores: Stores) -> BotDetails:
    uid = caller.user_id
    async with stores.connection() as connection:
        bot = await store.get(connection, uid, bot_id)
        return BotDetails(
            **BotAnswer.of(bot).model_dump(),
            exchanges=[BotExchangeAnswer.of(each) for each in await store.exchanges(connection, uid, bot_id)],
            strategies=[StrategyAnswer.of(each) for each in await strategies.listing(connection, uid, bot_id=bot_id)],
            feeds=[FeedAnswer.of(each) for each in await strategies.feeds(connection, uid, bot_id=bot_id)],
        )


@router.get(
    "/{bot_id}/stats",
    operation_id="get_bot_stats",
    summary="What came of a bot's trades",
    responses=responses(401, 403, 404),
)
async def get_bot_stats(bot_id: UUID, caller: Caller, stores: Stores) -> BotStats:
    async with stores.connection() as connection:
        bot = await store.get(connection, caller.user_id, bot_id)
        selection = Selection(uid=caller.user_id, bot_id=bot_id, dry_run=bot.dry_run)
        sums = views.by_currency(await views.groups(connection, selection))
    currency = next(iter(sums), None)
    figures = (sums[currency] if currency else views.Totals()).figures
    uptime = stores.clock.now() - bot.active_since if bot.active_since else None
    return BotStats(
        bot_id=bot_id,
        trades=figures.trades,
        wins=figures.wins,
        losses=figures.losses,
        pnl=figures.pnl,
        win_rate=figures.win_rate,
        profit_factor=figures.profit_factor,
        uptime_seconds=int(uptime.total_seconds()) if uptime else 0,
        currency=currency,
        other_currencies=[each for each in sums if each != currency],
        dry_run=bot.dry_run,
        basis=STATS_BASIS,
    )


@router.get(
    "/{bot_id}/strategies",
    operation_id="list_strategies_of_bot",
    summary="The strategies of a bot, oldest first",
    responses=responses(401, 403, 404),
)
async def list_strategies_of_bot(bot_id: UUID, caller: Caller, stores: Stores) -> Page[StrategyAnswer]:
    async with stores.connection() as connection:
        await store.get(connection, caller.user_id, bot_id)
        found = await strategies.listing(connection, caller.user_id, bot_id=bot_id)
    return Page(items=[StrategyAnswer.of(each) for each in found])


@router.get(
    "/{bot_id}/exchanges",
    operation_id="list_exchanges_of_bot",
    summary="The accounts that a bot may trade on",
    responses=responses(401, 403, 404),
)
async def list_exchanges_of_bot(bot_id: UUID, caller: Caller, stores: Stores) -> Page[BotExchangeAnswer]:
    async with stores.connection() as connection:
        await store.get(connection, caller.user_id, bot_id)
        found = await store.exchanges(connection, caller.user_id, bot_id)
    return Page(items=[BotExchangeAnswer.of(each) for each in found])


@router.post(
    "/{bot_id}/exchanges",
    operation_id="add_exchange_to_bot",
    summary="Let a bot trade on an account",
    status_code=201,
    responses=responses(401, 403, 404),
)
async def add_exchange_to_bot(
    bot_id: UUID, body: BotExchangeRequest, caller: TradingCaller, stores: Stores
) -> Page[BotExchangeAnswer]:
    async with act(stores, caller, "add_exchange_to_bot", f"bot {bot_id}", ex_id=str(body.ex_id)) as doing:
        await store.add_exchange(doing.connection, stores.clock, caller.user_id, bot_id, body.ex_id)
        found = await store.exchanges(doing.connection, caller.user_id, bot_id)
    return Page(items=[BotExchangeAnswer.of(each) for each in found])


@router.delete(
    "/{bot_id}/exchanges",
    operation_id="remove_exchange_from_bot",
    summary="Take an account away from a bot",
    status_code=204,
    responses=responses(401, 403, 404),
)
async def remove_exchange_from_bot(bot_id: UUID, ex_id: UUID, caller: TradingCaller, stores: Stores) -> Response:
    async with act(stores, caller, "remove_exchange_from_bot", f"bot {bot_id}", ex_id=str(ex_id)) as doing:
        await store.remove_exchange(doing.connection, caller.user_id, bot_id, ex_id)
    return Response(status_code=204)


def own(uid: UUID | None, caller: Identity) -> None:
    """Let a body pass that names its owner only if that is the caller.

    Raises:
        Invalid: it is somebody else.
    """
    if uid not in {None, caller.user_id}:
        raise Invalid("You can do this only for yourself.", fields={"uid": "not yours"})


async def _list(
    stores: Container, uid: UUID, active: bool | None, dry_run: bool | None, limit: int, cursor: str | None
) -> Page[BotAnswer]:
    after = decode_id_cursor(cursor)
    async with stores.connection() as connection:
        found = await store.listing(connection, uid, active=active, dry_run=dry_run, after=after, limit=limit + 1)
    return page_of(found, limit, BotAnswer.of, lambda bot: bot.bot_id)


async def _change(action: str, bot_id: UUID, values: dict[str, Any], caller: Identity, stores: Container) -> BotAnswer:
    async with act(stores, caller, action, f"bot {bot_id}", fields=sorted(values)) as doing:
        before = await store.get(doing.connection, caller.user_id, bot_id, lock=True)
        bot = await store.change(doing.connection, stores.clock, caller.user_id, bot_id, values)
        if bot.active is not before.active:
            what = (
                ("activated", "The bot was switched on.")
                if bot.active
                else ("deactivated", "The bot was switched off.")
            )
            await _note(doing, stores, bot, *what)
        if bot.dry_run is not before.dry_run:
            sentence = "The bot trades on paper now." if bot.dry_run else "The bot trades really now."
            await _note(doing, stores, bot, "dry_run_changed", sentence)
    return BotAnswer.of(bot)


async def _note(doing: Act, stores: Container, bot: Bot, action: str, message: str) -> None:
    await store.note(doing.connection, bot.uid, bot.bot_id, stores.clock.now(), Level.INFO, action, message)
