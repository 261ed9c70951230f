"""``python -m local.server.catalogue``: the venues that an installation knows from the start, all switched off."""

from __future__ import annotations

import asyncio
import sys

from fullon.kernel.errors import FullonError
from fullon.runtime.container import Container
from fullon.runtime.settings import Settings
from fullon.venues import store
from fullon.venues.known import put_known


async def sow(container: Container) -> int:
    """Add the venues that are missing; returns how many there are now. What is there stays as it is."""
    async with container.transaction() as connection:
        await put_known(connection)
        return len(await store.venues(connection))


async def _main() -> int:
    container = Container(Settings.load())
    try:
        print(f"{await sow(container)} venues in the catalogue")
    finally:
        await container.close()
    return 0


def main() -> int:
    """Sow into this environment's database."""
    try:
        return asyncio.run(_main())
    except FullonError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
