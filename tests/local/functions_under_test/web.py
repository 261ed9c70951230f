"""A FastAPI application behind Mangum, as the domain functions are."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response

from fullon.runtime.aws_lambda import http_handler

app = FastAPI(openapi_url=None)


@app.get("/api/v1/web/hello")
async def hello() -> dict[str, str]:
    """A small JSON answer."""
    return {"hello": "world"}


@app.post("/api/v1/web/form")
async def form(request: Request) -> dict[str, str]:
    """The fields of a form, which travels base64-encoded."""
    return {name: str(value) for name, value in dict(_pairs(await request.body())).items()}


@app.get("/api/v1/web/image")
async def image() -> Response:
    """A binary answer."""
    return Response(b"\x89PNG\r\n\x1a\n\x00\xff", media_type="image/png")


@app.get("/api/v1/web/cookies")
async def cookies(request: Request) -> Response:
    """Two cookies in an answer that shows those of the request."""
    response = Response(f"{request.cookies}")
    response.set_cookie("first", "1")
    response.set_cookie("second", "2")
    return response


@app.get("/api/v1/web/echo/{rest:path}")
async def echo(rest: str, request: Request) -> dict[str, Any]:
    """What arrived."""
    return {"rest": rest, "query": request.query_params.multi_items(), "headers": dict(request.headers)}


def _pairs(body: bytes) -> list[tuple[str, str]]:
    from urllib.parse import parse_qsl

    return parse_qsl(body.decode())


handler = http_handler(app)
