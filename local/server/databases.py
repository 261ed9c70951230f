"""``python -m local.server.databases``: waits for the stores of the settings, and makes databases that are missing."""

from __future__ import annotations

import asyncio
import os
import sys
import time

from redis.exceptions import RedisError

from fullon.kernel.errors import FullonError
from fullon.runtime.container import Container
from fullon.runtime.settings import Settings
from local.errors import StoreProblem
from local.supervisor.databases import create_if_absent

PATIENCE_SECONDS = 120.0


async def prepare(settings: Settings, patience: float = PATIENCE_SECONDS) -> None:
    """Return when PostgreSQL has both databases and Valkey answers.

    Raises:
        StoreProblem: one of them does not, in this time.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            await create_if_absent(settings.platform_dsn())
            await create_if_absent(settings.candles_dsn())
            break
        except StoreProblem:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(0.5)
    container = Container(settings)
    try:
        while True:
            try:
                await container.valkey.ping()
                break
            except RedisError as error:
                if time.monotonic() > deadline:
                    raise StoreProblem("Valkey does not answer at the address of REDIS_URL.") from error
            await asyncio.sleep(0.5)
    finally:
        await container.close()


def main() -> int:
    """Prepare this environment's stores."""
    try:
        asyncio.run(prepare(Settings.load()))
    except FullonError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"stores ready ({os.environ.get('FULLON_STORES') or 'none'} here)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
