"""Answers the questions of processes that cannot ask a venue themselves; the other end of :mod:`rpc_client`.

Several are answered side by side. A request is taken only when there is room for it, so what waits is there for the
next leader too. Whoever asked waits until the deadline; after it nothing is done any more for a request, and nothing
that one of them runs into ends the others.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast
from uuid import UUID

from redis.exceptions import RedisError

from fullon.kernel.clock import Clock
from fullon.kernel.errors import FullonError, Unavailable
from fullon.kernel.retry import Backoff, Outage, give_way
from fullon.venues import rpc_messages as messages
from fullon.venues.account import Examination
from fullon.venues.model import Market
from fullon.venues.rpc_messages import ExamineAccount, ListMarkets, Malformed, Request

if TYPE_CHECKING:
    from redis.asyncio import Redis

#: Each may read the whole list of a venue's markets, which is tens of megabytes in ccxt, in a task of 512 MB.
MOST_AT_ONCE = 4
#: A reply that nobody takes is gone after so long.
_KEPT_SECONDS = 30
#: Shorter than the client's own time-out for an answer, so that quiet is not taken for a lost connection.
_WAIT_SECONDS = 3.0
_AWAY = (RedisError, OSError, asyncio.TimeoutError)
_log = logging.getLogger("fullon.venues")


@dataclass(frozen=True)
class Answers:
    """How the questions are answered; each raises what kept it from finding out."""

    examine_account: Callable[[UUID, UUID], Awaitable[Examination]]
    list_markets: Callable[[int], Awaitable[list[Market]]]


class RpcServer:
    """Takes requests and replies to them.

    Args:
        outage: of the list of requests.
        leading: whether this process may still speak.
        counted: told of each reply.
    """

    def __init__(
        self,
        valkey: Redis,
        clock: Clock,
        answers: Answers,
        outage: Outage,
        *,
        leading: Callable[[], bool],
        counted: Callable[[], None],
    ) -> None:
        self._valkey = valkey
        self._clock = clock
        self._answers = answers
        self._outage = outage
        self._leading = leading
        self._counted = counted

    async def run(self) -> None:
        """Answer until cancelled; Valkey may come and go."""
        room = asyncio.Semaphore(MOST_AT_ONCE)
        backoff = Backoff(0.1, 5.0)
        async with asyncio.TaskGroup() as tasks:
            while True:
                await room.acquire()
                data = await self._next(backoff)
                task = tasks.create_task(self._serve(data))
                task.add_done_callback(lambda _: room.release())

    async def _next(self, backoff: Backoff) -> bytes:
        while True:
            try:
                waited = self._valkey.blpop([messages.REQUESTS], timeout=_WAIT_SECONDS)
                popped = await cast("Awaitable[list[bytes] | None]", waited)
                give_way()
            except _AWAY as error:
                give_way()
                unavailable = Unavailable("The cache cannot be reached; trying again.", code="cache_down")
                unavailable.__cause__ = error
                self._outage.failed(unavailable)
                await asyncio.sleep(backoff.pause())
                continue
            backoff.reset()
            self._outage.passed()
            if popped is not None:
                return popped[1]

    async def _serve(self, data: bytes) -> None:
        try:
            request = messages.decode_request(data)
        except Malformed as error:
            _log.warning("request malformed", extra={"size": len(data), "cause": repr(error)})
            return
        began = self._clock.monotonic()
        reply, result = await self._in_time(request)
        if reply is not None:
            result = await self._send(request, reply, result)
        facts = {"correlation_id": str(request.correlation_id), "question": type(request.question).__name__}
        took = round((self._clock.monotonic() - began) * 1000)
        _log.info("question answered" if reply else "question dropped", extra={**facts, "result": result, "ms": took})

    async def _in_time(self, request: Request) -> tuple[bytes | None, str]:
        """The reply with its result for the log; no reply where nobody waits for it, or not for ours."""
        if not self._leading():
            return None, "not leading"
        left = self._left(request)
        if left <= 0:  # a time-out that has passed ends only what waits, and so would let it begin
            return None, "late"
        try:
            async with asyncio.timeout(left):
                reply, result = await self._answer(request)
        except TimeoutError:  # the limit's: what the question itself ran into is in the reply
            return None, "late"
        if self._left(request) <= 0:  # this process was paused meanwhile
            return None, "late"
        return (reply, result) if self._leading() else (None, "not leading")

    async def _answer(self, request: Request) -> tuple[bytes, str]:
        try:
            match request.question:
                case ExamineAccount(uid, ex_id):
                    return messages.encode_examination(await self._answers.examine_account(uid, ex_id)), "found"
                case ListMarkets(cat_ex_id):
                    return messages.encode_markets(await self._answers.list_markets(cat_ex_id)), "found"
        except FullonError as error:
            return messages.encode_failure(error), error.code
        except Exception:  # noqa: BLE001 - whatever one request runs into must not end the daemon
            _log.exception("question failed", extra={"correlation_id": str(request.correlation_id)})
            return messages.encode_failure(None), "failed"

    async def _send(self, request: Request, reply: bytes, result: str) -> str:
        key = messages.reply_key(request.correlation_id)
        try:
            async with self._valkey.pipeline(transaction=True) as batch:
                batch.rpush(key, reply)
                batch.expire(key, _KEPT_SECONDS)
                await batch.execute()
        except _AWAY:
            return "reply lost"
        self._counted()
        return result

    def _left(self, request: Request) -> float:
        """Seconds for which the reply is still waited for; nobody waits longer than a reply is kept."""
        return min((request.deadline - self._clock.now()).total_seconds(), _KEPT_SECONDS)
