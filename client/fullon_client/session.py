"""The pair of tokens that a log-in gives, and when it is renewed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fullon_client.errors import UnexpectedAnswer

RENEW_BEFORE_SECONDS = 30.0
"""So long before its end an access token is renewed ahead of a call."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """A session. Keep it like a password; a refresh token serves once.

    Attributes:
        expires_at: of the access token, epoch seconds by this machine's clock.
    """

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    expires_at: float

    @classmethod
    def of(cls, answer: Any, now: float) -> Tokens:
        """From the answer to a log-in or a renewal; raises UnexpectedAnswer."""
        try:
            return cls(str(answer["access_token"]), str(answer["refresh_token"]), now + float(answer["expires_in"]))
        except (KeyError, TypeError, ValueError):
            raise UnexpectedAnswer("The answer to the log-in holds no tokens.") from None

    def is_ending(self, now: float) -> bool:
        """Whether it is time to renew."""
        return self.expires_at - now < RENEW_BEFORE_SECONDS


@dataclass(slots=True)
class Credential:
    """What a client presents: an API key, or the tokens of a session, which change.

    Attributes:
        on_tokens: called with each new pair, and with None when the session was ended, to keep it somewhere.
    """

    api_key: str | None = field(default=None, repr=False)
    tokens: Tokens | None = field(default=None, repr=False)
    on_tokens: Callable[[Tokens | None], None] | None = None
    clock: Callable[[], float] = time.time

    def headers(self) -> Mapping[str, str]:
        """Of a request; empty without a credential."""
        if self.api_key is not None:
            return {"X-API-Key": self.api_key}
        return {} if self.tokens is None else {"Authorization": f"Bearer {self.tokens.access}"}

    @property
    def is_ending(self) -> bool:
        """Whether tokens should be renewed before the next call."""
        return self.api_key is None and self.tokens is not None and self.tokens.is_ending(self.clock())

    @property
    def can_renew(self) -> bool:
        """Whether there is something to renew."""
        return self.api_key is None and self.tokens is not None

    def take(self, answer: Any) -> Tokens:
        """Keep the pair of an answer."""
        self.tokens = Tokens.of(answer, self.clock())
        if self.on_tokens is not None:
            self.on_tokens(self.tokens)
        return self.tokens

    def forget(self) -> None:
        """There is no session any more."""
        self.tokens = None
        if self.on_tokens is not None:
            self.on_tokens(None)
