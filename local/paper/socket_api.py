"""The WebSocket API, ``/ws-api/v3``: the requests of REST over one socket, and subscriptions to user streams.

A request is ``{"id": …, "method": "order.place", "params": {…}}``; its answer has the id, a status and the result or
the error. Events of a subscribed user stream come as ``{"subscriptionId": 0, "event": {…}}``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import orjson
from aiohttp import WSMsgType, web

from local.paper import frames
from local.paper.dispatch import Arrival, Dispatcher, Outcome
from local.paper.errors import VenueError
from local.paper.faults import Faults
from local.paper.hub import Hub
from local.paper.parameters import Parameters
from local.paper.sockets import LONGEST_REQUEST_ID, Socket
from local.paper.trading.routes import TradingRoute
from local.paper.trading.signing import Needs, Proof

METHODS = {
    "ping": ("GET", "/api/v3/ping"),
    "time": ("GET", "/api/v3/time"),
    "exchangeInfo": ("GET", "/api/v3/exchangeInfo"),
    "depth": ("GET", "/api/v3/depth"),
    "trades.recent": ("GET", "/api/v3/trades"),
    "trades.historical": ("GET", "/api/v3/historicalTrades"),
    "trades.aggregate": ("GET", "/api/v3/aggTrades"),
    "klines": ("GET", "/api/v3/klines"),
    "uiKlines": ("GET", "/api/v3/uiKlines"),
    "avgPrice": ("GET", "/api/v3/avgPrice"),
    "ticker.24hr": ("GET", "/api/v3/ticker/24hr"),
    "ticker.price": ("GET", "/api/v3/ticker/price"),
    "ticker.book": ("GET", "/api/v3/ticker/bookTicker"),
    "order.place": ("POST", "/api/v3/order"),
    "order.test": ("POST", "/api/v3/order/test"),
    "order.status": ("GET", "/api/v3/order"),
    "order.cancel": ("DELETE", "/api/v3/order"),
    "order.cancelReplace": ("POST", "/api/v3/order/cancelReplace"),
    "openOrders.status": ("GET", "/api/v3/openOrders"),
    "openOrders.cancelAll": ("DELETE", "/api/v3/openOrders"),
    "allOrders": ("GET", "/api/v3/allOrders"),
    "myTrades": ("GET", "/api/v3/myTrades"),
    "account.status": ("GET", "/api/v3/account"),
    "account.commission": ("GET", "/api/v3/account/commission"),
    "account.rateLimits.orders": ("GET", "/api/v3/rateLimit/order"),
    "userDataStream.start": ("POST", "/api/v3/userDataStream"),
    "userDataStream.ping": ("PUT", "/api/v3/userDataStream"),
    "userDataStream.stop": ("DELETE", "/api/v3/userDataStream"),
}
SUBSCRIBE, UNSUBSCRIBE, LIST = (
    "userDataStream.subscribe.signature",
    "userDataStream.unsubscribe",
    "session.subscriptions",
)
_SUBSCRIPTION = TradingRoute(lambda *_: {}, lambda _: 2, Needs.READ)


class Written(str):
    """A JSON number as it was written, because that is what was signed."""

    __slots__ = ()


class Subscription:
    """A user stream on one socket."""

    def __init__(self, number: int, account: int, socket: Socket, monotonic: Callable[[], float]) -> None:
        self.number = number
        self.account = account
        self._socket = socket
        self._monotonic = monotonic

    def receive(self, data: bytes) -> None:
        """Send an event."""
        self._socket.send(frames.text(b'{"subscriptionId":%d,"event":%b}' % (self.number, data)), self._monotonic())


class SocketApi:
    """The endpoint.

    Args:
        dispatcher: answers requests.
        hub: keeps sockets alive and drops them.
        faults: what is to go wrong.
        monotonic: wall seconds on a scale that never goes back.
    """

    def __init__(self, dispatcher: Dispatcher, hub: Hub, faults: Faults, monotonic: Callable[[], float]) -> None:
        self._dispatcher = dispatcher
        self._streams = dispatcher.trading.streams
        self._hub = hub
        self._faults = faults
        self._monotonic = monotonic

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """``/ws-api/v3``: until the client or the venue ends it."""
        connection = web.WebSocketResponse(autoping=False, compress=False, max_msg_size=1024 * 1024)
        await connection.prepare(request)
        assert request.transport is not None
        socket = Socket(request.transport, combined=False, faults=self._faults, opened=self._monotonic())
        subscriptions: dict[int, Subscription] = {}
        tasks: set[asyncio.Task[None]] = set()
        self._hub.join(socket)
        try:
            async for message in connection:
                if message.type is WSMsgType.PONG:
                    socket.answered(self._monotonic())
                elif message.type is WSMsgType.PING:
                    socket.send(frames.pong(message.data), self._monotonic())
                elif message.type is WSMsgType.TEXT:
                    answering = self._receive(message.data, request.remote or "", socket, subscriptions)
                    if self._faults.requests.rules:  # a request that is delayed does not hold up the next
                        task = asyncio.create_task(answering)
                        tasks.add(task)
                        task.add_done_callback(tasks.discard)
                    else:
                        await answering
        finally:
            self._hub.leave(socket)
            for subscription in subscriptions.values():
                self._streams.leave(subscription.account, subscription)
        return connection

    async def _receive(self, text: str, address: str, socket: Socket, subscriptions: dict[int, Subscription]) -> None:
        try:
            number, method, parameters = _read(text)
        except VenueError as error:
            self._reply(socket, None, Outcome(error.body(), error.status))
            return
        arrival = _arrival(method, parameters, address)
        if arrival is not None:
            outcome = await self._dispatcher.answer(arrival)
        else:
            outcome = self._subscription(method, parameters, address, socket, subscriptions)
        if outcome.lost:
            socket.abort()
        else:
            self._reply(socket, number, outcome)

    def _subscription(
        self,
        method: str,
        parameters: dict[str, str],
        address: str,
        socket: Socket,
        subscriptions: dict[int, Subscription],
    ) -> Outcome:
        try:
            match method:
                case _ if method == SUBSCRIBE:
                    arrival = Arrival("POST", SUBSCRIBE, parameters, address, _proof(parameters))
                    query = Parameters(parameters, self._dispatcher.trading.exchange)
                    key = self._dispatcher.key_of(arrival, _SUBSCRIPTION, query)
                    if any(each.account == key.account for each in subscriptions.values()):
                        raise VenueError(-2035, "User Data Stream subscription already active.")
                    number = max(subscriptions, default=-1) + 1
                    subscription = Subscription(number, key.account, socket, self._monotonic)
                    subscriptions[number] = subscription
                    self._streams.join(key.account, subscription)
                    return Outcome({"subscriptionId": number})
                case _ if method == UNSUBSCRIBE:
                    wanted = parameters.get("subscriptionId")
                    ended = [each for each in subscriptions.values() if wanted in (None, str(each.number))]
                    if wanted is not None and not ended:
                        raise VenueError(-2036, "User Data Stream subscription not active.")
                    for each in ended:
                        self._streams.leave(each.account, subscriptions.pop(each.number))
                    return Outcome({})
                case _ if method == LIST:
                    return Outcome([{"subscriptionId": each} for each in subscriptions])
        except VenueError as error:
            return Outcome(error.body(), error.status)
        return Outcome(VenueError(-1020, "This operation is not supported.").body(), 400)

    def _reply(self, socket: Socket, number: object, outcome: Outcome) -> None:
        part = "result" if outcome.status == 200 else "error"
        used = outcome.headers.get("X-MBX-USED-WEIGHT-1M")
        limits: list[dict[str, Any]] = []
        if used is not None:
            weight = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1}
            limits = [{**weight, "limit": self._dispatcher.weight_limit, "count": int(used)}]
        reply = {"id": number, "status": outcome.status, part: outcome.body, "rateLimits": limits}
        socket.send(frames.text(orjson.dumps(reply)), self._monotonic())


def _read(text: str) -> tuple[object, str, dict[str, str]]:
    try:
        request = json.loads(text, parse_float=Written, parse_int=Written)
    except json.JSONDecodeError as error:
        raise VenueError(-1135, "Invalid JSON Request") from error
    if not isinstance(request, dict) or not isinstance(request.get("method"), str):
        raise VenueError(-1135, "Invalid JSON Request")
    parameters = request.get("params", {})
    if not isinstance(parameters, dict):
        raise VenueError(-1135, "JSON sent for parameter 'params' is not valid")
    number = request.get("id")
    if number is not None and not (isinstance(number, str) and len(number) <= LONGEST_REQUEST_ID):
        raise VenueError(-1135, "JSON sent for parameter 'id' is not valid")
    shown = int(number) if isinstance(number, Written) and number.isdecimal() else number and _text(number)
    named = {_text(name): _text(value) for name, value in parameters.items() if value is not None}
    return shown, request["method"], named


def _text(value: object) -> str:
    """A value as a query would have it; half a surrogate pair, which JSON can name, is no text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).encode(errors="replace").decode() if isinstance(value, str) else json.dumps(value)


def _arrival(method: str, parameters: dict[str, str], address: str) -> Arrival | None:
    place = METHODS.get(method)
    if place is None:
        return None
    return Arrival(*place, parameters, address, _proof(parameters), known=("apiKey", "returnRateLimits"))


def _proof(parameters: dict[str, str]) -> Proof:
    signed = sorted((name, value) for name, value in parameters.items() if name != "signature")
    plain = "&".join(f"{name}={value}" for name, value in signed)
    encoded = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in signed)
    return Proof(parameters.get("apiKey"), (plain, encoded), parameters.get("signature"))
