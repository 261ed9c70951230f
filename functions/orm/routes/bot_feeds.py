"""What the strategies of the caller's bots look at. A foreign bot answers exactly as a missing one."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response

from fullon.bots import store
from fullon.bots.errors import FeedNotFound
from fullon.identity.model import Identity
from fullon.kernel.errors import Invalid
from fullon.runtime.audited import Act, act
from fullon.runtime.http import Caller, Stores, TradingCaller
from fullon.runtime.pages import Page
from fullon.runtime.problems import responses
from fullon.strategies import store as strategies
from functions.orm.strategy_schemas import FeedAnswer, FeedFields, FeedsReplacement, NewFeed

router = APIRouter(prefix="/api/v1/orm/bots")


@router.get(
    "/{bot_id}/feeds",
    operation_id="list_feeds_of_bot",
    summary="What a bot's strategies look at",
    responses=responses(401, 403, 404),
)
async def list_feeds_of_bot(bot_id: UUID, caller: Caller, stores: Stores) -> Page[FeedAnswer]:
    async with stores.connection() as connection:
        await store.get(connection, caller.user_id, bot_id)
        found = await strategies.feeds(connection, caller.user_id, bot_id=bot_id)
    return Page(items=[FeedAnswer.of(each) for each in found])


@router.post(
    "/{bot_id}/feeds",
    operation_id="add_feed_to_bot",
    summary="Append a feed to a strategy of a bot",
    status_code=201,
    responses=responses(401, 403, 404),
)
async def add_feed_to_bot(bot_id: UUID, body: NewFeed, caller: TradingCaller, stores: Stores) -> FeedAnswer:
    async with act(stores, caller, "add_feed_to_bot", f"bot {bot_id}", symbol_id=body.symbol_id) as doing:
        await _strategy_of(doing, caller, bot_id, body.str_id)
        feed = await strategies.add_feed(doing.connection, caller.user_id, body.str_id, _feed(body))
    return FeedAnswer.of(feed)


@router.put(
    "/{bot_id}/feeds",
    operation_id="replace_feeds_of_bot",
    summary="Replace the feeds of a strategy of a bot",
    responses=responses(401, 403, 404),
)
async def replace_feeds_of_bot(
    bot_id: UUID, body: FeedsReplacement, caller: TradingCaller, stores: Stores
) -> Page[FeedAnswer]:
    async with act(stores, caller, "replace_feeds_of_bot", f"bot {bot_id}", feeds=len(body.feeds)) as doing:
        await _strategy_of(doing, caller, bot_id, body.str_id)
        feeds = [_feed(each) for each in body.feeds]
        found = await strategies.put_feeds(doing.connection, caller.user_id, body.str_id, feeds)
    return Page(items=[FeedAnswer.of(each) for each in found])


@router.delete(
    "/{bot_id}/feeds",
    operation_id="delete_feed_of_bot",
    summary="Remove a feed",
    status_code=204,
    responses=responses(401, 403, 404),
)
async def delete_feed_of_bot(bot_id: UUID, feed_id: UUID, caller: TradingCaller, stores: Stores) -> Response:
    async with act(stores, caller, "delete_feed_of_bot", f"bot {bot_id}", feed_id=str(feed_id)) as doing:
        if not await strategies.delete_feed(doing.connection, caller.user_id, bot_id, feed_id):
            raise FeedNotFound
    return Response(status_code=204)


async def _strategy_of(doing: Act, caller: Identity, bot_id: UUID, str_id: UUID) -> None:
    await store.get(doing.connection, caller.user_id, bot_id)
    strategy = await strategies.get(doing.connection, caller.user_id, str_id)
    if strategy.bot_id != bot_id:
        raise Invalid("The strategy is another bot's.", fields={"str_id": "of another bot"})


def _feed(body: FeedFields) -> strategies.NewFeed:
    return strategies.NewFeed(
        symbol_id=body.symbol_id, ex_id=body.ex_id, period=body.period, compression=body.compression
    )
