"""Leverage at a venue of contracts: an HTTP server that lists one, and keeps what it is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal

import pytest
from aiohttp import web

from fullon.kernel.clock import SystemClock
from fullon.venues.account import Keys
from fullon.venues.ccxt_trading import CcxtTrading
from fullon.venues.errors import VenueTimedOut
from fullon.venues.trading import Refused

CONTRACT = "BTC/USDT:USDT"
_LISTED = {
    "symbol": "BTCUSDT", "pair": "BTCUSDT", "contractType": "PERPETUAL", "status": "TRADING", "baseAsset": "BTC",
    "quoteAsset": "USDT", "marginAsset": "USDT", "pricePrecision": 2, "quantityPrecision": 3, "onboardDate": 0,
    "deliveryDate": 4133404800000, "orderTypes": ["LIMIT", "MARKET"], "timeInForce": ["GTC"],
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "0.10", "maxPrice": "1000000", "tickSize": "0.10"},
        {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
        {"filterType": "MARKET_LOT_SIZE", "minQty": "0.001", "maxQty": "100", "stepSize": "0.001"},
        {"filterType": "MIN_NOTIONAL", "notional": "100"},
    ],
}  # fmt: skip


@dataclass
class Contracts:
    """The venue.

    Attributes:
        told: leverages, in the order in which they were set.
        most: a higher one is refused, in the words of Binance.
        answers: whether it answers at all, or says 503.
    """

    told: list[str] = field(default_factory=list)
    most: int = 20
    answers: bool = True

    async def list_markets(self, _: web.Request) -> web.Response:
        return web.json_response({"symbols": [_LISTED]})

    async def set_leverage(self, request: web.Request) -> web.Response:
        asked = {**request.query, **await request.post()}
        if not self.answers:
            return web.json_response({"code": -1000, "msg": "An unknown error occurred."}, status=503)
        leverage = str(asked["leverage"])
        if int(leverage) > self.most:
            return web.json_response({"code": -4028, "msg": f"Leverage {leverage} is not valid"}, status=400)
        self.told.append(leverage)
        return web.json_response({"symbol": "BTCUSDT", "leverage": int(leverage)})


@pytest.fixture
def venue() -> Contracts:
    return Contracts()


@pytest.fixture
async def trading(venue: Contracts) -> AsyncIterator[CcxtTrading]:
    application = web.Application()
    application.router.add_get("/fapi/v1/exchangeInfo", venue.list_markets)
    application.router.add_post("/fapi/v1/leverage", venue.set_leverage)
    async with _serving(application) as address:
        params = {"options": {"fetchCurrencies": False}}
        keys = Keys("AContractKey", "AContractSecret")
        opened = CcxtTrading("contracts", "binanceusdm", params, address, keys, test=False, clock=SystemClock())
        yield opened
        await opened.close()


@asynccontextmanager
async def _serving(application: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    [address] = runner.addresses
    yield f"http://127.0.0.1:{address[1]}"
    await runner.cleanup()


async def test_leverage_is_set_before_each_order_that_wants_one_and_left_as_it_is_for_others(
    trading: CcxtTrading, venue: Contracts
) -> None:
    await trading.turn(CONTRACT)
    assert venue.told == []

    await trading.turn(CONTRACT, Decimal(5))
    await trading.turn(CONTRACT, Decimal("5.000"))
    assert venue.told == ["5", "5"]


@pytest.mark.parametrize("leverage", ["21", "2.5"])
async def test_a_leverage_that_the_venue_does_not_offer_refuses_the_order(
    trading: CcxtTrading, venue: Contracts, leverage: str
) -> None:
    with pytest.raises(Refused) as refusal:
        await trading.turn(CONTRACT, Decimal(leverage))

    assert refusal.value.rule == "leverage"
    assert venue.told == []


async def test_an_order_waits_while_nobody_knows_whether_its_leverage_is_set(
    trading: CcxtTrading, venue: Contracts
) -> None:
    venue.answers = False
    with pytest.raises(VenueTimedOut):
        await trading.turn(CONTRACT, Decimal(5))

    venue.answers = True
    await trading.turn(CONTRACT, Decimal(5))
    assert venue.told == ["5"]
