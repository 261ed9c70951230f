"""A bot in a process of its own, that can be killed and paused: it takes a symbol and then does as it is told.

``python -m tests.store.bot_holder UID BOT_ID EX_ID SYMBOL SECONDS``; a line on standard input is ``renew``, ``release``
or ``write``, a line on standard output what came of it: a word, or the code of the error.
"""

from __future__ import annotations

import asyncio
import sys
from uuid import UUID

from fullon.bots.coordination import Coordination, guard
from fullon.kernel.errors import FullonError
from fullon.runtime.container import Container
from fullon.runtime.settings import Settings


async def main(uid: UUID, bot_id: UUID, ex_id: UUID, symbol: str, seconds: float) -> None:
    container = Container(Settings.load())
    coordination = Coordination(container.connection, container.valkey, container.clock, seconds=seconds)
    lease = await coordination.take(uid, bot_id, ex_id, symbol)
    print(f"taken {lease.fence}", flush=True)
    while command := (await asyncio.to_thread(sys.stdin.readline)).strip():
        try:
            if command == "renew":
                lease, word = await coordination.renew(lease), "renewed"
            elif command == "release":
                word = "released" if await coordination.release(lease) else "not mine"
            else:
                async with container.transaction() as connection:
                    await guard(connection, container.clock, lease)
                    await connection.execute("UPDATE bots SET note = 'written' WHERE bot_id = $1", bot_id)
                word = "written"
        except FullonError as error:
            word = error.code
        print(word, flush=True)
    await container.close()


if __name__ == "__main__":
    user, bot, account, name, lasting = sys.argv[1:]
    asyncio.run(main(UUID(user), UUID(bot), UUID(account), name, float(lasting)))
