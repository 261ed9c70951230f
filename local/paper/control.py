"""``/control``, which makes things go wrong, and ``/control/accounts``, which lets accounts trade.

``POST /control/accounts`` makes an account or changes one. Its body:

- ``key``, needed, and ``secret``, needed for a new key: letters and digits, 16 to 128 of them.
- ``shares``: a key whose account the new key opens too.
- ``balances``: ``{"USDT": "10000"}``, what is in the account from now on free of orders; the difference to what was
  free is a transfer, which user streams tell as ``balanceUpdate``. ``deposits``: amounts to add, negative to take.
- ``permissions``: any of ``read``, ``trade``, ``withdraw``; ``enabled``: whether the key works at all.
- ``fees``: ``{"maker": "0.001", "taker": "0.001"}``, of the account.

``GET /control/accounts`` lists accounts with their balances and keys, never a secret.
"""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from typing import Any

import orjson
from aiohttp import web

from fullon.kernel.errors import Invalid
from fullon.kernel.money import parse_decimal
from local.paper.faults import Faults
from local.paper.hub import Hub
from local.paper.market import SHOWN_DECIMALS
from local.paper.trading.accounts import ZERO, Account, Key, Transfer
from local.paper.trading.answers import number
from local.paper.trading.desk import Desk
from local.paper.trading.settlement import Movement
from local.paper.trading.state import Deposit, Step

CONTROL_PATH = "/control"
ACCOUNTS_PATH = "/control/accounts"
_NAMES = {"key", "secret", "shares", "balances", "deposits", "permissions", "enabled", "fees"}
_PERMISSIONS = {"read", "trade", "withdraw"}
_CREDENTIAL = re.compile(r"[A-Za-z0-9]{16,128}")
_ASSET = re.compile(r"[A-Z0-9]{1,20}")
_LARGEST = Decimal(10) ** 15


class Control:
    """The control endpoint.

    Args:
        faults: what can go wrong.
        hub: the sockets that can be dropped.
        desk: where accounts are.
    """

    def __init__(self, faults: Faults, hub: Hub, desk: Desk) -> None:
        self._faults = faults
        self._hub = hub
        self._desk = desk

    def mount(self, app: web.Application) -> None:
        """Add the paths."""
        app.router.add_get(CONTROL_PATH, self._state)
        app.router.add_post(CONTROL_PATH, self._change)
        app.router.add_get(ACCOUNTS_PATH, self._accounts)
        app.router.add_post(ACCOUNTS_PATH, self._provision)

    async def _state(self, _: web.Request) -> web.Response:
        return json_answer(self._faults.state())

    async def _change(self, request: web.Request) -> web.Response:
        try:
            if self._faults.apply(orjson.loads(await request.read())):
                self._hub.abort_all()
        except orjson.JSONDecodeError:
            return json_answer({"detail": "The body must be a JSON object."}, 400)
        except Invalid as error:
            return json_answer({"detail": error.detail}, 400)
        return json_answer(self._faults.state())

    async def _accounts(self, _: web.Request) -> web.Response:
        self._desk.now()
        return json_answer([shown(self._desk, account) for account in self._desk.state.accounts])

    async def _provision(self, request: web.Request) -> web.Response:
        try:
            account = provision(self._desk, orjson.loads(await request.read()))
        except orjson.JSONDecodeError:
            return json_answer({"detail": "The body must be a JSON object."}, 400)
        except Invalid as error:
            return json_answer({"detail": error.detail}, 400)
        return json_answer(shown(self._desk, account))


def shown(desk: Desk, account: int) -> dict[str, Any]:
    """An account as the control endpoint lists it."""
    owner, state = desk.state.accounts[account], desk.state
    return {
        "account": account,
        "fees": {"maker": format(owner.maker, "f"), "taker": format(owner.taker, "f")},
        "balances": {
            asset: {"free": number(balance.free), "locked": number(balance.locked)}
            for asset, balance in sorted(state.balances.get(account, {}).items())
        },
        "keys": [
            {
                "key": key.key,
                "enabled": key.enabled,
                "permissions": [name for name in ("read", "trade", "withdraw") if getattr(key, name)],
            }
            for key in state.keys.values()
            if key.account == account
        ],
    }


def provision(desk: Desk, body: object) -> int:
    """Make or change an account as the body of ``POST /control/accounts`` says; returns its number.

    Raises:
        Invalid: nothing has been changed.
    """
    if not isinstance(body, dict) or not set(body) <= _NAMES:
        raise Invalid(f"The body must be an object of {', '.join(sorted(_NAMES))}.")
    now = desk.now()
    step, state = Step(desk.state, now), desk.state
    key = _key(body, desk, now)
    account = state.accounts.get(key.account, Account(key.account, created=now))
    fees = _amounts(body.get("fees", {}), "fees", {"maker", "taker"})
    if any(not 0 <= fee < 1 for fee in fees.values()):
        raise Invalid("A fee is a share from 0 to below 1.")
    step.accounts, step.keys = (
        [Account(account.id, fees.get("maker", account.maker), fees.get("taker", account.taker), account.created)],
        [key],
    )
    changes = _amounts(body.get("deposits", {}), "deposits")
    for asset, wanted in _amounts(body.get("balances", {}), "balances").items():
        if wanted < 0:
            raise Invalid("A balance is not negative.")
        changes[asset] = changes.get(asset, ZERO) + wanted - step.balance(account.id, asset).free
    for asset, change in changes.items():
        if change:
            try:
                step.move(account.id, Movement(asset, change, ZERO))
            except ValueError as error:
                raise Invalid(f"There is less {asset} than is to be taken.") from error
            step.transfers.append(Transfer(account.id, asset, change, now))
            step.events.append(Deposit(account.id, now, asset, change))
            step.tell_balances(account.id)
    desk.commit(step)
    return account.id


def _key(body: dict[str, Any], desk: Desk, now: int) -> Key:
    name, secret, state = body.get("key"), body.get("secret"), desk.state
    if not isinstance(name, str) or not _CREDENTIAL.fullmatch(name):
        raise Invalid("key must be 16 to 128 letters and digits.")
    key = state.keys.get(name)
    if secret is not None and not (isinstance(secret, str) and _CREDENTIAL.fullmatch(secret)):
        raise Invalid("secret must be 16 to 128 letters and digits.")
    if key is None:
        if secret is None:
            raise Invalid("A new key needs its secret.")
        key = Key(name, secret, _account_of(body, desk), created=now)
    elif secret is not None:
        key = replace(key, secret=secret)
    permissions = body.get("permissions")
    if permissions is not None:
        if not isinstance(permissions, list) or not all(isinstance(each, str) for each in permissions):
            raise Invalid("permissions must be a list.")
        if not set(permissions) <= _PERMISSIONS:
            raise Invalid(f"permissions are {', '.join(sorted(_PERMISSIONS))}.")
        read, trade, withdraw = (each in permissions for each in ("read", "trade", "withdraw"))
        key = replace(key, read=read, trade=trade, withdraw=withdraw)
    enabled = body.get("enabled", key.enabled)
    if not isinstance(enabled, bool):
        raise Invalid("enabled must be true or false.")
    return replace(key, enabled=enabled)


def _account_of(body: dict[str, Any], desk: Desk) -> int:
    shared = body.get("shares")
    if shared is None:
        return max(desk.state.accounts, default=0) + 1
    if not isinstance(shared, str) or shared not in desk.state.keys:
        raise Invalid("shares must be a key that exists.")
    return desk.state.keys[shared].account


def _amounts(value: object, name: str, allowed: set[str] | None = None) -> dict[str, Decimal]:
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise Invalid(f"{name} must be an object of decimal texts.")
    for each in value:
        if each not in allowed if allowed is not None else not _ASSET.fullmatch(each):
            raise Invalid(f"{each!r} does not belong into {name}.")
    amounts = {each: parse_decimal(text, name) for each, text in value.items()}
    for amount in amounts.values():
        if abs(amount) >= _LARGEST or amount != round(amount, SHOWN_DECIMALS):
            raise Invalid(f"{name} have at most {SHOWN_DECIMALS} decimals and are below {_LARGEST:f}.")
    return amounts


def json_answer(body: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """An answer in JSON."""
    return web.Response(
        body=orjson.dumps(body), status=status, headers=headers, content_type="application/json", charset="utf-8"
    )
