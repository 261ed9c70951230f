"""An account at the paper venue for the demo trader, so that a new installation can trade at once."""

from __future__ import annotations

from pathlib import Path

from fullon.identity import users
from fullon.kernel.errors import Invalid
from fullon.kernel.ids import new_id
from fullon.runtime.container import Container
from fullon.venues import accounts, store
from fullon.venues.account import Keys
from fullon.venues.errors import AccountNameTaken, AccountNotFound
from fullon.venues.sealing import Binding
from local.paper.credentials import credentials_of

NAME = "paper"


async def seed(container: Container, mail: str, file: Path) -> str:
    """Give a user the account whose key and secret are in ``file``; ``created``, or ``kept`` when it is there.

    Raises:
        Invalid: the file cannot be used.
        SealingNotSetUp: there is no master key to seal it with.
    """
    async with container.connection() as connection:
        venue = await store.venue_by_name(connection, "paper")
        owner = await users.find(connection, mail)
        if owner is None:
            return "nobody to give it to"
        try:
            await accounts.by_name(connection, owner[0].uid, NAME, venue.cat_ex_id)
        except AccountNotFound:
            pass
        else:
            return "kept"
    keys, binding = _keys(file), Binding(owner[0].uid, new_id())
    sealed = await container.seals.seal(binding, keys.to_bytes())
    try:
        async with container.transaction() as connection:
            await accounts.add(
                connection,
                container.clock,
                binding,
                sealed,
                cat_ex_id=venue.cat_ex_id,
                name=NAME,
                key_hint=keys.hint,
            )
    except AccountNameTaken:
        return "kept"
    return "created"


def _keys(file: Path) -> Keys:
    try:
        found = credentials_of(file)
    except OSError as error:
        raise Invalid(f"{file} cannot be used: {error.strerror}.", code="settings") from error
    key, secret = found.get("key"), found.get("secret")
    if not isinstance(key, str) or not isinstance(secret, str):
        raise Invalid(f"{file} is not a key and a secret.", code="settings")
    return Keys(key, secret)
