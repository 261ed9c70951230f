"""One event on its way through a function."""

import asyncio
from dataclasses import dataclass

from fullon.runtime.gateway.invocation import InvokeFailure


@dataclass(slots=True, eq=False)
class Invocation:
    """An event, who waits for its outcome, and since when (``submitted``, seconds of the loop's clock)."""

    request_id: str
    trace_id: str
    event: bytes
    outcome: "asyncio.Future[bytes]"
    submitted: float
    timer: asyncio.TimerHandle | None = None
    """First bounds the wait for an environment, then the work in it."""

    def succeed(self, answer: bytes) -> None:
        """Hand over the answer, unless the caller has gone."""
        self._settle()
        if not self.outcome.done():
            self.outcome.set_result(answer)

    def fail(self, failure: InvokeFailure) -> None:
        """Hand over the failure, unless the caller has gone."""
        self._settle()
        if not self.outcome.done():
            self.outcome.set_exception(failure)

    def use_timer(self, timer: asyncio.TimerHandle | None) -> None:
        """Replace the running timer."""
        self._settle()
        self.timer = timer

    def _settle(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
