"""Somebody with an account at the paper venue, whose orders the execution daemon brings there."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from fullon.kernel.clock import SystemClock
from fullon.kernel.ids import new_id
from fullon.orders import order_cache, order_store
from fullon.orders.model import NewOrder, Order, OrderStatus, OrderType, Side
from fullon.runtime.container import Container
from fullon.venues import accounts
from fullon.venues.account import Keys
from fullon.venues.sealing import Binding
from tests.daemons.collecting import Daemon, Stage
from tests.daemons.waiting import until
from tests.local.paper_trading import SECRET, SignedClient, open_account
from tests.people import a_user

PATIENCE = 60
SYMBOL = "BTC/USDT"


@dataclass
class Trader:
    """One account, here and at the venue."""

    container: Container
    made: Stage
    uid: UUID
    ex_id: UUID
    key: str
    symbol_id: int

    async def enter(self, volume: str = "0.01", side: Side = Side.BUY, **values: Any) -> Order:
        """An intent, as the API enters it."""
        async with self.container.transaction() as connection:
            order = await order_store.add(
                connection,
                SystemClock(),
                NewOrder(
                    uid=self.uid,
                    ex_id=self.ex_id,
                    symbol_id=self.symbol_id,
                    symbol=SYMBOL,
                    side=side,
                    volume=Decimal(volume),
                    **{"order_type": OrderType.MARKET, **values},
                ),
            )
        await self.container.valkey.publish(order_cache.NEW_CHANNEL, str(self.ex_id))
        return order

    async def enter_limit(self, share: str = "0.9", **values: Any) -> Order:
        """A limit order, so far from the market: it rests."""
        price = (self.market() * Decimal(share)).quantize(Decimal("0.01"))
        return await self.enter(order_type=OrderType.LIMIT, price=price, **values)

    def market(self) -> Decimal:
        """The last price."""
        return Decimal(self.made.asked("ticker/price", symbol="BTCUSDT")["price"])

    async def end(self, order: Order) -> None:
        """Ask for the end of an order, as the API does."""
        async with self.container.transaction() as connection:
            await order_store.request_cancel(connection, SystemClock(), self.uid, order.order_id, str(self.uid))
        await self.container.valkey.publish(order_cache.NEW_CHANNEL, str(self.ex_id))

    async def read(self, order: Order) -> Order:
        """An order as it is now."""
        async with self.container.connection() as connection:
            return await order_store.get(connection, self.uid, order.order_id)

    async def becomes(self, order: Order, *statuses: OrderStatus) -> Order:
        """Wait until an order is in one of these states."""

        async def there() -> bool:
            return (await self.read(order)).status in statuses

        try:
            await until(there, PATIENCE, f"that the order becomes {', '.join(statuses)}")
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {await self.read(order)}") from error
        return await self.read(order)

    async def history(self, order: Order) -> list[str]:
        """The states that an order went through."""
        async with self.container.connection() as connection:
            return [event.status.value for event in await order_store.events(connection, self.uid, order.order_id)]

    async def at_venue(self) -> list[Any]:
        """All orders that the account ever had, by the venue's own word."""
        async with SignedClient(self.made.venue, self.key) as client:
            answer = await client("GET", "/api/v3/allOrders", symbol="BTCUSDT", limit=1000)
        assert answer.status_code == 200, answer.text
        return list(answer.json())

    async def trades_at_venue(self) -> list[str]:
        """All trades that the account ever had, by the venue's own word."""
        async with SignedClient(self.made.venue, self.key) as client:
            answer = await client("GET", "/api/v3/myTrades", symbol="BTCUSDT", limit=1000)
        return sorted(str(each["id"]) for each in answer.json())

    async def fills(self) -> list[Any]:
        """Fills as they are stored."""
        return await self.made.query("SELECT * FROM fills WHERE ex_id = $1", self.ex_id, database="platform")

    async def is_there_once(self, order: Order) -> None:
        """The account has exactly this one order at the venue, and here it is as it is there."""
        now = await self.read(order)
        [theirs] = await self.at_venue()
        assert str(theirs["orderId"]) == now.venue_order_id
        assert theirs["clientOrderId"] == now.client_order_id
        assert Decimal(theirs["executedQty"]) == now.filled
        assert {"NEW": "open", "FILLED": "filled", "CANCELED": "canceled"}[theirs["status"]] == now.status.value
        stored = await self.fills()
        assert sorted(each["venue_trade_id"] for each in stored) == await self.trades_at_venue()
        assert sum(each["volume"] for each in stored) == now.filled
        assert {each["order_id"] for each in stored} <= {order.order_id}


async def a_trader(container: Container, made: Stage) -> Trader:
    """Somebody new, with an account of their own at the venue."""
    key = f"PaperKey{uuid4().hex[:16]}"
    await open_account(made.venue, key, SECRET)
    async with container.connection() as connection:
        uid = await a_user(connection)
        binding = Binding(uid, new_id())
        keys = Keys(key, SECRET)
        sealed = await container.seals.seal(binding, keys.to_bytes())
        cat_ex_id = await connection.fetchval("SELECT cat_ex_id FROM cat_exchanges WHERE name = 'paper'")
        symbol_id = await connection.fetchval(
            "SELECT symbol_id FROM symbols WHERE cat_ex_id = $1 AND symbol = $2", cat_ex_id, SYMBOL
        )
        await accounts.add(
            connection, SystemClock(), binding, sealed, cat_ex_id=cat_ex_id, name="main", key_hint=keys.hint
        )
    return Trader(container, made, uid, binding.ex_id, key, symbol_id)


def start(made: Stage, *options: str) -> Daemon:
    """An execution daemon, struck as the options say."""
    return made.start("execution", ["tests.daemons.execution_struck", *options])


async def let_go(made: Stage) -> None:
    """The lease of whoever led ends now, as it would by itself a little later."""
    await made.query(
        "UPDATE leases SET expires_at = clock_timestamp() WHERE name = 'daemon:execution'", database="platform"
    )


async def has_died(daemon: Daemon) -> None:
    """Wait until the strike has hit."""
    await until(lambda: daemon.process.poll() is not None, PATIENCE, "the strike")


async def has_stopped(daemon: Daemon) -> None:
    """Wait until the process stands still."""
    stat = Path(f"/proc/{daemon.process.pid}/stat")
    await until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", PATIENCE, "the pause")
