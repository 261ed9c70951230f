"""Sessions: opened by a login, kept alive by refresh tokens, ended by logout, a theft or an admin.

A refresh token is a random word of which only the hash is stored. Each is good once: renewing spends it and gives the
next one. A spent one that is shown again was copied by somebody, so the session, which is the family of its tokens,
ends. There is no grace period: a client that sent the same token twice at once has to log in again.

A session slides: each renewal moves its end to the refresh lifetime from then.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from fullon.identity.errors import InvalidCredential, SessionEnded
from fullon.identity.model import Origin, Role, StandingChange
from fullon.identity.tokens import Tokens
from fullon.kernel.clock import Clock
from fullon.kernel.ids import new_id, new_token

if TYPE_CHECKING:
    from fullon.identity.store import Connection

#: Rows of ended sessions are kept this long, for those who want to know who was here.
KEPT_AFTER_END = timedelta(days=30)
_LONGEST_AGENT = 300

_OPEN = "INSERT INTO sessions (sid, uid, created_at, expires_at, user_agent, address) VALUES ($1, $2, $3, $4, $5, $6)"
_SHOWN = """
SELECT r.sid, r.spent_at IS NOT NULL AS is_spent, r.expires_at > $2 AS is_fresh,
       s.revoked_at IS NULL AND u.active AS stands, u.uid, u.mail, u.role
FROM refresh_tokens r JOIN sessions s USING (sid) JOIN users u USING (uid)
WHERE r.hash = $1 FOR UPDATE OF r, s
"""
_REVOKE = """
UPDATE sessions SET revoked_at = $2, revoked_reason = $3
WHERE sid = ANY($1::uuid[]) AND revoked_at IS NULL RETURNING sid
"""


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a login or a renewal gives."""

    session: UUID
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Renewal:
    """The new pair; or none when the token was a spent one and its session has just been ended for that."""

    pair: TokenPair | None
    change: StandingChange = field(default_factory=StandingChange)


class Sessions:
    """Opens and renews sessions.

    Args:
        lifetime: of a refresh token.
    """

    def __init__(self, tokens: Tokens, clock: Clock, lifetime: timedelta) -> None:
        self._tokens = tokens
        self._clock = clock
        self.lifetime = lifetime

    async def open(
        self, connection: Connection, uid: UUID, stored_hash: str, origin: Origin, better_hash: str | None = None
    ) -> TokenPair:
        """A new session of a user whose password was just found right, in the transaction of ``connection``.

        Args:
            stored_hash: what the password was compared with; if it, or the user, has changed since, nothing opens.
            better_hash: replaces it, when set.

        Raises:
            SessionEnded: the user was deactivated, or the password changed, a moment ago.
        """
        now = self._clock.now()
        user = await connection.fetchrow(
            "SELECT mail, role FROM users WHERE uid = $1 AND active AND password_hash = $2 FOR UPDATE", uid, stored_hash
        )
        if user is None:
            raise SessionEnded
        if better_hash is not None:
            await connection.execute("UPDATE users SET password_hash = $2 WHERE uid = $1", uid, better_hash)
        await connection.execute("DELETE FROM sessions WHERE uid = $1 AND expires_at < $2", uid, now - KEPT_AFTER_END)
        sid = new_id()
        agent = "".join(sign for sign in origin.user_agent if sign.isprintable())[:_LONGEST_AGENT]
        await connection.execute(_OPEN, sid, uid, now, now + self.lifetime, agent, origin.address[:64])
        return await self._pair(connection, sid, uid, user["mail"], Role(user["role"]))

    async def renew(self, connection: Connection, refresh_token: str) -> Renewal:
        """Spend a refresh token, in the transaction of ``connection``; role and mail are taken from the user anew.

        A reuse is an answer, not an error, because the revocation has to be committed.

        Raises:
            InvalidCredential: not one of ours, or too old.
            SessionEnded: its session was revoked, or the user deactivated.
        """
        now = self._clock.now()
        digest = _hash(refresh_token)
        row = await connection.fetchrow(_SHOWN, digest, now)
        if row is None:
            raise InvalidCredential("refresh token")
        if not row["stands"]:
            raise SessionEnded
        if row["is_spent"]:
            return Renewal(None, await revoke(connection, self._clock, [row["sid"]], "refresh token reused"))
        if not row["is_fresh"]:
            raise InvalidCredential("refresh token")
        sid = row["sid"]
        await connection.execute("UPDATE refresh_tokens SET spent_at = $2 WHERE hash = $1", digest, now)
        await connection.execute("DELETE FROM refresh_tokens WHERE sid = $1 AND expires_at <= $2", sid, now)
        await connection.execute("UPDATE sessions SET expires_at = $2 WHERE sid = $1", sid, now + self.lifetime)
        return Renewal(await self._pair(connection, sid, row["uid"], row["mail"], Role(row["role"])))

    async def _pair(self, connection: Connection, sid: UUID, uid: UUID, mail: str, role: Role) -> TokenPair:
        access_token = self._tokens.sign(uid, mail, role, sid)
        refresh_token = new_token()
        now = self._clock.now()
        await connection.execute(
            "INSERT INTO refresh_tokens (hash, sid, created_at, expires_at) VALUES ($1, $2, $3, $4)",
            _hash(refresh_token),
            sid,
            now,
            now + self.lifetime,
        )
        return TokenPair(sid, access_token, refresh_token)


async def revoke(connection: Connection, clock: Clock, sids: list[UUID], reason: str) -> StandingChange:
    """End sessions for good; those that have ended already stay as they are."""
    rows = await connection.fetch(_REVOKE, sids, clock.now(), reason)
    return StandingChange(ended=tuple(row["sid"] for row in rows))


async def revoke_all(
    connection: Connection, clock: Clock, uid: UUID, reason: str, *, but: UUID | None = None
) -> StandingChange:
    """End every session of a user, perhaps but one."""
    rows = await connection.fetch("SELECT sid FROM sessions WHERE uid = $1 AND revoked_at IS NULL", uid)
    return await revoke(connection, clock, [row["sid"] for row in rows if row["sid"] != but], reason)


def _hash(refresh_token: str) -> bytes:
    return hashlib.sha256(refresh_token.encode(errors="replace")).digest()
