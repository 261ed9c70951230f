"""One request, three ways: through gateway and execution environment, bare uvicorn, and the handler in process.

The same app serves all three. ``/`` opens no store; ``/api/v1/orm/users/me`` reads Valkey and PostgreSQL. The rounds
are interleaved, one client, one request at a time over a kept-alive connection.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import psutil

from benchmarks import events
from benchmarks.figures import median, percentile, table
from fullon.identity.model import Identity
from fullon.runtime.container import Container
from fullon.runtime.settings import Settings
from local.ports import free_port
from tests.e2e.platform import ADMIN, PASSWORD, SupervisedPlatform, running_platform

ROUNDS, REQUESTS = 7, 300
ROUTES = {"/": "docs", "/api/v1/orm/users/me": "orm"}


def request(path: str, token: str) -> bytes:
    """A request on a connection that is kept."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n".encode()


class Client:
    """A blocking HTTP/1.1 client that costs next to nothing."""

    def __init__(self, port: int, path: str, token: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._path = path
        self._request = request(path, token)

    def get(self) -> bytes:
        """The body of the answer; anything but 200 is an error."""
        return self._ask(self._request)

    def get_as(self, token: str) -> bytes:
        """The same with another token."""
        return self._ask(request(self._path, token))

    def _ask(self, asked: bytes) -> bytes:
        self._socket.sendall(asked)
        data = self._socket.recv(65_536)
        while b"\r\n\r\n" not in data:
            data += self._socket.recv(65_536)
        head, _, body = data.partition(b"\r\n\r\n")
        assert b" 200 " in head.split(b"\r\n", 1)[0], data[:300]
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        while len(body) < length:
            body += self._socket.recv(65_536)
        return body


def main() -> None:
    """Measure and print."""
    with running_platform({"LOG_LEVEL": "WARNING", "RATE_LIMIT_USER_READS": "0"}) as platform:
        token = token_of(platform)
        for name, value in functions_environment(platform).items():
            os.environ[name] = value
        rows = []
        for path, function in ROUTES.items():
            with bare_uvicorn(function, token) as port:
                ways: dict[str, Callable[[], Any]] = {
                    "gateway + execution environment": Client(int(platform.url.rsplit(":", 1)[1]), path, token).get,
                    "bare uvicorn, same app": Client(port, path, token).get,
                    "handler in process": _in_process(function, path, token),
                }
                times = _measure(ways)
            bare = median(times["bare uvicorn, same app"])
            for way, values in times.items():
                micro = [value * 1e6 for value in values]
                rows.append(
                    [
                        f"GET {path}: {way}",
                        f"{median(micro):.0f}",
                        f"{percentile(micro, 0.99):.0f}",
                        f"{median(values) / bare:.2f}",
                    ]
                )
    table("One request at a time", ["way", "p50 µs", "p99 µs", "× bare uvicorn"], rows)


def _measure(ways: dict[str, Callable[[], Any]]) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {way: [] for way in ways}
    for call in ways.values():
        for _ in range(50):
            call()
    for _ in range(ROUNDS):
        for way, call in ways.items():
            for _ in range(REQUESTS):
                started = time.perf_counter()
                call()
                times[way].append(time.perf_counter() - started)
    return times


def token_of(platform: SupervisedPlatform) -> str:
    import asyncio

    return asyncio.run(platform.token(ADMIN, PASSWORD))


def functions_environment(platform: SupervisedPlatform) -> dict[str, str]:
    """What the platform gives its functions; the benchmark's own processes take the same stores."""
    workers = [
        process for process in platform.child("gateway").children(recursive=True) if "_HANDLER" in process.environ()
    ]
    variables = workers[0].environ()
    return {name: value for name, value in variables.items() if not name.startswith(("PATH", "_", "LD_", "PYTHON"))}


def _in_process(function: str, path: str, token: str) -> Callable[[], Any]:
    handler = import_module(f"functions.{function}.handler").handler
    event = events.request(path, events.context_of(token))

    def call() -> Any:
        answer = handler(event, None)
        assert answer["statusCode"] == 200, answer
        return answer

    return call


@contextlib.contextmanager
def bare_uvicorn(function: str, token: str) -> Iterator[int]:
    """The port of a uvicorn that serves a function's app without gateway and authorizer."""
    port = free_port()
    context = events.context_of(token)
    arguments = [sys.executable, "-m", "benchmarks.gateway", "serve", function, str(port)]
    environment = {**os.environ, **{f"BENCHMARK_{name.upper()}": value for name, value in context.items()}}
    process = subprocess.Popen(arguments, env=environment, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        psutil.wait_procs([psutil.Process(process.pid)], timeout=5)


def serve(function: str, port: int) -> None:
    """Bare uvicorn with the function's app; every request gets the context that the authorizer would pass on."""
    import uvicorn

    context = {
        name.removeprefix("BENCHMARK_").lower(): value
        for name, value in os.environ.items()
        if name.startswith("BENCHMARK_")
    }
    Identity.from_context(context)
    app = import_module(f"functions.{function}.app").create(Container(Settings.load()))

    async def with_identity(scope: Any, receive: Any, send: Any) -> None:
        scope["aws.event"] = {"requestContext": {"authorizer": {"lambda": context}}}
        await app(scope, receive, send)

    uvicorn.run(with_identity, host="127.0.0.1", port=port, access_log=False, log_level="warning", lifespan="off")


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2], int(sys.argv[3]))
    else:
        main()
