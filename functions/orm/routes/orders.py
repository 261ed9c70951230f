"""Orders of the caller. What is placed is written down first; daemons send it and say what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from fullon.bots import store as bots
from fullon.identity.model import Identity
from fullon.orders import intake, order_cache, order_store, order_sums, states
from fullon.orders.intake import Wanted
from fullon.orders.model import ALIVE, Order, OrderStatus, Side
from fullon.orders.selection import OrderSelection
from fullon.runtime.audited import act
from fullon.runtime.container import Container
from fullon.runtime.exact_json import ExactRoute
from fullon.runtime.http import Caller, Stores, TradingCaller
from fullon.runtime.pages import Cursor, Limit, Page
from fullon.runtime.problems import responses
from functions.orm.order_schemas import (
    STATS_BASIS,
    NewOrderRequest,
    OrderAnswer,
    OrderDetails,
    OrderStats,
    OrderSums,
    StatusChange,
)
from functions.orm.routes.bots import own
from functions.orm.routes.windows import BotFilter, DryRun, InPeriod, Period, after, cursor_of, window_of

if TYPE_CHECKING:
    from fullon.orders.fill_store import Connection

router = APIRouter(prefix="/api/v1/orm/orders", route_class=ExactRoute)

Statuses = Annotated[
    list[OrderStatus] | None, Query(alias="status", description="Only those in one of these states.", max_length=9)
]
SymbolQuery = Annotated[str, Query(min_length=1, max_length=64, pattern=r"^[^\x00]*$", examples=["BTC/USDT"])]
SymbolFilter = Annotated[
    str | None, Query(max_length=64, pattern=r"^[^\x00]*$", description="Only of this symbol.", examples=["BTC/USDT"])
]


@dataclass(frozen=True, slots=True)
class Filters:
    """What every list of orders takes."""

    period: Period
    side: Side | None
    ex_id: UUID | None
    dry_run: bool | None

    def of(
        self,
        caller: Identity,
        *,
        statuses: list[OrderStatus] | None = None,
        bot_id: UUID | None = None,
        symbol: str | None = None,
    ) -> OrderSelection:
        """Orders of the caller by these filters and those of the operation."""
        return OrderSelection(
            uid=caller.user_id,
            since=self.period.since,
            until=self.period.until,
            bot_id=bot_id,
            ex_id=self.ex_id,
            symbol=symbol,
            side=self.side,
            statuses=statuses,
            dry_run=self.dry_run,
        )


async def _filters(
    period: InPeriod,
    side: Annotated[Side | None, Query(description="Only purchases, or only sales.")] = None,
    ex_id: Annotated[UUID | None, Query(description="Only of this exchange account.")] = None,
    dry_run: DryRun = None,
) -> Filters:
    return Filters(period, side, ex_id, dry_run)


Chosen = Annotated[Filters, Depends(_filters)]


@router.post(
    "",
    operation_id="place_order",
    summary="Place an order",
    description=(
        "Answers as soon as the order is written down, in the state `new`; the `orders` channel and `GET` say what"
        " becomes of it. It reaches the venue at most once. An order that breaks a rule of its symbol is refused with"
        " the rule and an amount that keeps it. A balance is held against it when it is known and fresh; else the"
        " venue decides. An order for a bot that trades on paper is filled at the present book and never sent."
    ),
    status_code=201,
    responses=responses(401, 403, 404, 409),
)
async def place_order(body: NewOrderRequest, caller: TradingCaller, stores: Stores) -> OrderAnswer:
    own(body.uid, caller)
    wanted = Wanted(
        uid=caller.user_id,
        ex_id=body.ex_id,
        bot_id=body.bot_id,
        symbol=body.symbol,
        side=body.side,
        order_type=body.order_type,
        volume=body.volume,
        price=body.price,
        stop_price=body.stop_price,
        leverage=body.leverage,
        reference=body.client_order_id,
    )
    async with stores.connection() as connection:
        context = await intake.look(connection, wanted)
    await intake.check(stores.valkey, stores.clock, wanted, context)
    about = {"ex_id": str(body.ex_id), "symbol": body.symbol, "side": body.side.value, "type": body.order_type.value}
    async with act(stores, caller, "place_order", **about) as doing:
        order = await intake.enter(doing.connection, stores.clock, wanted, context)
        doing.subject = f"order {order.order_id}"
        doing.details["dry_run"] = order.dry_run
    await order_cache.announce(stores.valkey, order)
    return OrderAnswer.of(order)


@router.get(
    "/by-bot",
    operation_id="list_orders_by_bot",
    summary="The orders of a bot, newest first",
    responses=responses(401, 403, 404),
)
async def list_orders_by_bot(
    bot_id: UUID,
    chosen: Chosen,
    caller: Caller,
    stores: Stores,
    status: Statuses = None,
    symbol: SymbolFilter = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[OrderAnswer]:
    async with stores.connection() as connection:
        await bots.get(connection, caller.user_id, bot_id)
    return await _page(stores, chosen.of(caller, statuses=status, bot_id=bot_id, symbol=symbol), limit, cursor)


@router.get(
    "/open",
    operation_id="list_open_orders",
    summary="The orders of which something may still become, newest first",
    responses=responses(401, 403),
)
async def list_open_orders(
    chosen: Chosen,
    caller: Caller,
    stores: Stores,
    bot_id: BotFilter = None,
    symbol: SymbolFilter = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[OrderAnswer]:
    return await _page(stores, chosen.of(caller, statuses=sorted(ALIVE), bot_id=bot_id, symbol=symbol), limit, cursor)


@router.get(
    "/history",
    operation_id="list_orders",
    summary="All orders, newest first",
    responses=responses(401, 403),
)
async def list_orders(
    chosen: Chosen,
    caller: Caller,
    stores: Stores,
    status: Statuses = None,
    bot_id: BotFilter = None,
    symbol: SymbolFilter = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[OrderAnswer]:
    return await _page(stores, chosen.of(caller, statuses=status, bot_id=bot_id, symbol=symbol), limit, cursor)


@router.get(
    "/by-symbol",
    operation_id="list_orders_by_symbol",
    summary="The orders of a symbol, newest first",
    responses=responses(401, 403),
)
async def list_orders_by_symbol(
    symbol: SymbolQuery,
    chosen: Chosen,
    caller: Caller,
    stores: Stores,
    status: Statuses = None,
    bot_id: BotFilter = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[OrderAnswer]:
    return await _page(stores, chosen.of(caller, statuses=status, bot_id=bot_id, symbol=symbol), limit, cursor)


@router.get(
    "/stats",
    operation_id="get_order_stats",
    summary="What became of orders",
    responses=responses(401, 403),
)
async def get_order_stats(
    chosen: Chosen,
    caller: Caller,
    stores: Stores,
    status: Statuses = None,
    bot_id: BotFilter = None,
    symbol: SymbolFilter = None,
) -> OrderStats:
    selection = chosen.of(caller, statuses=status, bot_id=bot_id, symbol=symbol)
    async with stores.connection() as connection:
        found = await order_sums.outcome(connection, selection)
    return OrderStats(
        window=window_of(selection),
        basis=STATS_BASIS,
        orders=found.orders,
        alive=found.alive,
        by_status=found.by_status,
        sums=[OrderSums.model_validate(each) for each in found.sums],
    )


@router.get(
    "/{order_id}",
    operation_id="get_order",
    summary="An order and its history",
    responses=responses(401, 403, 404),
)
async def get_order(order_id: UUID, caller: Caller, stores: Stores) -> OrderDetails:
    async with stores.connection() as connection:
        order = await order_store.get(connection, caller.user_id, order_id)
        return OrderDetails.with_events(order, await order_store.events(connection, caller.user_id, order_id))


_STATUS = (
    "`canceled` asks for the end of an order: at once if it was never sent, else its venue is asked, and the order is"
    " canceled when the venue says so. Asking again changes nothing. Of an order of unknown fate one may also say"
    " `rejected` or `expired`, when its venue has forgotten it. Everything else only the venue can say: 409."
)


@router.patch(
    "/{order_id}/status",
    operation_id="change_order_status",
    summary="Ask for the end of an order",
    description=_STATUS,
    responses=responses(401, 403, 404, 409),
)
async def change_order_status(order_id: UUID, body: StatusChange, caller: TradingCaller, stores: Stores) -> OrderAnswer:
    return await _set_status("change_order_status", order_id, body, caller, stores)


@router.put(
    "/{order_id}/status",
    operation_id="replace_order_status",
    summary="Ask for the end of an order",
    description=_STATUS,
    responses=responses(401, 403, 404, 409),
)
async def replace_order_status(
    order_id: UUID, body: StatusChange, caller: TradingCaller, stores: Stores
) -> OrderAnswer:
    return await _set_status("replace_order_status", order_id, body, caller, stores)


@router.delete(
    "/{order_id}",
    operation_id="cancel_order",
    summary="Cancel an order",
    description="As `canceled` for its status. The order stays in the history.",
    responses=responses(401, 403, 404, 409),
)
async def cancel_order(order_id: UUID, caller: TradingCaller, stores: Stores) -> OrderAnswer:
    return await _set_status("cancel_order", order_id, StatusChange(status=OrderStatus.CANCELED), caller, stores)


async def _set_status(
    action: str, order_id: UUID, body: StatusChange, caller: Identity, stores: Container
) -> OrderAnswer:
    uid, actor = caller.user_id, str(caller.user_id)
    async with act(stores, caller, action, f"order {order_id}", status=body.status.value) as doing:
        if body.status is OrderStatus.CANCELED:
            order = await order_store.request_cancel(doing.connection, stores.clock, uid, order_id, actor)
        else:
            order = await order_store.get(doing.connection, uid, order_id, lock=True)
            order = await _said(doing.connection, stores, order, body, actor)
    await order_cache.announce(stores.valkey, order)
    return OrderAnswer.of(order)


async def _said(connection: Connection, stores: Container, order: Order, body: StatusChange, actor: str) -> Order:
    states.check_by_hand(order.status, body.status)
    reason = body.reason or "Its owner said so; the venue does not know it."
    return await order_store.move(connection, stores.clock, order, body.status, actor=actor, reason=reason)


async def _page(stores: Container, selection: OrderSelection, limit: int, cursor: str | None) -> Page[OrderAnswer]:
    last = after(cursor)
    async with stores.connection() as connection:
        found = await order_store.find(connection, selection.uid, selection, last, limit + 1)
    shown = found[:limit]
    is_last = len(found) <= limit
    return Page(
        items=[OrderAnswer.of(order) for order in shown],
        next_cursor=None if is_last else cursor_of(shown[-1].created_at, shown[-1].order_id),
    )
