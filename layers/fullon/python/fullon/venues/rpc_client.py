"""Asks the account daemon what a venue says, for processes that cannot ask the venue: request and reply through Valkey.

A request waits in a list until the daemon takes it; the reply comes in a list of its own, under the correlation id.
Both expire, so nothing is left behind by a side that ended.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, cast
from uuid import UUID

from redis.exceptions import RedisError

from fullon.kernel.clock import Clock
from fullon.kernel.errors import Unavailable
from fullon.kernel.ids import new_id
from fullon.kernel.retry import give_way
from fullon.venues import rpc_messages as messages
from fullon.venues.account import Examination
from fullon.venues.errors import AccountDaemonSilent
from fullon.venues.model import Market
from fullon.venues.rpc_messages import ExamineAccount, ListMarkets, Question, Request

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from redis.asyncio import Redis

#: A little longer than an examination may take, so that its own time-out is heard; well below that of a function, 29 s.
REPLY_SECONDS = 22.0
#: Shorter than the client's own time-out for an answer, so that quiet is not taken for a lost connection.
_WAIT_SECONDS = 3.0
_log = logging.getLogger("fullon.venues")


class RpcClient:
    """Asks, and waits for the reply.

    Args:
        clock: states the deadline; the daemon's must be about as right.
    """

    def __init__(self, valkey: Redis, clock: Clock) -> None:
        self._valkey = valkey
        self._clock = clock

    async def examine_account(self, uid: UUID, ex_id: UUID) -> Examination:
        """What the venue says of the keys of an account.

        Raises:
            FullonError: whatever kept the daemon from finding out, as if it had happened here.
            AccountDaemonSilent: no reply came in time.
            Unavailable: Valkey is away.
        """
        return messages.decode_examination(await self._ask(ExamineAccount(uid, ex_id)))

    async def list_markets(self, cat_ex_id: int) -> list[Market]:
        """Everything that a venue lists; raises as :meth:`examine_account`."""
        return messages.decode_markets(await self._ask(ListMarkets(cat_ex_id)))

    async def _ask(self, question: Question) -> bytes:
        deadline = self._clock.now() + timedelta(seconds=REPLY_SECONDS)
        request = Request(new_id(), deadline, question)
        try:
            async with self._valkey.pipeline(transaction=True) as batch:
                batch.rpush(messages.REQUESTS, messages.encode_request(request))
                batch.pexpire(messages.REQUESTS, int(REPLY_SECONDS * 1000))
                await batch.execute()
            reply = await self._reply(request)
        except (RedisError, OSError, TimeoutError) as error:
            raise Unavailable("The cache cannot be reached; try again shortly.", code="cache_down") from error
        facts = {"correlation_id": str(request.correlation_id), "question": type(question).__name__}
        _log.info("question asked", extra={**facts, "replied": reply is not None})
        if reply is None:
            raise AccountDaemonSilent(REPLY_SECONDS)
        return reply

    async def _reply(self, request: Request) -> bytes | None:
        key, end = messages.reply_key(request.correlation_id), self._clock.monotonic() + REPLY_SECONDS
        while (left := end - self._clock.monotonic()) > 0:
            waited = self._valkey.blpop([key], timeout=max(0.05, min(left, _WAIT_SECONDS)))  # 0 would be for ever
            popped = await cast("Awaitable[list[bytes] | None]", waited)
            give_way()
            if popped is not None:
                return popped[1]
        return None
