"""The client for asyncio, which also has the live streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx2

from fullon_client import wire
from fullon_client.calls import Call, Page, raw
from fullon_client.client import TIMEOUT_SECONDS
from fullon_client.errors import ClientError, NotAuthenticated
from fullon_client.operations import auth
from fullon_client.retries import Retries
from fullon_client.session import Credential, Tokens
from fullon_client.streams import Subscription, Topic

T = TypeVar("T")
Item = TypeVar("Item")


class AsyncClient:
    """What :class:`fullon_client.Client` is, for asyncio; and :meth:`subscribe`.

    Tasks may share one; if several find out at once that the token ends, one renews it and the others wait.

    Args:
        socket_url: of the WebSocket API, where it is not ``/ws`` beside the HTTP API.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        tokens: Tokens | None = None,
        on_tokens: Callable[[Tokens | None], None] | None = None,
        timeout: float = TIMEOUT_SECONDS,
        retries: Retries | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
        socket_url: str | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self.socket_url = socket_url or wire.socket_address(url)
        self.credential = Credential(api_key, tokens, on_tokens)
        self._retries = retries or Retries()
        self._http = httpx2.AsyncClient(timeout=timeout, transport=transport, **wire.options_of(url))
        self._renewing = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connections; the session at the platform stays."""
        await self._http.aclose()

    async def log_in(self, mail: str, password: str) -> Tokens:
        """Open a session; raises NotAuthenticated or TooManyRequests."""
        return self.credential.take(await self.send(auth.log_in(mail, password)))

    async def log_out(self) -> None:
        """End the session at the platform and forget it here."""
        await self.send(auth.log_out())
        self.credential.forget()

    async def send(self, call: Call[T]) -> T:
        """Send a call and give its result; raises like :meth:`fullon_client.Client.send`."""
        prepared, attempt = call.prepared(), 1
        while True:
            try:
                return prepared.read(wire.content_of(await self._exchange(prepared)))
            except ClientError as error:
                pause = self._retries.pause(attempt, prepared, error)
                if pause is None:
                    raise
            await asyncio.sleep(pause)
            attempt += 1

    async def each(self, call: Call[Page[Item]]) -> AsyncIterator[Item]:
        """All items of a list, page by page; the next page is fetched when the one before is used up."""
        while True:
            page = await self.send(call)
            for item in page.items:
                yield item
            if page.next_cursor is None:
                return
            call = call.after(page.next_cursor)

    async def request(
        self,
        method: str,
        path: str,
        *,
        parameters: Mapping[str, object] | None = None,
        body: Any = None,
        key: str | None = None,
    ) -> Any:
        """Any operation, by method and path; gives JSON, text or bytes. Raises like :meth:`send`."""
        return await self.send(raw(method, path, parameters=parameters or {}, body=body, key=key))

    def subscribe(self, *topics: Topic, on_notice: Callable[[str], None] | None = None) -> Subscription:
        """Live values of topics, on a connection of their own; see :class:`Subscription`."""
        return Subscription(self.socket_url, self._ticket, topics, on_notice)

    async def _ticket(self) -> str:
        return (await self.send(auth.ticket())).ticket

    async def _exchange(self, call: Call[Any]) -> httpx2.Response:
        if call.is_public or not self.credential.can_renew:
            return await self._once(call)
        if self.credential.is_ending:
            await self._renew(self.credential.tokens)
        used = self.credential.tokens
        answer = await self._once(call)
        if wire.is_refused(answer):
            await self._renew(used)
            answer = await self._once(call)
        return answer

    async def _renew(self, used: Tokens | None) -> None:
        async with self._renewing:
            if self.credential.tokens is not used:  # somebody else has renewed meanwhile
                if self.credential.tokens is None:
                    raise NotAuthenticated(401, "session_ended", "The session has ended.")
                return
            assert used is not None
            answer = await self._once(auth.renew(used.refresh))
            if problem := wire.ended(answer):
                raise problem
            self.credential.take(wire.content_of(answer))

    async def _once(self, call: Call[Any]) -> httpx2.Response:
        try:
            return await self._http.request(**wire.request_of(call, self.credential))
        except httpx2.HTTPError as error:
            raise wire.failure_of(error, self.url) from error
