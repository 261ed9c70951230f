"""The venue as one web application: REST, streams, the WebSocket API and, where asked for, the control endpoint.

Everything listens on one port.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from urllib.parse import parse_qsl

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from fullon.kernel.clock import Clock, to_milliseconds
from local.paper import rest
from local.paper.control import CONTROL_PATH, Control, json_answer
from local.paper.dispatch import Arrival, Dispatcher
from local.paper.exchange import Exchange
from local.paper.faults import Faults
from local.paper.hub import TICK_SECONDS, Hub
from local.paper.order_book import OrderBooks
from local.paper.socket_api import SocketApi
from local.paper.sockets import Sockets
from local.paper.trading.desk import Desk
from local.paper.trading.limits import OrderLimit
from local.paper.trading.records import Records
from local.paper.trading.routes import TradingVenue
from local.paper.trading.signing import Proof
from local.paper.trading.streams import UserStreams
from local.paper.weights import WeightLimit

_PAUSE_AFTER_FAILURE = 1.0
_FORM = "application/x-www-form-urlencoded"

logger = logging.getLogger(__name__)


def create(
    exchange: Exchange,
    wall: Clock,
    records: Records,
    *,
    limit: WeightLimit,
    order_limit: OrderLimit,
    seed: int = 1,
    control: bool = False,
) -> web.Application:
    """The application.

    Args:
        exchange: the market.
        wall: the wall clock.
        records: the file of the trading side; closed with the application.
        limit: the rate limit of REST.
        order_limit: how many orders an account may place.
        seed: decides partial fills.
        control: whether ``/control`` exists.
    """
    books, faults = OrderBooks(exchange), Faults(wall.monotonic)
    streams = UserStreams(
        exchange,
        records,
        faults.trading,
        lambda: faults.clock_offset_ms,
        lambda: to_milliseconds(wall.now()),
        wall.monotonic,
    )
    desk = Desk(exchange, records, faults.trading, seed, streams.publish)
    hub = Hub(exchange, books, faults, wall.monotonic, streams.feed)
    sockets = Sockets(hub, faults, wall.monotonic)
    market = rest.Venue(exchange, books, limit.limit, order_limit.limit, lambda: faults.clock_offset_ms)
    trading = TradingVenue(exchange, desk, streams, faults.trading, order_limit)
    dispatcher = Dispatcher(market, trading, limit, faults, wall)
    socket_api = SocketApi(dispatcher, hub, faults, wall.monotonic)

    async def ticking(_: web.Application) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(hub.run()), asyncio.create_task(_trade(desk, streams))]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        records.close()

    async def close_sockets(_: web.Application) -> None:
        hub.end_all()

    app = web.Application(middlewares=[_failing(faults)])
    app[DESK] = desk
    app.cleanup_ctx.append(ticking)
    app.on_shutdown.append(close_sockets)
    for prefix in ("/ws", "/stream/ws"):
        app.router.add_get(prefix, sockets.plain)
        app.router.add_get(prefix + "/{streams:.*}", sockets.plain)
    app.router.add_get("/stream", sockets.combined)
    app.router.add_get("/ws-api/v3", socket_api.serve)
    if control:
        Control(faults, hub, desk).mount(app)
    app.router.add_route("*", "/{path:.*}", _rest(dispatcher))
    return app


DESK = web.AppKey("desk", Desk)


async def _trade(desk: Desk, streams: UserStreams) -> None:
    """Let resting orders fill as time passes, also when nobody asks."""
    pause = TICK_SECONDS
    while True:
        await asyncio.sleep(pause)
        try:
            desk.now()
            streams.tick()
            pause = TICK_SECONDS
        except Exception:  # a full disk passes; the log says what was wrong, and the next turn tries again
            logger.exception("trading tick failed")
            pause = _PAUSE_AFTER_FAILURE


def _rest(dispatcher: Dispatcher) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        outcome = await dispatcher.answer(await _arrival(request))
        if outcome.lost:
            _cut(request)
        return json_answer(outcome.body, outcome.status, outcome.headers)

    return handle


async def _arrival(request: web.Request) -> Arrival:
    """Query first, then the body of a form; the signature covers both as they were written."""
    query = request.raw_path.partition("?")[2]
    body = (await request.read()).decode(errors="replace") if request.can_read_body else ""
    parameters: dict[str, str] = {}
    repeated = None
    for part in (query, body if request.content_type == _FORM else ""):
        seen: set[str] = set()
        for name, value in parse_qsl(part, keep_blank_values=True):
            repeated = name if name in seen else repeated
            seen.add(name)
            parameters.setdefault(name, value)
    payload = "".join(_unsigned(part) for part in (query, body))
    proof = Proof(request.headers.get("X-MBX-APIKEY"), (payload,), parameters.get("signature"))
    return Arrival(request.method, request.path, parameters, request.remote or "", proof, repeated)


def _unsigned(part: str) -> str:
    return "&".join(each for each in part.split("&") if not each.startswith("signature="))


def _failing(faults: Faults) -> Middleware:
    @web.middleware
    async def fail(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith(CONTROL_PATH):
            if faults.down:
                _cut(request)
            if faults.delay_ms:
                await asyncio.sleep(faults.delay_ms / 1000)
        return await handler(request)

    return fail


def _cut(request: web.Request) -> None:
    """Drop the connection without an answer."""
    assert request.transport is not None
    request.transport.abort()
    raise web.HTTPServiceUnavailable
