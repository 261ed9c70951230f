"""Builders for tests of the gateway's WebSocket half: a running gateway, its clients, recorded AWS events."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import websockets
from botocore.config import Config

from fullon.runtime.manifest import Manifest
from local.gateway.websocket import WebSocketGateway
from tests.local.platform import REPOSITORY, a_function, a_manifest, running_gateway

if TYPE_CHECKING:
    from mypy_boto3_apigatewaymanagementapi import ApiGatewayManagementApiClient

HANDLERS = "tests.local.functions_under_test.sockets"
ACCESS_KEY = "AKIDLOCALTEST"
ROUTES = ("$connect", "$disconnect", "$default", "event", "fail", "slow", "silent", "odd")
AWS_EVENTS = REPOSITORY.parent / "shared" / "data" / "aws-events"


@dataclass
class SocketGateway:
    """A gateway with the functions under test behind it."""

    url: str
    home: Path
    parts: list[WebSocketGateway] = field(default_factory=list)

    @property
    def part(self) -> WebSocketGateway:
        return self.parts[0]

    def connect(self, query: str = "?ticket=good", path: str = "/ws", **options: Any) -> websockets.connect:
        """A client; use it as a context."""
        address = f"{self.url.replace('http', 'ws')}{path}{query}"
        return websockets.connect(address, proxy=None, **{"max_size": None, "ping_interval": None, **options})

    def recorded(self, name: str) -> list[dict[str, Any]]:
        """Events that the functions put on record."""
        path = self.home / "record"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line["event"] for line in map(json.loads, lines) if line["name"] == name]

    def boto3(self, access_key: str = ACCESS_KEY, stage: str = "") -> ApiGatewayManagementApiClient:
        """The unmodified AWS client of the management API."""
        return boto3.client(
            "apigatewaymanagementapi",
            endpoint_url=self.part.management_url + stage,
            region_name="us-east-1",
            aws_access_key_id=access_key,
            aws_secret_access_key="any",
            config=Config(retries={"total_max_attempts": 1}),
        )


@asynccontextmanager
async def running_sockets(
    home: Path, *, routes: tuple[str, ...] = ROUTES, authorizer: bool = True, **settings: Any
) -> AsyncIterator[SocketGateway]:
    """A gateway whose WebSocket API has these routes; ``settings`` are fields of ``GatewaySettings``."""
    functions = [a_function("socket", f"{HANDLERS}.socket", kind="websocket", websocket_routes=routes)]
    if authorizer:
        functions.append(a_function("authorizer", f"{HANDLERS}.authorizer", kind="authorizer"))
    environment = {**os.environ, "AWS_ACCESS_KEY_ID": ACCESS_KEY, "SOCKET_RECORD": str(home / "record")}
    async with running_with(a_manifest(*functions), home, environment, **settings) as gateway:
        yield gateway


@asynccontextmanager
async def running_with(
    manifest: Manifest, home: Path, environment: dict[str, str], **settings: Any
) -> AsyncIterator[SocketGateway]:
    """A gateway with these functions behind it, which get this environment."""
    parts: list[WebSocketGateway] = []

    def make(*arguments: Any) -> WebSocketGateway:
        parts.append(WebSocketGateway(*arguments))
        return parts[0]

    async with running_gateway(manifest, home, make, environment=environment, **settings) as url:
        yield SocketGateway(url, home, parts)


async def ask(client: websockets.ClientConnection, action: str, **members: Any) -> dict[str, Any]:
    """Send an action and return the answer."""
    await client.send(json.dumps({"action": action, **members}))
    answer: dict[str, Any] = json.loads(await client.recv())
    return answer


async def identifier(client: websockets.ClientConnection) -> str:
    """The connection id of a client, as its function sees it."""
    return str((await ask(client, "event"))["event"]["requestContext"]["connectionId"])


def aws_event(name: str) -> dict[str, Any]:
    """A recorded event; skips the test where the recordings are not beside the repository."""
    path = AWS_EVENTS / f"{name}.json"
    if not path.exists():
        pytest.skip(f"recorded AWS events are not in {AWS_EVENTS}")
    event: dict[str, Any] = json.loads(path.read_text())
    return event


def paths(value: Any, prefix: str = "") -> Iterator[tuple[str, type]]:
    """Every member of a JSON value with the type it has, headers and query by name left out."""
    for name, item in value.items():
        here = f"{prefix}.{name}" if prefix else name
        yield here, type(item)
        if isinstance(item, dict) and name not in _OPEN:
            yield from paths(item, here)


_OPEN = {
    "headers",
    "multiValueHeaders",
    "queryStringParameters",
    "multiValueQueryStringParameters",
    "stageVariables",
}
