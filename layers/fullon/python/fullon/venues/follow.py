"""Following a stream of a venue for good: through lost connections, limits, and silence with the socket still open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import TypeVar

from fullon.kernel.errors import Forbidden, Invalid, LimitExceeded, NotFound
from fullon.kernel.retry import PASSING, Backoff, Troubles
from fullon.venues.errors import StreamSilent, VenueDown
from fullon.venues.port import Stream

Item = TypeVar("Item")

#: Seconds without a message after which a stream is opened anew, unless the catalogue says otherwise.
SILENCE_SECONDS = 30.0
#: A quiet market is no fault: each silence that follows a silence is given twice the time, up to this.
_LONGEST_SILENCE = 300.0
#: Seconds before a venue that refused is asked again: nothing changes until somebody changes something.
_REFUSED_SECONDS = 30.0
#: A stream may need this long to say its first word.
_YOUNG_SECONDS = 5.0


class Hold:
    """A grip on the stream that is being followed, for whoever learns elsewhere that it has stopped telling all."""

    def __init__(self) -> None:
        self.limit: asyncio.Timeout | None = None
        self.opened = 0.0

    def abandon(self) -> None:
        """Take the stream for dead now, unless it has just been opened; it is opened anew."""
        now = asyncio.get_running_loop().time()
        if self.limit is not None and now - self.opened > _YOUNG_SECONDS:
            self.limit.reschedule(now)


async def follow(
    open_stream: Callable[[], Stream[Item]],
    deliver: Callable[[Sequence[Item]], None],
    *,
    what: str,
    troubles: Troubles,
    silence: float = SILENCE_SECONDS,
    opening: Callable[[], None] | None = None,
    hold: Hold | None = None,
    personal: bool = False,
) -> None:
    """Deliver the batches of a stream, opening it again whenever it ends; runs until cancelled.

    Args:
        deliver: takes a batch and must not wait.
        what: names the stream in the log.
        silence: seconds without a batch after which the stream is taken for dead.
        opening: called before each opening: what was missed until then has to come from elsewhere.
        personal: it is of one user: that it is refused is no trouble of this process.
    """
    backoff, outage = Backoff(0.25, 20.0), troubles.outage(what)
    refusal = troubles.outage(what, counts=not personal)
    allowed = silence
    hold = hold or Hold()

    def take(batch: Sequence[Item]) -> None:
        nonlocal allowed
        allowed = silence
        backoff.reset()
        outage.passed()
        deliver(batch)

    try:
        while True:
            if opening is not None:
                opening()
            pause = 0.0
            try:
                await _read(open_stream(), take, allowed, what, hold)
            except PASSING as error:
                outage.failed(error)
                if isinstance(error, StreamSilent):
                    allowed = min(allowed * 2, _LONGEST_SILENCE)
                if isinstance(error, LimitExceeded):
                    pause = float(error.retry_after)
            except (Invalid, NotFound, Forbidden) as error:
                refusal.failed(error)
                pause = _REFUSED_SECONDS
            await asyncio.sleep(max(pause, backoff.pause()))
    finally:
        outage.passed()


async def _read(
    stream: Stream[Item], deliver: Callable[[Sequence[Item]], None], silence: float, what: str, hold: Hold
) -> None:
    loop = asyncio.get_running_loop()
    hold.opened = loop.time()
    try:
        async with asyncio.timeout(silence) as hold.limit, aclosing(stream):
            async for batch in stream:
                hold.limit.reschedule(loop.time() + silence)
                deliver(batch)
    except TimeoutError as error:
        raise StreamSilent(f"The stream {what} said nothing for up to {silence:g} s.") from error
    finally:
        hold.limit = None
    raise VenueDown(f"The stream {what} ended.")
