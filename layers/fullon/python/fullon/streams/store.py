"""Connections and subscriptions in PostgreSQL: the truth about who is to get what.

Every change of a connection's subscriptions takes its next ``revision`` and gives it to the rows it writes. A reader
that compares revisions finds every change whatever the order of commits, and one that missed a bell finds it later.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from fullon.identity.model import Identity
from fullon.streams.frames import Reason

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any]


@dataclass(frozen=True, slots=True)
class Subscription:
    """One subscription of a connection.

    Attributes:
        revision: that of the connection when it was last asked for.
        trace: W3C traceparent of the request that asked.
    """

    channel: str
    key: str
    revision: int
    trace: str | None = None


@dataclass(frozen=True, slots=True)
class ConnectionRecord:
    """A live connection.

    Attributes:
        revision: grows with every change of its subscriptions.
        closing: why it is to be said goodbye, if it is.
    """

    connection_id: str
    identity: Identity
    expires_at: datetime
    revision: int
    closing: str | None
    subscriptions: tuple[Subscription, ...]


async def lock_user(connection: Connection, uid: UUID) -> None:
    """Let nobody else count or add this user's rows until the transaction ends."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('streams:' || $1::text, 0))", str(uid))


async def count_connections(connection: Connection, uid: UUID, since: datetime) -> int:
    """How many connections of a user have begun after ``since``."""
    found = await connection.fetchval(
        "SELECT count(*) FROM ws_connections WHERE uid = $1 AND connected_at > $2", uid, since
    )
    return int(found)


async def count_subscriptions(connection: Connection, uid: UUID, since: datetime) -> int:
    """How many subscriptions a user has on connections that have begun after ``since``."""
    found = await connection.fetchval(
        "SELECT count(*) FROM ws_subscriptions JOIN ws_connections c USING (connection_id)"
        " WHERE c.uid = $1 AND c.connected_at > $2",
        uid,
        since,
    )
    return int(found)


async def add_connection(connection: Connection, connection_id: str, identity: Identity, now: datetime) -> int:
    """Store a connection, or take the next revision of the one that is there already; returns the revision."""
    revision = await connection.fetchval(
        "INSERT INTO ws_connections (connection_id, uid, identity, kind, session, connected_at, expires_at)"
        " VALUES ($1, $2, $3::jsonb, $4, $5, $6, $7)"
        " ON CONFLICT (connection_id) DO UPDATE SET revision = ws_connections.revision + 1 RETURNING revision",
        connection_id,
        identity.user_id,
        orjson.dumps(identity.to_context()).decode(),
        identity.kind.value,
        identity.session,
        now,
        identity.expires_at,
    )
    return int(revision)


async def remove_connections(connection: Connection, connection_ids: Collection[str]) -> None:
    """Forget connections with their subscriptions."""
    await connection.execute("DELETE FROM ws_connections WHERE connection_id = ANY($1)", list(connection_ids))


async def mark_closing(connection: Connection, connection_id: str, reason: Reason) -> None:
    """Have the streamer say goodbye and close it; the first reason stays."""
    await connection.execute(
        "UPDATE ws_connections SET closing = $2, revision = revision + 1 WHERE connection_id = $1 AND closing IS NULL",
        connection_id,
        reason,
    )


async def missing_subscriptions(connection: Connection, connection_id: str, channel: str, keys: Sequence[str]) -> int:
    """How many of these keys the connection is not subscribed to."""
    found = await connection.fetchval(
        "SELECT count(*) FROM ws_subscriptions WHERE connection_id = $1 AND channel = $2 AND key = ANY($3)",
        connection_id,
        channel,
        list(keys),
    )
    return len(keys) - int(found)


async def subscribe(
    connection: Connection,
    connection_id: str,
    channel: str,
    keys: Sequence[str],
    revision: int,
    trace: str | None = None,
) -> None:
    """Add subscriptions; those that are there already begin anew."""
    await connection.execute(
        "INSERT INTO ws_subscriptions (connection_id, channel, key, revision, trace)"
        " SELECT $1, $2, key, $4, $5 FROM unnest($3::text[]) AS key"
        " ON CONFLICT (connection_id, channel, key)"
        " DO UPDATE SET revision = EXCLUDED.revision, trace = EXCLUDED.trace",
        connection_id,
        channel,
        list(keys),
        revision,
        trace,
    )


async def unsubscribe(connection: Connection, connection_id: str, channel: str, keys: Sequence[str]) -> None:
    """Remove subscriptions; those that are not there do not matter."""
    await connection.execute(
        "DELETE FROM ws_subscriptions WHERE connection_id = $1 AND channel = $2 AND key = ANY($3)",
        connection_id,
        channel,
        list(keys),
    )


async def subscriptions(connection: Connection, connection_id: str) -> list[tuple[str, str]]:
    """Channel and key of each subscription of a connection."""
    rows = await connection.fetch(
        "SELECT channel, key FROM ws_subscriptions WHERE connection_id = $1 ORDER BY channel, key", connection_id
    )
    return [(row["channel"], row["key"]) for row in rows]


async def revisions(connection: Connection) -> dict[str, int]:
    """The revision of every connection; what the reader compares."""
    rows = await connection.fetch("SELECT connection_id, revision FROM ws_connections")
    return {row["connection_id"]: row["revision"] for row in rows}


async def read_connections(connection: Connection, connection_ids: Collection[str]) -> list[ConnectionRecord]:
    """Connections with their subscriptions, as of one moment."""
    rows = await connection.fetch(
        "SELECT connection_id, identity::text, expires_at, revision, closing, ("
        "   SELECT coalesce(jsonb_agg(jsonb_build_array(s.channel, s.key, s.revision, s.trace)), '[]')::text"
        "   FROM ws_subscriptions s WHERE s.connection_id = c.connection_id) AS subscriptions"
        " FROM ws_connections c WHERE connection_id = ANY($1)",
        list(connection_ids),
    )
    return [
        ConnectionRecord(
            connection_id=row["connection_id"],
            identity=Identity.from_context(orjson.loads(row["identity"])),
            expires_at=row["expires_at"],
            revision=row["revision"],
            closing=row["closing"],
            subscriptions=tuple(Subscription(*item) for item in orjson.loads(row["subscriptions"])),
        )
        for row in rows
    ]


async def ended(connection: Connection, now: datetime) -> dict[str, Reason]:
    """Connections whose session, key or user stands no longer as it stood at the handshake, with the reason."""
    rows = await connection.fetch(
        """
        SELECT c.connection_id, CASE
            WHEN NOT u.active THEN 'user_deactivated'
            WHEN c.kind = 'jwt' AND (s.sid IS NULL OR s.revoked_at IS NOT NULL) THEN 'session_ended'
            WHEN c.kind = 'api_key' AND (k.id IS NULL OR NOT k.is_active) THEN 'key_revoked'
            WHEN c.kind = 'api_key' AND k.expires_at <= $1 THEN 'token_expired'
            WHEN u.role <> c.identity ->> 'role' THEN 'rights_changed'
            WHEN c.kind = 'api_key' AND NOT string_to_array(c.identity ->> 'scopes', ' ') <@ k.scopes
                THEN 'rights_changed'
            END AS reason
        FROM ws_connections c
        JOIN users u USING (uid)
        LEFT JOIN sessions s ON c.kind = 'jwt' AND s.sid = c.session
        LEFT JOIN api_keys k ON c.kind = 'api_key' AND k.id = c.session
        """,
        now,
    )
    return {row["connection_id"]: row["reason"] for row in rows if row["reason"] is not None}


async def remove_left_overs(connection: Connection, now: datetime, age: timedelta) -> None:
    """Forget connections that are older than any can be."""
    await connection.execute("DELETE FROM ws_connections WHERE connected_at < $1", now - age)


async def active_exchange(connection: Connection, exchange: str) -> frozenset[str] | None:
    """The active symbols of an active exchange; None when there is no such exchange."""
    row = await connection.fetchrow(
        "SELECT array(SELECT s.symbol FROM symbols s WHERE s.cat_ex_id = e.cat_ex_id AND s.active) AS symbols"
        " FROM cat_exchanges e WHERE e.name = $1 AND e.active",
        exchange,
    )
    return None if row is None else frozenset(row["symbols"])


async def kinds_of(connection: Connection, uid: UUID | None, part: UUID | None) -> frozenset[str]:
    """What an id is of what belongs to a user, as members of frames call it: ``account``, ``bot_id``, or nothing."""
    rows = await connection.fetch(
        "SELECT 'account' AS kind FROM exchanges WHERE uid = $1 AND ex_id = $2"
        " UNION ALL SELECT 'bot_id' FROM bots WHERE uid = $1 AND bot_id = $2",
        uid,
        part,
    )
    return frozenset(row["kind"] for row in rows)
