"""Is the trail whole?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fullon.audit import store
from fullon.audit.errors import TrailBroken
from fullon.audit.model import GENESIS, digest

if TYPE_CHECKING:
    from fullon.audit.store import Connection


async def verify(connection: Connection) -> int:
    """Walk the whole trail and return how many entries it has.

    Raises:
        TrailBroken: names the first entry that is not as it was written, or that lacks the one before it.
    """
    expected, previous = 1, GENESIS
    async for entry in store.entries(connection):
        if entry.sequence != expected:
            raise TrailBroken(expected, "it is missing")
        if entry.previous_hash != previous:
            raise TrailBroken(entry.sequence, "it does not follow the entry before it")
        written = digest(
            entry.sequence, entry.at, entry.actor, entry.action, entry.subject, entry.details, entry.previous_hash
        )
        if written != entry.hash:
            raise TrailBroken(entry.sequence, "it is not what was written")
        expected, previous = expected + 1, entry.hash
    return expected - 1
