"""Logging in and changing one's password: throttle, password and session in the order that keeps each honest."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING
from uuid import UUID

from fullon.identity import passwords, sessions, users
from fullon.identity.errors import SessionEnded, WrongCredentials, WrongPassword
from fullon.identity.model import Origin, StandingChange
from fullon.identity.sessions import Sessions, TokenPair
from fullon.identity.throttle import Attempt, Throttle
from fullon.kernel.clock import Clock

if TYPE_CHECKING:
    from fullon.identity.store import Connection

    Connections = Callable[[], AbstractAsyncContextManager[Connection]]

_log = logging.getLogger("fullon.identity")


class Login:
    """Opens sessions for those who know a password.

    No connection is held while a password is worked out, and each step commits by itself: a failure is on record
    before the password is looked at.

    Args:
        connection: opens a connection of the platform database.
    """

    def __init__(self, connection: Connections, throttle: Throttle, sessions: Sessions, clock: Clock) -> None:
        self._connection = connection
        self._throttle = throttle
        self._sessions = sessions
        self._clock = clock

    async def attempt(self, name: str, origin: Origin) -> Attempt:
        """Enter an attempt on an account; ``name`` is what was typed as mail address.

        Raises:
            TooManyAttempts: it has to wait.
        """
        async with self._connection() as connection:
            return await self._throttle.enter(connection, _account(name), origin.address)

    async def open(self, attempt: Attempt, name: str, password: str, origin: Origin) -> TokenPair:
        """A session for whoever has this name and password, after :meth:`attempt`.

        Raises:
            WrongCredentials: unknown, wrong or deactivated; same text, same time.
        """
        async with self._connection() as connection:
            found = await users.find(connection, _account(name))
        user, stored = found or (None, None)
        verdict = await passwords.verify(stored, password)
        if user is None or stored is None or not verdict.is_right or not user.active:
            _log.info("login refused", extra={"address": origin.address, "remaining": attempt.remaining})
            raise WrongCredentials
        try:
            async with self._connection() as connection, connection.transaction():
                await self._throttle.clear(connection, attempt)
                pair = await self._sessions.open(connection, user.uid, stored, origin, verdict.better_hash)
        except SessionEnded as error:
            raise WrongCredentials from error
        _log.info("logged in", extra={"user_id": str(user.uid), "session": str(pair.session)})
        return pair

    async def change_password(
        self,
        uid: UUID,
        mail: str,
        session: UUID,
        old: str,
        new: str,
        origin: Origin,
        transaction: Connections | None = None,
    ) -> StandingChange:
        """Replace a user's password and end their other sessions.

        Args:
            transaction: opens the transaction in which that is done, once the old password is known to be right; None
                for a plain one.

        Returns:
            What to announce: the sessions that ended.

        Raises:
            WrongPassword: the old one is wrong; it counts as a failed login.
            TooManyAttempts: after too many of those.
            Invalid: the new one is too short or too long.
        """
        passwords.accept(new, "new")
        attempt = await self.attempt(mail, origin)
        async with self._connection() as connection:
            stored = await users.password_hash(connection, uid)
        if not (await passwords.verify(stored, old)).is_right:
            raise WrongPassword
        new_hash = await passwords.hash_password(new, "new")
        async with (transaction or self._transaction)() as connection:
            replaced = await connection.fetchval(
                "UPDATE users SET password_hash = $3, updated_at = $4 WHERE uid = $1 AND password_hash = $2"
                " RETURNING uid",
                uid,
                stored,
                new_hash,
                self._clock.now(),
            )
            if replaced is None:
                raise WrongPassword
            await self._throttle.clear(connection, attempt)
            return await sessions.revoke_all(connection, self._clock, uid, "password changed", but=session)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Connection]:
        async with self._connection() as connection, connection.transaction():
            yield connection


def _account(name: str) -> str:
    """What was typed, as addresses are stored; nonsense stays nonsense and is found nowhere."""
    return name.strip().lower()
