"""Whether the stores still take the logins that this process was started with.

A container gets its passwords when it starts. After a rotation its open connections live on, and every new one is
refused for ever: then the process has to end, so that its successor is started with the present ones. A process that
reads its secrets itself (:mod:`fullon.runtime.secrets`) has no need of this.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

import asyncpg
from redis.exceptions import AuthenticationError, RedisError

from fullon.runtime.container import Container
from fullon.runtime.secrets import names_any
from fullon.runtime.valkey import connect

CHECK_SECONDS = 60.0
REFUSALS = 2
"""One may be a rotation that is under way."""
_CONNECT_SECONDS = 10.0
_AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)

_log = logging.getLogger("fullon.logins")


class LoginRefused(Exception):
    """A store refuses the login of this process, and went on doing so."""


async def watch(container: Container, *, every: float) -> None:
    """Try both logins from time to time; runs until cancelled.

    Args:
        every: seconds between two tries.

    Raises:
        LoginRefused: a store has refused one several times in a row.
    """
    refusals = {"PostgreSQL": 0, "Valkey": 0}
    while not names_any(container.settings):
        await asyncio.sleep(every)
        for store, refused in (("PostgreSQL", await _database(container)), ("Valkey", await _valkey(container))):
            refusals[store] = refusals[store] + 1 if refused else 0
            if refused:
                _log.warning("login refused", extra={"store": store, "times": refusals[store]})
            if refusals[store] >= REFUSALS:
                raise LoginRefused(f"{store} refuses the login that this process was started with")
    await asyncio.Event().wait()


async def _database(container: Container) -> bool:
    settings = container.settings
    try:
        connection = await asyncpg.connect(
            settings.platform_dsn(),
            ssl=False if settings.db_ssl == "disable" else settings.db_ssl,
            timeout=_CONNECT_SECONDS,
        )
    except asyncpg.InvalidAuthorizationSpecificationError:
        return True
    except _AWAY:
        return False  # which is waited for elsewhere
    with suppress(*_AWAY):
        await connection.close(timeout=_CONNECT_SECONDS)
    return False


async def _valkey(container: Container) -> bool:
    client = connect(container.settings)
    try:
        await client.ping()
    except (RedisError, OSError, TimeoutError) as error:
        return _is_refusal(error)
    finally:
        await client.aclose()
    return False


def _is_refusal(error: BaseException | None) -> bool:
    """A cluster's client tells of it as the cause of the cause."""
    return error is not None and (isinstance(error, AuthenticationError) or _is_refusal(error.__cause__))
