"""Candles from PostgreSQL through the API, against the endpoint one would write first: ORM rows and a response model.

Both apps run in process over ASGI, on the same rows of the same embedded PostgreSQL, in turn within each round. What
they answer is decoded and compared before anything is timed. Ours does all it does for a client: identity confirmed in
Valkey, symbol looked up, running bar asked for, tag computed. "First" forgets the encoded hours before each request;
"again" is the usual case, where somebody asked for these hours before.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import asyncpg
import orjson
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, SecretStr
from sqlalchemy import DateTime, select
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from benchmarks.figures import median, table
from fullon.kernel.timeframes import MINUTE_MS
from fullon.runtime.container import Container
from fullon.runtime.settings import Settings
from functions.migrate.migrations import upgrade
from functions.ohlcv import encoding
from functions.ohlcv.app import create
from local.stores.postgres import Postgres
from local.stores.valkey import Valkey
from tests.api.callers import as_behind_gateway, stored_identity
from tests.market_builder import MONDAY, collected, minutes
from tests.servers import finish, running_postgres, running_valkey, short_directory

ROUNDS = 15
SIZES = (1_000, 10_000)
STORED = 20_160
DATABASES = ("fullon", "fullon_ohlcv")

App = Callable[..., Awaitable[None]]
#: What is done before each request, and the request.
Entrant = tuple[Callable[[], None], Callable[[], Awaitable[bytes]]]


class Table(DeclarativeBase):
    """SQLAlchemy's tables."""


class CandleRow(Table):
    """The table as an ORM sees it."""

    __tablename__ = "candles"

    series_id: Mapped[int] = mapped_column(primary_key=True)
    time: Mapped[datetime] = mapped_column("ts", DateTime(timezone=True), primary_key=True)
    open: Mapped[float]
    high: Mapped[float]
    low: Mapped[float]
    close: Mapped[float]
    volume: Mapped[float]


class CandleOut(BaseModel):
    """The response model."""

    model_config = ConfigDict(from_attributes=True)

    time: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float
    final: bool = True


class Page(BaseModel):
    """The list."""

    items: list[CandleOut]
    next_cursor: str | None = None


def orm_app(dsn: str) -> FastAPI:
    """The straightforward endpoint."""
    engine = create_async_engine(dsn.replace("postgresql://", "postgresql+asyncpg://", 1))
    sessions = async_sessionmaker(engine)
    app = FastAPI()

    @app.get("/candles/{series_id}", response_model=Page)
    async def candles(series_id: int, limit: int) -> dict[str, Any]:
        query = select(CandleRow).where(CandleRow.series_id == series_id).order_by(CandleRow.time.desc()).limit(limit)
        async with sessions() as session:
            rows = list((await session.scalars(query)).all())
        return {"items": rows[::-1]}

    app.state.engine = engine
    return app


async def get(app: App, path: str, query: str) -> bytes:
    """One request in process, without an HTTP client's own work."""
    parts: list[bytes] = []
    status = 0

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            parts.append(message.get("body", b""))

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": query.encode(), "root_path": "", "headers": [],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    await app(scope, receive, send)
    if status != 200:
        raise RuntimeError(f"{path} answered {status}: {b''.join(parts)[:200]!r}")
    return b"".join(parts)


def rows_of(body: bytes) -> list[tuple[Any, ...]]:
    """The candles of an answer in either layout: epoch milliseconds and five numbers."""
    return [
        tuple(item)
        if isinstance(item, list)
        else (
            int(datetime.fromisoformat(item["time"]).astimezone(UTC).timestamp() * 1000),
            *(item[name] for name in ("open", "high", "low", "close", "volume")),
        )
        for item in orjson.loads(body)["items"]
    ]


def nothing() -> None:
    """Leave everything as it is."""


def forget() -> None:
    """As after a cold start."""
    encoding._hour_of_objects.cache_clear()
    encoding._hour_of_arrays.cache_clear()


async def run(settings: Settings) -> list[list[str]]:
    """Measure and return the rows of the table."""
    container = Container(settings)
    # The newest hour is not complete, as it never is.
    stored = minutes(MONDAY - STORED * MINUTE_MS, STORED + 37)
    symbol = await collected(container, stored)
    async with (await container.candles()).acquire() as connection:
        await connection.execute("VACUUM ANALYZE")
    ours = as_behind_gateway(create(container), await stored_identity(container))
    theirs = orm_app(settings.candles_dsn())
    path = "/api/v1/ohlcv/candles/paper/BTC/USDT/1m"
    report: list[list[str]] = []
    for size in SIZES:
        objects, arrays = f"limit={size}", f"limit={size}&format=array"
        entrants: dict[str, Entrant] = {
            "SQLAlchemy ORM + response model": (nothing, partial(get, theirs, f"/candles/{symbol.symbol_id}", objects)),
            "ours, objects, first": (forget, partial(get, ours, path, objects)),
            "ours, objects, again": (nothing, partial(get, ours, path, objects)),
            "ours, arrays, first": (forget, partial(get, ours, path, arrays)),
            "ours, arrays, again": (nothing, partial(get, ours, path, arrays)),
        }
        expected = [(b.ts, b.open, b.high, b.low, b.close, b.volume) for b in stored[-size:]]
        for name, (_, request) in entrants.items():
            if rows_of(await request()) != expected:
                raise RuntimeError(f"{name} does not answer with the candles that were stored")
        report += _rows(size, await _timed(entrants))
    await container.close()
    await theirs.state.engine.dispose()
    return report


async def _timed(entrants: dict[str, Entrant]) -> dict[str, list[tuple[float, float]]]:
    """Milliseconds on the clock and of this process's CPU, for each request."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in entrants}
    for _ in range(ROUNDS):
        for name, (prepare, request) in entrants.items():
            prepare()
            started, used = time.perf_counter(), time.process_time()
            await request()
            times[name].append(((time.perf_counter() - started) * 1000, (time.process_time() - used) * 1000))
    return times


def _rows(size: int, times: dict[str, list[tuple[float, float]]]) -> list[list[str]]:
    report = []
    slowest: list[float] = []
    for name, taken in times.items():
        clock, cpu = ([each[place] for each in taken] for place in range(2))
        figures = [median(clock), min(clock), median(cpu)]
        slowest = slowest or figures
        ratios = [f"{theirs / own:.1f}×" for theirs, own in zip(slowest, figures, strict=True)]
        report.append([f"{size:,}: {name}", *(f"{each:.2f}" for each in figures), *ratios])
    return report


async def prepared(postgres: Postgres, valkey: Valkey) -> Settings:
    """Both databases, migrated."""
    connection = await asyncpg.connect(postgres.dsn("postgres"))
    for name in DATABASES:
        await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    platform, candles = (postgres.dsn(name) for name in DATABASES)
    await upgrade(platform, candles)
    return Settings(
        environment="local",
        database_url=SecretStr(platform),
        db_ohlcv_name=DATABASES[1],
        redis_url=SecretStr(valkey.url),
    )


def main() -> None:
    """Start the servers, measure, print."""
    with short_directory() as directory, running_postgres(directory) as postgres, running_valkey(directory) as valkey:
        settings = finish(prepared(postgres, valkey))
        rows = finish(run(settings))
    columns = ["candles: endpoint", "median ms", "fastest ms", "CPU ms", "× median", "× fastest", "× CPU"]
    table("Candles from PostgreSQL, in process; CPU is the application's, without PostgreSQL's", columns, rows)


if __name__ == "__main__":
    main()
