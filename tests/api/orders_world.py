"""A trader with an account at a venue whose symbols have rules, for tests of orders."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID, uuid4

import httpx2
import orjson

from fullon.identity.model import Identity
from fullon.kernel.clock import to_milliseconds
from fullon.market import keys
from fullon.market.live_cache import LiveCache
from fullon.orders import account_balance
from fullon.runtime.container import Container
from fullon.venues.quotes import Tick
from functions.orm.app import create
from tests.api.callers import client, stored_identity
from tests.people import a_venue

ORDERS = "/api/v1/orm/orders"
BOTS = "/api/v1/orm/bots"
NOBODY = "0199f1c2-8a52-7c5e-b6f5-1c5b0f8b1a11"
#: Building the app takes longer than a request.
app_of = lru_cache(maxsize=1)(create)


@dataclass
class Trader:
    """Somebody with an account."""

    container: Container
    caller: Identity
    ex_id: UUID

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        """Whatever the application answers."""
        address = path if path.startswith("/") else f"{ORDERS}/{path}".rstrip("/")
        async with client(app_of(self.container), self.caller, headers=headers) as http:
            return await http.request(method, address, json=body)

    async def done(self, method: str, path: str, body: Any = None) -> Any:
        """What it answers when it goes well."""
        answer = await self.call(method, path, body)
        assert answer.status_code in {200, 201}, answer.text
        return answer.json()

    def wish(self, **values: Any) -> dict[str, Any]:
        """The body of a limit order; None leaves a field out."""
        body = {
            "ex_id": str(self.ex_id),
            "symbol": "BTC/USDT",
            "side": "buy",
            "order_type": "limit",
            "volume": "0.01",
            "price": "60000",
            **values,
        }
        return {name: value for name, value in body.items() if value is not None}

    async def place(self, **values: Any) -> Any:
        """An order that is taken."""
        return await self.done("POST", "", self.wish(**values))

    async def refused(self, **values: Any) -> Any:
        """The problem that an order meets with 422."""
        answer = await self.call("POST", "", self.wish(**values))
        assert answer.status_code == 422, answer.text
        return answer.json()

    async def bot(self, **values: Any) -> UUID:
        """An active bot that trades on the account."""
        body = {"name": uuid4().hex, "active": True, "dry_run": False, **values}
        bot_id = (await self.done("POST", BOTS, body))["bot_id"]
        await self.done("POST", f"{BOTS}/{bot_id}/exchanges", {"ex_id": str(self.ex_id)})
        return UUID(bot_id)

    async def execute(self, statement: str, *values: Any) -> None:
        """Change something behind the application's back."""
        async with self.container.transaction() as connection:
            await connection.execute(statement, *values)

    async def count(self) -> int:
        """How many orders the database has."""
        async with self.container.connection() as connection:
            return int(await connection.fetchval("SELECT count(*) FROM orders"))

    async def balance(self, age: timedelta = timedelta(0), **free: str) -> None:
        """What the account daemon said is free."""
        balances = [{"currency": currency, "free": amount, "used": "0"} for currency, amount in free.items()]
        as_of = to_milliseconds(datetime.now(UTC) - age)
        record = {"balances": orjson.dumps(balances), "positions": b"[]", "as_of": str(as_of)}
        await self.container.valkey.hset(account_balance.key(self.ex_id), mapping=record)  # type: ignore[arg-type]

    async def tick(self, symbol: str = "BTC/USDT") -> None:
        """A price in the cache: 59,990 to 60,010, of long ago by the venue's clock."""
        tick = Tick("paper", symbol, Decimal(60_000), Decimal(59_990), Decimal(60_010), None, None, 0)
        await LiveCache(self.container.valkey, "test").put_ticks([tick])

    async def silence(self) -> None:
        """Nothing came from the venue for longer than prices hold."""
        assert 0 < await self.container.valkey.ttl(keys.heard("paper")) <= keys.HEARD_SECONDS
        await self.container.valkey.delete(keys.heard("paper"))


async def a_trader(container: Container) -> Trader:
    """Somebody else than the ones before, at the same venue."""
    async with container.transaction() as connection:
        if not await connection.fetchval("SELECT 1 FROM symbols"):
            await a_venue(connection, "paper", "BTC/USDT", "ETH/USDT", "BTC/USD:BTC", "XRP/USDT", "DOGE/USDT")
            await connection.execute(
                "UPDATE symbols SET tick_size = 0.01, step_size = 0.00001, min_quantity = 0.0001, min_notional = 10,"
                " futures = symbol LIKE '%:%', active = symbol <> 'XRP/USDT' WHERE symbol <> 'DOGE/USDT'"
            )
    caller = await stored_identity(container)
    ex_id = uuid4()
    async with container.transaction() as connection:
        await connection.execute(
            "INSERT INTO exchanges (ex_id, uid, cat_ex_id, name, key_hint, sealed, data_key, master_key_id, created_at,"
            " updated_at) SELECT $1, $2, cat_ex_id, 'main', 'abcd', '-', '-', 'test', now(), now() FROM cat_exchanges"
            " WHERE name = 'paper'",
            ex_id,
            caller.user_id,
        )
    return Trader(container, caller, ex_id)
