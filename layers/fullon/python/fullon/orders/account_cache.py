"""Valkey: balances and positions of each exchange account as they were when its venue was last asked.

``accounts:{EX_ID}`` is a hash of ``balances`` and ``positions`` (JSON arrays), ``uid`` and ``as_of`` (epoch
milliseconds), always replaced in one command, so that a reader never meets half of a change. All of it can be rebuilt
from the venues. Changes are published.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import orjson
from redis.exceptions import RedisError

from fullon.kernel.clock import from_milliseconds, to_milliseconds
from fullon.kernel.errors import Unavailable
from fullon.kernel.retry import give_way

if TYPE_CHECKING:
    from redis.asyncio import Redis

#: Published: ``{"uid", "ex_id", "channel", "key", "data"}`` of one account's balances or positions.
CHANNEL = "feed:account"
PARTS = ("balances", "positions")
#: An account that nobody looks after any more is forgotten after so long.
KEPT_SECONDS = 86_400

Items = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class AccountState:
    """What an account had at a time; ``balances`` and ``positions`` are JSON values."""

    ex_id: UUID
    uid: UUID
    balances: Items
    positions: Items
    as_of: datetime

    def part(self, name: str) -> dict[str, Any]:
        """One of :data:`PARTS` as subscribers get it."""
        items = self.balances if name == "balances" else self.positions
        return {"ex_id": str(self.ex_id), "items": list(items), "as_of": to_milliseconds(self.as_of)}


def key(ex_id: UUID) -> str:
    """The hash of an account."""
    return f"accounts:{{{ex_id}}}"


def user_key(uid: UUID) -> str:
    """Set: the accounts of a user that are known here."""
    return f"accounts-of:{{{uid}}}"


async def put(valkey: Redis, state: AccountState, *, changed: Sequence[str] = PARTS) -> None:
    """Replace what is known of an account, and publish the parts that changed.

    Raises:
        Unavailable: Valkey cannot be reached.
    """
    fields = {
        "uid": str(state.uid),
        "balances": orjson.dumps(list(state.balances)),
        "positions": orjson.dumps(list(state.positions)),
        "as_of": str(to_milliseconds(state.as_of)),
    }
    with _unavailable_when_down():
        async with valkey.pipeline(transaction=False) as batch:
            batch.hset(key(state.ex_id), mapping=fields)  # type: ignore[arg-type]
            batch.expire(key(state.ex_id), KEPT_SECONDS)
            batch.sadd(user_key(state.uid), str(state.ex_id))
            batch.expire(user_key(state.uid), KEPT_SECONDS)
            for name in changed:
                news = {
                    "uid": str(state.uid),
                    "ex_id": str(state.ex_id),
                    "channel": name,
                    "key": str(state.ex_id),
                    "data": state.part(name),
                }
                batch.publish(CHANNEL, orjson.dumps(news))
            await batch.execute()


async def forget(valkey: Redis, uid: UUID, ex_id: UUID) -> None:
    """Remove what is known of an account that is no longer in use.

    Raises:
        Unavailable: Valkey cannot be reached.
    """
    with _unavailable_when_down():
        async with valkey.pipeline(transaction=False) as batch:
            batch.srem(user_key(uid), str(ex_id))
            batch.delete(key(ex_id))
            await batch.execute()


async def of_user(valkey: Redis, uid: UUID) -> list[UUID]:
    """Accounts of a user that are known here. Raises what the client raises."""
    found = cast("set[bytes]", await valkey.smembers(user_key(uid)))
    return sorted(UUID(each.decode()) for each in found)


async def read(valkey: Redis, ex_ids: Sequence[UUID]) -> list[AccountState]:
    """What is known of accounts, in their order; of some perhaps nothing. Raises what the client raises."""
    async with valkey.pipeline(transaction=False) as batch:
        for ex_id in ex_ids:
            batch.hmget(key(ex_id), ["uid", "balances", "positions", "as_of"])
        found = await batch.execute() if ex_ids else []
    return [
        AccountState(
            ex_id,
            UUID(uid.decode()),
            orjson.loads(balances),
            orjson.loads(positions),
            from_milliseconds(int(as_of)),
        )
        for ex_id, (uid, balances, positions, as_of) in zip(ex_ids, found, strict=True)
        if uid is not None and as_of is not None
    ]


@contextmanager
def _unavailable_when_down() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        give_way()
        raise Unavailable("The cache cannot be reached; try again shortly.", code="cache_down") from error
    give_way()
