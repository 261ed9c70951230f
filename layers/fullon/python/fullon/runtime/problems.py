"""Errors as RFC 9457 problem documents, and the one table that gives an error of the tree its HTTP status."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from fullon.fleet.errors import WrongState
from fullon.kernel import errors

CONTENT_TYPE = "application/problem+json"
TYPE_PREFIX = "/docs/problems/"

STATUS: dict[type[errors.FullonError], int] = {
    errors.Invalid: 422,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    WrongState: 400,
    errors.LimitExceeded: 429,
    errors.Unavailable: 503,
    errors.TimedOut: 504,
    errors.Corrupt: 500,
}

TITLES = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Too large",
    415: "Unsupported media type",
    422: "Not valid",
    429: "Too many requests",
    500: "Internal error",
    502: "Bad gateway",
    503: "Unavailable",
    504: "Timed out",
}


class FieldProblem(BaseModel):
    """One place in the request that breaks a rule."""

    field: str = Field(examples=["limit"])
    message: str = Field(examples=["Input should be less than or equal to 1000"])


class Problem(BaseModel):
    """An error answer (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(
        description="Address of the page that explains this kind of problem.",
        examples=["/docs/problems/not_found"],
    )
    title: str = Field(examples=["Not found"])
    status: int = Field(examples=[404])
    detail: str = Field(description="A plain sentence.", examples=["There is no such symbol."])
    code: str = Field(description="Stable slug.", examples=["not_found"])
    request_id: str = Field(examples=["0199f1c2-8a52-7c5e-b6f5-1c5b0f8b1a11"])
    errors: list[FieldProblem] | None = Field(default=None, description="On 422: the places.")


def status_of(error: errors.FullonError) -> int:
    """HTTP status of an error of the tree."""
    for kind in type(error).__mro__:
        if kind in STATUS:
            return STATUS[kind]
    return 500


def problem(
    status: int,
    code: str,
    detail: str,
    request_id: str,
    fields: dict[str, str] | None = None,
    **facts: object,
) -> dict[str, object]:
    """The document itself. Facts are added beside the standard members and never replace one."""
    document: dict[str, object] = dict(facts)
    document.update(
        type=TYPE_PREFIX + code,
        title=TITLES.get(status, "Error"),
        status=status,
        detail=detail,
        code=code,
        request_id=request_id,
    )
    if fields:
        document["errors"] = [{"field": name, "message": message} for name, message in fields.items()]
    return document


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For a route's ``responses``: these statuses answer with a problem document."""
    return {
        status: {
            "model": Problem,
            "description": TITLES.get(status, "Error"),
            "content": {CONTENT_TYPE: {"example": _example(status)}},
        }
        for status in sorted(statuses)
    }


def _example(status: int) -> dict[str, object]:
    code, detail = _EXAMPLES.get(status, ("error", "The request could not be served."))
    fields = {"limit": "Input should be less than or equal to 1000"} if status == 422 else None
    return problem(status, code, detail, "0199f1c2-8a52-7c5e-b6f5-1c5b0f8b1a11", fields)


_EXAMPLES = {
    400: ("already_running", "The service ticker is already running."),
    401: ("session_ended", "This session has ended; log in again."),
    403: ("forbidden", "This needs the role admin."),
    404: ("not_found", "There is no such thing."),
    409: ("conflict", "The name is taken."),
    422: ("invalid", "The request is not valid: limit."),
    429: ("limit_exceeded", "Too many attempts; try again in 60 seconds."),
    503: ("database_down", "The database cannot be reached; try again shortly."),
    504: ("timed_out", "There was no answer in time."),
}
