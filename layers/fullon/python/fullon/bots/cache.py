"""Valkey: which bot holds which symbol of which account, one hash for each that is held, with an expiry of its own.

Every change is one script on one key, so it is atomic on a server and on a cluster, and the only clock is Valkey's.
What is lost here is never given out under an old fence again: see :mod:`coordination`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from fullon.bots.model import Block
from fullon.kernel.clock import from_milliseconds
from fullon.kernel.errors import Corrupt
from fullon.market.cache import bounded

if TYPE_CHECKING:
    from redis.asyncio import Redis

_NOW = """
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
"""
#: ARGV: owner token, bot, fence, lease in ms. Gives false when it was taken, else the bot that holds it.
_TAKE = f"""
local owner = redis.call('HGET', KEYS[1], 'owner')
if owner and owner ~= ARGV[1] then return redis.call('HGET', KEYS[1], 'bot') end
{_NOW}
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'bot', ARGV[2], 'fence', ARGV[3],
  'since', now, 'renewed', now, 'lasts', ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return false
"""
#: ARGV: owner token, lease in ms.
_RENEW = f"""
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
{_NOW}
redis.call('HSET', KEYS[1], 'renewed', now, 'lasts', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
"""
#: ARGV: owner token.
_RELEASE = """
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""


def key(ex_id: UUID, symbol: str) -> str:
    """Hash: who holds a symbol of an account. The braces are a hash tag: what is added beside it shares its slot."""
    return f"block:{{{ex_id}:{symbol}}}"


async def take(
    valkey: Redis, ex_id: UUID, symbol: str, *, owner: str, bot_id: UUID, fence: int, milliseconds: int
) -> UUID | None:
    """Set it if nobody holds it; gives the bot that does, None when it was taken.

    The same owner may ask again: a client repeats a command whose answer was lost.

    Raises:
        Unavailable, TimedOut: Valkey cannot be asked; whether it was taken is unknown.
    """
    holder = await _run(valkey, _TAKE, key(ex_id, symbol), owner, str(bot_id), fence, milliseconds)
    return None if holder is None else UUID(holder.decode())


async def renew(valkey: Redis, ex_id: UUID, symbol: str, *, owner: str, milliseconds: int) -> bool:
    """Let it last from now on again; whether it is still the owner's.

    Raises:
        Unavailable, TimedOut: Valkey cannot be asked.
    """
    return bool(await _run(valkey, _RENEW, key(ex_id, symbol), owner, milliseconds))


async def release(valkey: Redis, ex_id: UUID, symbol: str, *, owner: str) -> bool:
    """Delete it if it is the owner's; whether it was.

    Raises:
        Unavailable, TimedOut: Valkey cannot be asked.
    """
    return bool(await _run(valkey, _RELEASE, key(ex_id, symbol), owner))


async def blocks(valkey: Redis, places: Sequence[tuple[UUID, str]]) -> list[Block]:
    """Who holds these symbols of accounts, in their order and in one round trip; those that nobody holds are left out.

    Raises:
        Unavailable, TimedOut: Valkey cannot be asked.
        Corrupt: what it holds is no block.
    """
    if not places:
        return []
    async with bounded(), valkey.pipeline(transaction=False) as batch:
        for ex_id, symbol in places:
            batch.hgetall(key(ex_id, symbol))
        found: list[Mapping[bytes, bytes]] = await batch.execute()
    return [_block(ex_id, symbol, fields) for (ex_id, symbol), fields in zip(places, found, strict=True) if fields]


def _block(ex_id: UUID, symbol: str, fields: Mapping[bytes, bytes]) -> Block:
    try:
        renewed = int(fields[b"renewed"])
        return Block(
            ex_id=ex_id,
            symbol=symbol,
            bot_id=UUID(fields[b"bot"].decode()),
            fence=int(fields[b"fence"]),
            since=from_milliseconds(int(fields[b"since"])),
            renewed_at=from_milliseconds(renewed),
            expires_at=from_milliseconds(renewed + int(fields[b"lasts"])),
        )
    except (KeyError, ValueError, OverflowError) as error:
        raise Corrupt("The cache holds something else where a bot's block should be.") from error


async def _run(valkey: Redis, script: str, name: str, *arguments: str | int) -> Any:
    async with bounded():
        return await valkey.eval(script, 1, name, *arguments)
