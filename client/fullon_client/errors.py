"""What can go wrong, by remedy.

::

    ClientError
    ├── Unreachable            nobody answered: refused, lost, or not in time; try again later
    ├── UnexpectedAnswer       an answer that is not what the platform's document promises
    └── Problem                the platform says what is wrong (RFC 9457)
        ├── NotAuthenticated   401: log in
        │   └── SessionEnded   the session cannot be renewed: log in again
        ├── NotAllowed         403: another role or scope is needed
        ├── NotFound           404: missing, or somebody else's
        ├── Conflict           409: look, then decide
        ├── NotValid           422: mend the request; `fields` names the places
        ├── TooManyRequests    429: wait for `retry_after`
        └── PlatformFailed     5xx: the platform's fault
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ClientError(Exception):
    """Everything this package raises. `detail` is a plain sentence."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class Unreachable(ClientError):
    """Nobody answered. Whether the platform did what was asked is not known.

    Attributes:
        timed_out: it was reached, or might have been, and did not answer in time.
    """

    def __init__(self, detail: str, *, timed_out: bool = False) -> None:
        super().__init__(detail)
        self.timed_out = timed_out


class UnexpectedAnswer(ClientError):
    """The answer cannot be read as what it should be: a proxy between, or a version that is too new."""


class Problem(ClientError):
    """A problem document, or an error answer without one.

    Attributes:
        status: of HTTP; of a refused frame the one it would have had.
        code: stable slug, ``error`` where the answer has none.
        fields: place in the request → what is wrong there.
        request_id: names the call in the platform's logs.
        retry_after: seconds, where the platform says so.
        facts: what else the document says, for example ``smallest``.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        fields: Mapping[str, str] | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.fields = dict(fields or {})
        self.request_id = request_id
        self.retry_after = retry_after
        self.facts = dict(facts or {})

    def __str__(self) -> str:
        places = "".join(
            f" {name}: {message.rstrip('.')}." for name, message in self.fields.items() if message != self.detail
        )
        request = f" [request {self.request_id}]" if self.request_id else ""
        return f"{self.detail}{places} ({self.status} {self.code}){request}"


class NotAuthenticated(Problem):
    """There is no credential, or it is not valid."""


class SessionEnded(NotAuthenticated):
    """The session was ended, or can no longer be renewed."""


class NotAllowed(Problem):
    """The role or the scopes of the credential do not allow it."""


class NotFound(Problem):
    """It is missing, or belongs to somebody else: the platform does not tell these apart."""


class Conflict(Problem):
    """It does not fit what is there."""


class NotValid(Problem):
    """The request breaks a rule."""


class TooManyRequests(Problem):
    """A budget is spent."""


class PlatformFailed(Problem):
    """The platform could not."""


def kind_of(status: int) -> type[Problem]:
    """The class of a status."""
    if status >= 500:
        return PlatformFailed
    return _KINDS.get(status, Problem)


_KINDS: Mapping[int, type[Problem]] = {
    401: NotAuthenticated,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    422: NotValid,
    429: TooManyRequests,
}
