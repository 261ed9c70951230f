"""A new master key takes over: every data key is wrapped anew, and nothing that they seal is touched.

It can be broken off and repeated at any time; accounts are used, changed and made meanwhile.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from fullon.kernel.errors import Corrupt
from fullon.venues import accounts
from fullon.venues.sealing import Seals

if TYPE_CHECKING:
    from fullon.venues.accounts import Connection

PAGE = 100
_log = logging.getLogger("fullon.rotation")


@dataclass(slots=True)
class Rotated:
    """What was done.

    Attributes:
        rewrapped: data keys that are under the present master key now.
        kept: those that were already, and accounts that changed meanwhile.
        failed: accounts whose data key could not be opened.
    """

    rewrapped: int = 0
    kept: int = 0
    failed: list[UUID] = field(default_factory=list)


async def rotate(connect: Callable[[], AbstractAsyncContextManager[Connection]], seals: Seals) -> Rotated:
    """Bring every data key under the present master key. An account that cannot be opened stops no other.

    Args:
        connect: opens a connection; none is held while a master key elsewhere is waited for.

    Raises:
        MasterKeyUnavailable: the master key cannot be used now; what was done stays done.
    """
    done, after = Rotated(), None
    while True:
        async with connect() as connection:
            page = await accounts.wrapped_after(connection, after, PAGE)
        for binding, old in page:
            try:
                new = await seals.rewrap(binding, old)
            except Corrupt as error:
                _log.error("data key not opened", extra={"ex_id": str(binding.ex_id), "code": error.code})
                done.failed.append(binding.ex_id)
                continue
            if new is None:
                done.kept += 1
                continue
            async with connect() as connection:
                was_replaced = await accounts.replace_wrapped(connection, binding, old, new)
            done.rewrapped += was_replaced
            done.kept += not was_replaced
        if len(page) < PAGE:
            return done
        after = page[-1][0].ex_id
