"""The paper venue as a process: start, stop, restart, faults, and the recorded minutes it replays."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from fullon.kernel.errors import Corrupt
from local import demo_data
from local.errors import MachineProblem
from tests.paper_venue import RunningVenue, deadline, paper_venue, recording

MINUTE = 60_000


async def test_two_venues_on_free_ports_show_the_same_market() -> None:
    with paper_venue("--seed", "5") as one, paper_venue("--seed", "5") as other, paper_venue("--seed", "6") as third:
        assert len({one.url, other.url, third.url}) == 3
        end = await server_time(one) // MINUTE * MINUTE - 1
        bars = [await klines(each, endTime=end, limit=50) for each in (one, other, third)]

    assert bars[0] == bars[1]
    assert bars[0] != bars[2]


def test_sigterm_ends_it_with_open_sockets_and_without_an_error() -> None:
    with paper_venue() as venue:
        asyncio.run(listen_until_closed(venue))

        assert venue.process.wait(60) == 0


def test_a_taken_port_is_one_clear_line() -> None:
    with paper_venue() as venue:
        port = venue.host.rsplit(":", 1)[1]

        done = subprocess.run(
            [sys.executable, "-m", "local.paper", "--port", port],
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    assert done.returncode == 1
    assert done.stdout == ""
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [["--speed", "0.5"], ["--data", "nowhere.csv"], ["--host", "256.0.0.1"]])
def test_what_it_cannot_do_is_one_clear_line(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "local.paper", *arguments], capture_output=True, text=True, timeout=90, check=False
    )

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("paper venue: ")
    assert "Traceback" not in done.stderr


async def test_after_a_kill_the_same_anchor_goes_on_with_the_same_history() -> None:
    anchor = str(int(time.time() * 1000))
    arguments = ("--speed", "300", "--anchor", anchor)
    with paper_venue(*arguments) as first:
        before = await server_time(first)
        listed = (await klines(first, startTime=0, limit=1))[0]
        bars = await klines(first, endTime=before - 2 * MINUTE, limit=20)
        first.process.send_signal(signal.SIGKILL)
        first.process.wait(60)
    with paper_venue(*arguments) as second:
        after = await server_time(second)

        assert after > before
        assert (await klines(second, startTime=0, limit=1))[0] == listed
        assert await klines(second, startTime=bars[0][0], limit=20) == bars


async def test_without_leave_there_is_no_control() -> None:
    with paper_venue() as venue:
        async with httpx.AsyncClient() as client:
            assert (await client.get(venue.control)).status_code == 404
            assert (await client.post(venue.control, json={"down": 1})).status_code == 404


async def test_faults_come_and_go() -> None:
    with paper_venue("--control") as venue:
        async with httpx.AsyncClient() as client:
            await silence_keeps_sockets_open_and_sends_nothing(venue, client)
            await a_dropped_socket_can_come_back(venue, client)
            await answers_and_messages_are_late(venue, client)
            await the_stated_time_is_off(venue, client)
            await a_burst_is_as_fast_as_asked(venue, client)
            await nothing_answers_while_it_is_down(venue, client)
            refusal = await client.post(venue.control, json={"unknown": 1})

    assert refusal.status_code == 400


async def silence_keeps_sockets_open_and_sends_nothing(venue: RunningVenue, client: httpx.AsyncClient) -> None:
    async with connect(venue.stream("ws/btcusdt@bookTicker"), ping_interval=None) as socket:
        await asyncio.wait_for(socket.recv(), 60)
        await switch(client, venue, {"streams_silent": True})
        for _ in deadline():  # what was on its way when the silence began
            try:
                await asyncio.wait_for(socket.recv(), 1.0)
            except TimeoutError:
                break
        pong = asyncio.ensure_future(await socket.ping())
        await socket.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": 1}))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(socket.recv(), 1.0)
        assert not pong.done()
        assert (await client.get(f"{venue.url}/api/v3/ping")).status_code == 200

        await switch(client, venue, {"streams_silent": False})
        assert json.loads(await asyncio.wait_for(socket.recv(), 60))["s"] == "BTCUSDT"


async def a_dropped_socket_can_come_back(venue: RunningVenue, client: httpx.AsyncClient) -> None:
    async with connect(venue.stream("ws/btcusdt@bookTicker")) as socket:
        await switch(client, venue, {"disconnect": True})
        with pytest.raises(ConnectionClosed):
            while True:
                await asyncio.wait_for(socket.recv(), 60)
    async with connect(venue.stream("ws/btcusdt@bookTicker")) as socket:
        await asyncio.wait_for(socket.recv(), 60)


async def answers_and_messages_are_late(venue: RunningVenue, client: httpx.AsyncClient) -> None:
    await switch(client, venue, {"delay_ms": 400})
    began = time.monotonic()
    await client.get(f"{venue.url}/api/v3/ping")
    waited = time.monotonic() - began
    async with connect(venue.stream("ws/btcusdt@bookTicker")) as socket:
        update = json.loads(await asyncio.wait_for(socket.recv(), 60))
        late = time.time() * 1e6 - update["u"]
    await switch(client, venue, {"delay_ms": 0})

    assert waited >= 0.4
    assert late >= 390_000


async def the_stated_time_is_off(venue: RunningVenue, client: httpx.AsyncClient) -> None:
    await switch(client, venue, {"clock_offset_ms": -5_000_000})
    stated = await server_time(venue)
    newest = (await klines(venue, limit=1))[0]
    await switch(client, venue, {"clock_offset_ms": 0})

    assert stated < newest[0] - 4_000_000


async def a_burst_is_as_fast_as_asked(venue: RunningVenue, client: httpx.AsyncClient) -> None:
    count, latest = 0, dict[str, int]()
    async with connect(venue.stream("ws/btcusdt@bookTicker/ethusdt@bookTicker"), max_queue=None) as socket:
        await switch(client, venue, {"burst": {"ticks_per_second": 5000, "seconds": 2}})
        for _ in deadline():
            update = json.loads(await asyncio.wait_for(socket.recv(), 60))
            assert update["u"] > latest.get(update["s"], 0)
            latest[update["s"]] = update["u"]
            count += 1
            if count == 5000:
                break

    assert set(latest) == {"BTCUSDT", "ETHUSDT"}
    await switch(client, venue, {"burst": {"ticks_per_second": 1, "seconds": 0}})


async def nothing_answers_while_it_is_down(venue: RunningVenue, client: httpx.AsyncClient) -> None:
    async with connect(venue.stream("ws/btcusdt@bookTicker")) as socket:
        await switch(client, venue, {"down": 3600})
        with pytest.raises(ConnectionClosed):
            while True:
                await asyncio.wait_for(socket.recv(), 60)
    with pytest.raises(httpx.TransportError):
        await client.get(f"{venue.url}/api/v3/ping")
    with pytest.raises((OSError, EOFError, WebSocketException)):
        async with connect(venue.stream("ws")):
            pass
    await switch(client, venue, {"down": 0})
    assert (await client.get(f"{venue.url}/api/v3/ping")).status_code == 200


def test_recorded_minutes_are_fetched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = recording()
    (tmp_path / kept.name).write_bytes(kept.read_bytes())
    monkeypatch.setenv("PIP_NO_INDEX", "1")

    found = demo_data.fetch(tmp_path)

    assert found == tmp_path / kept.name
    bars = demo_data.load(found)
    assert len(bars) == 20_160
    assert (bars[0].open, bars[-1].close) == ("62831.65", "77701.7")


def test_recorded_minutes_that_cannot_be_fetched_are_a_problem_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / demo_data.FILE_NAME).write_bytes(b"not what was expected")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))

    with pytest.raises(MachineProblem) as caught:
        demo_data.fetch(tmp_path)

    assert str(caught.value).startswith("ohlc-toolkit==3.1.2 could not be fetched: ")
    assert [file.name for file in tmp_path.iterdir()] == [demo_data.FILE_NAME]


def test_a_distribution_without_the_minutes_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "ohlc_toolkit-3.1.2.tar.gz"
    archive.write_bytes(b"no archive")

    with pytest.raises(Corrupt, match="cannot be unpacked"):
        demo_data.extract(archive)


async def listen_until_closed(venue: RunningVenue) -> None:
    """Subscribe, ask the venue to end, and see the socket closed with a reason."""
    async with connect(venue.stream("ws/btcusdt@bookTicker")) as socket:
        await asyncio.wait_for(socket.recv(), 60)
        venue.process.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                await asyncio.wait_for(socket.recv(), 60)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1001


async def switch(client: httpx.AsyncClient, venue: RunningVenue, change: dict[str, object]) -> None:
    """Put a fault into force."""
    answer = await client.post(venue.control, json=change)
    assert answer.status_code == 200, answer.text


async def server_time(venue: RunningVenue) -> int:
    """The time the venue states."""
    async with httpx.AsyncClient() as client:
        return int((await client.get(f"{venue.url}/api/v3/time")).json()["serverTime"])


async def klines(venue: RunningVenue, **query: int) -> list[list[Any]]:
    """Minutes of BTC."""
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"{venue.url}/api/v3/klines", params={"symbol": "BTCUSDT", "interval": "1m", **query})
        bars: list[list[Any]] = answer.json()
        return bars
