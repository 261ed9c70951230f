"""`fullon up`: one platform in the foreground, ended by Ctrl-C, SIGTERM or a closed terminal."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping

from local.errors import MachineProblem
from local.home import REPOSITORY, Home, environment_of
from local.supervisor.platform import FAILED, Platform
from local.supervisor.report import Report


def up(environment: Mapping[str, str], report: Report | None = None) -> int:
    """Run the platform until it is told to stop; returns the exit code."""
    report = report or Report()
    try:
        merged = environment_of(REPOSITORY, environment)
        return asyncio.run(_until_stopped(Platform(Home.named(merged), merged, report)))
    except MachineProblem as problem:
        report.quiet()
        report.problem(problem.detail, problem.next_step)
        return FAILED


async def _until_stopped(platform: Platform) -> int:
    stop, force = asyncio.Event(), asyncio.Event()

    def asked(number: signal.Signals) -> None:
        # Only a second Ctrl-C forces: `make` passes a SIGTERM on that a process group got already.
        if stop.is_set() and number is signal.SIGINT:
            force.set()
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        ignored = signal.getsignal(number) is signal.SIG_IGN
        if number is signal.SIGHUP and ignored:
            continue  # started under nohup
        loop.add_signal_handler(number, asked, number)
    return await platform.run(stop, force)
