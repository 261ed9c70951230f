"""Decides who is calling, for the HTTP API and for ``$connect`` of the WebSocket API.

The HTTP API gets the simple answer of payload format 2.0; the WebSocket API an IAM policy, or the error
``Unauthorized``, which its gateway turns into 401. What a caller may do is decided in the application: the gateway
keeps one answer for every route.

With both stores down a token that carries our signature still passes here on the HTTP API, because every function
asks again and answers with a clear 503 then; the socket, and keys that cannot be looked up, fail instead.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

from fullon.identity import api_keys, tickets
from fullon.identity.errors import InvalidCredential
from fullon.identity.model import Identity, Kind, Scope
from fullon.kernel.errors import Unauthenticated, Unavailable
from fullon.runtime.container import Container
from fullon.runtime.logging import bind

Event = Mapping[str, Any]

_log = logging.getLogger("fullon.authorizer")
_KEYS_REMEMBERED = 1000


class Unauthorized(Exception):
    """API Gateway answers 401 to an error of exactly this text; any other text would be a 500."""

    is_an_answer = True

    def __init__(self) -> None:
        super().__init__("Unauthorized")


def create(container: Container) -> Callable[[Event], Awaitable[dict[str, Any]]]:
    """The authorizer over ``container``: a coroutine function of the event."""
    return Authorizer(container).answer


class Authorizer:
    """One execution environment's authorizer; it remembers which prefix belongs to which key, which never changes."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self._keys: OrderedDict[str, api_keys.StoredKey] = OrderedDict()
        self._noted: dict[UUID, float] = {}

    async def answer(self, event: Event) -> dict[str, Any]:
        """The gateway's question, answered.

        Raises:
            Unauthorized: no credential, or not a good one, at the WebSocket API.
            Unavailable: neither store could say.
        """
        if "methodArn" in event:
            return await self._socket(event)
        return await self._http(event)

    async def _http(self, event: Event) -> dict[str, Any]:
        credential = _from_headers(event)
        try:
            if credential is None:
                raise InvalidCredential("request without a credential")
            identity = await self._known(credential)
            try:
                identity = await self._confirmed(identity)
            except Unavailable:
                _log.warning("standing not confirmed; the application asks again")
        except Unauthenticated as error:
            _log.info("refused", extra={"code": error.code})
            return {"isAuthorized": False, "context": {}}
        return {"isAuthorized": True, "context": identity.to_context()}

    async def _socket(self, event: Event) -> dict[str, Any]:
        query = event.get("queryStringParameters") or {}
        try:
            if ticket := query.get("ticket"):
                identity = await self._ticket(str(ticket))
            elif credential := query.get("token") or _from_headers(event):
                identity = await self._known(str(credential))
            else:
                raise InvalidCredential("connection without a credential")
            identity = await self._confirmed(identity)
        except Unauthenticated as error:
            _log.info("refused", extra={"code": error.code})
            raise Unauthorized from None
        effect = "Allow" if Scope.READ in identity.scopes else "Deny"
        return {
            "principalId": str(identity.user_id),
            "policyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    {"Action": "execute-api:Invoke", "Effect": effect, "Resource": event["methodArn"]},
                ],
            },
            "context": identity.to_context(),
        }

    async def _confirmed(self, identity: Identity) -> Identity:
        bind(user_id=str(identity.user_id))
        confirmed = await self._container.principals.confirm(identity)
        if confirmed.kind is Kind.API_KEY:
            await self._note_use(confirmed.session)
        return confirmed

    async def _ticket(self, ticket: str) -> Identity:
        async with self._container.connection() as connection:
            return await tickets.redeem(connection, self._container.clock, ticket)

    async def _known(self, credential: str) -> Identity:
        if not credential.startswith(api_keys.START):
            return (await self._container.current_tokens(credential)).read(credential)
        prefix = api_keys.prefix_of(credential)
        stored = self._keys.get(prefix) or await self._look_up(prefix)
        if stored is None or not api_keys.matches(stored, credential):
            raise InvalidCredential("API key")
        return stored.identity

    async def _look_up(self, prefix: str) -> api_keys.StoredKey | None:
        async with self._container.connection() as connection:
            stored = await api_keys.find(connection, prefix)
        if stored is not None:
            self._keys[prefix] = stored
            if len(self._keys) > _KEYS_REMEMBERED:
                self._keys.popitem(last=False)
        return stored

    async def _note_use(self, key_id: UUID) -> None:
        """Write down that a key is in use; at most once a minute, and never at the cost of the answer."""
        now = self._container.clock.monotonic()
        if now - self._noted.get(key_id, float("-inf")) < api_keys.USE_NOTED_EVERY.total_seconds():
            return
        if len(self._noted) >= _KEYS_REMEMBERED:
            self._noted.clear()
        self._noted[key_id] = now
        try:
            async with self._container.connection() as connection:
                await api_keys.note_use(connection, self._container.clock, key_id)
        except Unavailable:
            _log.debug("use of a key not noted")


def _from_headers(event: Event) -> str | None:
    """What an ``Authorization: Bearer`` or ``X-API-Key`` header holds; gateways differ in the case of their names."""
    headers = {str(name).lower(): str(value) for name, value in (event.get("headers") or {}).items()}
    if authorization := headers.get("authorization", "").strip():
        scheme, _, credential = authorization.partition(" ")
        return credential.strip() if scheme.lower() == "bearer" else None
    return headers.get("x-api-key", "").strip() or None
