"""Making and changing accounts: the body of ``POST /control/accounts``, an object of

- ``key``, needed, and ``secret``, needed for a new key: letters and digits, 16 to 128 of them.
- ``shares``: a key whose account the new key opens too.
- ``balances``: ``{"USDT": "10000"}``, what is in the account from now on free of orders; the difference to what was
  free is a transfer, which user streams tell as ``balanceUpdate``. ``deposits``: amounts to add, negative to take.
- ``permissions``: any of ``read``, ``trade``, ``withdraw``; ``enabled``: whether the key works at all.
- ``fees``: ``{"maker": "0.001", "taker": "0.001"}``, of the account.
"""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from typing import Any

from fullon.kernel.errors import Invalid
from fullon.kernel.money import parse_decimal
from local.paper.market import SHOWN_DECIMALS
from local.paper.trading.accounts import ZERO, Account, Key, Transfer
from local.paper.trading.answers import number
from local.paper.trading.desk import Desk
from local.paper.trading.settlement import Movement
from local.paper.trading.state import Deposit, Step

_NAMES = {"key", "secret", "shares", "balances", "deposits", "permissions", "enabled", "fees"}
_PERMISSIONS = ("read", "trade", "withdraw")
_CREDENTIAL = re.compile(r"[A-Za-z0-9]{16,128}")
_ASSET = re.compile(r"[A-Z0-9]{1,20}")
_LARGEST = Decimal(10) ** 15


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
                "permissions": [name for name in _PERMISSIONS if getattr(key, name)],
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
    maker, taker = fees.get("maker", account.maker), fees.get("taker", account.taker)
    step.accounts, step.keys = [replace(account, maker=maker, taker=taker)], [key]
    changes = _amounts(body.get("deposits", {}), "deposits")
    for asset, wanted in _amounts(body.get("balances", {}), "balances").items():
        if wanted < 0:
            raise Invalid("A balance is not negative.")
        changes[asset] = changes.get(asset, ZERO) + wanted - step.balance(account.id, asset).free
    for asset, change in changes.items():
        if change:
            _transfer(step, account.id, asset, change)
    desk.commit(step)
    return account.id


def _transfer(step: Step, account: int, asset: str, change: Decimal) -> None:
    try:
        step.move(account, Movement(asset, change, ZERO))
    except ValueError as error:
        raise Invalid(f"There is less {asset} than is to be taken.") from error
    if step.balance(account, asset).free >= _LARGEST:
        raise Invalid(f"An account holds less than {_LARGEST:f} {asset}.")
    step.transfers.append(Transfer(account, asset, change, step.time))
    step.events.append(Deposit(account, step.time, asset, change))
    step.tell_balances(account)


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
        if not set(permissions) <= set(_PERMISSIONS):
            raise Invalid(f"permissions are {', '.join(_PERMISSIONS)}.")
        read, trade, withdraw = (each in permissions for each in _PERMISSIONS)
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
