"""Answers that the gateway makes itself.

API Gateway answers ``{"message": "Not Found"}``. Here the same member stands in a problem document (RFC 9457) like
those of the functions, so that a client reads one kind of error. Two further differences are on purpose: a crashed or
malformed integration is 502 (an HTTP API says 500), and a function over its timeout is 504 (an HTTP API says 500 or
503): what went wrong stays visible.
"""

from http import HTTPStatus

import orjson

from fullon.runtime.gateway.invocation import (
    FunctionNotFound,
    FunctionThrottled,
    FunctionTimedOut,
    InvokeFailure,
    RequestTooLarge,
)
from fullon.runtime.gateway.responses import Headers, HttpResponse
from fullon.runtime.problems import CONTENT_TYPE, problem

RETRY_AFTER_SECONDS = b"1"

_AWS_MESSAGES = {413: "Request Entity Too Large", 504: "Endpoint request timed out"}


def answer(status: int, code: str, detail: str, request_id: str, headers: Headers | None = None) -> HttpResponse:
    """A problem document with the message that API Gateway gives for ``status``."""
    message = _AWS_MESSAGES.get(status) or HTTPStatus(status).phrase
    document = problem(status, code, detail, request_id, message=message)
    own = [(b"content-type", CONTENT_TYPE.encode()), (b"x-request-id", request_id.encode()), *(headers or [])]
    return HttpResponse(status, own, orjson.dumps(document))


def not_found(request_id: str) -> HttpResponse:
    """No route has this path and method."""
    return answer(404, "route_not_found", "There is nothing at this address.", request_id)


def unauthorized(request_id: str) -> HttpResponse:
    """The identity source is missing, so nobody was asked."""
    detail = "This needs a bearer token or an API key."
    return answer(401, "unauthenticated", detail, request_id, [(b"www-authenticate", b"Bearer")])


def forbidden(request_id: str) -> HttpResponse:
    """The authorizer refused the credential."""
    return answer(403, "credential_refused", "The token or API key is not valid, or has ended.", request_id)


def too_large(request_id: str) -> HttpResponse:
    """The body is over what a function can be given."""
    return answer(413, "too_large", "The request is over 6 MB.", request_id)


def authorizer_failed(request_id: str) -> HttpResponse:
    """The authorizer gave no usable decision."""
    return answer(500, "authorizer_failed", "Who is calling could not be checked; it has been logged.", request_id)


def internal(request_id: str) -> HttpResponse:
    """The gateway itself is at fault."""
    return answer(500, "internal_error", "Something went wrong here; it has been logged.", request_id)


def malformed(function: str, request_id: str) -> HttpResponse:
    """The function's answer is not a response."""
    return answer(502, "bad_function_answer", f"The function {function} gave no usable answer.", request_id)


def failed(failure: InvokeFailure, request_id: str) -> HttpResponse:
    """The function gave no answer; nothing of its exception is shown."""
    name = failure.function
    if isinstance(failure, RequestTooLarge):
        return too_large(request_id)
    if isinstance(failure, FunctionTimedOut):
        return answer(504, failure.code, f"The function {name} did not answer in time.", request_id)
    if isinstance(failure, FunctionThrottled):
        detail = f"The function {name} is busy; try again shortly."
        return answer(503, failure.code, detail, request_id, [(b"retry-after", RETRY_AFTER_SECONDS)])
    status = 500 if isinstance(failure, FunctionNotFound) else 502
    return answer(status, failure.code, f"The function {name} gave no answer; the reason is in its log.", request_id)
