"""Public addresses: the index, the machine-readable documents and the pages."""

from __future__ import annotations

import tomllib
from functools import cache
from typing import Any

import orjson
from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

import fullon
from fullon.kernel.errors import NotFound
from fullon.runtime.problems import responses
from functions.docs import pages
from functions.docs.schemas import Index

router = APIRouter()
_PAGE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/html": {"example": "<!doctype html>…"}}, "description": "A page."}
}
_FILE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/css": {"example": "body {}"}}, "description": "A file."}
}
_HEADERS = {"Content-Security-Policy": pages.CONTENT_SECURITY_POLICY, "X-Content-Type-Options": "nosniff"}


@cache
def _document(name: str) -> bytes:
    return (pages.HERE / name).read_bytes()


@cache
def _parsed(name: str) -> Any:
    return orjson.loads(_document(name))


@cache
def _problems() -> dict[str, dict[str, Any]]:
    return tomllib.loads(_document("problems.toml").decode())


@router.get("/", operation_id="get_index", summary="Service, version and links", response_model=Index)
async def index() -> Index:
    return Index(
        service="fullon",
        version=fullon.__version__,
        links={
            "docs": "/docs",
            "reference": "/redoc",
            "openapi": "/openapi.json",
            "asyncapi": "/asyncapi.json",
            "websocket": "/ws",
            "health": "/health",
            "ready": "/health/ready",
        },
    )


@router.get(
    "/openapi.json",
    operation_id="get_openapi",
    summary="The merged OpenAPI 3.1 document",
    response_model=dict[str, Any],
    responses={200: {"content": {"application/json": {"example": {"openapi": "3.1.0", "info": {"title": "Fullon"}}}}}},
)
async def openapi() -> Response:
    return Response(_document("openapi.json"), media_type="application/json")


@router.get(
    "/asyncapi.json",
    operation_id="get_asyncapi",
    summary="The AsyncAPI 3 document of the WebSocket",
    response_model=dict[str, Any],
    responses={200: {"content": {"application/json": {"example": {"asyncapi": "3.0.0", "info": {"title": "Fullon"}}}}}},
)
async def asyncapi() -> Response:
    return Response(_document("asyncapi.json"), media_type="application/json")


@router.get(
    "/docs", operation_id="get_docs", summary="Try every operation", response_class=HTMLResponse, responses=_PAGE
)
async def docs() -> Response:
    return _html(pages.swagger())


@router.get(
    "/redoc", operation_id="get_redoc", summary="The reference in columns", response_class=HTMLResponse, responses=_PAGE
)
async def redoc() -> Response:
    return _html(pages.redoc())


@router.get(
    "/docs/websocket",
    operation_id="get_websocket_docs",
    summary="The WebSocket, channel by channel",
    response_class=HTMLResponse,
    responses=_PAGE,
)
async def websocket() -> Response:
    return _html(pages.websocket(_parsed("asyncapi.json")))


@router.get(
    "/docs/problems",
    operation_id="get_problems",
    summary="Every kind of problem",
    response_class=HTMLResponse,
    responses=_PAGE,
)
async def problems() -> Response:
    return _html(pages.problems_index(_problems()))


@router.get(
    "/docs/problems/{code}",
    operation_id="get_problem",
    summary="What one kind of problem means and what to do",
    response_class=HTMLResponse,
    responses=_PAGE | responses(404),
)
async def problem(code: str) -> Response:
    page = pages.problem(code, _problems())
    if page is None:
        raise NotFound("There is no page for this problem.")
    return _html(page)


@router.get(
    "/docs/assets/{name}",
    operation_id="get_asset",
    summary="Scripts and styles of the pages",
    response_class=Response,
    responses=_FILE | responses(404),
)
async def asset(name: str) -> Response:
    path = pages.asset(name)
    if path is None:
        raise NotFound("There is no such file.")
    return Response(
        path.read_bytes(),
        media_type=pages.MEDIA_TYPES[path.suffix],
        headers={"Cache-Control": "public, max-age=86400", "X-Content-Type-Options": "nosniff"},
    )


def _html(page: str) -> HTMLResponse:
    return HTMLResponse(page, headers=_HEADERS)
