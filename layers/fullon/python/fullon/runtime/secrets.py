"""Secrets that settings name by their ARN: read when a process starts, and again when they have been rotated.

No value is in a template or in a function's configuration. What is read is laid over the settings, so nothing else
knows where a value came from:

| variable | secret |
|---|---|
| ``DB_SECRET_ARN``, ``REDIS_SECRET_ARN`` | JSON with ``username`` and ``password`` |
| ``JWT_SECRET_ARN`` | text; the version's id is the key id of the tokens |
| ``ENCRYPTION_SECRET_ARN``, ``ORIGIN_SECRET_ARN``, ``ADMIN_SECRET_ARN`` | text |

The encryption key before the present one is read as well, so that what it sealed still opens. The signing key before
the present one stays good until the last token that it signed has run out, then no more: a key that leaked is worth
nothing an hour after its rotation.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import SecretStr

from fullon.kernel.clock import Clock
from fullon.kernel.errors import Invalid, Unavailable

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager.client import SecretsManagerClient

    from fullon.runtime.settings import Settings

READ_AGAIN_SECONDS = 15.0
"""Shortest time between two readings, however often something is refused."""
KEY_AGE_SECONDS = 300.0
"""A process signs with a key that was rotated for so long at most."""
CURRENT, PREVIOUS = "AWSCURRENT", "AWSPREVIOUS"

_log = logging.getLogger("fullon.secrets")
_TEXTS = {
    "encryption_secret_arn": "encryption_key",
    "origin_secret_arn": "origin_secret",
    "admin_secret_arn": "admin_password",
}


class SecretUnreadable(Unavailable):
    """A secret that the settings name cannot be read; the sentence names the setting and never a value."""

    default_code = "secret_unreadable"


@dataclass(frozen=True, slots=True)
class Version:
    """A value as Secrets Manager keeps it, with the id and the birth of this version."""

    value: str = field(repr=False)
    version_id: str
    created_at: datetime


class Source(Protocol):
    """Where secrets are read."""

    def __call__(self, arn: str, stage: str) -> Version | None:
        """The version at a stage; None when none is. Blocks."""


class SecretsManager:
    """AWS Secrets Manager by boto3, which is imported at the first reading."""

    def __init__(self, region: str) -> None:
        self._region = region
        self._client: SecretsManagerClient | None = None

    def __call__(self, arn: str, stage: str) -> Version | None:
        """Read a secret.

        Raises:
            SecretUnreadable: there is no usable answer, or the secret has no text.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            if self._client is None:
                self._client = self._connect()
            answer = self._client.get_secret_value(SecretId=arn, VersionStage=stage)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code == "ResourceNotFoundException" and stage == PREVIOUS:
                return None
            raise SecretUnreadable("A secret cannot be read at present.", aws_code=code) from error
        except BotoCoreError as error:
            raise SecretUnreadable("The secrets cannot be reached at present.") from error
        if "SecretString" not in answer:
            raise SecretUnreadable("A secret is not a text.")
        return Version(answer["SecretString"], answer["VersionId"], answer["CreatedDate"])

    def _connect(self) -> SecretsManagerClient:
        import boto3
        from botocore.config import Config

        config = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})
        return boto3.session.Session(region_name=self._region).client("secretsmanager", config=config)


def names_any(settings: Settings) -> bool:
    """Whether any value is to be read from elsewhere."""
    names = ("db_secret_arn", "redis_secret_arn", "jwt_secret_arn", *_TEXTS)
    return any(getattr(settings, name) for name in names)


def laid_over(settings: Settings, read: Source, now: datetime) -> Settings:
    """The settings with the values of the secrets that they name. Blocks.

    Raises:
        SecretUnreadable: a secret cannot be read or is not what belongs there.
        Invalid: the signing key is too weak.
    """
    found: dict[str, Any] = {}
    for prefix in ("db", "redis"):
        if arn := getattr(settings, f"{prefix}_secret_arn"):
            found |= _login(prefix, _current(read, arn).value)
    if settings.jwt_secret_arn:
        found |= _signing(settings, read, now)
    for name, target in _TEXTS.items():
        if arn := getattr(settings, name):
            found[target] = SecretStr(_current(read, arn).value)
    if settings.encryption_secret_arn and (former := read(settings.encryption_secret_arn, PREVIOUS)) is not None:
        keys = {**settings.previous_encryption_keys(), former.version_id: former.value}
        found["encryption_previous_keys"] = SecretStr(json.dumps(keys))
    return settings.model_copy(update=found)


class Rotation:
    """Reads the secrets of a process anew, not too often, and says what changed.

    Args:
        read: where from; blocks, and is called in a thread.
    """

    def __init__(self, read: Source, clock: Clock) -> None:
        self._read = read
        self._clock = clock
        self._read_at = clock.monotonic()
        self._reading = asyncio.Lock()

    async def renewed(self, present: Callable[[], Settings], older_than: float) -> Settings:
        """The settings with the present values, read again if the last reading is ``older_than`` seconds ago.

        Raises:
            SecretUnreadable: they cannot be read now.
        """
        async with self._reading:
            settings = present()
            if not names_any(settings) or self._clock.monotonic() - self._read_at < older_than:
                return settings
            self._read_at = self._clock.monotonic()
            found = await asyncio.to_thread(laid_over, settings, self._read, self._clock.now())
            if found != settings:
                _log.info("secrets have changed")
            return found


def _current(read: Source, arn: str) -> Version:
    version = read(arn, CURRENT)
    if version is None:
        raise SecretUnreadable("A secret has no value.")
    return version


def _login(prefix: str, text: str) -> dict[str, Any]:
    try:
        document: Mapping[str, object] = json.loads(text)
        user, password = document["username"], document["password"]
    except (ValueError, KeyError, TypeError) as error:
        raise SecretUnreadable(f"The secret of {prefix.upper()}_SECRET_ARN is not a login.") from error
    return {f"{prefix}_user": str(user), f"{prefix}_password": SecretStr(str(password))}


def _signing(settings: Settings, read: Source, now: datetime) -> dict[str, Any]:
    from fullon.runtime.settings import is_weak

    arn = str(settings.jwt_secret_arn)
    current = _current(read, arn)
    if is_weak(current.value):
        raise Invalid("The secret of JWT_SECRET_ARN is too weak to sign with.", code="settings")
    # Others may sign with the old one until they look again.
    last_use = current.created_at + timedelta(minutes=settings.jwt_expiration_minutes, seconds=2 * KEY_AGE_SECONDS)
    previous = read(arn, PREVIOUS) if now < last_use else None
    keys = {previous.version_id: previous.value} if previous is not None else {}
    return {
        "jwt_secret_key": SecretStr(current.value),
        "jwt_key_id": current.version_id,
        "jwt_previous_keys": SecretStr(json.dumps(keys)),
    }
