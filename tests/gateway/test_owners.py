"""Connections whose ids name their owner: the name, and pushes to owners that live, restart and are gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullon.kernel.errors import Unavailable
from fullon.runtime.gateway.connections import Connections
from fullon.runtime.gateway.management import ManagementListener
from fullon.runtime.gateway.ws_events import new_identifier
from fullon.streams.gateway import Outcome
from fullon.streams.owners import OWNER_PATIENCE_SECONDS, Owners, owned_id, owner_of
from fullon.streams.sigv4 import Credentials
from local.ports import free_port


class Seconds:
    """A scale of time that goes on when it is told to."""

    now = 100.0


async def credentials() -> Credentials:
    return Credentials("AKID", "secret")


@asynccontextmanager
async def pushing(time: Seconds) -> AsyncIterator[Owners]:
    owners = Owners("us-east-1", credentials, lambda: time.now)
    await owners.start()
    try:
        yield owners
    finally:
        await owners.close()


async def outcome_of(owners: Owners, connection_id: str, what: str = "post") -> Outcome:
    found: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    target = owners.target(connection_id)
    if what == "post":
        owners.post(target, b"{}", found.set_result)
    else:
        getattr(owners, what)(target, found.set_result)
    return await asyncio.wait_for(found, 60)


@given(st.ip_addresses(), st.integers(1, 65_535))
def test_an_id_gives_back_the_owner_it_was_made_for(address: object, port: int) -> None:
    host = f"[{address}]" if ":" in str(address) else str(address)

    assert owner_of(owned_id("abc", str(address), port)) == f"http://{host}:{port}"


@given(st.text(max_size=40))
def test_whatever_an_id_is_reading_its_owner_never_fails(text: str) -> None:
    owner = owner_of(text)

    assert owner is None or owner.startswith("http://")


def test_an_id_of_api_gateway_names_no_owner() -> None:
    assert owner_of(new_identifier()) is None
    assert owner_of("L0SM9cOFvHcCIhw=") is None


@pytest.mark.parametrize("what", ["post", "look", "end"])
async def test_a_connection_that_names_nobody_or_that_its_owner_does_not_know_is_gone(what: str) -> None:
    listener = ManagementListener(Connections(1000, 60, 60, lambda: 0.0), "AKID")
    await listener.start("127.0.0.1", 0)
    async with pushing(Seconds()) as owners:
        known_to_nobody = await outcome_of(owners, "L0SM9cOFvHcCIhw=", what)
        unknown_to_its_owner = await outcome_of(owners, owned_id("abc", "127.0.0.1", listener.port), what)
    await listener.stop()

    assert (known_to_nobody, unknown_to_its_owner) == (Outcome.GONE, Outcome.GONE)


async def test_an_owner_that_is_away_for_a_moment_is_waited_for_and_then_given_up() -> None:
    time, port = Seconds(), free_port()
    connection_id = owned_id("abc", "127.0.0.1", port)
    async with pushing(time) as owners:
        first = await outcome_of(owners, connection_id)
        time.now += OWNER_PATIENCE_SECONDS / 2
        second = await outcome_of(owners, connection_id)
        time.now += OWNER_PATIENCE_SECONDS
        third = await outcome_of(owners, connection_id)

        assert [first, second, third] == [Outcome.UNREACHABLE, Outcome.UNREACHABLE, Outcome.GONE]
        assert owners.losses == 3


async def test_an_owner_that_comes_back_in_time_is_forgiven() -> None:
    time, port = Seconds(), free_port()
    connection_id = owned_id("abc", "127.0.0.1", port)
    async with pushing(time) as owners:
        assert await outcome_of(owners, connection_id) is Outcome.UNREACHABLE
        listener = ManagementListener(Connections(1000, 60, 60, lambda: 0.0), "AKID")
        await listener.start("127.0.0.1", port)
        assert await outcome_of(owners, connection_id) is Outcome.GONE
        await listener.stop()
        time.now += 2 * OWNER_PATIENCE_SECONDS

        outcome = await outcome_of(owners, connection_id)
        if outcome is Outcome.UNKNOWN:  # by the connection that was just cut
            outcome = await outcome_of(owners, connection_id)
        assert outcome is Outcome.UNREACHABLE


async def test_without_credentials_it_does_not_start() -> None:
    async def none() -> Credentials:
        raise Unavailable("There are none.", code="no_credentials")

    with pytest.raises(Unavailable):
        await Owners("us-east-1", none, lambda: 0.0).start()
