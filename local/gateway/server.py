"""Puts the gateway on a socket: uvicorn, told when to stop by an event instead of by signals."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import uvicorn

from local.errors import MachineProblem
from local.gateway.app import Gateway

_DRAIN_SECONDS = 4
_BACKLOG = 1024


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.accepting = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to accept connections, and say so."""
        await super().startup(sockets)
        self.accepting.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone: the process decides what they mean."""
        yield


def bind(host: str, port: int) -> socket.socket:
    """Take the address; raises ``MachineProblem`` with one clear sentence when it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise MachineProblem(f"Port {port} is taken.", "Choose another one with FULLON_PORT or --port.") from error
        if error.errno == errno.EACCES:
            raise MachineProblem(f"Port {port} needs more rights.", "Choose one above 1023.") from error
        raise MachineProblem(f"{host}:{port} cannot be used: {error.strerror}.") from error
    return listener


@asynccontextmanager
async def serving(gateway: Gateway, listener: socket.socket) -> AsyncIterator[None]:
    """Serve on ``listener`` until the block ends; then requests under way are finished and all processes ended."""
    config = uvicorn.Config(
        gateway,
        http="httptools",
        ws=gateway.websocket.protocol if gateway.websocket else "websockets-sansio",  # type: ignore[arg-type]
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
    )
    server = _Server(config)
    task: asyncio.Task[None] | None = None
    try:
        await gateway.start()
        task = asyncio.create_task(server.serve(sockets=[listener]))
        accepting = asyncio.create_task(server.accepting.wait())
        await asyncio.wait((task, accepting), return_when=asyncio.FIRST_COMPLETED)
        accepting.cancel()
        yield
    finally:
        server.should_exit = True
        if task is not None:
            await task
        await gateway.stop()
