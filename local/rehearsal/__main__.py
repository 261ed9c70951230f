"""`python -m local.rehearsal`: one command that ends by itself; 0 when the tests passed, 130 when it was stopped."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys

from local.errors import MachineProblem
from local.rehearsal.options import parse
from local.rehearsal.rehearsal import Rehearsal
from local.supervisor.report import Report


def main() -> int:
    """Read the command line and rehearse."""
    options = parse()
    report = Report()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        return asyncio.run(_until_ended(Rehearsal(options, os.environ, report)))
    except MachineProblem as problem:
        report.quiet()
        report.problem(problem.detail, problem.next_step)
        return 1


async def _until_ended(rehearsal: Rehearsal) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
            continue  # started under nohup
        loop.add_signal_handler(number, stop.set)
    return await rehearsal.run(stop)


if __name__ == "__main__":
    sys.exit(main())
