"""Builders for tests of the local platform: functions, a running pool, a running gateway, waiting for a condition."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import psutil

from fullon.kernel.clock import Clock, SystemClock
from fullon.runtime.manifest import Function, FunctionKind, Manifest, PublicRoute
from local.gateway.access_log import AccessLog
from local.gateway.app import Gateway, MakeWebSocketPart
from local.gateway.server import bind, serving
from local.gateway.settings import GatewaySettings
from local.lambda_runtime.fleet import Limits
from local.lambda_runtime.pool import FunctionPool

REPOSITORY = Path(__file__).resolve().parents[2]
HANDLERS = "tests.local.functions_under_test.handlers"


def a_function(
    name: str = "echo",
    handler: str | None = None,
    *,
    kind: FunctionKind = "http",
    timeout: int = 29,
    routes: tuple[str, ...] = (),
    public: tuple[str, ...] = (),
    concurrency: int | None = None,
    websocket_routes: tuple[str, ...] = (),
    identity_ttl: int = 60,
) -> Function:
    """A function whose handler is the one of the same name under test, unless told otherwise."""
    return Function(
        name=name,
        kind=kind,
        handler=handler or f"{HANDLERS}.{name}",
        description=f"{name} under test",
        memory=512,
        timeout=timeout,
        routes=routes,
        public=tuple(PublicRoute(*route.split(" ")) for route in public),
        websocket_routes=websocket_routes,
        concurrency=concurrency,
        identity_ttl=identity_ttl,
    )


def a_manifest(*functions: Function) -> Manifest:
    """A manifest of these functions."""
    return Manifest(api_prefix="/api/v1", functions=functions)


def a_pool(
    logs: Path,
    *functions: Function,
    task_root: Path = REPOSITORY,
    native_client: bool | None = None,
    init_timeout: float = 60.0,
    environment: dict[str, str] | None = None,
    **limits: float,
) -> FunctionPool:
    """A pool that has not been started."""
    return FunctionPool(
        functions,
        task_root=task_root,
        logs=logs,
        inherited={**os.environ, **(environment or {})},
        limits=replace(Limits(), **limits),  # type: ignore[arg-type]
        native_client=native_client,
        init_timeout=init_timeout,
    )


@asynccontextmanager
async def running_pool(
    logs: Path,
    *functions: Function,
    task_root: Path = REPOSITORY,
    native_client: bool | None = None,
    init_timeout: float = 60.0,
    environment: dict[str, str] | None = None,
    **limits: float,
) -> AsyncIterator[FunctionPool]:
    """A pool that takes events until the block ends; after it no process of it is left."""
    pool = a_pool(
        logs,
        *functions,
        task_root=task_root,
        native_client=native_client,
        init_timeout=init_timeout,
        environment=environment,
        **limits,
    )
    async with pool:
        yield pool


async def until(condition: Callable[[], bool | Awaitable[bool]], seconds: float = 90.0) -> None:
    """Wait for a condition; fails the test when it does not come true in time."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        outcome = condition()
        if await outcome if isinstance(outcome, Awaitable) else outcome:
            return
        assert asyncio.get_running_loop().time() < deadline, "the condition did not come true in time"
        await asyncio.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie that nobody has waited for does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@asynccontextmanager
async def running_gateway(
    manifest: Manifest,
    home: Path,
    make_websocket: MakeWebSocketPart | None = None,
    *,
    task_root: Path = REPOSITORY,
    clock: Clock | None = None,
    **settings: Any,
) -> AsyncIterator[str]:
    """A gateway in this process on a free port; gives its address, ``http://127.0.0.1:PORT``.

    ``settings`` are fields of ``GatewaySettings``. Lines of its log go to ``home/gateway.log``.
    """
    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    wanted = GatewaySettings(
        home=home,
        task_root=task_root,
        port=port,
        **{"reload": False, "environment": dict(os.environ), **settings},
    )
    used_clock = clock or SystemClock()
    with _log_of(home) as log:
        gateway = Gateway(manifest, wanted, make_websocket, clock=used_clock, log=AccessLog(used_clock, log))
        async with serving(gateway, listener):
            yield f"http://127.0.0.1:{port}"


def _log_of(home: Path) -> BinaryIO:
    home.mkdir(parents=True, exist_ok=True)
    return (home / "gateway.log").open("ab")
