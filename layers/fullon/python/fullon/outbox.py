"""Changes of records that subscribers are told of, written in the transaction of the change.

The streamer moves the rows to the streams in the order of their ids and removes them then, so a change that was
committed is told at least once, and one that was rolled back never.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from fullon.kernel.clock import Clock

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any]


async def put(connection: Connection, clock: Clock, uid: UUID, channel: str, key: str, data: Mapping[str, Any]) -> None:
    """Enter a change.

    Args:
        connection: in the transaction of the change.
        channel: of the sockets: ``orders``, ``fills``.
        key: what has changed: an id.
        data: JSON values, as the API answers them.
    """
    assert connection.is_in_transaction(), "a change and its announcement are written together"
    await connection.execute(
        "INSERT INTO outbox (at, uid, channel, key, data) VALUES ($1, $2, $3, $4, $5::text::jsonb)",
        clock.now(),
        uid,
        channel,
        key,
        orjson.dumps(data).decode(),
    )
