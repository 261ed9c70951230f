"""Cross-origin requests, as an HTTP API with a CORS configuration treats them.

Source: API Gateway Developer Guide, "Configure CORS for HTTP APIs": the gateway answers preflight requests itself, and
replaces whatever CORS headers a function sends. Answers carry credentials, so the origins are an explicit list. In
the cloud the dashboard and the API share one domain and the list is empty.
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

from fullon.kernel.errors import Invalid
from fullon.runtime.gateway.responses import Headers, HttpResponse

_METHODS = b"GET,HEAD,POST,PUT,PATCH,DELETE,OPTIONS"
_REQUEST_HEADERS = b"authorization,content-type,if-none-match,idempotency-key,x-api-key,x-request-id"
_EXPOSED_HEADERS = (
    b"apigw-requestid,content-disposition,etag,idempotency-replayed,ratelimit-limit,ratelimit-remaining,"
    b"ratelimit-reset,retry-after,x-request-id"
)
_MAX_AGE_SECONDS = b"600"
_PREFIX = b"access-control-"


class CorsPolicy:
    """Which origins may read answers; without origins it does nothing.

    Raises ``Invalid`` for ``*`` and for what is not an origin like ``https://example.com``.
    """

    def __init__(self, origins: Iterable[str]) -> None:
        self._origins = {_checked(origin).encode() for origin in origins}

    def preflight(self, method: str, headers: dict[str, str]) -> HttpResponse | None:
        """The answer to a preflight request, or None when the request is another one."""
        if not self._origins or method != "OPTIONS" or "access-control-request-method" not in headers:
            return None
        origin = headers.get("origin", "").encode("latin-1", "replace")
        allowed = self._allow(origin)
        if len(allowed) > 1:
            allowed += [
                (b"access-control-allow-methods", _METHODS),
                (b"access-control-allow-headers", _REQUEST_HEADERS),
                (b"access-control-max-age", _MAX_AGE_SECONDS),
            ]
        return HttpResponse(204, allowed, b"")

    def apply(self, response: HttpResponse, headers: dict[str, str]) -> None:
        """Give a response the CORS headers that its request's origin deserves."""
        if not self._origins:
            return
        response.headers = [header for header in response.headers if not header[0].startswith(_PREFIX)]
        allowed = self._allow(headers.get("origin", "").encode("latin-1", "replace"))
        if len(allowed) > 1:
            allowed.append((b"access-control-expose-headers", _EXPOSED_HEADERS))
        response.headers += allowed

    def _allow(self, origin: bytes) -> Headers:
        vary: Headers = [(b"vary", b"Origin")]
        if origin not in self._origins:
            return vary
        allow = [(b"access-control-allow-origin", origin), (b"access-control-allow-credentials", b"true")]
        return [*vary, *allow]


def _checked(origin: str) -> str:
    if origin == "*":
        raise Invalid("CORS_ORIGINS must list the origins; * is refused because answers carry credentials.")
    parts = urlsplit(origin)
    if parts.scheme not in {"http", "https"} or not parts.netloc or origin != f"{parts.scheme}://{parts.netloc}":
        raise Invalid(f"CORS_ORIGINS has {origin!r}, which is not an origin like https://example.com.")
    return origin
