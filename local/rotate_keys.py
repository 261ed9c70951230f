"""Bring the keys of all exchange accounts under the present master key: ``python -m local.rotate_keys``.

The settings name the present master key (``KMS_KEY_ID``, else ``ENCRYPTION_KEY``) and the former ones
(``ENCRYPTION_PREVIOUS_KEYS``). The last line printed is a JSON object that says what was done.
"""

from __future__ import annotations

import asyncio
import json

from fullon.kernel.errors import FullonError
from fullon.runtime.container import Container
from fullon.runtime.settings import Settings
from fullon.venues.rotation import Rotated, rotate


async def _main() -> Rotated:
    container = Container(Settings.load())
    try:
        return await rotate(container.connection, container.seals)
    finally:
        await container.close()


def main() -> None:
    """Rotate, and say what was done."""
    try:
        done = asyncio.run(_main())
    except FullonError as error:
        raise SystemExit(error.detail) from None
    failed = [str(ex_id) for ex_id in done.failed]
    print(json.dumps({"rewrapped": done.rewrapped, "kept": done.kept, "failed": failed}))


if __name__ == "__main__":
    main()
