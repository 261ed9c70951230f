"""Does a credential that the authorizer let in still stand? Asked on every request and at every socket."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import TYPE_CHECKING

from fullon.identity import cache, store
from fullon.identity.cache import Answer
from fullon.identity.errors import SessionEnded
from fullon.identity.model import NEVER, Identity, Kind, Standing, StandingChange
from fullon.kernel.clock import Clock

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from fullon.identity.store import Connection

    Connections = Callable[[], AbstractAsyncContextManager[Connection]]


class Principals:
    """The standing of sessions, keys and their users: Valkey first, else PostgreSQL.

    Args:
        valkey: where a standing is kept for seconds; may be down.
        connection: opens a connection of the platform database.
        clock: decides whether an API key has ended.
    """

    def __init__(self, valkey: Redis, connection: Connections, clock: Clock) -> None:
        self._valkey = valkey
        self._connection = connection
        self._clock = clock

    async def confirm(self, identity: Identity) -> Identity:
        """The identity with its mail, role and scopes as they are now. One Valkey read when all is well.

        A token carries its own end; that of a key is looked up, because its owner may have moved it.

        Raises:
            SessionEnded: the session or key was revoked, has ended, or its user was deactivated.
            Unavailable: neither Valkey nor PostgreSQL could say.
        """
        found = await cache.read(self._valkey, identity.kind, identity.session)
        if found is Answer.ABSENT or found is Answer.UNKNOWN:
            found = await self._ask(identity, keep=found is Answer.ABSENT)
        if isinstance(found, Answer) or found.user_id != identity.user_id:
            raise SessionEnded
        expires_at = identity.expires_at if identity.kind is Kind.JWT else found.expires_at or NEVER
        if expires_at <= self._clock.now():
            raise SessionEnded
        return replace(identity, mail=found.mail, role=found.role, scopes=found.scopes, expires_at=expires_at)

    async def announce(self, change: StandingChange) -> bool:
        """Make a committed change felt at once: requests look again, live sockets are closed.

        Call it after the commit and never before: a reader in between would keep what was true until then.

        Returns:
            Whether Valkey took it; if not, the change is felt within seconds (:func:`fullon.identity.cache.announce`).
        """
        return await cache.announce(self._valkey, change)

    async def _ask(self, identity: Identity, *, keep: bool) -> Standing | Answer:
        async with self._connection() as connection:
            found = await store.standing(connection, identity.kind, identity.session)
        if found is None:
            return Answer.ENDED
        if keep:
            await cache.keep(self._valkey, identity.kind, identity.session, found)
        return found
