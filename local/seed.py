"""What a new installation starts with: ``python -m local.seed``.

An admin, a trader with an account at the paper venue and bots on it, and what :mod:`local.seed_venues` brings. It
only ever adds: a user who is there keeps everything, the password included. The last line printed is a JSON object that
says what was done.

Environment, beside the settings: ``FULLON_ADMIN_PASSWORD``, needed until the admin exists; ``FULLON_TRADER_PASSWORD``,
else the trader gets a random one that nobody is told, and an admin may set another; ``FULLON_PAPER_ACCOUNT``, the file
with key and secret of the account at the paper venue, without which the trader gets none, and no bots. Outside local
mode there are no bots in any case.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fullon.identity import passwords, users
from fullon.identity.errors import MailTaken
from fullon.identity.model import Role
from fullon.kernel.errors import FullonError, Invalid
from fullon.kernel.ids import new_token
from fullon.runtime.container import Container
from fullon.runtime.settings import Settings
from local import seed_accounts, seed_bots, seed_venues
from local.credentials import TRADER_MAIL


async def sow(container: Container, environment: Mapping[str, str]) -> dict[str, Any]:
    """Add what is missing; returns what was done.

    Raises:
        Invalid: the admin is missing and no usable password was given.
    """
    done: dict[str, Any] = {}
    admin_password = environment.get("FULLON_ADMIN_PASSWORD") or None
    mail = users.canonical_mail(container.settings.admin_mail, "ADMIN_MAIL")
    admin_secret = await _new_secret(container, mail, admin_password, "FULLON_ADMIN_PASSWORD")
    trader_password = environment.get("FULLON_TRADER_PASSWORD") or new_token()
    trader_secret = await _new_secret(container, TRADER_MAIL, trader_password, "FULLON_TRADER_PASSWORD")
    done["trader"] = await _user(container, TRADER_MAIL, Role.TRADER, trader_secret)
    async with container.transaction() as connection:
        done["catalogue"] = await seed_venues.seed(connection)
    if file := environment.get("FULLON_PAPER_ACCOUNT"):
        done["account"] = await seed_accounts.seed(container, TRADER_MAIL, Path(file))
        if container.settings.environment == "local":
            done["bots"] = await seed_bots.seed(container, TRADER_MAIL)
    # Last: with an admin the platform is ready, see functions.health.
    done["admin"] = await _user(container, mail, Role.ADMIN, admin_secret)
    if done["admin"] == "kept" and admin_password is not None and not await _is_right(container, mail, admin_password):
        done["note"] = f"{mail} was there already, so its own password was kept, not FULLON_ADMIN_PASSWORD."
    return done


async def _new_secret(container: Container, mail: str, password: str | None, variable: str) -> str | None:
    """The hash for a user who is missing; None when there is one."""
    async with container.connection() as connection:
        if await users.find(connection, mail) is not None:
            return None
    if password is None:
        raise Invalid(f"{mail} does not exist yet; set {variable} to its password.", code="settings")
    return await passwords.hash_password(password, variable)


async def _user(container: Container, mail: str, role: Role, secret: str | None) -> str:
    if secret is None:
        return "kept"
    name = role.value.capitalize()
    try:
        async with container.transaction() as connection:
            await users.create(connection, container.clock, mail=mail, password_hash=secret, role=role, name=name)
    except MailTaken:
        return "kept"
    return "created"


async def _is_right(container: Container, mail: str, password: str) -> bool:
    async with container.connection() as connection:
        found = await users.find(connection, mail)
    return found is not None and (await passwords.verify(found[1], password)).is_right


async def _main() -> dict[str, Any]:
    container = Container(Settings.load())
    try:
        return await sow(container, os.environ)
    finally:
        await container.close()


def main() -> None:
    """Sow, and say what was done."""
    try:
        done = asyncio.run(_main())
    except Invalid as error:
        raise SystemExit(": ".join([*error.fields, error.detail])) from None
    except FullonError as error:
        raise SystemExit(error.detail) from None
    if "note" in done:
        print(done["note"], file=sys.stderr)
    print(json.dumps(done, default=str))


if __name__ == "__main__":
    main()
