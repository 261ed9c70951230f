"""``Idempotency-Key``: a mutating call that is sent twice is executed once, and answered the same both times.

A call claims its key before anything else happens. Its changes and the mark that it took effect are committed in one
transaction (:func:`take_effect`, called by :func:`fullon.runtime.audited.act`), so no crash, pause or lost answer makes
it happen twice. Decision record 0030.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import re
from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import asyncpg

from fullon.identity.errors import SessionEnded
from fullon.identity.model import Identity
from fullon.kernel.errors import Conflict, FullonError, Invalid
from fullon.runtime import kept_answers
from fullon.runtime.kept_answers import Claim, Kept

if TYPE_CHECKING:
    from fullon.identity.store import Connection
    from fullon.runtime.container import Container

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

HEADER = b"idempotency-key"
REPLAYED = (b"idempotency-replayed", b"true")
RETRY_SECONDS = 1

_KEY = re.compile(rb"[\x20-\x7e]{1,255}")
#: Belong to one answer, not to what was done.
_NOT_KEPT = {b"content-length", b"date", b"server", b"x-request-id", b"retry-after"}
#: Say something about the credential, not about the call: with a better one it may be tried again.
_OF_THE_CREDENTIAL = {401, 403}
_claim: ContextVar[Claim | None] = ContextVar("idempotency_claim", default=None)
_log = logging.getLogger("fullon.idempotency")


class InFlight(Conflict):
    """The first call with this key is still under way."""

    default_code = "idempotency_in_flight"
    retry_after = RETRY_SECONDS


async def take_effect(connection: Connection) -> None:
    """In the transaction of a mutating call: what it does is done for its key, if it has one.

    Raises:
        InFlight: the call took so long that another one has the key now; nothing of it may be committed.
    """
    claim = _claim.get()
    if claim is not None and not await kept_answers.mark(connection, claim):
        raise InFlight("Another call with this Idempotency-Key took over.")


def key_of(scope: Message) -> bytes | None:
    """The key of a request, None if it has none.

    Raises:
        Invalid: it is not one printable text of 1 to 255 characters.
    """
    given: list[bytes] = [value for name, value in scope["headers"] if name == HEADER]
    if not given:
        return None
    if len(given) > 1 or not _KEY.fullmatch(given[0]):
        raise Invalid(
            "The Idempotency-Key must be one text of 1 to 255 printable characters.",
            code="idempotency_key_invalid",
            fields={"Idempotency-Key": "1 to 255 printable ASCII characters"},
        )
    return given[0]


class KeyedCall:
    """One call with a key.

    Args:
        caller: confirmed.
        keeps_answers: False where answers hold secrets; then only the status is kept.
    """

    def __init__(self, container: Container, caller: Identity, key: bytes, *, keeps_answers: bool) -> None:
        self._container = container
        self._caller = caller
        self._key = key
        self._keeps_answers = keeps_answers

    async def run(self, app: App, scope: Message, receive: Receive, send: Send) -> None:
        """Let ``app`` answer, or answer what it answered before.

        Raises:
            Invalid: the key belongs to another request.
            Conflict: the first call is under way, its answer is lost or is not shown again.
        """
        body = await _whole(receive)
        operation = f"{scope['method']} {scope['path']}"
        fingerprint = _fingerprint(self._key, operation, scope["query_string"], body, self._caller)
        claim = await self._claimed(operation, fingerprint)
        if isinstance(claim, Kept):
            await _replay(claim, fingerprint, send)
            return
        answer = await self._executed(claim, app, scope, _again(body, receive))
        for message in answer:
            await send(message)

    async def _claimed(self, operation: str, fingerprint: bytes) -> Claim | Kept:
        hashed = hashlib.sha256(self._key).hexdigest()
        try:
            async with self._container.connection() as connection:
                found = await kept_answers.claim(
                    connection, self._caller.user_id, hashed, operation, fingerprint, self._container.clock.now()
                )
        except asyncpg.ForeignKeyViolationError as error:  # the user was removed a moment ago
            raise SessionEnded from error
        if found is None:
            raise InFlight("The first call with this Idempotency-Key is still under way.")
        return found

    async def _executed(self, claim: Claim, app: App, scope: Message, receive: Receive) -> list[Message]:
        answer: list[Message] = []

        async def collect(message: Message) -> None:
            answer.append(message)

        before = _claim.set(claim)
        status = 500
        try:
            await app(scope, receive, collect)
            status = answer[0]["status"] if answer else 500
        finally:
            _claim.reset(before)
            # Also when the request is cancelled: the claim would else stand until its time is over.
            await asyncio.shield(self._settle(claim, status, answer))
        return answer

    async def _settle(self, claim: Claim, status: int, answer: list[Message]) -> None:
        try:
            async with self._container.connection() as connection:
                if status >= 500 or status in _OF_THE_CREDENTIAL:
                    await kept_answers.give_up(connection, claim, status)
                    return
                headers: list[tuple[bytes, bytes]] = [tuple(pair) for pair in answer[0].get("headers", ())]
                is_shown_again = self._keeps_answers and not _holds_secrets(headers)
                kept = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in headers if n.lower() not in _NOT_KEPT]
                body = b"".join(message.get("body", b"") for message in answer[1:])
                await kept_answers.keep(
                    connection, claim, status, kept if is_shown_again else [], body if is_shown_again else None
                )
        except (FullonError, asyncpg.PostgresError) as error:
            # What was done is done and marked; the caller gets the answer, a second call hears that it is lost.
            _log.warning("answer not kept", extra={"cause": repr(error)})


async def _replay(kept: Kept, fingerprint: bytes, send: Send) -> None:
    if not hmac.compare_digest(kept.request_hash, fingerprint):
        raise Invalid(
            "This Idempotency-Key was used for another request.",
            code="idempotency_key_reused",
            fields={"Idempotency-Key": "used for another request"},
        )
    if kept.status is None and not kept.is_over:
        raise InFlight("The first call with this Idempotency-Key is still under way.")
    if kept.status is None or kept.status >= 500:
        raise Conflict(
            "The call with this Idempotency-Key took effect, but its answer is lost; look at the present state.",
            code="idempotency_answer_lost",
        )
    if kept.body is None:
        raise Conflict(
            f"The call with this Idempotency-Key was answered with status {kept.status}; the answer is shown once.",
            code="idempotency_shown_once",
            answered=kept.status,
        )
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in kept.headers]
    if kept.status != 204:
        headers.append((b"content-length", str(len(kept.body)).encode()))
    await send({"type": "http.response.start", "status": kept.status, "headers": [*headers, REPLAYED]})
    await send({"type": "http.response.body", "body": kept.body})


def _fingerprint(key: bytes, operation: str, query: bytes, body: bytes, caller: Identity) -> bytes:
    """What makes two requests the same, what the credential may do included.

    Keyed with the client's key, of which only a hash is stored: what is stored says nothing about a password in a body.
    """
    parts = (operation.encode(), query, " ".join(sorted(caller.scopes)).encode(), body)
    lengths = b"".join(len(part).to_bytes(8, "big") for part in parts)
    return hmac.digest(key, lengths + b"".join(parts), "sha256")


def _holds_secrets(headers: list[tuple[bytes, bytes]]) -> bool:
    return any(
        (name.lower() == b"cache-control" and b"no-store" in value.lower()) or name.lower() == b"set-cookie"
        for name, value in headers
    )


async def _whole(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b"".join(parts)  # the client left: what came is what counts, as for a call without a key
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    given = False

    async def replayed() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed
