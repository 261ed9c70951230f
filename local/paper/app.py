"""The venue as one web application: REST, streams and, where asked for, the control endpoint on one port.

The trading side joins here: its paths beside ``ROUTES``, its user stream beside the market's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from fullon.kernel.clock import Clock
from fullon.kernel.errors import Invalid
from local.paper import rest
from local.paper.errors import VenueError
from local.paper.exchange import Exchange
from local.paper.faults import Faults
from local.paper.hub import Hub
from local.paper.order_book import OrderBooks
from local.paper.parameters import Parameters
from local.paper.sockets import Sockets
from local.paper.weights import WeightLimit

CONTROL_PATH = "/control"


def create(exchange: Exchange, wall: Clock, *, limit: WeightLimit, control: bool) -> web.Application:
    """The application.

    Args:
        exchange: the market.
        wall: the wall clock.
        limit: the rate limit of REST.
        control: whether ``/control`` exists.
    """
    books, faults = OrderBooks(exchange), Faults(wall.monotonic)
    hub = Hub(exchange, books, faults, wall.monotonic)
    sockets = Sockets(hub, faults, wall.monotonic)
    venue = rest.Venue(exchange, books, limit.limit, lambda: faults.clock_offset_ms)

    async def ticking(_: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(hub.run())
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def close_sockets(_: web.Application) -> None:
        hub.end_all()

    app = web.Application(middlewares=[_failing(faults)])
    app.cleanup_ctx.append(ticking)
    app.on_shutdown.append(close_sockets)
    for prefix in ("/ws", "/stream/ws"):
        app.router.add_get(prefix, sockets.plain)
        app.router.add_get(prefix + "/{streams:.*}", sockets.plain)
    app.router.add_get("/stream", sockets.combined)
    if control:
        app.router.add_get(CONTROL_PATH, lambda _: _control_state(faults))
        app.router.add_post(CONTROL_PATH, lambda request: _control(request, faults, hub))
    app.router.add_route("*", "/{path:.*}", _rest(venue, limit))
    return app


def _rest(venue: rest.Venue, limit: WeightLimit) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        route = rest.ROUTES.get(request.path)
        if route is None:
            return _json({"status": 404, "error": "Not Found", "path": request.path}, 404)
        if request.method != "GET":
            return _json({"code": -1014, "msg": f"Request method '{request.method}' not supported"}, 405)
        query = Parameters(request.query, venue.exchange)
        headers: dict[str, str] = {}
        try:
            try:
                weight = route.weight(query)
            except VenueError:
                weight = 1
            used = str(limit.spend(request.remote or "", weight))
            headers = {"X-MBX-USED-WEIGHT": used, "X-MBX-USED-WEIGHT-1M": used}
            body = route.answer(venue, query)
            query.finish()
        except VenueError as error:
            return _json(error.body(), error.status, headers | error.headers)
        return _json(body, 200, headers)

    return handle


def _failing(faults: Faults) -> Middleware:
    @web.middleware
    async def fail(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path != CONTROL_PATH:
            if faults.down:
                assert request.transport is not None
                request.transport.abort()
                raise web.HTTPServiceUnavailable
            if faults.delay_ms:
                await asyncio.sleep(faults.delay_ms / 1000)
        return await handler(request)

    return fail


async def _control_state(faults: Faults) -> web.Response:
    return _json(faults.state())


async def _control(request: web.Request, faults: Faults, hub: Hub) -> web.Response:
    try:
        if faults.apply(orjson.loads(await request.read())):
            hub.abort_all()
    except orjson.JSONDecodeError:
        return _json({"detail": "The body must be a JSON object."}, 400)
    except Invalid as error:
        return _json({"detail": error.detail}, 400)
    return _json(faults.state())


def _json(body: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        body=orjson.dumps(body), status=status, headers=headers, content_type="application/json", charset="utf-8"
    )
