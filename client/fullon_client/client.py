"""The client for ordinary programs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx2

from fullon_client import wire
from fullon_client.calls import Call, Page, raw
from fullon_client.errors import ClientError, NotAuthenticated
from fullon_client.operations import auth
from fullon_client.retries import Retries
from fullon_client.session import Credential, Tokens

T = TypeVar("T")
Item = TypeVar("Item")

TIMEOUT_SECONDS = 35.0


class Client:
    """Calls on behalf of somebody: of an API key, of tokens kept from before, or after :meth:`log_in`.

    Threads may share one. An access token is renewed shortly before it ends, or when it is refused; if several threads
    find out at once, one renews and the others wait for it.

    Args:
        url: of the platform, such as ``http://127.0.0.1:8000``.
        on_tokens: called with each new pair (None after a log-out), to keep the session for a later run.
        retries: when a call is sent again by itself; changes carry an ``Idempotency-Key``, so they happen once.
        transport: instead of the network.
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
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self.credential = Credential(api_key, tokens, on_tokens)
        self._retries = retries or Retries()
        self._http = httpx2.Client(timeout=timeout, transport=transport, **wire.options_of(url))
        self._renewing = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections; the session at the platform stays."""
        self._http.close()

    def log_in(self, mail: str, password: str) -> Tokens:
        """Open a session; raises NotAuthenticated or TooManyRequests."""
        return self.credential.take(self.send(auth.log_in(mail, password)))

    def log_out(self) -> None:
        """End the session at the platform and forget it here."""
        self.send(auth.log_out())
        self.credential.forget()

    def send(self, call: Call[T]) -> T:
        """Send a call and give its result.

        Raises:
            Unreachable: nobody answered, also not after the retries.
            Problem: the platform refused or failed; the subclass says which.
            UnexpectedAnswer: the answer cannot be read.
        """
        prepared, attempt = call.prepared(), 1
        while True:
            try:
                return prepared.read(wire.content_of(self._exchange(prepared)))
            except ClientError as error:
                pause = self._retries.pause(attempt, prepared, error)
                if pause is None:
                    raise
            time.sleep(pause)
            attempt += 1

    def each(self, call: Call[Page[Item]]) -> Iterator[Item]:
        """All items of a list, page by page; the next page is fetched when the one before is used up."""
        while True:
            page = self.send(call)
            yield from page.items
            if page.next_cursor is None:
                return
            call = call.after(page.next_cursor)

    def request(
        self,
        method: str,
        path: str,
        *,
        parameters: Mapping[str, object] | None = None,
        body: Any = None,
        key: str | None = None,
    ) -> Any:
        """Any operation, by method and path; gives JSON, text or bytes. Raises like :meth:`send`."""
        return self.send(raw(method, path, parameters=parameters or {}, body=body, key=key))

    def _exchange(self, call: Call[Any]) -> httpx2.Response:
        if call.is_public or not self.credential.can_renew:
            return self._once(call)
        if self.credential.is_ending:
            self._renew(self.credential.tokens)
        used = self.credential.tokens
        answer = self._once(call)
        if wire.is_refused(answer):
            self._renew(used)
            answer = self._once(call)
        return answer

    def _renew(self, used: Tokens | None) -> None:
        with self._renewing:
            if self.credential.tokens is not used:  # somebody else has renewed meanwhile
                if self.credential.tokens is None:
                    raise NotAuthenticated(401, "session_ended", "The session has ended.")
                return
            assert used is not None
            answer = self._once(auth.renew(used.refresh))
            if problem := wire.ended(answer):
                raise problem
            self.credential.take(wire.content_of(answer))

    def _once(self, call: Call[Any]) -> httpx2.Response:
        try:
            return self._http.request(**wire.request_of(call, self.credential))
        except httpx2.HTTPError as error:
            raise wire.failure_of(error, self.url) from error
