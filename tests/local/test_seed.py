"""The seed as the supervisor runs it: a process of its own that only ever adds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from fullon.identity import passwords, users
from fullon.identity.model import Role
from fullon.runtime.container import Container
from fullon.runtime.settings import Settings
from local.home import REPOSITORY
from local.seed import TRADER_MAIL
from tests.identities import PASSWORD, candles_database  # noqa: F401 - a fixture

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
