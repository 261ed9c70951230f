"""Following a stream of a venue for good: through lost connections, limits, and silence with the socket still open."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import TypeVar

from fullon.kernel.errors import FullonError, LimitExceeded
from fullon.kernel.retry import PASSING, Backoff, Outage
from fullon.venues.errors import VenueDown
from fullon.venues.port import Stream

Item = TypeVar("Item")

#: Seconds without a message after which a stream is opened anew, unless the catalogue says otherwise.
SILENCE_SECONDS = 30.0
#: A quiet market is no fault: each silence that follows a silence is given twice the time, up to this.
_LONGEST_SILENCE = 300.0
#: Seconds before a venue that refused is asked again: nothing changes until somebody changes something.
_REFUSED_SECONDS = 30.0


async def follow(
    open_stream: Callable[[], Stream[Item]],
    deliver: Callable[[Sequence[Item]], None],
    *,
    what: str,
    log: logging.Logger,
    silence: float = SILENCE_SECONDS,
    connected: Callable[[], None] | None = None,
) -> None:
    """Deliver the batches of a stream, opening it again whenever it ends; runs until cancelled.

    Args:
        deliver: takes a batch and must not wait.
        what: names the stream in the log.
        silence: seconds without a batch after which the stream is taken for dead.
        connected: called before each stream is opened: what was missed until then has to come from elsewhere.
    """
    backoff, outage = Backoff(0.25, 20.0), Outage(log, what)
    allowed = silence

    def take(batch: Sequence[Item]) -> None:
        nonlocal allowed
        allowed = silence
        backoff.reset()
        outage.passed()
        deliver(batch)

    while True:
        if connected is not None:
            connected()
        pause = 0.0
        try:
            await _read(open_stream(), take, allowed, what)
        except VenueDown as error:
            outage.failed(error)
            if error.code == "stream_silent":
                allowed = min(allowed * 2, _LONGEST_SILENCE)
        except PASSING as error:
            outage.failed(error)
            pause = float(error.retry_after) if isinstance(error, LimitExceeded) else 0.0
        except FullonError as error:
            log.error("refused", extra={"stream": what, "code": error.code, "detail": error.detail})
            pause = _REFUSED_SECONDS
        await asyncio.sleep(max(pause, backoff.pause()))


async def _read(stream: Stream[Item], deliver: Callable[[Sequence[Item]], None], silence: float, what: str) -> None:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(silence) as limit, aclosing(stream):
            async for batch in stream:
                limit.reschedule(loop.time() + silence)
                deliver(batch)
    except TimeoutError as error:
        raise VenueDown(f"The stream {what} said nothing for {silence:g} s.", code="stream_silent") from error
    raise VenueDown(f"The stream {what} ended.")
