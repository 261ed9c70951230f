"""One address for the HTTP API and the WebSocket API, as the CloudFront distribution of the templates is.

The emulator serves an API under a path of its own (`/_aws/execute-api/API/STAGE`) and its CloudFront has no way to an
API, so this stands in for the distribution: `/ws` goes to the WebSocket API, everything else to the HTTP API, and
each request gets what the distribution adds to it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

WEBSOCKET_PATHS = ("/ws", "/api/v1/cache/ws")
LARGEST_BODY = 8 * 1024 * 1024
LARGEST_FRAME = 256 * 1024
NOT_FORWARDED = frozenset(
    {
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
        "transfer-encoding", "upgrade", "host", "content-length", "date", "server",
    }
)  # fmt: skip
"""Of one hop only, or set anew by who sends on."""
OF_THE_HANDSHAKE = ("origin", "user-agent", "cookie", "authorization", "x-api-key")
VIEWER_ADDRESS = "x-viewer-address"
ORIGIN_PROOF = "x-origin-proof"


@dataclass(frozen=True)
class Origins:
    """Where requests go.

    Attributes:
        http_api, websocket_api: addresses with the stage, without a slash at the end.
        proof: secret that the distribution sends to its origins; empty for none.
    """

    http_api: str
    websocket_api: str
    proof: str = field(default="", repr=False)


class Front:
    """Passes requests and sockets on."""

    def __init__(self, origins: Origins) -> None:
        self._origins = origins
        self._client: aiohttp.ClientSession | None = None

    def application(self) -> web.Application:
        """For aiohttp's server."""
        application = web.Application(client_max_size=LARGEST_BODY)
        application.cleanup_ctx.append(self._with_client)
        for path in WEBSOCKET_PATHS:
            application.router.add_get(path, self._socket)
        application.router.add_route("*", "/{path:.*}", self._request)
        return application

    async def _with_client(self, application: web.Application) -> AsyncIterator[None]:
        del application
        limits = aiohttp.TCPConnector(limit=0)
        patience = aiohttp.ClientTimeout(total=60)
        async with aiohttp.ClientSession(
            connector=limits, cookie_jar=aiohttp.DummyCookieJar(), timeout=patience, auto_decompress=False
        ) as self._client:
            yield

    async def _request(self, request: web.Request) -> web.StreamResponse:
        assert self._client is not None
        target = URL(self._origins.http_api + request.raw_path, encoded=True)
        try:
            async with self._client.request(
                request.method,
                target,
                headers=self._headers(request),
                data=await request.read() or None,
                allow_redirects=False,
                skip_auto_headers=("user-agent", "content-type", "accept"),
            ) as answer:
                headers = _kept(answer.headers)
                return web.Response(status=answer.status, headers=headers, body=await answer.read())
        except (aiohttp.ClientError, TimeoutError):
            return web.Response(status=502, text="The request could not be satisfied.")

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        assert self._client is not None
        if request.headers.get("upgrade", "").lower() != "websocket":
            return await self._request(request)
        target = URL(self._origins.websocket_api + ("?" + request.query_string if request.query_string else ""))
        given = self._headers(request)
        headers = {name: given[name] for name in (*OF_THE_HANDSHAKE, VIEWER_ADDRESS, ORIGIN_PROOF) if name in given}
        try:
            origin = await self._client.ws_connect(
                target, headers=headers, max_msg_size=LARGEST_FRAME, autoping=False, autoclose=False
            )
        except aiohttp.WSServerHandshakeError as refusal:
            said = "Unauthorized" if refusal.status == 401 else "Forbidden"  # aiohttp keeps the status alone
            return web.json_response({"message": said}, status=refusal.status)
        except (aiohttp.ClientError, TimeoutError):
            return web.Response(status=502, text="The request could not be satisfied.")
        viewer = web.WebSocketResponse(max_msg_size=LARGEST_FRAME, autoping=False, autoclose=False)
        await viewer.prepare(request)
        await _join(viewer, origin)
        return viewer

    def _headers(self, request: web.Request) -> CIMultiDict[str]:
        """The viewer's headers as the distribution passes them on."""
        headers = _kept(request.headers)
        if "authorization" not in headers and (key := headers.pop("x-api-key", "")):
            headers["authorization"] = f"Bearer {key}"
        headers.pop(ORIGIN_PROOF, None)
        headers[VIEWER_ADDRESS] = request.remote or "unknown"
        if self._origins.proof:
            headers[ORIGIN_PROOF] = self._origins.proof
        return headers


Socket = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


async def _join(viewer: web.WebSocketResponse, origin: aiohttp.ClientWebSocketResponse) -> None:
    """Pass frames both ways until one side ends; then end the other."""
    ways = {asyncio.create_task(_copy(viewer, origin)), asyncio.create_task(_copy(origin, viewer))}
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        await asyncio.gather(origin.close(), viewer.close(), return_exceptions=True)


async def _copy(source: Socket, target: Socket) -> None:
    while True:
        message = await source.receive()
        if message.type is aiohttp.WSMsgType.TEXT:
            await target.send_str(message.data)
        elif message.type is aiohttp.WSMsgType.BINARY:
            await target.send_bytes(message.data)
        elif message.type is aiohttp.WSMsgType.PING:
            await target.ping(message.data)
        elif message.type is aiohttp.WSMsgType.PONG:
            await target.pong(message.data)
        else:
            if message.type is aiohttp.WSMsgType.CLOSE:
                await target.close(code=message.data or 1000, message=(message.extra or "").encode())
            return


def _kept(headers: Mapping[str, str]) -> CIMultiDict[str]:
    kept: CIMultiDict[str] = CIMultiDict()
    for name, value in headers.items():
        if name.lower() not in NOT_FORWARDED:
            kept.add(name, value)
    return kept


@asynccontextmanager
async def serving(origins: Origins, port: int) -> AsyncIterator[str]:
    """Serve on loopback for the length of the block; gives the address."""
    runner = web.AppRunner(Front(origins).application(), access_log=None, handle_signals=False)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", port))
    try:
        await web.SockSite(runner, listener, shutdown_timeout=1.0).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        await runner.cleanup()
        listener.close()
