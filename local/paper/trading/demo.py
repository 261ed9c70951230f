"""The account a new installation trades with: its key and secret in a file of their own, its money made up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fullon.kernel.errors import Invalid
from local.errors import StoreProblem
from local.paper.credentials import credentials_of
from local.paper.trading.desk import Desk
from local.paper.trading.provisioning import provision

BALANCES = {"USDT": "100000", "BTC": "1", "ETH": "10", "SOL": "100"}


def open_demo_account(desk: Desk, file: Path) -> None:
    """Let the key of ``file`` trade; the file is made where it is missing, the money given once.

    Raises:
        StoreProblem: the file cannot be written, or is not a key and a secret.
    """
    try:
        credentials = credentials_of(file)
        body: dict[str, Any] = {name: credentials.get(name) for name in ("key", "secret")}
        if body["key"] not in desk.state.keys:
            body |= {"balances": BALANCES, "permissions": ["read", "trade"]}
        provision(desk, body)
    except OSError as error:
        raise StoreProblem(f"{file} cannot be used: {error.strerror}.") from error
    except Invalid as error:
        raise StoreProblem(f"{file} is not a key and a secret: {error.detail}") from error
