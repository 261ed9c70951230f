"""The HTTP edge of every domain function: a FastAPI app with problem answers, request ids and the identity.

Identity comes from the authorizer's context in the gateway event and from nowhere else; an app that is called
without one refuses. Handlers and dependencies are ``async def`` (a plain one costs a thread hop), middleware is
plain ASGI.
"""

from __future__ import annotations

import hmac
import ipaddress
import logging as standard_logging
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from fullon.identity.errors import LoginRequired
from fullon.identity.model import Identity, Kind, Role, Scope
from fullon.kernel.clock import Clock
from fullon.kernel.errors import Forbidden, FullonError, Invalid, LimitExceeded, Unauthenticated, Unavailable
from fullon.kernel.ids import new_id
from fullon.runtime import calls, logging, metrics, tracing
from fullon.runtime.container import DATABASE_DOWN, Container
from fullon.runtime.idempotency import InFlight
from fullon.runtime.problems import CONTENT_TYPE, problem, responses, status_of

Message = MutableMapping[str, Any]
ASGIApp = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]

#: Header in which the content network in front says where the caller sits.
VIEWER_ADDRESS = "x-viewer-address"
#: Header by which it proves to be that network.
ORIGIN_PROOF = "x-origin-proof"

_log = standard_logging.getLogger("fullon.http")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._=+/-]{1,128}")
_GENERIC_CODES = {
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
}


def create_app(name: str, title: str, container: Container, *routers: APIRouter, version: str = "1") -> FastAPI:
    """A domain's app.

    Args:
        name: the function's name in the manifest; tags its operations.
        title: a few words for the documents.
        container: settings and stores; handlers reach it through :func:`get_container`.
        routers: the domain's routes, with their full paths.
    """
    app = FastAPI(
        title=title,
        version=version,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=responses(422, 500, 503),
        telemetry={"metrics": False, "logs": False, "exclude": lambda _: not tracing.is_recording()},
    )
    app.state.container = container
    for router in routers:
        app.include_router(router, tags=[name])
    app.add_exception_handler(FullonError, _on_error)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)
    for kind in DATABASE_DOWN:
        # Outside a store's own block only a broken connection means the database: a missing file is an error of ours.
        app.add_exception_handler(ConnectionError if kind is OSError else kind, _on_database_down)
    app.add_middleware(calls.Calls, container=container, name=name, refuse=_refuse)
    app.add_middleware(Edge, clock=container.clock, component=name)
    return app


class Edge:
    """Outermost layer of every app.

    Gives each request an id, one log line and its place in the metrics, serves an address with and without a trailing
    slash alike, and lets no unexpected error out.
    """

    def __init__(self, app: ASGIApp, clock: Clock, component: str | None = None) -> None:
        self._app = app
        self._clock = clock
        self._component = component

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        logging.clear()
        logging.bind(request_id=request_id, trace_id=tracing.trace_id())
        scope.setdefault("state", {})["request_id"] = request_id
        path = scope["path"]
        if len(path) > 1 and path.endswith("/"):
            scope["path"] = path.rstrip("/") or "/"
        started = self._clock.monotonic()
        status = 500
        answered = False

        async def send_with_id(message: Message) -> None:
            nonlocal status, answered
            if message["type"] == "http.response.start":
                status, answered = message["status"], True
                added = scope["state"].get("headers", {})
                message["headers"] = [
                    *message.get("headers", ()),
                    *((name.lower().encode(), value.encode()) for name, value in added.items()),
                    (b"x-request-id", request_id.encode()),
                ]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:  # noqa: BLE001 - the last line of defence: logged whole, answered without a word of it
            _log.exception("request failed", extra={"path": path})
            if not answered:
                answer = _answer(500, "internal_error", "Something went wrong here; it has been logged.", request_id)
                await answer(scope, receive, send_with_id)
        finally:
            duration = (self._clock.monotonic() - started) * 1000
            metrics.request_done(duration, failed=status >= 500, component=self._component)
            facts = {"method": scope["method"], "path": path, "status": status, "duration_ms": round(duration, 2)}
            logging.canonical(_log, "request", facts, self._component)


async def get_container(request: Request) -> Container:
    """The container of the app that serves ``request``."""
    container: Container = request.app.state.container
    return container


async def current_identity(request: Request) -> Identity:
    """Who is calling, from the authorizer's context, confirmed against the session's present state.

    Raises:
        Unauthenticated: there is no such context, or the session, key or user has ended since.
    """
    presented = calls.presented(request.scope)
    if presented is None:
        raise Unauthenticated("This needs a bearer token or an API key.")
    identity = await calls.confirmed(request.scope, await get_container(request), presented)
    logging.bind(user_id=str(identity.user_id))
    return identity


def require(scope: Scope, *, role: Role | None = None) -> Callable[..., Awaitable[Identity]]:
    """A dependency that lets in callers whose credential has ``scope`` (and who have ``role``)."""

    async def dependency(identity: Annotated[Identity, Depends(current_identity)]) -> Identity:
        if role is not None and identity.role is not role:
            raise Forbidden(f"This needs the role {role.value}.", required_role=role.value)
        if scope not in identity.scopes:
            raise Forbidden(f"This credential lacks the scope {scope.value}.", required_scope=scope.value)
        return identity

    return dependency


def require_login(what: str) -> Callable[..., Awaitable[Identity]]:
    """A dependency that lets in people, not programs: ``what`` needs a session that began with a password."""

    async def dependency(identity: Annotated[Identity, Depends(require(Scope.READ))]) -> Identity:
        if identity.kind is not Kind.JWT:
            raise LoginRequired(what)
        return identity

    return dependency


Stores = Annotated[Container, Depends(get_container)]
Caller = Annotated[Identity, Depends(require(Scope.READ))]
TradingCaller = Annotated[Identity, Depends(require(Scope.TRADE))]
AdminCaller = Annotated[Identity, Depends(require(Scope.ADMIN, role=Role.ADMIN))]


def add_headers(request: Request, **headers: str) -> None:
    """Put headers (``RateLimit_Limit="5"``) on whatever answer this request gets, a problem included."""
    added = request.scope["state"].setdefault("headers", {})
    added.update({name.replace("_", "-"): value for name, value in headers.items()})


def source_address(request: Request) -> str:
    """The caller's address: as the content network in front saw it, if it proves to be that, else as the gateway did.

    Behind a content network the gateway sees only the network's own servers. The network therefore puts the viewer's
    address into :data:`VIEWER_ADDRESS` (replacing what the client may have put there), and a secret of the settings
    into :data:`ORIGIN_PROOF`. Without that secret no header is believed.
    """
    event = request.scope.get("aws.event") or {}
    address = _viewer_address(request) or event.get("requestContext", {}).get("http", {}).get("sourceIp")
    if address:
        return str(address)
    return request.client.host if request.client else "unknown"


def _viewer_address(request: Request) -> str | None:
    expected = request.app.state.container.settings.origin_secret
    given = request.headers.get(ORIGIN_PROOF)
    if expected is None or given is None:
        return None
    if not hmac.compare_digest(given.encode(), expected.get_secret_value().encode()):
        return None
    try:
        return str(ipaddress.ip_address(request.headers.get(VIEWER_ADDRESS, "")))
    except ValueError:
        return None


def _request_id(scope: Message) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(text := value.decode("latin-1")):
            return str(text)
    event = scope.get("aws.event") or {}
    given = event.get("requestContext", {}).get("requestId")
    return str(given or new_id())


def _answer(
    status: int,
    code: str,
    detail: str,
    request_id: str,
    fields: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
    **facts: object,
) -> Response:
    body = orjson.dumps(problem(status, code, detail, request_id, fields, **facts), default=str)
    return Response(body, status_code=status, media_type=CONTENT_TYPE, headers=headers)


async def _refuse(scope: Message, error: FullonError) -> Response:
    return await _on_error(Request(scope), error)


async def _on_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, FullonError)
    status = status_of(error)
    headers: dict[str, str] = {}
    if isinstance(error, LimitExceeded | Unavailable | InFlight):
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, LimitExceeded) and "limit" in error.facts:
        add_headers(
            request,
            RateLimit_Limit=str(error.facts["limit"]),
            RateLimit_Remaining="0",
            RateLimit_Reset=str(error.retry_after),
        )
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    if status >= 500:
        _log.warning("refused", extra={"code": error.code, "cause": repr(error.__cause__)})
    fields = error.fields if isinstance(error, Invalid) else None
    return _answer(status, error.code, error.detail, request.state.request_id, fields, headers, **error.facts)


async def _on_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    fields: dict[str, str] = {}
    for item in error.errors():
        place = ".".join(str(part) for part in item["loc"][1:]) or str(item["loc"][0])
        fields[place] = str(item["msg"]).removeprefix("Value error, ")
    detail = f"The request is not valid: {', '.join(fields)}."
    return _answer(422, "invalid", detail, request.state.request_id, fields)


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = _GENERIC_CODES.get(error.status_code, "error")
    details = {
        404: "There is nothing at this address.",
        405: f"{request.method} is not allowed at this address.",
        413: "The body is too large.",
        415: "This content type is not understood here.",
    }
    detail = details.get(error.status_code, "The request could not be served.")
    return _answer(error.status_code, code, detail, request.state.request_id, None, dict(error.headers or {}))


async def _on_database_down(request: Request, error: Exception) -> Response:
    return await _on_error(
        request,
        _with_cause(Unavailable("The database cannot be reached; try again shortly.", code="database_down"), error),
    )


def _with_cause(error: FullonError, cause: Exception) -> FullonError:
    error.__cause__ = cause
    return error
