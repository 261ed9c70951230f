"""The answers of Amazon's management API, byte for byte: boto3 knows an error, the streamer's client an outcome."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from fullon.streams.gateway import Outcome
from tests.local.platform import until
from tests.local.test_ws_gateway_client import a_client, a_request, a_server, outcome, post

REASONS = {200: "OK", 403: "Forbidden", 410: "Gone", 413: "Request Entity Too Large", 429: "Too Many Requests"}


@dataclass(frozen=True)
class Answer:
    """An answer of the management API (API Gateway management API reference, errors of ``PostToConnection``)."""

    status: int
    error: str
    body: bytes

    def raw(self) -> bytes:
        error = f"x-amzn-ErrorType: {self.error}:http://internal.amazon.com/coral/\r\n" if self.error else ""
        return (
            f"HTTP/1.1 {self.status} {REASONS[self.status]}\r\nDate: Mon, 17 Aug 2026 00:00:00 GMT\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(self.body)}\r\nConnection: keep-alive\r\n"
            f"x-amzn-RequestId: 5d8a8f2c-7a0e-4a53-9f7e-3e5c0f4b1a11\r\n{error}\r\n"
        ).encode() + self.body


TAKEN = Answer(200, "", b"")
ENDED = Answer(410, "GoneException", b'{"message":"Gone"}')
TOO_FAST = Answer(429, "LimitExceededException", b'{"message":"Too many requests"}')
NOT_ALLOWED = Answer(
    403, "ForbiddenException", b'{"message":"not authorized to perform: execute-api:ManageConnections"}'
)
TOO_LONG = Answer(413, "PayloadTooLargeException", b'{"message":"Message too long"}')


@asynccontextmanager
async def amazon_saying(*answers: Answer) -> AsyncIterator[str]:
    """An endpoint that gives these answers in turn, the last one for ever."""
    given = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal given
        try:
            while True:
                await a_request(reader)
                writer.write(answers[min(given, len(answers) - 1)].raw())
                given += 1
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async with a_server(serve) as url:
        yield url


def by_boto3(url: str) -> str:
    """The name of the error that boto3 raises for a push; empty when it was taken."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import ClientError

    session = boto3.session.Session("testing", "testing", region_name="us-east-1")
    config = Config(retries={"total_max_attempts": 1}, proxies={})
    client = session.client("apigatewaymanagementapi", endpoint_url=url, config=config)
    try:
        client.post_to_connection(ConnectionId="a=", Data=b"x")
    except ClientError as error:
        return type(error).__name__
    return ""


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (TAKEN, Outcome.DONE),
        (ENDED, Outcome.GONE),
        (TOO_FAST, Outcome.REFUSED),
        (NOT_ALLOWED, Outcome.REFUSED),
        (TOO_LONG, Outcome.REFUSED),
    ],
)
async def test_both_clients_understand_the_same_answer(answer: Answer, expected: Outcome) -> None:
    async with amazon_saying(answer) as url, a_client(url) as client:
        name = await asyncio.to_thread(by_boto3, url)
        ours = await post(client, "a=", b"x")
        looked = await outcome(client.look, client.target("a="))

    assert (name, ours, looked) == (answer.error, expected, expected)


async def test_after_throttling_the_same_connection_goes_on() -> None:
    async with amazon_saying(TOO_FAST, TOO_FAST, TAKEN) as url, a_client(url, connections=1) as client:
        outcomes = [await post(client, "a=", b"x") for _ in range(4)]

        assert len(client._lines) == 1
    assert outcomes == [Outcome.REFUSED, Outcome.REFUSED, Outcome.DONE, Outcome.DONE]


async def test_a_missing_permission_is_said_once_and_not_for_every_push(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "fullon.streams")
    outcomes: list[Outcome] = []

    async with amazon_saying(NOT_ALLOWED) as url, a_client(url) as client:
        for _ in range(200):
            client.post(client.target("a="), b"x", outcomes.append)
        await until(lambda: len(outcomes) == 200)

    said: list[Any] = [record for record in caplog.records if record.message == "gateway refused"]
    assert set(outcomes) == {Outcome.REFUSED}
    assert [(record.status, record.method) for record in said] == [(403, "POST")]


async def test_throttling_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "fullon.streams")

    async with amazon_saying(TOO_FAST) as url, a_client(url) as client:
        await post(client, "a=", b"x")

    assert [record for record in caplog.records if record.message == "gateway refused"] == []
