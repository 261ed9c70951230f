"""A pool of database connections that says how long each was waited for, and names its statements to a trace."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

import asyncpg

from fullon.runtime import metrics, tracing

if TYPE_CHECKING:
    _Pool = asyncpg.Pool[Any]
else:  # generic to type checkers alone
    _Pool = asyncpg.Pool

#: What asyncpg's own maker of pools gives.
_MOST_QUERIES = 50_000


class MeasuredPool(_Pool):
    """As ``asyncpg.create_pool`` makes it: await it once.

    Every way of acquiring a connection goes through the one method here.
    """

    def __init__(self, dsn: str, **options: Any) -> None:
        if tracing.is_on():
            from fullon.runtime.traced_stores import watch_connection

            options["init"] = watch_connection
        super().__init__(
            dsn,
            max_queries=_MOST_QUERIES,
            loop=None,
            connection_class=asyncpg.Connection,
            record_class=asyncpg.Record,
            **options,
        )

    async def _acquire(self, timeout: float | None) -> Any:
        started = perf_counter()
        connection = await super()._acquire(timeout)  # type: ignore[misc]
        metrics.record(metrics.POOL_WAIT, (perf_counter() - started) * 1000)
        return connection
