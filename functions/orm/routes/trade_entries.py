"""Fills that the caller enters by hand, changes and removes; those of venues and orders are immutable."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response

from fullon.bots import store as bots
from fullon.bots.errors import AccountNotFound
from fullon.identity.model import Identity
from fullon.kernel.errors import Invalid
from fullon.kernel.ids import new_id
from fullon.orders import fill_store, ledger
from fullon.orders.model import Fill, FillSource
from fullon.runtime.audited import act
from fullon.runtime.container import Container
from fullon.runtime.http import Stores, TradingCaller
from fullon.runtime.problems import responses
from functions.orm.routes.bots import own
from functions.orm.trade_schemas import FillAnswer, NewBotTrade, NewTrade, TradeChange, check_worth

if TYPE_CHECKING:
    from fullon.orders.fill_store import Connection

router = APIRouter(prefix="/api/v1/orm/trades")


@router.post(
    "/bot",
    operation_id="enter_bot_trade",
    summary="Enter a fill of a bot by hand",
    description="On paper if that is how the bot trades now.",
    status_code=201,
    responses=responses(401, 403, 404),
)
async def enter_bot_trade(body: NewBotTrade, caller: TradingCaller, stores: Stores) -> FillAnswer:
    return await _enter("enter_bot_trade", None, body, caller, stores)


@router.post(
    "/dry",
    operation_id="enter_dry_trade",
    summary="Enter a fill on paper by hand",
    status_code=201,
    responses=responses(401, 403, 404),
)
async def enter_dry_trade(body: NewTrade, caller: TradingCaller, stores: Stores) -> FillAnswer:
    return await _enter("enter_dry_trade", FillSource.DRY, body, caller, stores)


@router.post(
    "/live",
    operation_id="enter_live_trade",
    summary="Enter a real fill by hand",
    description="For what the venue will not report; a fill that it reports as well counts twice.",
    status_code=201,
    responses=responses(401, 403, 404),
)
async def enter_live_trade(body: NewTrade, caller: TradingCaller, stores: Stores) -> FillAnswer:
    return await _enter("enter_live_trade", FillSource.MANUAL, body, caller, stores)


@router.patch(
    "/{trade_id}",
    operation_id="change_trade",
    summary="Change a fill that was entered by hand",
    description="Closed trades and positions that follow from it change with it.",
    responses=responses(401, 403, 404, 409),
)
async def change_trade(trade_id: UUID, body: TradeChange, caller: TradingCaller, stores: Stores) -> FillAnswer:
    values = body.model_dump(exclude_unset=True)
    async with act(stores, caller, "change_trade", f"trade {trade_id}", fields=sorted(values)) as doing:
        before = await fill_store.get(doing.connection, caller.user_id, trade_id)
        if "time" in values:
            values["at"] = values.pop("time")
            _not_in_the_future(values["at"], stores)
        merged = {name: values.get(name, getattr(before, name)) for name in ("price", "volume", "fee")}
        try:
            check_worth(**merged)
        except ValueError as error:
            raise Invalid("The amounts are too large.", fields={"price": str(error)}) from error
        return FillAnswer.of(await ledger.change(doing.connection, caller.user_id, trade_id, values))


@router.delete(
    "/{trade_id}",
    operation_id="delete_trade",
    summary="Remove a fill that was entered by hand",
    description="Closed trades and positions that followed from it change with it.",
    status_code=204,
    responses=responses(401, 403, 404, 409),
)
async def delete_trade(trade_id: UUID, caller: TradingCaller, stores: Stores) -> Response:
    async with act(stores, caller, "delete_trade", f"trade {trade_id}") as doing:
        await ledger.remove(doing.connection, caller.user_id, trade_id)
    return Response(status_code=204)


async def _enter(
    action: str, source: FillSource | None, body: NewTrade, caller: Identity, stores: Container
) -> FillAnswer:
    """Without a source the bot's way of trading decides."""
    own(body.uid, caller)
    now = stores.clock.now()
    if body.time is not None:
        _not_in_the_future(body.time, stores)
    fill_id, uid = new_id(), caller.user_id
    async with act(stores, caller, action, f"trade {fill_id}", ex_id=str(body.ex_id)) as doing:
        connection = doing.connection
        if body.bot_id is not None:
            bot = await bots.get(connection, uid, body.bot_id)
            source = source or (FillSource.DRY if bot.dry_run else FillSource.MANUAL)
        assert source is not None, "a request of a bot names it"
        symbol_id, quote = await _symbol(connection, uid, body)
        fill = Fill(
            fill_id=fill_id,
            uid=uid,
            ex_id=body.ex_id,
            order_id=None,
            bot_id=body.bot_id,
            symbol_id=symbol_id,
            symbol=body.symbol,
            side=body.side,
            source=source,
            venue_trade_id=f"manual:{fill_id}",
            venue_order_id=None,
            price=body.price,
            volume=body.volume,
            fee=body.fee,
            fee_currency=body.fee_currency or quote,
            fee_quote=None,
            maker=None,
            at=body.time or now,
        )
        [recorded] = await ledger.record(connection, now, [fill])
    return FillAnswer.of(recorded)


async def _symbol(connection: Connection, uid: UUID, body: NewTrade) -> tuple[int, str]:
    """The symbol at the account's venue, and its quote currency."""
    exchange = await connection.fetchval(
        "SELECT cat_ex_id FROM exchanges WHERE uid = $1 AND ex_id = $2", uid, body.ex_id
    )
    if exchange is None:
        raise AccountNotFound
    row = await connection.fetchrow(
        "SELECT symbol_id, quote FROM symbols WHERE cat_ex_id = $1 AND symbol = $2", exchange, body.symbol
    )
    if row is None:
        raise Invalid("The account's venue has no such symbol.", fields={"symbol": "not one of the account's venue"})
    return row["symbol_id"], row["quote"]


def _not_in_the_future(moment: datetime, stores: Container) -> None:
    if moment > stores.clock.now():
        raise Invalid("A fill cannot be of the future.", fields={"time": "in the future"})
