"""The execution daemon, struck by a signal of its own at a certain step; run as a module by tests.

``python -m tests.daemons.execution_struck --at after_submit --signal KILL --nth 1 --grace 2``
"""

from __future__ import annotations

import argparse
import os
import signal
from collections.abc import Callable
from functools import partial
from typing import Any

from daemons import execution as daemon_of_execution
from fullon.orders import recovery, venue_orders
from fullon.orders.execution import Post
from fullon.runtime import daemon
from fullon.venues.ccxt_trading import CcxtTrading

#: Step → what is called there, and whether it strikes before or after that.
STEPS: dict[str, tuple[Any, str, bool]] = {
    "before_submit": (Post, "_submit", True),
    "after_submit": (CcxtTrading, "place", True),
    "after_send": (CcxtTrading, "place", False),
    "while_recording": (venue_orders, "see", False),
    "after_record": (Post, "record", False),
    "before_look": (recovery, "look", True),
    "after_look": (recovery, "look", False),
    "before_cancel": (CcxtTrading, "cancel", True),
    "after_cancel": (CcxtTrading, "cancel", False),
}


def strike_at(step: str, number: signal.Signals, nth: int) -> None:
    """Arm one step; the ``nth`` time it is reached the process gets the signal."""
    owner, name, before = STEPS[step]
    original: Callable[..., Any] = getattr(owner, name)
    left = nth

    def strike() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), number)

    async def struck(*arguments: Any, **named: Any) -> Any:
        if before:
            strike()
        answer = await original(*arguments, **named)
        if not before:
            strike()
        return answer

    setattr(owner, name, struck)


def main() -> None:
    """Run the daemon as it is, but for the strike and a grace period that a test can wait for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--at", choices=sorted(STEPS))
    parser.add_argument("--signal", choices=["KILL", "STOP"], default="KILL")
    parser.add_argument("--nth", type=int, default=1)
    parser.add_argument("--grace", type=float, default=2.0)
    options = parser.parse_args()
    if options.at:
        strike_at(options.at, signal.Signals[f"SIG{options.signal}"], options.nth)
    daemon.run("execution", partial(daemon_of_execution.work, grace=options.grace))


if __name__ == "__main__":
    main()
