"""A desk in this process on a clock that stands still, for what orders do; requests as a client signs them."""

from __future__ import annotations

import hashlib
import hmac
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2 as httpx

from fullon.kernel.clock import ManualClock
from local.paper.clock import VenueClock
from local.paper.exchange import Exchange, Instrument, open_exchange
from local.paper.trading.desk import Desk, Placed
from local.paper.trading.faults import TradingFaults
from local.paper.trading.orders import LIMITED, Fill, Order, OrderType, Side, Ticket, TimeInForce
from local.paper.trading.provisioning import provision
from local.paper.trading.records import Records
from local.paper.trading.state import Event
from tests.paper_venue import RunningVenue

START = datetime(2026, 11, 21, 5, 30, tzinfo=UTC)
KEY, SECRET = "PaperKeyOfTheTests01", "PaperSecretOfTheTests01"
OTHER_KEY, OTHER_SECRET = "PaperKeyOfTheTests02", "PaperSecretOfTheTests02"
FUNDS = {"USDT": "1000000", "BTC": "10", "ETH": "100", "SOL": "1000"}


@cache
def _instruments() -> dict[str, Instrument]:
    return open_exchange(VenueClock(ManualClock(START)), 1, None).instruments


@dataclass
class Trader:
    """A desk with one account, and everything that was told of it."""

    path: Path | None = None
    wall: ManualClock = field(default_factory=lambda: ManualClock(START))
    funds: dict[str, str] = field(default_factory=lambda: dict(FUNDS))
    seed: int = 1
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.exchange = Exchange(VenueClock(self.wall), _instruments())
        self.faults = TradingFaults(self.wall.monotonic)
        self.open()
        self.account = provision(self.desk, {"key": KEY, "secret": SECRET, "balances": self.funds})
        self.events.clear()

    def open(self) -> None:
        """Start the desk on what the file holds."""
        self.records = Records(self.path)
        self.desk = Desk(self.exchange, self.records, self.faults, self.seed, self.events.append)

    def restart(self) -> None:
        """End without a word, and start again."""
        self.records.close()
        self.open()

    @property
    def now(self) -> int:
        return self.exchange.clock.now()

    @property
    def btc(self) -> Instrument:
        return self.exchange.instruments["BTCUSDT"]

    def place(self, side: Side, kind: OrderType, quantity: int, price: int = 0, **more: Any) -> Placed:
        """An order on BTC; quantity in satoshis, price in cents."""
        ticket = Ticket(
            symbol=more.pop("symbol", "BTCUSDT"),
            side=side,
            type=kind,
            time_in_force=more.pop("time_in_force", TimeInForce.GTC),
            price=price if kind in LIMITED else 0,
            quantity=quantity,
            **more,
        )
        return self.desk.place(self.account, ticket)

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and everything happen that is due."""
        self.wall.advance(seconds)
        self.desk.now()

    def order(self, order: Order) -> Order:
        """As it is now."""
        found = self.records.order(self.account, order.symbol, order.id)
        assert found is not None
        return found

    def fills(self, order: Order) -> list[Fill]:
        return self.records.fills_of(order.id)

    def free(self, asset: str) -> Decimal:
        return self.desk.state.balances[self.account][asset].free

    def locked(self, asset: str) -> Decimal:
        return self.desk.state.balances[self.account][asset].locked


class SignedClient:
    """A plain client of a running venue that signs as Binance's documentation says, and can do it wrong."""

    def __init__(self, venue: RunningVenue, key: str = KEY, secret: str = SECRET) -> None:
        self._http = httpx.AsyncClient(base_url=venue.url, timeout=20, verify=False)  # no TLS on loopback
        self._key = key
        self._secret = secret

    async def __aenter__(self) -> SignedClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def __call__(self, method: str, path: str, *, in_body: bool = False, **parameters: Any) -> httpx.Response:
        """A signed request; ``timestamp`` and ``signature`` can be given."""
        parameters.setdefault("timestamp", int(time.time() * 1000))
        signature = parameters.pop("signature", None)
        text = urlencode(parameters)
        signature = signature or hmac.new(self._secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        text += f"&signature={signature}"
        headers = {"X-MBX-APIKEY": self._key}
        if in_body:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            return await self._http.request(method, path, content=text, headers=headers)
        return await self._http.request(method, f"{path}?{text}", headers=headers)

    async def order(self, **parameters: Any) -> httpx.Response:
        """Place an order on BTC."""
        return await self("POST", "/api/v3/order", **{"symbol": "BTCUSDT", **parameters})


async def open_account(venue: RunningVenue, key: str = KEY, secret: str = SECRET, **body: Any) -> dict[str, Any]:
    """Make an account on a running venue, or change it."""
    async with httpx.AsyncClient(verify=False) as client:
        answer = await client.post(
            f"{venue.control}/accounts", json={"key": key, "secret": secret, "balances": FUNDS, **body}
        )
    assert answer.status_code == 200, answer.text
    account: dict[str, Any] = answer.json()
    return account


async def switch(venue: RunningVenue, **faults: Any) -> dict[str, Any]:
    """Put faults into force."""
    async with httpx.AsyncClient(verify=False) as client:
        answer = await client.post(venue.control, json=faults)
    assert answer.status_code == 200, answer.text
    state: dict[str, Any] = answer.json()
    return state
