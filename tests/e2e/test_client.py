"""The client and the examples against the platform, as their users run them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace

import pytest

from fullon_client import AsyncClient, NotAllowed, NotAuthenticated, Topic, Value, api_keys, auth, bots, users
from local.home import REPOSITORY
from tests.e2e.platform import PASSWORD, Platform, clean_environment


async def run(arguments: list[str], environment: Mapping[str, str], seconds: float) -> tuple[int, str]:
    """Run a script of the examples; its exit code and what it said."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, *arguments],
        cwd=REPOSITORY,
        env={**clean_environment(), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.timeout(900)
@pytest.mark.targets("run", reason="the scripts look at the platform of make run")
async def test_every_example_finds_the_platform_as_it_says(collecting: Platform) -> None:
    code, said = await run(
        ["-m", "examples.run_all", "--url", collecting.url, "--mail", collecting.admin],
        {"FULLON_ADMIN_PASSWORD": collecting.password, "FULLON_TRADER_PASSWORD": PASSWORD},
        850,
    )

    assert code == 0, said


@pytest.mark.targets("run", reason="an example with a platform of its own needs no other target")
async def test_an_example_starts_what_it_needs_and_leaves_nothing_running() -> None:
    code, said = await run(["examples/start_server.py"], {}, 300)

    assert code == 0, said
    assert "started in" in said
    [address] = {word for word in said.split() if word.startswith("http://127.0.0.1:")}
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", int(address.rsplit(":", 1)[1]))


async def test_an_example_that_meets_a_surprise_ends_with_1(platform: Platform) -> None:
    code, said = await run(
        ["examples/health.py", "--url", platform.url, "--mail", platform.admin],
        {"FULLON_ADMIN_PASSWORD": "not the password at all"},
        120,
    )

    assert code == 1
    assert "Traceback" not in said
    assert "✗" in said


async def test_a_session_lives_through_renewals_and_ends_with_its_log_out(platform: Platform) -> None:
    async with AsyncClient(platform.url) as client:
        first = await client.log_in(platform.admin, platform.password)
        client.credential.tokens = replace(first, expires_at=0)

        names = await asyncio.gather(*(client.send(users.me()) for _ in range(8)))
        renewed = client.credential.tokens
        await client.log_out()

        assert {found.mail for found in names} == {platform.admin}
        assert renewed is not None
        assert renewed.refresh != first.refresh
        async with AsyncClient(platform.url, tokens=renewed) as after:
            with pytest.raises(NotAuthenticated):
                await after.send(auth.verify())


async def test_a_program_with_a_key_does_what_the_key_may(platform: Platform) -> None:
    _, _, token = await platform.new_user()
    async with AsyncClient(platform.url) as owner:
        owner.credential.take({"access_token": token, "refresh_token": "unused", "expires_in": 3600})
        made = await owner.send(api_keys.create("reader", ["read"]))
        bot = await owner.send(bots.create("watched"))

    async with AsyncClient(platform.url, api_key=made.key) as program:
        found = [one async for one in program.each(bots.every(limit=1))]
        with pytest.raises(NotAllowed):
            await program.send(bots.delete(bot.bot_id))

    assert found == [bot]


@pytest.mark.targets("run", "container", reason="the socket is beside the HTTP API")
async def test_values_are_pushed_to_a_client_with_a_key(collecting: Platform) -> None:
    async with collecting.client(await collecting.token()) as http:
        key = (await http.post("/api/v1/orm/api_keys/me", json={"name": "live", "scopes": ["read"]})).json()["key"]
    seen: list[Value] = []

    async with (
        asyncio.timeout(90),
        AsyncClient(collecting.url, api_key=key, socket_url=collecting.websocket_url) as client,
        client.subscribe(Topic("tickers", "paper", ["BTC/USDT"])) as events,
    ):
        async for event in events:
            if isinstance(event, Value):
                seen.append(event)
            if len(seen) == 3:
                break

    assert [value.sequence for value in seen] == [1, 2, 3]
    assert [value.is_snapshot for value in seen] == [True, False, False]
