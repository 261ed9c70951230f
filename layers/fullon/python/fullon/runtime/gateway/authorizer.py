"""The Lambda authorizer of the HTTP API: payload format 2.0, simple responses, answers reused for a while.

Source: API Gateway Developer Guide, "Control access to HTTP APIs with AWS Lambda authorizers". The identity source is
the ``Authorization`` header; its value alone is the key of the cache, so one answer covers every route, and roles are
the functions' own business. Refusals are reused like permissions; failures are not.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fullon.kernel.clock import Clock
from fullon.runtime.gateway import refusals
from fullon.runtime.gateway.invocation import InvokeFailure, Invoker
from fullon.runtime.gateway.responses import HttpResponse

CACHE_SIZE = 10_000


class AuthorizerFailed(Exception):
    """The authorizer gave no decision; the message says why, for the log."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What the authorizer said; ``context`` is what functions get to know about the caller."""

    allowed: bool
    context: dict[str, Any]


class Authorizer:
    """Asks the authorizer function, once per identity and ``ttl`` seconds; 0 asks for every request."""

    def __init__(self, pool: Invoker, function: str, ttl: float, clock: Clock, size: int = CACHE_SIZE) -> None:
        self._pool = pool
        self._function = function
        self._ttl = ttl
        self._clock = clock
        self._size = size
        self._known: dict[str, tuple[float, Decision]] = {}
        self._asking: dict[str, asyncio.Task[Decision]] = {}

    def remembered(self, identity: str) -> Decision | None:
        """The decision of an earlier request, while it may be reused."""
        entry = self._known.get(identity)
        if entry is None:
            return None
        if entry[0] <= self._clock.monotonic():
            del self._known[identity]
            return None
        return entry[1]

    async def admit(
        self, event: dict[str, Any], question: Callable[[dict[str, Any], str], dict[str, Any]], request_id: str
    ) -> HttpResponse | None:
        """Put the caller's identity into a request's event, or say how the request is refused.

        Args:
            question: makes the authorizer's event of the request's and the identity source.

        Raises:
            AuthorizerFailed: there is no decision.
        """
        identity = event["headers"].get("authorization")
        if not identity:
            return refusals.unauthorized(request_id)
        decision = self.remembered(identity) or await self.ask(identity, question(event, identity), request_id)
        if not decision.allowed:
            return refusals.forbidden(request_id)
        event["requestContext"]["authorizer"] = {"lambda": decision.context}
        return None

    async def ask(self, identity: str, event: dict[str, Any], request_id: str) -> Decision:
        """Invoke the function; requests of one identity that arrive meanwhile share the answer.

        Raises ``AuthorizerFailed``.
        """
        if self._ttl <= 0:
            return await self._invoke(event, request_id)
        task = self._asking.get(identity)
        if task is None:
            task = asyncio.create_task(self._learn(identity, event, request_id))
            self._asking[identity] = task
            task.add_done_callback(lambda _: self._asking.pop(identity, None))
        # One caller's cancellation is not the others'.
        return await asyncio.shield(task)

    async def _learn(self, identity: str, event: dict[str, Any], request_id: str) -> Decision:
        decision = await self._invoke(event, request_id)
        while len(self._known) >= self._size:
            del self._known[next(iter(self._known))]
        self._known[identity] = (self._clock.monotonic() + self._ttl, decision)
        return decision

    async def _invoke(self, event: dict[str, Any], request_id: str) -> Decision:
        try:
            answer = await self._pool.invoke(self._function, event, request_id=request_id)
        except InvokeFailure as failure:
            raise AuthorizerFailed(str(failure)) from failure
        if not isinstance(answer, dict) or not isinstance(answer.get("isAuthorized"), bool):
            raise AuthorizerFailed("the answer has no isAuthorized that is true or false")
        context = answer.get("context") or {}
        if not isinstance(context, dict):
            raise AuthorizerFailed("the context is not an object")
        return Decision(answer["isAuthorized"], context)
