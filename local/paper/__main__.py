"""``python -m local.paper``: the paper venue as a process. Says its address on one line when it can be used."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import signal
import sys
from pathlib import Path

import uvloop
from aiohttp import web

from fullon.kernel.clock import SystemClock
from fullon.kernel.errors import FullonError
from fullon.runtime import logging as structured
from local.errors import MachineProblem
from local.paper import app, weights
from local.paper.clock import CATCH_UP_SECONDS, VenueClock
from local.paper.exchange import open_exchange
from local.paper.trading import limits
from local.paper.trading.demo import open_demo_account
from local.paper.trading.records import Records

logger = logging.getLogger("paper")


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM. Returns 1 with one line on standard error where it cannot start."""
    options = _parser().parse_args(arguments)
    structured.configure("paper", options.log_level, options.log_format, sys.stderr)
    try:
        uvloop.run(_serve(options))
    except (FullonError, ValueError) as error:
        print(f"paper venue: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local.paper", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 takes a free one (default)")
    parser.add_argument(
        "--speed",
        type=float,
        default=1.0,
        help="venue seconds for each wall second; above 1 the venue starts in the past and catches up (default: 1)",
    )
    parser.add_argument(
        "--start-behind",
        type=float,
        metavar="SECONDS",
        help=f"how far in the past it starts at a speed above 1 (default: it catches up in {CATCH_UP_SECONDS} s)",
    )
    parser.add_argument(
        "--anchor",
        type=int,
        metavar="EPOCH_MS",
        help="wall time at which the session began (default: now); give the same after a restart, and the venue's "
        "time and history go on as if it had not been away",
    )
    parser.add_argument(
        "--data", type=Path, metavar="FILE", help="recorded minutes of BTC (default: a synthetic series)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the synthetic symbols and all prints (default: 1)")
    parser.add_argument("--control", action="store_true", help="serve /control, which makes things go wrong")
    parser.add_argument(
        "--weight-limit",
        type=int,
        default=weights.DEFAULT_LIMIT,
        help="request weight an address may use in a minute (default: %(default)s)",
    )
    parser.add_argument(
        "--order-limit",
        type=int,
        default=limits.DEFAULT_LIMIT,
        help="orders an account may place in ten seconds (default: %(default)s)",
    )
    parser.add_argument(
        "--store",
        type=Path,
        metavar="FILE",
        help="where accounts, orders and fills are kept (default: nowhere, they end with the process)",
    )
    parser.add_argument(
        "--demo-account",
        type=Path,
        metavar="FILE",
        help="JSON file with key and secret of an account to trade with; made with mode 0600 where it is missing",
    )
    parser.add_argument("--log-level", default="INFO", choices=["DEBUG", "INFO", "WARNING", "ERROR"])
    parser.add_argument("--log-format", default="console", choices=["json", "console"])
    return parser


async def _serve(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    wall = SystemClock()
    clock = VenueClock(wall, options.speed, options.anchor, options.start_behind)
    exchange = open_exchange(clock, options.seed, options.data)
    if options.data is None:
        logger.info("BTC/USDT is a seeded synthetic series: no recorded minutes were given")
    limit = weights.WeightLimit(wall, options.weight_limit)
    order_limit = limits.OrderLimit(wall, options.order_limit)
    application = app.create(
        exchange,
        wall,
        Records(options.store),
        limit=limit,
        order_limit=order_limit,
        seed=options.seed,
        control=options.control,
    )
    if options.demo_account is not None:
        open_demo_account(application[app.DESK], options.demo_account)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, options.host, options.port).start()
        host, port = runner.addresses[0][:2]
        gc.collect()
        gc.freeze()
        print(f"paper venue listening on http://{host}:{port}", flush=True)
        await stop.wait()
    except OSError as error:
        raise MachineProblem(
            f"The paper venue cannot listen on {options.host}:{options.port}: {error.strerror}.", "Choose another port."
        ) from error
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    sys.exit(main())
