"""Bots that share an account, in this process and in processes of their own, for tests of their coordination."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from signal import SIGKILL
from typing import Any
from uuid import UUID

from fullon.bots import cache, store
from fullon.bots.coordination import Coordination, Lease, guard
from fullon.bots.errors import Blocked
from fullon.runtime.container import Container
from local.home import REPOSITORY
from tests.local.platform import until
from tests.people import a_user, a_venue, an_account
from tests.servers import end

SYMBOL = "BTC/USD:BTC"
START = datetime(2026, 8, 3, tzinfo=UTC)
LONG = 600.0


@dataclass
class Desk:
    """A user with an account, and bots that may trade on it."""

    container: Container
    uid: UUID
    ex_id: UUID
    bots: list[UUID]

    def coordination(self, seconds: float = LONG, clock: Any = None) -> Coordination:
        return Coordination(
            self.container.connection, self.container.valkey, clock or self.container.clock, seconds=seconds
        )

    async def take(self, bot: int = 0, seconds: float = LONG, symbol: str = SYMBOL) -> Lease:
        return await self.coordination(seconds).take(self.uid, self.bots[bot], self.ex_id, symbol)

    async def writes(self, lease: Lease) -> None:
        """What a holder does: something, if it still may."""
        async with self.container.transaction() as connection:
            await guard(connection, self.container.clock, lease)
            await connection.execute("UPDATE bots SET note = 'written' WHERE bot_id = $1", lease.bot_id)

    async def forget(self) -> None:
        """What the expiry does."""
        await self.container.valkey.delete(cache.key(self.ex_id, SYMBOL))

    async def holder(self) -> UUID | None:
        """The bot that Valkey knows."""
        found = await cache.blocks(self.container.valkey, [(self.ex_id, SYMBOL)])
        return found[0].bot_id if found else None


async def a_desk(container: Container, bots: int) -> Desk:
    async with container.transaction() as connection:
        uid = await a_user(connection)
        await a_venue(connection, "paper")
        ex_id = await an_account(connection, uid)
        ids = []
        for number in range(bots):
            bot = await store.add(
                connection, container.clock, uid, name=f"bot {number}", active=True, dry_run=False, note=""
            )
            await store.add_exchange(connection, container.clock, uid, bot.bot_id, ex_id)
            ids.append(bot.bot_id)
    return Desk(container, uid, ex_id, ids)


@contextmanager
def holding(desk: Desk, bot: int, seconds: float) -> Iterator[subprocess.Popen[bytes]]:
    """A bot in a process of its own that has taken the symbol."""
    arguments = [desk.uid, desk.bots[bot], desk.ex_id, SYMBOL, seconds]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.store.bot_holder", *map(str, arguments)],
        cwd=REPOSITORY,
        env=dict(os.environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        end(process, SIGKILL)
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()


async def heard(process: subprocess.Popen[bytes]) -> str:
    """The next line that it says."""
    assert process.stdout is not None
    line = await asyncio.wait_for(asyncio.to_thread(process.stdout.readline), 60)
    assert line, "the process ended"
    return line.decode().strip()


async def told(process: subprocess.Popen[bytes], command: str) -> str:
    """What comes of a command."""
    assert process.stdin is not None
    process.stdin.write(command.encode() + b"\n")
    process.stdin.flush()
    return await heard(process)


async def taken_in_the_end(desk: Desk, bot: int) -> Lease:
    """Asks until the symbol is free."""
    found: list[Lease] = []

    async def free() -> bool:
        try:
            found.append(await desk.take(bot))
        except Blocked:
            return False
        return True

    await until(free)
    return found[0]
