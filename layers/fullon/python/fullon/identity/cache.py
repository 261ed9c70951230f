"""What Valkey remembers of a credential's standing: ``principal:KIND:ID``, for seconds.

Three things may stand there:

* a **standing**, set only if nothing is there, for :data:`STANDING_SECONDS`, by a reader who has just asked PostgreSQL;
* ``{"active": false}``, written over anything after a session's revocation was committed; a session never comes back;
* ``null``, written over anything after a reversible change was committed: "ask PostgreSQL, keep nothing". Such marks
  commute, so two changes at once cannot leave the older one behind.

A mark outlives every read that began before its commit, so a slow reader's "set if absent" cannot bring back what was
true before. Losing all of it costs a PostgreSQL read per request, nothing else.
"""

from __future__ import annotations

import asyncio
import logging
from enum import Enum
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from fullon.identity.model import Kind, Role, Scope, Standing, StandingChange
from fullon.kernel.clock import from_milliseconds, to_milliseconds
from fullon.kernel.errors import Unavailable
from fullon.kernel.retry import Troubles

if TYPE_CHECKING:
    from redis.asyncio import Redis

#: How long a standing is believed without asking PostgreSQL.
STANDING_SECONDS = 10
#: How long a reversible change keeps readers from caching; statements are cut off long before.
CHANGED_SECONDS = 60
#: How long a revoked session is refused without asking PostgreSQL: longer than the longest access token (one day).
ENDED_SECONDS = 25 * 3600
#: A Valkey that takes longer to answer than this is taken for lost.
PATIENCE_SECONDS = 1.0
#: Who holds live sockets listens here.
REVOKED_CHANNEL = "identity:revoked"

_ENDED = b'{"active":false}'
_ASK = b"null"
_log = logging.getLogger("fullon.identity")
#: Every request looks here; a loss is said once when it begins and once when it ends.
_outage = Troubles(_log).outage("standings in Valkey")


class Answer(Enum):
    """What Valkey says when it does not hold a standing."""

    ENDED = "the session is over, for good"
    ABSENT = "nothing: ask PostgreSQL and keep what it says"
    UNKNOWN = "it does not answer, or told us to ask PostgreSQL and keep nothing"


def key_of(kind: Kind, identifier: UUID) -> str:
    """Where the standing of a credential is kept."""
    return f"principal:{kind.value}:{identifier}"


async def read(valkey: Redis, kind: Kind, identifier: UUID) -> Standing | Answer:
    """What Valkey knows of a credential."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            stored = await valkey.get(key_of(kind, identifier))
    except _lost() as error:
        _fail(error)
        return Answer.UNKNOWN
    _outage.passed()
    return Answer.ABSENT if stored is None else _decode(stored)


async def keep(valkey: Redis, kind: Kind, identifier: UUID, standing: Standing) -> None:
    """Remember a standing that was just read, unless something is there already."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await valkey.set(key_of(kind, identifier), _encode(standing), nx=True, ex=STANDING_SECONDS)
    except _lost() as error:
        _fail(error)


async def announce(valkey: Redis, change: StandingChange) -> bool:
    """Mark the credentials of a committed change and tell those who hold live sockets.

    Returns:
        Whether Valkey took it. If it did not, a standing it already holds is believed for up to
        :data:`STANDING_SECONDS`, and sockets close when their holder next looks into PostgreSQL.
    """
    news: list[dict[str, str]] = [{"kind": Kind.JWT.value, "id": str(sid)} for sid in change.ended]
    if change.user_id is not None:
        news.append({"user_id": str(change.user_id)})
    else:
        news += [{"kind": kind.value, "id": str(identifier)} for kind, identifier in change.changed]
    if not news:
        return True
    try:
        async with asyncio.timeout(5 * PATIENCE_SECONDS):
            pipeline = valkey.pipeline(transaction=False)
            for kind, identifier in change.changed:
                pipeline.set(key_of(kind, identifier), _ASK, ex=CHANGED_SECONDS)
            for sid in change.ended:
                pipeline.set(key_of(Kind.JWT, sid), _ENDED, ex=ENDED_SECONDS)
            for item in news:
                pipeline.publish(REVOKED_CHANNEL, orjson.dumps(item))
            await pipeline.execute()
    except _lost() as error:
        _fail(error)
        _log.warning("change of standing not announced; it is in PostgreSQL")
        return False
    return True


def _encode(standing: Standing) -> bytes:
    expires_at = standing.expires_at
    return orjson.dumps(
        {
            "active": True,
            "user_id": str(standing.user_id),
            "role": standing.role.value,
            "mail": standing.mail,
            "scopes": " ".join(sorted(standing.scopes)),
            "expires_at": None if expires_at is None else to_milliseconds(expires_at),
        }
    )


def _decode(stored: bytes | str) -> Standing | Answer:
    try:
        value: Any = orjson.loads(stored)
        if value is None:
            return Answer.UNKNOWN
        if value["active"] is not True:
            return Answer.ENDED
        expires_at = value["expires_at"]
        return Standing(
            user_id=UUID(value["user_id"]),
            role=Role(value["role"]),
            mail=str(value["mail"]),
            scopes=frozenset(Scope(part) for part in value["scopes"].split()),
            expires_at=None if expires_at is None else from_milliseconds(expires_at),
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        _log.warning("what Valkey holds is not a standing; asking PostgreSQL")
        return Answer.UNKNOWN


def _fail(cause: Exception) -> None:
    error = Unavailable("The cache cannot be reached; PostgreSQL is asked instead.", code="cache_down")
    error.__cause__ = cause
    _outage.failed(error)


def _lost() -> tuple[type[Exception], ...]:
    """Imported late: a process that only signs tokens needs no client."""
    from redis.exceptions import RedisError

    return (RedisError, OSError, asyncio.TimeoutError)
