"""What each call with an identity passes before its handler: the caller's budget, and the key that makes it happen
once.

Plain ASGI, inside the outermost layer (so its refusals have a request id and a line in the log) and outside the
handlers. Anonymous calls pass untouched: whether they may is the handler's business.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from fullon.identity.errors import SessionEnded
from fullon.identity.model import Identity
from fullon.kernel.errors import FullonError
from fullon.runtime import idempotency
from fullon.runtime.idempotency import App, KeyedCall, Message, Receive, Send
from fullon.runtime.rate_limits import RateLimits

if TYPE_CHECKING:
    from fullon.runtime.container import Container

    Refusal = Callable[[Message, FullonError], Awaitable[App]]

MUTATING = {"POST", "PUT", "PATCH", "DELETE"}
#: Whose answers hold tokens, all of them.
_OF_SECRETS = {"auth"}


class Calls:
    """The layer.

    Args:
        name: of the function in the manifest.
        refuse: makes the answer of an error.
    """

    def __init__(self, app: App, container: Container, name: str, refuse: Refusal) -> None:
        self._app = app
        self._container = container
        self._name = name
        self._refuse = refuse
        self._limits = RateLimits(container.clock)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        caller = presented(scope) if scope["type"] == "http" else None
        if caller is None:
            await self._app(scope, receive, send)
            return
        try:
            await self._call(caller, scope, receive, send)
        except FullonError as error:  # of this layer: the handlers' own are answered inside
            refusal = await self._refuse(scope, error)
            await refusal(scope, receive, send)

    async def _call(self, caller: Identity, scope: Message, receive: Receive, send: Send) -> None:
        writes = scope["method"] in MUTATING
        container = self._container
        budget = await self._limits.take(container.valkey, container.settings, caller, writes=writes)
        if budget is not None:
            scope["state"].setdefault("headers", {}).update(
                {
                    "RateLimit-Limit": str(budget.limit),
                    "RateLimit-Remaining": str(budget.remaining),
                    "RateLimit-Reset": str(budget.reset),
                }
            )
        key = idempotency.key_of(scope) if writes else None
        if key is None:
            await self._app(scope, receive, send)
            return
        call = KeyedCall(
            container, await confirmed(scope, container, caller), key, keeps_answers=self._name not in _OF_SECRETS
        )
        await call.run(self._app, scope, receive, send)


def presented(scope: Message) -> Identity | None:
    """Who the authorizer says is calling; None if it says nothing."""
    event = scope.get("aws.event") or {}
    try:
        return Identity.from_context(event["requestContext"]["authorizer"]["lambda"])
    except (KeyError, TypeError, ValueError):
        return None


async def confirmed(scope: Message, container: Container, caller: Identity) -> Identity:
    """The caller as they stand now, looked up once for each request.

    Raises:
        SessionEnded: the session, key or user has ended since the authorizer looked.
    """
    state = scope.setdefault("state", {})
    known: Identity | None = state.get("identity")
    if known is None:
        if caller.expires_at <= container.clock.now():
            raise SessionEnded
        known = state["identity"] = await container.principals.confirm(caller)
    return known
