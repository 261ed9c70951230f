"""The one place that wires settings to stores. Everything opens on first use and lives as long as the process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import asyncpg

from fullon.kernel.clock import Clock, SystemClock
from fullon.kernel.errors import Unavailable
from fullon.runtime import tracing
from fullon.runtime.measured_pool import MeasuredPool
from fullon.runtime.secrets import KEY_AGE_SECONDS, READ_AGAIN_SECONDS, Rotation, SecretsManager
from fullon.runtime.settings import Settings

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from fullon.fleet.ecs import Ecs
    from fullon.fleet.service import ServiceControl
    from fullon.identity.service import Principals
    from fullon.identity.tokens import Tokens
    from fullon.venues.sealing import Seals

    Connection = asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any]
    Pool = asyncpg.Pool[Any]

_log = logging.getLogger("fullon.container")

#: Failures of the network or the server that a later try may not see. A constraint violation is not among them.
DATABASE_DOWN = (
    OSError,
    asyncio.TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InterfaceError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.IdleSessionTimeoutError,
    asyncpg.InvalidAuthorizationSpecificationError,  # a rotation that is under way, too
)
#: A process that is paused in a transaction keeps its locks; after so long the server gives them to the others.
IDLE_TRANSACTION_SECONDS = 10
#: A function that is frozen between two requests keeps its connection; the server ends it, so that Aurora can pause.
#: Longer than a pool that is awake keeps an idle one.
IDLE_SESSION_SECONDS = 300


class Container:
    """Pools and clients of one process, opened lazily so that a cold start pays only for what the request needs."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock: Clock = clock or SystemClock()
        self._database: Pool | None = None
        self._candles: Pool | None = None
        self._valkey: Redis | None = None
        self._opening = asyncio.Lock()
        self._rotation = Rotation(SecretsManager(settings.aws_region), self.clock)

    async def database(self) -> Pool:
        """Pool on the platform database.

        Raises:
            Unavailable: the server cannot be reached.
        """
        if self._database is None:
            async with self._opening:
                if self._database is None:
                    self._database = await self._open(Settings.platform_dsn)
        return self._database

    async def candles(self) -> Pool:
        """Pool on the candle database.

        Raises:
            Unavailable: the server cannot be reached.
        """
        if self._candles is None:
            async with self._opening:
                if self._candles is None:
                    self._candles = await self._open(Settings.candles_dsn)
        return self._candles

    @property
    def valkey(self) -> Redis:
        """Client of Valkey (answers are bytes); it connects at the first command and again after a loss."""
        if self._valkey is None:
            from fullon.runtime.valkey import connect

            self._valkey = connect(self.settings, self._valkey_login)
            if tracing.is_on():
                from fullon.runtime.traced_stores import watch_valkey

                watch_valkey(self._valkey)
        return self._valkey

    @property
    def principals(self) -> Principals:
        """Whether a session, key or user still stands: Valkey first, else PostgreSQL."""
        from fullon.identity.service import Principals

        return Principals(self.valkey, self.connection, self.clock)

    @cached_property
    def tokens(self) -> Tokens:
        """Makes and reads access tokens with the keys of the settings, as they were read last.

        Raises:
            Invalid: what the algorithm needs is missing or is no such key.
        """
        from fullon.identity.tokens import SigningKeys, Tokens

        settings = self.settings
        private_key = settings.jwt_private_key
        keys = SigningKeys.of(
            settings.jwt_algorithm,
            settings.jwt_key_id,
            secret=settings.jwt_secret_key.get_secret_value(),
            private_key=private_key.get_secret_value() if private_key else "",
            public_key=settings.jwt_public_key or "",
            previous=settings.previous_keys(),
        )
        lifetime = timedelta(minutes=settings.jwt_expiration_minutes)
        return Tokens(keys, self.clock, lifetime=lifetime, issuer=settings.jwt_issuer, audience=settings.jwt_audience)

    @cached_property
    def seals(self) -> Seals:
        """Seals and opens the keys of exchange accounts with the master keys of the settings.

        Raises:
            SealingNotSetUp: they name none that is fit for it.
        """
        from fullon.runtime.settings import is_weak
        from fullon.venues.errors import SealingNotSetUp
        from fullon.venues.master_keys import seals

        settings = self.settings
        secret = settings.encryption_key.get_secret_value() if settings.encryption_key else None
        if secret is not None and is_weak(secret):
            secret = None
        previous = settings.previous_encryption_keys().values()
        made = seals(secret, previous, settings.kms_key_id, settings.aws_region)
        if made is None:
            raise SealingNotSetUp
        return made

    async def current_tokens(self, token: str | None = None) -> Tokens:
        """Makes and reads access tokens with the present keys.

        Args:
            token: to be read; the keys are looked at again when it names one that is not known here.
        """
        if self.settings.jwt_secret_arn:
            await self._renew_calmly(KEY_AGE_SECONDS)
            if token is not None and not self.tokens.knows_key_of(token):
                await self._renew_calmly(READ_AGAIN_SECONDS)
        return self.tokens

    async def renew_secrets(self, older_than: float = READ_AGAIN_SECONDS) -> bool:
        """Read the secrets again, unless that was just done; whether any has changed.

        Raises:
            Unavailable: they cannot be read now.
        """
        before = self.settings
        self.settings = await self._rotation.renewed(lambda: self.settings, older_than)
        if (
            self.settings.jwt_secret_key != before.jwt_secret_key
            or self.settings.jwt_previous_keys != before.jwt_previous_keys
        ):
            self.__dict__.pop("tokens", None)
        if self.settings.encryption_key != before.encryption_key:
            self.__dict__.pop("seals", None)
        return self.settings != before

    async def _renew_calmly(self, older_than: float) -> None:
        """What was read last is still good for most."""
        try:
            await self.renew_secrets(older_than)
        except Unavailable as error:
            _log.warning("secrets not read again", extra={"code": error.code, **error.facts})

    async def _valkey_login(self) -> tuple[str, str]:
        """Asked for each new connection, of which there are few; so age is watched instead of refusals."""
        if self.settings.redis_secret_arn:
            await self._renew_calmly(READ_AGAIN_SECONDS)
        return self.settings.redis_user, self.settings.redis_password.get_secret_value()

    @cached_property
    def services(self) -> ServiceControl:
        """The daemons as container services, to be seen, started and stopped."""
        from fullon.fleet.service import ServiceControl
        from fullon.runtime import manifest

        names = [daemon.name for daemon in manifest.load().daemons]
        return ServiceControl(self.ecs(names), self.valkey, self.connection, names, self.clock)

    def ecs(self, names: Sequence[str], *, attempts: int = 3) -> Ecs:
        """The container service.

        Args:
            attempts: how often a call is tried, throttled ones included; each takes seven seconds at most.
        """
        from fullon.fleet.ecs import Ecs

        settings = self.settings
        return Ecs(settings.ecs_cluster, settings.aws_region, settings.aws_endpoint_url_ecs, names, attempts=attempts)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection of the platform database, without a transaction.

        Raises:
            Unavailable: the server cannot be reached.
        """
        pool = await self.database()
        with unavailable_when_down():
            async with pool.acquire(timeout=self.settings.db_connect_timeout) as connection:
                yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """One transaction on the platform database, committed when the block ends well.

        Raises:
            Unavailable: the server cannot be reached.
        """
        async with self.connection() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def candle_transaction(self) -> AsyncIterator[Connection]:
        """One transaction on the candle database, committed when the block ends well.

        Raises:
            Unavailable: the server cannot be reached.
        """
        pool = await self.candles()
        with unavailable_when_down():
            async with pool.acquire(timeout=self.settings.db_connect_timeout) as connection, connection.transaction():
                yield connection

    async def close(self) -> None:
        """Close what was opened."""
        for pool in (self._database, self._candles):
            if pool is not None:
                pool.terminate()
        self._database = self._candles = None
        if self._valkey is not None:
            await self._valkey.aclose()
            self._valkey = None

    async def _open(self, address: Callable[[Settings], str]) -> Pool:
        with unavailable_when_down():
            return await MeasuredPool(
                address(self.settings),
                connect=partial(self._connect, address),
                ssl=False if self.settings.db_ssl == "disable" else self.settings.db_ssl,
                min_size=0,
                max_size=self.settings.db_pool_size,
                max_inactive_connection_lifetime=240,
                timeout=self.settings.db_connect_timeout,
                command_timeout=25,
                reset=_leave_as_is,
                server_settings={
                    "application_name": "fullon",
                    "jit": "off",
                    "timezone": "UTC",
                    "idle_in_transaction_session_timeout": str(IDLE_TRANSACTION_SECONDS * 1000),
                    "idle_session_timeout": str(IDLE_SESSION_SECONDS * 1000),
                },
            )

    async def _connect(self, address: Callable[[Settings], str], _: str, **options: Any) -> asyncpg.Connection[Any]:
        """A connection with the present password: after a rotation those that are open live on, new ones need it."""
        connection: asyncpg.Connection[Any]
        try:
            connection = await asyncpg.connect(address(self.settings), **options)
        except asyncpg.InvalidAuthorizationSpecificationError:
            if not self.settings.db_secret_arn or not await self.renew_secrets():
                raise
            connection = await asyncpg.connect(address(self.settings), **options)
        return connection


async def _leave_as_is(connection: object) -> None:
    """Sessions hold nothing to reset (no LISTEN, no SET, no session locks), so giving one back costs no round trip.

    What is always done before this: an open transaction is rolled back.
    """


class unavailable_when_down:  # noqa: N801 - reads as a sentence where it is used
    """Turn "the server is not there" of the driver into :class:`Unavailable`, and let everything else through."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, DATABASE_DOWN):
            raise Unavailable("The database cannot be reached; try again shortly.", code="database_down") from error
