"""``python -m local.gateway``: the HTTP and WebSocket gateway of one home, with the functions behind it."""

import argparse
import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop

from fullon.kernel.errors import FullonError
from fullon.runtime import manifest, tracing
from local.errors import MachineProblem
from local.gateway.app import Gateway, MakeWebSocketPart
from local.gateway.server import bind, serving
from local.gateway.settings import GatewaySettings

REPOSITORY = Path(__file__).resolve().parents[2]


def parser() -> argparse.ArgumentParser:
    """The command line."""
    defaults = GatewaySettings(home=REPOSITORY / ".fullon", task_root=REPOSITORY)
    parser = argparse.ArgumentParser(
        prog="python -m local.gateway",
        description="Serves the functions of the manifest as API Gateway and Lambda do: HTTP API, WebSocket API on "
        "/ws, @connections on an internal port, every function in processes of its own. The functions inherit "
        "this process's environment. Ends on SIGTERM or Ctrl-C after finishing what is under way.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--host", default=defaults.host, help="address to listen on")
    add("--port", type=int, default=defaults.port, help="port of HTTP, WebSocket and statics; 0 takes a free one")
    add("--management-port", type=int, default=0, help="internal port of @connections; 0 takes a free one")
    add("--home", type=Path, default=defaults.home, help="data folder; logs go to HOME/logs/functions")
    add("--manifest", type=Path, default=None, help="list of functions (default: functions/manifest.toml)")
    add("--task-root", type=Path, default=REPOSITORY, help="folder that handlers are imported from")
    add("--statics", type=Path, default=REPOSITORY / "web" / "dist", help="folder served under /app if it exists")
    add("--concurrency", type=int, default=defaults.maximum_concurrency, help="processes per function at most")
    add("--idle-expiry", type=float, default=defaults.idle_expiry, help="seconds until an idle process ends")
    add(
        "--identity-ttl", type=float, default=None, help="seconds an authorizer's answer is reused, else the manifest's"
    )
    add(
        "--websocket-idle-timeout",
        type=float,
        default=defaults.websocket_idle_timeout,
        help="seconds until a silent connection is closed",
    )
    add(
        "--websocket-maximum-age",
        type=float,
        default=defaults.websocket_maximum_age,
        help="seconds until any connection is closed",
    )
    add("--no-reload", action="store_true", help="do not replace functions when their code changes")
    add("--warm", default="", metavar="NAME,NAME", help="functions to start ahead of their first event")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until told to stop; returns the exit code."""
    options = parser().parse_args(arguments)
    try:
        listed = manifest.load(options.manifest)
        listener = bind(options.host, options.port)
        warm = [name for name in options.warm.split(",") if name]
        for name in warm:
            if name not in {function.name for function in listed.functions}:
                raise MachineProblem(f"--warm names {name!r}, which is not a function of the manifest.")
        settings = settings_of(options, port=listener.getsockname()[1])
        make_websocket = _websocket_half() if listed.websocket is not None else None
        gateway = Gateway(listed, settings, make_websocket)
        tracing.configure(
            "gateway",
            traces_file=os.environ.get("TRACES_FILE") or None,
            otlp_endpoint=os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or None,
        )
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(gateway, listener, warm))
    except FullonError as error:
        print(f"gateway: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"gateway: {error.strerror or error}: {error.filename or ''}".rstrip(": "), file=sys.stderr)
        return 1
    return 0


def settings_of(options: argparse.Namespace, port: int) -> GatewaySettings:
    """Settings from the command line and the environment."""
    task_root: Path = options.task_root.resolve()
    origins = tuple(filter(None, (origin.strip() for origin in os.environ.get("CORS_ORIGINS", "").split(","))))
    return GatewaySettings(
        home=options.home.resolve(),
        task_root=task_root,
        host=options.host,
        port=port,
        management_port=options.management_port,
        region=os.environ.get("AWS_REGION", "us-east-1"),
        cors_origins=origins,
        statics=options.statics,
        shared_code=(task_root / "layers" / "fullon" / "python" / "fullon",),
        reload=not options.no_reload,
        maximum_concurrency=options.concurrency,
        idle_expiry=options.idle_expiry,
        identity_ttl=options.identity_ttl,
        websocket_idle_timeout=options.websocket_idle_timeout,
        websocket_maximum_age=options.websocket_maximum_age,
        traces_per_second=_whole_number("TRACES_PER_SECOND"),
        environment=dict(os.environ),
    )


def _whole_number(name: str) -> int:
    text = os.environ.get(name) or "0"
    if not text.isascii() or not text.isdigit():
        raise MachineProblem(f"{name} is {text!r}; it must be a whole number.")
    return int(text)


def _websocket_half() -> MakeWebSocketPart:
    from local.gateway.websocket import WebSocketGateway

    return WebSocketGateway


async def _run(gateway: Gateway, listener: socket.socket, warm: list[str]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with serving(gateway, listener):
        _settle_memory()
        gateway.pool.warm(warm)
        preparing = asyncio.get_running_loop().run_in_executor(None, tracing.prepare)
        host, port = listener.getsockname()[:2]
        print(f"gateway: ready on http://{host}:{port}", flush=True)
        await stop.wait()
        await preparing
        tracing.flush()


def _settle_memory() -> None:
    """Keep what start-up built out of later collections, which would stop every connection at once."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


if __name__ == "__main__":
    sys.exit(main())
