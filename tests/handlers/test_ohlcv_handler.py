"""The ohlcv function with real API Gateway events, each twice: the second finds a warm environment."""

from __future__ import annotations

import asyncio
import base64
import gzip
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest

from fullon.identity.model import Identity
from fullon.runtime import aws_lambda
from fullon.runtime.container import Container
from fullon.runtime.settings import Settings
from functions.ohlcv.app import create
from tests.api.callers import stored_identity
from tests.market_builder import MONDAY, collected, minutes
from tests.servers import finish

Invoke = Callable[..., dict[str, Any]]


@pytest.fixture
def invoke(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Invoke]:
    """The handler of a fresh execution environment whose database holds three minutes of BTC/USD:BTC."""

    async def prepare() -> Identity:
        container = Container(settings)
        await collected(container, minutes(MONDAY, 120), name="BTC/USD:BTC")
        caller = await stored_identity(container)
        await container.close()
        return caller

    caller = finish(prepare())
    monkeypatch.setattr(aws_lambda, "_loop", asyncio.new_event_loop())
    monkeypatch.setattr(aws_lambda, "settle_memory", lambda: None)
    container = Container(settings)
    handler = aws_lambda.http_handler(create(container))

    def call(path: str, query: str = "", headers: dict[str, str] | None = None) -> dict[str, Any]:
        answer: dict[str, Any] = handler(event(caller, path, query, headers or {}), None)
        return answer

    yield call
    loop = aws_lambda.event_loop()
    loop.run_until_complete(container.close())
    loop.close()


def event(caller: Identity, path: str, query: str, headers: dict[str, str]) -> dict[str, Any]:
    """Payload format 2.0, as API Gateway sends it."""
    return {
        "version": "2.0",
        "routeKey": "ANY /api/v1/ohlcv/{proxy+}",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"host": "api.example.com", "x-forwarded-proto": "https", "x-forwarded-port": "443", **headers},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api-id",
            "authorizer": {"lambda": caller.to_context()},
            "domainName": "api.example.com",
            "http": {
                "method": "GET",
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "test",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "ANY /api/v1/ohlcv/{proxy+}",
            "stage": "$default",
            "time": "03/Aug/2026:00:00:00 +0000",
            "timeEpoch": MONDAY,
        },
        "isBase64Encoded": False,
    }


@pytest.mark.parametrize("symbol", ["BTC/USD:BTC", "BTC%2FUSD:BTC", "BTC%2FUSD%3ABTC"])
def test_a_symbol_arrives_whether_the_gateway_decodes_paths_or_not(invoke: Invoke, symbol: str) -> None:
    for _ in range(2):
        answer = invoke(f"/api/v1/ohlcv/candles/paper/{symbol}/1m", "limit=3")

        body = orjson.loads(answer["body"])
        assert answer["statusCode"] == 200
        assert (body["symbol"], len(body["items"])) == ("BTC/USD:BTC", 3)
        assert answer["headers"]["x-request-id"] == "JKJaXmPLvHcESHA="


def test_compressed_and_binary_answers_travel_as_base64(invoke: Invoke) -> None:
    for _ in range(2):
        plain = invoke("/api/v1/ohlcv/candles/paper/BTC/USD:BTC/1m", "limit=100")
        packed = invoke("/api/v1/ohlcv/candles/paper/BTC/USD:BTC/1m", "limit=100", {"accept-encoding": "gzip, br"})
        file = invoke("/api/v1/ohlcv/export/paper/BTC/USD:BTC/1m", "format=parquet")

        assert (plain["isBase64Encoded"], packed["isBase64Encoded"]) == (False, True)
        assert packed["headers"]["content-encoding"] == "gzip"
        assert gzip.decompress(base64.b64decode(packed["body"])).decode() == plain["body"]
        assert base64.b64decode(file["body"])[:4] == b"PAR1"


def test_a_kept_answer_is_confirmed_without_a_body(invoke: Invoke) -> None:
    first = invoke("/api/v1/ohlcv/candles/paper/BTC/USD:BTC/1h")

    again = invoke("/api/v1/ohlcv/candles/paper/BTC/USD:BTC/1h", "", {"if-none-match": first["headers"]["etag"]})

    assert again["statusCode"] == 304
    assert not again.get("body")
