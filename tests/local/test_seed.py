"""The seed as the supervisor runs it: a process of its own that only ever adds."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from fullon.bots import store as bots
from fullon.identity import passwords, users
from fullon.identity.model import Identity, Role
from fullon.runtime.container import Container
from fullon.runtime.settings import Settings
from fullon.strategies import store as strategies
from fullon.venues import accounts
from local import seed_accounts, seed_bots
from local.credentials import TRADER_MAIL
from local.home import REPOSITORY
from local.paper.credentials import credentials_of
from local.seed import sow
from tests.accounts import ACCOUNTS
from tests.accounts import done as answered
from tests.identities import PASSWORD, candles_database  # noqa: F401 - a fixture
from tests.paper_venue import paper_venue
from tests.people import a_session

ADMIN_MAIL = "admin@fullon"


def seed(**environment: str) -> subprocess.CompletedProcess[str]:
    """Run it in the environment that the fixture `settings` made."""
    return subprocess.run(
        [sys.executable, "-m", "local.seed"],
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def said(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The JSON object of the last line."""
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


async def knows(container: Container, mail: str, password: str) -> bool:
    """Whether a user has this password."""
    async with container.connection() as connection:
        found = await users.find(connection, mail)
    return found is not None and (await passwords.verify(found[1], password)).is_right


async def test_the_admin_who_makes_a_platform_ready_comes_last(container: Container, tmp_path: Path) -> None:
    account = tmp_path / "account.json"
    account.write_text("not an account")

    failed = seed(FULLON_ADMIN_PASSWORD=PASSWORD, FULLON_PAPER_ACCOUNT=str(account))

    assert failed.returncode != 0
    async with container.connection() as connection:
        assert await users.find(connection, TRADER_MAIL) is not None
        assert not await users.has_admin(connection)


async def test_the_first_run_makes_an_admin_and_a_trader_and_the_second_keeps_them(
    settings: Settings, container: Container
) -> None:
    del settings
    first = said(seed(FULLON_ADMIN_PASSWORD=PASSWORD, FULLON_TRADER_PASSWORD="the trader's password"))
    again = seed(FULLON_ADMIN_PASSWORD="another password", FULLON_TRADER_PASSWORD="another password")
    second = said(again)

    assert (first["admin"], first["trader"]) == ("created", "created")
    assert "note" not in first
    assert (second["admin"], second["trader"]) == ("kept", "kept")
    assert "was kept" in second["note"]
    assert len(again.stderr.splitlines()) == 1
    assert await knows(container, ADMIN_MAIL, PASSWORD)
    assert await knows(container, TRADER_MAIL, "the trader's password")
    async with container.connection() as connection:
        admin, trader = [await users.find(connection, mail) for mail in (ADMIN_MAIL, TRADER_MAIL)]
        symbols = await connection.fetchval("SELECT count(*) FROM symbols")
    assert admin is not None
    assert trader is not None
    assert (admin[0].role, trader[0].role) == (Role.ADMIN, Role.TRADER)
    assert symbols == second["catalogue"]["symbols"] > 0


async def test_an_admin_who_is_there_needs_no_password_and_a_missing_one_does(settings: Settings) -> None:
    del settings
    without = seed(FULLON_ADMIN_PASSWORD="")
    short = seed(FULLON_ADMIN_PASSWORD="short")
    said(seed(FULLON_ADMIN_PASSWORD=PASSWORD))

    for refused in (without, short):
        assert refused.returncode == 1
        assert len(refused.stderr.strip().splitlines()) == 1
        assert "Traceback" not in refused.stderr
        assert "FULLON_ADMIN_PASSWORD" in refused.stderr
    assert said(seed(FULLON_ADMIN_PASSWORD=""))["admin"] == "kept"


async def test_no_password_is_printed(settings: Settings) -> None:
    del settings
    runs = [seed(FULLON_ADMIN_PASSWORD=PASSWORD, FULLON_TRADER_PASSWORD="the trader's password") for _ in range(2)]

    for run in runs:
        for secret in (PASSWORD, "the trader's password"):
            assert secret not in run.stdout + run.stderr


async def test_the_trader_gets_the_account_of_the_paper_venues_file_once(
    settings: Settings, container: Container, tmp_path: Path
) -> None:
    del settings
    file = tmp_path / "home" / "paper-account.json"
    without = said(seed(FULLON_ADMIN_PASSWORD=PASSWORD))
    first, second = [said(seed(FULLON_PAPER_ACCOUNT=str(file))) for _ in range(2)]

    assert "account" not in without
    assert (first["account"], second["account"]) == ("created", "kept")
    written = json.loads(file.read_text())
    assert file.stat().st_mode & 0o077 == 0
    async with container.connection() as connection:
        owner = await users.find(connection, TRADER_MAIL)
        assert owner is not None
        [account] = await accounts.listing(connection, owner[0].uid, limit=10)
        keys = await (await accounts.keys_of(connection, account.uid, account.ex_id)).keys(container.seals)
    assert (account.exchange, account.name) == ("paper", "paper")
    assert (keys.api_key, keys.api_secret) == (written["key"], written["secret"])
    for done in (first, second):
        assert written["secret"] not in str(done)


async def test_the_trader_gets_three_dry_bots_on_that_account_once(
    settings: Settings, container: Container, tmp_path: Path
) -> None:
    del settings
    file = tmp_path / "paper-account.json"
    without = said(seed(FULLON_ADMIN_PASSWORD=PASSWORD))
    first, second = [said(seed(FULLON_PAPER_ACCOUNT=str(file))) for _ in range(2)]

    assert "bots" not in without
    assert (first["bots"], second["bots"]) == ("created", "kept")
    async with container.connection() as connection:
        owner = await users.find(connection, TRADER_MAIL)
        assert owner is not None
        uid = owner[0].uid
        [account] = await accounts.listing(connection, uid, limit=10)
        found = await bots.listing(connection, uid, limit=10)
        given = {each.bot_id: each for each in await strategies.listing(connection, uid)}
        feeds = {each.bot_id: each for each in await strategies.feeds(connection, uid)}
        on = [each.ex_id for bot in found for each in await bots.exchanges(connection, uid, bot.bot_id)]
    assert [(bot.name, bot.active, bot.dry_run) for bot in found] == [
        ("RSI long", False, True),
        ("RSI short", False, True),
        ("Crossover", False, True),
    ]
    assert [given[bot.bot_id].catalogue for bot in found] == ["rsi_long", "rsi_short", "crossover"]
    assert [feeds[bot.bot_id].symbol for bot in found] == ["BTC/USDT", "ETH/USDT", "SOL/USDT"]
    assert [feeds[bot.bot_id].ex_id for bot in found] == on == [account.ex_id] * 3
    assert given[found[2].bot_id].parameters == {"fast": "12", "slow": "48", "kind": "ema"}


async def test_a_trader_who_has_bots_keeps_them_as_they_are(
    settings: Settings, container: Container, tmp_path: Path
) -> None:
    del settings
    environment = {"FULLON_ADMIN_PASSWORD": PASSWORD, "FULLON_PAPER_ACCOUNT": str(tmp_path / "paper-account.json")}
    said(seed(**environment))
    async with container.transaction() as connection:
        owner = await users.find(connection, TRADER_MAIL)
        assert owner is not None
        uid = owner[0].uid
        one, other, _ = await bots.listing(connection, uid, limit=10)
        await bots.delete(connection, container.clock, uid, one.bot_id)
        await bots.change(connection, container.clock, uid, other.bot_id, {"name": "mine", "active": True})

    again = said(seed(**environment))

    assert again["bots"] == "kept"
    async with container.connection() as connection:
        found = await bots.listing(connection, uid, limit=10)
    assert [(bot.name, bot.active) for bot in found] == [("mine", True), ("Crossover", False)]


async def test_two_seeds_at_once_make_the_bots_once(settings: Settings, container: Container, tmp_path: Path) -> None:
    del settings
    said(seed(FULLON_ADMIN_PASSWORD=PASSWORD))
    await seed_accounts.seed(container, TRADER_MAIL, tmp_path / "paper-account.json")

    done = await asyncio.gather(*(seed_bots.seed(container, TRADER_MAIL) for _ in range(2)))

    assert sorted(done) == ["created", "kept"]
    async with container.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM bots") == 3


async def test_outside_local_mode_there_are_no_bots(settings: Settings, container: Container, tmp_path: Path) -> None:
    cloud = Container(settings.model_copy(update={"environment": "cloud"}))
    done = await sow(
        cloud, {"FULLON_ADMIN_PASSWORD": PASSWORD, "FULLON_PAPER_ACCOUNT": str(tmp_path / "paper-account.json")}
    )
    await cloud.close()

    assert done["account"] == "created"
    assert "bots" not in done
    async with container.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM bots") == 0


async def test_the_venue_and_the_seed_agree_on_the_account_whoever_makes_it(
    settings: Settings, container: Container, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del settings
    file = tmp_path / "paper-account.json"
    said(seed(FULLON_ADMIN_PASSWORD=PASSWORD, FULLON_PAPER_ACCOUNT=str(file)))
    async with container.connection() as connection:
        owner = await users.find(connection, TRADER_MAIL)
    assert owner is not None
    caller = await login_of(container, owner[0].uid)

    with paper_venue("--demo-account", str(file)) as venue:
        monkeypatch.setenv("EXCHANGE_URL_PAPER", venue.url)
        [account] = (await answered(container, caller, "GET", ACCOUNTS))["items"]
        found = await answered(container, caller, "POST", f"{ACCOUNTS}/{account['ex_id']}/validate")

    assert found["permissions"] == {"read": True, "trade": True, "withdraw": False}
    assert found["balances"] == 4


def test_two_who_need_the_file_at_once_have_the_same_keys(tmp_path: Path) -> None:
    file = tmp_path / "paper-account.json"

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: credentials_of(file), range(8)))

    assert all(each == found[0] for each in found)
    assert list(tmp_path.iterdir()) == [file]


async def test_a_file_without_keys_is_named(settings: Settings, tmp_path: Path) -> None:
    del settings
    file = tmp_path / "paper-account.json"
    file.write_text("{}")

    refused = seed(FULLON_ADMIN_PASSWORD=PASSWORD, FULLON_PAPER_ACCOUNT=str(file))

    assert refused.returncode == 1
    assert "is not a key and a secret" in refused.stderr


async def login_of(container: Container, uid: UUID) -> Identity:
    """A session of somebody who is there."""
    async with container.transaction() as connection:
        return await a_session(connection, uid=uid)
