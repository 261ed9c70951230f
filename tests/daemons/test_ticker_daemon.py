"""The ticker daemon as a process: every change of every active symbol, through whatever happens."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import asyncpg
import orjson
import pytest

from fullon.market import keys
from fullon.venues.model import CATALOGUE_CHANNEL
from local.ports import free_port
from tests.daemons.collecting import REPOSITORY, Stage, sow, stage
from tests.daemons.waiting import until
from tests.paper_venue import SYMBOLS, RunningVenue, paper_venue


@pytest.fixture(scope="module")
def venue() -> Iterator[RunningVenue]:
    with paper_venue("--control", "--speed", "60") as running:
        yield running


@pytest.fixture
def made(venue: RunningVenue, platform_database: str, candles_database: str, valkey_url: str) -> Iterator[Stage]:
    with stage(venue, platform_database, candles_database, valkey_url) as ready:
        yield ready
        ready.control(streams_silent=False, down=0)


async def all_there(made: Stage, symbols: list[str] = SYMBOLS) -> None:
    async def there() -> bool:
        return sorted(await made.ticks()) == symbols

    await until(there, what=f"ticks of {symbols}")


async def changing(made: Stage, seconds: float = 30) -> None:
    """Wait until every tick that is there has been replaced."""
    before = await made.ticks()

    async def replaced() -> bool:
        now = await made.ticks()
        return all(now.get(name) != tick for name, tick in before.items())

    await until(replaced, seconds, "newer ticks")


async def execute(made: Stage, statement: str, *values: object) -> None:
    connection = await asyncpg.connect(made.platform)
    await connection.execute(statement, *values)
    await connection.close()


async def test_every_active_symbol_has_a_tick_that_equals_what_the_venue_says(made: Stage) -> None:
    await sow(made, symbols=SYMBOLS, backtest=0)

    made.start("ticker")
    await all_there(made)
    await changing(made)

    tick = (await made.ticks())["BTC/USDT"]
    day = made.asked("ticker/24hr", symbol="BTCUSDT")
    assert set(tick) == {"exchange", "symbol", "price", "bid", "ask", "last", "volume", "change_24h", "time"}
    assert tick["price"] == tick["last"]
    assert float(tick["bid"]) < float(tick["ask"])
    assert abs(float(tick["price"]) / float(day["lastPrice"]) - 1) < 0.05
    assert float(tick["volume"]) == pytest.approx(float(day["volume"]), rel=0.01)
    assert abs(tick["time"] - day["closeTime"]) < 30 * 60_000


async def test_changes_are_published_in_batches_of_ticks(made: Stage) -> None:
    await sow(made, symbols=SYMBOLS, backtest=0)
    heard: list[dict[str, Any]] = []
    async with made.valkey() as valkey:
        feed = valkey.pubsub()
        await feed.subscribe(keys.TICKERS_CHANNEL)

        made.start("ticker")
        async with asyncio.timeout(60):
            while len(heard) < 40:
                message = await feed.get_message(ignore_subscribe_messages=True, timeout=1)
                heard += orjson.loads(message["data"]) if message else []

    for name in SYMBOLS:
        changes = [tick for tick in heard if tick["symbol"] == name]
        assert len(changes) > 5
        assert all(one != other for one, other in pairwise(changes))


async def test_it_reports_the_work_it_does_and_ends_in_time(made: Stage) -> None:
    await sow(made, symbols=SYMBOLS, backtest=0)
    daemon = made.start("ticker")
    await all_there(made)

    async def record() -> dict[str, Any]:
        async with made.valkey() as valkey:
            found: Any = await valkey.hvals("processes:{ticker}")
        records: list[dict[str, Any]] = [orjson.loads(value) for value in found]
        return max(records, key=lambda each: int(each["started"]), default={})

    async def running() -> bool:
        said = await record()
        return said.get("status") == "running" and said["work"] > 3

    await until(running, what="a heartbeat of work")
    code = await asyncio.to_thread(daemon.stop, 60)

    assert code == 0
    assert (await record())["status"] == "stopped"
    assert not [line for line in daemon.lines() if line["level"] in {"error", "critical"}]


async def test_symbols_come_and_go_without_a_restart(made: Stage) -> None:
    await sow(made, symbols=SYMBOLS[:2], backtest=0)
    daemon = made.start("ticker")
    await all_there(made, SYMBOLS[:2])

    await execute(made, "UPDATE symbols SET active = true WHERE symbol = $1", SYMBOLS[2])
    async with made.valkey() as valkey:
        await valkey.publish(CATALOGUE_CHANNEL, b"")
    await all_there(made)
    await execute(made, "UPDATE symbols SET active = false WHERE symbol = $1", SYMBOLS[0])
    await all_there(made, SYMBOLS[1:])

    assert daemon.process.poll() is None


async def test_a_venue_that_is_down_or_nonsense_holds_up_no_other(made: Stage) -> None:
    await sow(made, symbols=SYMBOLS, backtest=0)
    nowhere = f'{{"urls": {{"api": {{"public": "http://127.0.0.1:{free_port()}/api/v3"}}}}}}'
    for name, ccxt_id, params in (("gone", "binance", nowhere), ("nonsense", "mtgox", "{}")):
        await execute(
            made, "INSERT INTO cat_exchanges (name, ccxt_id, params) VALUES ($1, $2, $3)", name, ccxt_id, params
        )
        await execute(
            made,
            "INSERT INTO symbols (cat_ex_id, symbol, base, quote)"
            " SELECT cat_ex_id, 'BTC/USDT', 'BTC', 'USDT' FROM cat_exchanges WHERE name = $1",
            name,
        )

    daemon = made.start("ticker")
    await all_there(made)
    await changing(made)

    assert daemon.said("waiting", waiting_for="markets of gone", code="venue_down")
    assert daemon.said("waiting", waiting_for="nonsense", code="invalid")


@pytest.mark.parametrize("fault", [{"down": 3}, {"disconnect": True}], ids=["venue down", "sockets dropped"])
async def test_it_comes_back_after_the_venue(fault: dict[str, Any], made: Stage) -> None:
    await sow(made, symbols=SYMBOLS, backtest=0)
    daemon = made.start("ticker")
    await all_there(made)

    made.control(**fault)
    await until(lambda: daemon.said("waiting", waiting_for="tickers of paper", code="venue_down"))
    await changing(made)

    await until(lambda: daemon.said("resumed", waiting_for="tickers of paper"))
    assert sum(line["event"] == "waiting" for line in daemon.lines()) == 1


async def test_a_stream_that_says_nothing_is_opened_anew(made: Stage) -> None:
    await sow(made, symbols=SYMBOLS, backtest=0, silence_seconds=2)
    daemon = made.start("ticker")
    await all_there(made)

    made.control(streams_silent=True)
    await until(lambda: daemon.said("waiting", waiting_for="tickers of paper", code="stream_silent"))
    made.control(streams_silent=False)

    await changing(made)


async def test_a_valkey_that_lost_everything_is_filled_again(made: Stage) -> None:
    await sow(made, symbols=SYMBOLS, backtest=0)
    made.start("ticker")
    await all_there(made)
    made.control(streams_silent=True)  # so that only what is remembered can bring them back
    async with made.valkey() as valkey:
        await valkey.flushall()

    await all_there(made)


async def test_another_instance_waits_and_takes_over_from_one_that_was_killed(made: Stage) -> None:
    await sow(made, symbols=SYMBOLS, backtest=0)
    first = made.start("ticker")
    await all_there(made)
    second = made.start("ticker")
    await until(lambda: second.said("waiting for the lease"))

    first.kill()

    await until(lambda: second.said("lease won"), 90)
    await changing(made)
    rows = await made.query("SELECT fence FROM leases WHERE name = 'daemon:ticker'", database="platform")
    assert rows[0]["fence"] == 2


async def test_a_stop_signal_while_waiting_for_the_database_is_obeyed(made: Stage) -> None:
    made.platform = f"postgresql://nobody:nothing@127.0.0.1:{free_port()}/fullon"
    daemon = made.start("ticker")
    await until(lambda: daemon.said("lease not asked for"))

    daemon.process.send_signal(signal.SIGTERM)

    assert await asyncio.to_thread(daemon.process.wait, 10) == 0


def test_unusable_settings_end_it_with_one_sentence() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "daemons.ticker"],
        env={"ENVIRONMENT": "cloud", "JWT_SECRET_KEY": "a-short-one"},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("ticker: The settings are not usable: ")
    assert "a-short-one" not in done.stderr
