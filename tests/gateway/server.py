"""Builders for tests of the one server: the application over functions under test, on a real port."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
import websockets

from fullon.kernel.clock import ManualClock
from fullon.runtime.gateway.application import Application
from fullon.runtime.manifest import Function, Manifest, PublicRoute
from fullon.runtime.settings import Settings
from local.gateway.server import bind

PACKAGE = "tests.gateway.functions_under_test"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": "a-secret-key"}
SETTINGS: dict[str, Any] = {"environment": "local", "jwt_secret_key": "x" * 40}


def a_function(name: str, **values: Any) -> Function:
    """A function under test."""
    given = {"description": name, "memory": 512, "timeout": 1, **values}
    return Function(name=name, handler=f"{PACKAGE}.{name}.handler.handler", **given)


MANIFEST = Manifest(
    api_prefix="/api/v1",
    functions=(
        a_function("authorizer", kind="authorizer"),
        a_function("socket", kind="websocket", websocket_routes=("$connect", "$disconnect", "echo", "fail")),
        a_function("web", kind="http", routes=("/web/{proxy+}",), public=(PublicRoute("GET", "/web/public/{proxy+}"),)),
    ),
)


@dataclass
class Server:
    """A server that runs, and what to do with it."""

    application: Application
    port: int
    clock: ManualClock

    def client(self, **headers: str) -> httpx2.AsyncClient:
        """An HTTP client with these headers."""
        return httpx2.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", headers=headers, timeout=10)

    def connect(self, query: str = "?ticket=good", path: str = "/ws", **options: Any) -> websockets.connect:
        """A WebSocket; use it as a context."""
        return websockets.connect(f"ws://127.0.0.1:{self.port}{path}{query}", proxy=None, **options)

    @property
    def management_url(self) -> str:
        return self.application._sockets.management_url


@asynccontextmanager
async def running_server(trusted: str = "", **settings: Any) -> AsyncIterator[Server]:
    """The application under uvicorn, as ``uvicorn fullon.runtime.asgi:app`` serves it.

    Args:
        trusted: proxies whose forwarding headers are believed (``FORWARDED_ALLOW_IPS``).
    """
    clock = ManualClock(datetime.now(UTC))
    application = Application(MANIFEST, Settings(**{**SETTINGS, **settings}), KEYS, clock)
    listener = bind("127.0.0.1", 0)
    server = uvicorn.Server(
        uvicorn.Config(application, log_level="warning", timeout_graceful_shutdown=5, forwarded_allow_ips=trusted)
    )
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started:
            assert not task.done(), "the server did not start"
            await asyncio.sleep(0.01)
        yield Server(application, listener.getsockname()[1], clock)
    finally:
        server.should_exit = True
        await task


async def ask(socket: websockets.ClientConnection, action: str) -> dict[str, Any]:
    """Send an action and return the answer."""
    await socket.send(json.dumps({"action": action}))
    answer: dict[str, Any] = json.loads(await asyncio.wait_for(socket.recv(), 60))
    return answer


def a_dashboard(folder: Path) -> Path:
    """A built dashboard of one page."""
    folder.mkdir()
    (folder / "index.html").write_text("<h1>Fullon</h1>")
    return folder
