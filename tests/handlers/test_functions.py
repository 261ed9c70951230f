"""Each HTTP function's Lambda handler with an event as AWS sends it, twice: the second finds everything warm."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from fullon.identity.model import Identity, Kind, Role, Scope
from fullon.kernel.ids import new_id
from fullon.runtime import aws_lambda
from fullon.runtime.container import Container
from fullon.runtime.settings import Settings
from tests.api.callers import stored_identity

RECORDED = Path(__file__).parents[3] / "shared/data/aws-events/apiGatewayProxyV2Event_GET.json"
PATHS = {
    "auth": ("/api/v1/auth/verify", 401),
    "orm": ("/api/v1/orm/users/me", 401),
    "ohlcv": ("/api/v1/ohlcv/pairs", 401),
    "cache": ("/api/v1/cache/tickers/paper", 401),
    "services": ("/api/v1/services", 401),
    "health": ("/health/ready", 200),
    "docs": ("/", 200),
}

pytestmark = pytest.mark.skipif(not RECORDED.exists(), reason="the recorded AWS events are not beside this checkout")


@pytest.fixture
def quiet() -> Iterator[None]:
    level = logging.getLogger().level
    yield
    logging.getLogger().setLevel(level)


def event(path: str, identity: Identity | None) -> dict[str, Any]:
    recorded: dict[str, Any] = json.loads(RECORDED.read_text())
    recorded |= {"rawPath": path, "rawQueryString": "", "pathParameters": {"proxy": path}}
    recorded.pop("queryStringParameters", None)
    recorded["requestContext"]["http"] |= {"method": "GET", "path": path}
    recorded["requestContext"].pop("authorizer", None)
    if identity is not None:
        recorded["requestContext"]["authorizer"] = {"lambda": identity.to_context()}
    return recorded


def stranger() -> Identity:
    """A caller whose session the database has never seen."""
    return Identity(
        new_id(),
        "stranger@example.test",
        Role.ADMIN,
        Kind.JWT,
        new_id(),
        frozenset(Scope),
        datetime(2100, 1, 1, tzinfo=UTC),
    )


@pytest.mark.parametrize("name", PATHS)
def test_a_handler_answers_alike_cold_and_warm(name: str, settings: Settings, quiet: None) -> None:
    path, expected = PATHS[name]
    container = Container(settings)
    handler = aws_lambda.http_handler(import_module(f"functions.{name}.app").create(container))
    aws_lambda.event_loop().run_until_complete(stored_identity(container, Role.ADMIN))  # who makes it ready

    answers = [handler(event(path, stranger()), None) for _ in range(2)]

    assert [answer["statusCode"] for answer in answers] == [expected, expected]
    assert all(answer["headers"]["x-request-id"] for answer in answers)
    aws_lambda.event_loop().run_until_complete(container.close())


@pytest.mark.parametrize("name", [name for name, (_, status) in PATHS.items() if status == 401])
def test_a_handler_without_the_authorizers_context_refuses_whatever_the_headers_say(
    name: str, settings: Settings, quiet: None
) -> None:
    container = Container(settings)
    handler = aws_lambda.http_handler(import_module(f"functions.{name}.app").create(container))
    unsigned = event(PATHS[name][0], None)
    unsigned["headers"] |= {"authorization": "Bearer x", "x-user-id": str(new_id()), "x-role": "admin"}

    answer = handler(unsigned, None)

    assert answer["statusCode"] == 401
    assert json.loads(answer["body"])["code"] == "unauthenticated"
    aws_lambda.event_loop().run_until_complete(container.close())
