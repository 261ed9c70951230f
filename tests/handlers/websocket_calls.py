"""The websocket function and somebody with a connection to it, for tests of its routes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from fullon.identity.model import Identity, Role
from fullon.runtime.container import Container
from fullon.streams.model import Limits
from functions.websocket.routes import Routes
from tests.people import a_session, a_venue
from tests.unit.test_streams_asyncapi import check


def an_event(identity: Identity | None, body: Any = None, route: str = "$default", connection: str = "c1=") -> Any:
    """An event of the WebSocket API as the gateway makes it."""
    context: dict[str, Any] = {
        "routeKey": route,
        "eventType": {"$connect": "CONNECT", "$disconnect": "DISCONNECT"}.get(route, "MESSAGE"),
        "connectionId": connection,
        "requestId": "r1=",
        "stage": "$default",
    }
    if identity is not None:
        context["authorizer"] = {"principalId": str(identity.user_id), **identity.to_context()}
    text = body if isinstance(body, str) or body is None else json.dumps(body)
    return {"requestContext": context, "body": text, "isBase64Encoded": False}


class Somebody:
    """A user with a connection."""

    def __init__(self, routes: Routes, identity: Identity, connection: str) -> None:
        self.routes = routes
        self.identity = identity
        self.connection = connection

    async def connect(self) -> dict[str, Any]:
        return await self.routes.answer(an_event(self.identity, route="$connect", connection=self.connection))

    async def disconnect(self) -> dict[str, Any]:
        return await self.routes.answer(an_event(self.identity, route="$disconnect", connection=self.connection))

    async def say(self, body: Any) -> dict[str, Any]:
        """Send anything; the answer is held against the AsyncAPI document."""
        answer = await self.routes.answer(an_event(self.identity, body, connection=self.connection))
        assert answer["statusCode"] == 200
        frame: dict[str, Any] = json.loads(answer["body"])
        check(frame["type"], frame)
        return frame

    async def ask(self, action: str, **members: Any) -> dict[str, Any]:
        return await self.say({"action": action, **members})


@pytest.fixture(name="routes")
async def routes_of_paper(container: Container) -> Routes:
    async with container.connection() as connection:
        await a_venue(connection, "paper", "BTC/USDT", "ETH/USDT", "BTC/USD:BTC")
    return Routes(container, Limits(connections=3, subscriptions=10, frames=50, refusals=5))


async def connected(routes: Routes, container: Container, role: Role = Role.TRADER, **changes: Any) -> Somebody:
    """Somebody new with an open connection."""
    async with container.connection() as connection:
        identity = await a_session(connection, role)
    somebody = Somebody(routes, replace(identity, **changes), f"{identity.session}=")
    assert (await somebody.connect())["statusCode"] == 200
    return somebody
