"""What bots hold now. The caller's own: a foreign bot answers exactly as a missing one.

Which symbols of which accounts can be held is in PostgreSQL, who holds them in Valkey alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query

from fullon.bots import cache, store
from fullon.bots.model import Place, Presence
from fullon.kernel.clock import rfc3339
from fullon.market.catalogue import Catalogue
from fullon.runtime.container import Container
from fullon.runtime.http import Caller, Stores
from fullon.runtime.problems import responses
from functions.cache.bot_schemas import BlockAnswer, Blocks, BotStatus

router = APIRouter(prefix="/api/v1/cache/bots")
MILLISECOND = timedelta(milliseconds=1)

AtExchange = Annotated[
    str,
    Query(
        min_length=1,
        max_length=64,
        pattern=r"^[^\x00]*$",
        description="Name in the catalogue, in any case.",
        examples=["paper"],
    ),
]
OfSymbol = Annotated[
    str,
    Query(
        min_length=1, max_length=64, pattern=r"^[^\x00]*$", description="ccxt's unified name.", examples=["BTC/USDT"]
    ),
]


@router.get(
    "/blocks",
    operation_id="list_bot_blocks",
    summary="Which of one's own bots trade a symbol",
    responses=responses(401, 403, 404, 504),
)
async def blocks(stores: Stores, caller: Caller, exchange: AtExchange, symbol: OfSymbol) -> Blocks:
    """On each account of the caller at this exchange; `as_of` is when one of them last said that it lives."""
    known = await Catalogue(stores.connection).symbol(exchange, symbol)
    async with stores.connection() as connection:
        places = await store.places(connection, caller.user_id, exchange=known.exchange, symbol=known.symbol)
    items = await _held(stores, places)
    return Blocks(exchange=known.exchange, symbol=known.symbol, items=items, **_age(items, stores.clock.now()))


@router.get(
    "/{bot_id}/status",
    operation_id="get_bot_status",
    summary="What a bot does now",
    responses=responses(401, 403, 404, 504),
)
async def status(stores: Stores, caller: Caller, bot_id: UUID) -> BotStatus:
    """Whether it trades, and what; `as_of` is when it last said that it lives."""
    async with stores.connection() as connection:
        bot = await store.get(connection, caller.user_id, bot_id)
        places = await store.places(connection, caller.user_id)
    held = [each for each in await _held(stores, places) if each.bot_id == bot_id]
    return BotStatus(
        bot_id=bot_id,
        status=Presence.of(active=bot.active, holds=bool(held)),
        dry_run=bot.dry_run,
        blocks=held,
        **_age(held, stores.clock.now()),
    )


async def _held(stores: Container, places: Sequence[Place]) -> list[BlockAnswer]:
    by_key = {(place.ex_id, place.symbol): place for place in places}
    found = await cache.blocks(stores.valkey, list(by_key))
    return [BlockAnswer.of(by_key[block.ex_id, block.symbol], block) for block in found]


def _age(held: Sequence[BlockAnswer], now: datetime) -> dict[str, Any]:
    """That of the newest sign of life; where nothing is held, that is so now."""
    moment = max((each.renewed_at for each in held), default=now)
    return {"as_of": rfc3339(moment), "age_ms": max(0, (now - moment) // MILLISECOND)}
