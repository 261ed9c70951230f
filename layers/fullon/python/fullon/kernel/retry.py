"""Trying again: growing pauses with jitter, and one line in the log for an outage however often it is tried."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from fullon.kernel.errors import FullonError, LimitExceeded, TimedOut, Unavailable

Result = TypeVar("Result")

#: Errors of the tree that a later try may not see.
PASSING = (Unavailable, TimedOut, LimitExceeded)


class Backoff:
    """Pauses that double from ``first`` to ``longest`` seconds, each between half and all of its length.

    The jitter keeps many who lost the same thing from coming back at the same moment.
    """

    def __init__(self, first: float = 0.1, longest: float = 5.0) -> None:
        self._first = first
        self._longest = longest
        self._next = first

    def pause(self) -> float:
        """How long to wait before the next try, in seconds."""
        pause, self._next = self._next, min(self._next * 2, self._longest)
        return pause * random.uniform(0.5, 1.0)  # noqa: S311 - spreads rivals, guards nothing

    def reset(self) -> None:
        """The last try went well."""
        self._next = self._first


class Troubles:
    """What is away at present, for one log and one status.

    Args:
        log: where the beginning and the end of each outage are said.
    """

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._present: dict[str, tuple[FullonError, bool]] = {}

    def outage(self, what: str, *, counts: bool = True) -> Outage:
        """A place to report failures of ``what``, which is the subject of the lines: ``candles of paper``.

        Args:
            counts: it is a trouble of this process; otherwise of one user alone, said in the log and not in the status.
        """
        return Outage(self, what, counts)

    def sentence(self) -> str:
        """All that is away now and counts; empty when nothing is."""
        return " ".join(dict.fromkeys(error.detail for error, counts in self._present.values() if counts))

    def begin(self, what: str, error: FullonError, counts: bool) -> None:
        """A try failed; another kind of failure than the last one is said again."""
        before, self._present[what] = self._present.get(what), (error, counts)
        if before is None or before[0].code != error.code:
            facts = {"waiting_for": what, "code": error.code, "detail": error.detail, "cause": repr(error.__cause__)}
            self._log.warning("waiting", extra=facts)

    def end(self, what: str) -> None:
        """A try went well."""
        failure = self._present.pop(what, None)
        if failure is not None:
            self._log.info("resumed", extra={"waiting_for": what, "code": failure[0].code})


class Outage:
    """One of the :class:`Troubles`: said once when it begins and once when it ends, however often it is tried."""

    def __init__(self, troubles: Troubles, what: str, counts: bool) -> None:
        self._troubles = troubles
        self._what = what
        self._counts = counts

    def failed(self, error: FullonError) -> None:
        """A try failed."""
        self._troubles.begin(self._what, error, self._counts)

    def passed(self) -> None:
        """A try went well, or there is nothing left to try."""
        self._troubles.end(self._what)


def give_way() -> None:
    """End this task if it was asked to end and the request got lost in a library.

    ``asyncio.wait_for`` of Python 3.11 loses a cancellation that arrives in the moment its work is done (cpython
    issue 81839, mended in 3.12), and redis-py writes through it. A loop that goes on then can never be ended.

    Raises:
        CancelledError: it was.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def insist(
    work: Callable[[], Awaitable[Result]], outage: Outage, *, first: float = 0.1, longest: float = 5.0
) -> Result:
    """Repeat ``work`` until it ends well; errors other than the passing ones go through.

    A limit's ``retry_after`` is waited for in full.
    """
    backoff = Backoff(first, longest)
    while True:
        try:
            result = await work()
        except PASSING as error:
            outage.failed(error)
            asked = error.retry_after if isinstance(error, LimitExceeded) else 0.0
            await asyncio.sleep(max(asked, backoff.pause()))
        else:
            outage.passed()
            return result
