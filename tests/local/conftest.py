"""Fixtures of the local platform's tests."""

import asyncio

import pytest
import uvloop

_ON_UVLOOP = ("test_gateway", "test_ws_gateway", "test_lambda_runtime")


@pytest.fixture
def event_loop_policy(request: pytest.FixtureRequest) -> asyncio.AbstractEventLoopPolicy:
    """The gateway's process runs on uvloop, so its tests do; its transports and processes differ from asyncio's."""
    name = request.module.__name__.rpartition(".")[2] if request.module else ""
    return uvloop.EventLoopPolicy() if name.startswith(_ON_UVLOOP) else asyncio.DefaultEventLoopPolicy()
