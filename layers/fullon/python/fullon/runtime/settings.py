"""Settings of every process: environment variables, and locally a ``.env`` file; unknown enumeration values refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import quote

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from fullon.kernel.clock import SystemClock
from fullon.kernel.errors import Invalid

_WEAK_SECRETS = {"secret", "changeme", "change-me", "default", "development", "password", "fullon"}
_SECRET_MINIMUM = 32
_URL_PREFIX = "EXCHANGE_URL_"


class Settings(BaseSettings):
    """All settings. Application code sees only these, never whether it runs locally or in the cloud."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True)

    environment: Literal["local", "cloud"] = "cloud"

    database_url: SecretStr | None = None
    db_host: str = "127.0.0.1"
    db_port: int = 5432
    db_name: str = "fullon"
    db_user: str = "fullon"
    db_password: SecretStr = SecretStr("")
    db_ohlcv_name: str = "fullon_ohlcv"
    db_ssl: Literal["disable", "require", "verify-full"] = "disable"
    db_pool_size: int = Field(2, ge=1, le=50)
    db_connect_timeout: float = Field(5.0, gt=0)

    redis_url: SecretStr | None = None
    redis_host: str = "127.0.0.1"
    redis_port: int = 6379
    redis_db: int = 0
    redis_user: str = ""
    redis_password: SecretStr = SecretStr("")
    redis_ssl: bool = False
    redis_cluster: bool = False
    """Valkey is a cluster, as a serverless one is; its database is 0."""

    jwt_secret_key: SecretStr = SecretStr("")
    jwt_private_key: SecretStr | None = None
    jwt_public_key: str | None = None
    jwt_previous_keys: SecretStr | None = None
    jwt_key_id: str = "1"
    jwt_algorithm: Literal["HS256", "EdDSA", "RS256"] = "HS256"
    jwt_issuer: str = "fullon"
    jwt_audience: str = "fullon-api"
    jwt_expiration_minutes: int = Field(60, ge=1, le=24 * 60)
    refresh_expiration_days: int = Field(7, ge=1, le=90)

    admin_mail: str = "admin@fullon"
    #: First password of the administrator, for the function that brings the schema; nobody else needs it.
    admin_password: SecretStr | None = None
    api_prefix: str = "/api/v1"
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "console"] = "json"
    enable_registration: bool = False
    encryption_key: SecretStr | None = None
    """Seals the keys of exchange accounts, unless a key of KMS does."""
    encryption_previous_keys: SecretStr | None = None
    kms_key_id: str | None = None
    """ARN, id or alias of the key of AWS KMS that seals the keys of exchange accounts."""
    services_to_auto_start: Annotated[tuple[str, ...], NoDecode] = ("streamer",)
    rate_limit_user_reads: int = Field(6000, ge=0)
    """Requests in a minute that a user may make, and at once; 0 for no limit. Keys are counted for their user too."""
    rate_limit_user_writes: int = Field(1200, ge=0)
    rate_limit_key_reads: int = Field(3000, ge=0)
    """As above, of one API key."""
    rate_limit_key_writes: int = Field(600, ge=0)
    #: What the content network in front sends with each request, and nobody else knows; without it no header is
    #: believed to say where a caller sits.
    origin_secret: SecretStr | None = None

    db_secret_arn: str | None = None
    """Secrets are read from where these point, in place of the values above: see :mod:`fullon.runtime.secrets`."""
    redis_secret_arn: str | None = None
    jwt_secret_arn: str | None = None
    encryption_secret_arn: str | None = None
    origin_secret_arn: str | None = None
    admin_secret_arn: str | None = None

    metrics_seconds: float = Field(60.0, gt=0, le=3600)
    """How far apart the lines of metrics of a long-lived process are; CloudWatch's own grain is a minute."""
    traces_file: str | None = None
    """Spans are appended to it, a line of OTLP/JSON each."""
    otel_exporter_otlp_endpoint: str | None = None
    """Spans are sent to it, by OTLP over HTTP."""
    traces_per_second: int = Field(0, ge=0, le=1000)
    """How many of the requests that begin a trace here are sampled; those that arrive with one say it themselves."""

    aws_region: str = "us-east-1"
    aws_endpoint_url_ecs: str | None = None
    aws_endpoint_url_apigatewaymanagementapi: str | None = None
    ecs_cluster: str = "fullon"

    management_host: str | None = None
    """Where one server that holds connections itself lets the streamer push to them: an address of its own that the
    streamer reaches, a name of it, or ``auto`` for that of the host's name. The streamer goes by the ids of
    connections when this is set and no endpoint is."""
    management_port: int = Field(0, ge=0, le=65_535)
    """The first port that is tried for it; 0 takes any that is free."""
    dashboard: Path | None = None
    """Folder of the built dashboard, to be served under /app by a server that has no content network in front."""

    #: Where a daemon shows its signs of work to the container's health check; nowhere unless set.
    heartbeat_file: Path | None = None

    @field_validator("cors_origins", "services_to_auto_start", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("services_to_auto_start", mode="before")
    @classmethod
    def _none(cls, value: object) -> object:
        """``none`` is an empty list; an empty text would count as not set."""
        return () if value == "none" else value

    @field_validator("cors_origins")
    @classmethod
    def _no_wildcard(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        if "*" in origins:
            raise ValueError("list the origins; * is refused because answers carry credentials")
        return origins

    @field_validator("origin_secret")
    @classmethod
    def _long_origin_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and len(secret.get_secret_value().encode()) < _SECRET_MINIMUM:
            raise ValueError(f"must be a random secret of at least {_SECRET_MINIMUM} bytes")
        return secret

    @model_validator(mode="after")
    def _strong_secret(self) -> Self:
        secret = self.jwt_secret_key.get_secret_value()
        if self.environment == "local" or self.jwt_algorithm != "HS256" or not secret:
            return self  # without any, what signs or reads tokens does not start
        if len(secret.encode()) < _SECRET_MINIMUM or secret.lower() in _WEAK_SECRETS or len(set(secret)) < 8:
            raise ValueError(f"JWT_SECRET_KEY must be a random secret of at least {_SECRET_MINIMUM} bytes")
        return self

    @classmethod
    def load(cls) -> Settings:
        """Read the environment, and the secrets that it names.

        Raises:
            Invalid: a value is missing, refused or cannot be read; the sentence names the variable and never a value.
        """
        try:
            settings = cls()
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(str(part) for part in item['loc']).upper() or 'SETTINGS'}: {item['msg']}"
                for item in error.errors(include_input=False, include_url=False, include_context=False)
            )
            raise Invalid(f"The settings are not usable: {problems}.", code="settings") from None
        return settings._with_secrets()

    def platform_dsn(self) -> str:
        """Address of the platform database; holds the password, so never log it."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return self._dsn(self.db_name)

    def candles_dsn(self) -> str:
        """Address of the candle database, on the same server unless DATABASE_URL says otherwise."""
        if self.database_url is None:
            return self._dsn(self.db_ohlcv_name)
        address, _, query = self.database_url.get_secret_value().partition("?")
        return f"{address.rsplit('/', 1)[0]}/{self.db_ohlcv_name}" + (f"?{query}" if query else "")

    def valkey_url(self) -> str:
        """Address of Valkey; holds the password, so never log it."""
        if self.redis_url is not None:
            return self.redis_url.get_secret_value()
        scheme = "rediss" if self.redis_ssl else "redis"
        password = self.redis_password.get_secret_value()
        login = f"{quote(self.redis_user, safe='')}:{quote(password, safe='')}@" if password else ""
        return f"{scheme}://{login}{self.redis_host}:{self.redis_port}/{self.redis_db}"

    def previous_keys(self) -> dict[str, str]:
        """Key id → secret or public key of tokens signed before the present key: JWT_PREVIOUS_KEYS, a JSON object.

        Raises:
            Invalid: it is not a JSON object of texts.
        """
        return _keys_of("JWT_PREVIOUS_KEYS", self.jwt_previous_keys)

    def previous_encryption_keys(self) -> dict[str, str]:
        """Any name → what ENCRYPTION_KEY was before: ENCRYPTION_PREVIOUS_KEYS, a JSON object.

        Raises:
            Invalid: it is not a JSON object of texts.
        """
        return _keys_of("ENCRYPTION_PREVIOUS_KEYS", self.encryption_previous_keys)

    def exchange_url(self, exchange: str) -> str | None:
        """Base address that replaces a venue's own (``EXCHANGE_URL_PAPER``), or None for the real one."""
        return os.environ.get(_URL_PREFIX + exchange.upper())

    def _with_secrets(self) -> Settings:
        from fullon.runtime import secrets

        if not secrets.names_any(self):
            return self
        try:
            return secrets.laid_over(self, secrets.SecretsManager(self.aws_region), SystemClock().now())
        except secrets.SecretUnreadable as error:
            code = f" ({error.facts['aws_code']})" if "aws_code" in error.facts else ""
            raise Invalid(f"The settings are not usable: {error.detail.rstrip('.')}{code}.", code="settings") from error

    def _dsn(self, name: str) -> str:
        password = quote(self.db_password.get_secret_value(), safe="")
        return f"postgresql://{quote(self.db_user, safe='')}:{password}@{self.db_host}:{self.db_port}/{name}"


def is_weak(secret: str) -> bool:
    """Whether a signing secret is short, known or made of few characters."""
    return len(secret.encode()) < _SECRET_MINIMUM or secret.lower() in _WEAK_SECRETS or len(set(secret)) < 8


def _keys_of(variable: str, value: SecretStr | None) -> dict[str, str]:
    try:
        keys = json.loads(value.get_secret_value() if value else "{}")
    except ValueError:
        keys = None
    if not isinstance(keys, dict) or not all(isinstance(key, str) and key for key in keys.values()):
        raise Invalid(f"{variable} must be a JSON object: key id to key.", code="settings")
    return keys
