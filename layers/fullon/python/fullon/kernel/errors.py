"""The error tree, ordered by what the caller can do about it.

FullonError
├── Invalid           mend the request
├── Unauthenticated   log in
├── Forbidden         ask someone with more rights
├── NotFound          look elsewhere (foreign rows answer exactly the same)
├── Conflict          look at the present state first
├── LimitExceeded     slow down, then again
├── Unavailable       again later
├── TimedOut          again later; the outcome is not known
└── Corrupt           stop: stored data breaks a rule

Errors carry facts. Their HTTP status stands in one table at the HTTP edge, :mod:`fullon.runtime.problems`.
"""

from __future__ import annotations

from typing import ClassVar


class FullonError(Exception):
    """Base of everything the product raises on purpose.

    Args:
        detail: one plain sentence for the person who reads the answer; never an exception text or a secret.
        code: stable slug; the class has a default.
        facts: values that belong to the error (JSON-compatible), shown in the answer and the log.
    """

    default_code: ClassVar[str] = "error"

    def __init__(self, detail: str, *, code: str | None = None, **facts: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or self.default_code
        self.facts = facts


class Invalid(FullonError):
    """The request breaks a rule; ``fields`` names the places."""

    default_code = "invalid"

    def __init__(
        self, detail: str, *, code: str | None = None, fields: dict[str, str] | None = None, **facts: object
    ) -> None:
        super().__init__(detail, code=code, **facts)
        self.fields = fields or {}


class Unauthenticated(FullonError):
    """Who is calling is not known, or no longer trusted."""

    default_code = "unauthenticated"


class Forbidden(FullonError):
    """The caller is known and may not do this."""

    default_code = "forbidden"


class NotFound(FullonError):
    """There is no such thing for this caller."""

    default_code = "not_found"


class Conflict(FullonError):
    """The present state does not allow it."""

    default_code = "conflict"


class LimitExceeded(FullonError):
    """Too much, too fast; ``retry_after`` is in seconds."""

    default_code = "limit_exceeded"

    def __init__(self, detail: str, *, retry_after: int, code: str | None = None, **facts: object) -> None:
        super().__init__(detail, code=code, **facts)
        self.retry_after = retry_after


class Unavailable(FullonError):
    """Something this needs is down; trying again later is safe."""

    default_code = "unavailable"

    def __init__(self, detail: str, *, retry_after: int = 2, code: str | None = None, **facts: object) -> None:
        super().__init__(detail, code=code, **facts)
        self.retry_after = retry_after


class TimedOut(FullonError):
    """No answer in time; whether it happened is unknown."""

    default_code = "timed_out"


class Corrupt(FullonError):
    """Stored data breaks an invariant: stop and look."""

    default_code = "corrupt"
