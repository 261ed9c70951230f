"""The two databases: there, at the schema this code expects, and seeded; otherwise made so by a child process.

The supervisor itself only looks, with a bare connection. Migrations and seed bring libraries of their own and run in
their own processes, which a start without changes does not need at all.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from local.errors import MachineProblem, StoreProblem
from local.home import REPOSITORY, Home, read_mapping, write_private

PLATFORM = "fullon"
CONNECT_SECONDS = 10


def beside(dsn: str, database: str) -> str:
    """The address of another database of the same server."""
    parts = urlsplit(dsn)
    return urlunsplit(parts._replace(path=f"/{database}"))


async def create_if_absent(dsn: str) -> None:
    """Make the database that an address names.

    Raises:
        StoreProblem: the server cannot be reached or refuses.
    """
    import asyncpg

    quoted = '"' + urlsplit(dsn).path.strip("/").replace('"', '""') + '"'
    with _refusals(dsn):
        try:
            connection = await asyncpg.connect(dsn, timeout=CONNECT_SECONDS)
        except asyncpg.InvalidCatalogNameError:
            connection = await asyncpg.connect(beside(dsn, "postgres"), timeout=CONNECT_SECONDS)
            with suppress(asyncpg.DuplicateDatabaseError):  # two starts on one server
                await connection.execute(f"CREATE DATABASE {quoted} ENCODING 'UTF8' TEMPLATE template0")
        await connection.close()


async def revision(dsn: str) -> str | None:
    """The schema revision of a database, or None when it was never migrated."""
    import asyncpg

    try:
        found = await _value(dsn, "SELECT version_num FROM alembic_version")
    except asyncpg.UndefinedTableError:
        return None
    return None if found is None else str(found)


async def is_at_head(platform: str, candles: str) -> bool:
    """Whether both databases have the schema that this code expects."""
    from fullon.runtime.schema import CANDLES_HEAD, PLATFORM_HEAD

    with _refusals(platform):
        return await revision(platform) == PLATFORM_HEAD and await revision(candles) == CANDLES_HEAD


async def migrate(environment: Mapping[str, str]) -> None:
    """Bring both databases of the settings to the newest schema; raises MachineProblem with the last line said."""
    await run_module("functions.migrate.handler", "The database migration", environment)


def seed_mark() -> dict[str, str]:
    """What a seeded home was seeded with: a changed seed or schema is sown again."""
    from fullon.runtime.schema import PLATFORM_HEAD

    digest = hashlib.sha256()
    for source in sorted((REPOSITORY / "local").glob("seed*.py")):
        digest.update(source.read_bytes())
    return {"seed": digest.hexdigest(), "schema": PLATFORM_HEAD}


def is_seeded(home: Home) -> bool:
    """Whether this home's own database got the present seed already."""
    return read_mapping(home.seeded) == seed_mark()


async def has_user(platform: str, mail: str) -> bool:
    """Whether somebody with this address is registered."""
    with _refusals(platform):
        return bool(await _value(platform, "SELECT EXISTS (SELECT FROM users WHERE lower(mail) = lower($1))", mail))


async def seed(home: Home, environment: Mapping[str, str]) -> None:
    """Sow users, catalogue and symbols; what is there stays.

    The administrator's password goes to the seed as FULLON_ADMIN_PASSWORD in its environment, which other accounts
    cannot read, as they could its arguments.
    """
    await run_module("local.seed", "The seed", {**environment, "FULLON_PAPER_ACCOUNT": str(home.paper_account)})
    write_private(home.seeded, seed_mark())


async def run_module(module: str, title: str, environment: Mapping[str, str]) -> str:
    """Run a module to its end in its own process; returns what it printed.

    Raises:
        MachineProblem: it ended with another code than 0; the sentence carries its last line.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module,
        cwd=Path(REPOSITORY), env=dict(environment), start_new_session=True,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        output, errors = await process.communicate()
    except asyncio.CancelledError:
        if process.returncode is None:
            process.kill()
            await process.wait()
        raise
    if process.returncode != 0:
        said = (errors or output).decode(errors="replace").strip().splitlines() or ["it said nothing"]
        raise MachineProblem(f"{title} failed (exit code {process.returncode}): {said[-1][:400]}")
    return output.decode(errors="replace")


async def _value(dsn: str, query: str, *arguments: object) -> object:
    import asyncpg

    connection = await asyncpg.connect(dsn, timeout=CONNECT_SECONDS)
    try:
        return await connection.fetchval(query, *arguments)
    finally:
        await connection.close()


@contextmanager
def _refusals(dsn: str) -> Iterator[None]:
    """Turn what the driver raises into one sentence."""
    import asyncpg

    try:
        yield
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise _refused(dsn, error) from error


def _refused(dsn: str, error: Exception) -> StoreProblem:
    import asyncpg

    parts = urlsplit(dsn)
    place = f"{parts.hostname}:{parts.port or 5432}"
    if isinstance(error, asyncpg.InvalidPasswordError | asyncpg.InvalidAuthorizationSpecificationError):
        return StoreProblem(f"PostgreSQL on {place} refuses the user or password of DATABASE_URL.")
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return StoreProblem(
            f"PostgreSQL on {place} does not let this user create the database {parts.path.strip('/')}.",
            "Create it, or give the user the right to.",
        )
    return StoreProblem(f"PostgreSQL on {place} cannot be reached: {type(error).__name__}.", "Check DATABASE_URL.")
