"""The README's walk-through, run as it stands."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
from functools import partial

import httpx2
import pytest

from local.home import REPOSITORY
from tests.e2e.platform import PASSWORD, SupervisedPlatform, until


def walk_through() -> str:
    text = (REPOSITORY / "README.md").read_text()
    section = text.partition("<!-- walk-through: begins -->")[2].partition("<!-- walk-through: ends -->")[0]
    [script] = re.findall(r"```bash\n(.*?)```", section, flags=re.S)
    return str(script)


async def stopped(admin: httpx2.AsyncClient, name: str) -> bool:
    status = (await admin.get(f"/api/v1/services/{name}/status")).json()
    if status["desired"]:
        await admin.post(f"/api/v1/services/{name}/stop")
    return bool(status["status"] == "stopped")


@pytest.mark.targets("run", reason="the walk-through is of make run and its command line")
async def test_the_walk_through_of_the_readme_does_what_it_says(
    supervised: SupervisedPlatform, admin: httpx2.AsyncClient
) -> None:
    for name in ("ticker", "ohlcv", "account", "execution"):  # as a new user finds them, whatever ran before this test
        await until(partial(stopped, admin, name), 40, f"{name} stopped")
    environment = {
        **os.environ,
        "FULLON_PORT": supervised.url.rsplit(":", 1)[1],
        "FULLON_HOME": str(supervised.home.path),
        "FULLON_ADMIN_PASSWORD": PASSWORD,
        "FULLON_TRADER_PASSWORD": PASSWORD,
    }

    # Each printed document gets a line of its own, so that the answers can be read apart.
    script = re.sub(r"^(curl .*)$", r"\1; echo", walk_through(), flags=re.M)
    done = await asyncio.to_thread(
        subprocess.run,
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=150,
    )

    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    ready, identity, ticker_started, ohlcv_started, minutes, hours, tickers, *rest = answers
    assert ready["status"] == "healthy"
    assert (identity["mail"], identity["role"]) == ("admin@fullon", "admin")
    assert ticker_started["status"] in ("started", "starting")
    assert ohlcv_started["status"] in ("started", "starting")
    assert len(minutes["items"]) == 5
    # The loop before has seen the running minute; at sixty times the speed the next answer may fall between two.
    assert all(candle["final"] for candle in minutes["items"][:-1])
    assert len(hours["items"]) == 2
    assert {tick["symbol"] for tick in tickers["items"]} >= {"BTC/USDT"}
    account_started, execution_started, order, fills = rest[-7:-3]
    assert account_started["status"] in ("started", "starting")
    assert execution_started["status"] in ("started", "starting")
    assert (order["status"], order["filled"], order["dry_run"]) == ("filled", "0.01", False)
    assert fills["items"][0]["order_id"] == order["order_id"]
    assert rest[-3]["status"] == "stopped"
    assert rest[-2]["status"] == "stopped"
    assert rest[-1]["status"] in ("stopped", "stopping")
