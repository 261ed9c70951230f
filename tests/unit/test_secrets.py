"""Secrets by their ARNs, with moto's Secrets Manager: what a start reads, and what a rotation changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import jwt
import pytest

from fullon.identity.errors import InvalidCredential
from fullon.identity.model import Role
from fullon.kernel.clock import ManualClock
from fullon.kernel.errors import Invalid
from fullon.runtime import secrets
from fullon.runtime.container import Container
from fullon.runtime.secrets import KEY_AGE_SECONDS, READ_AGAIN_SECONDS, SecretsManager
from fullon.runtime.settings import Settings
from fullon.venues.sealing import Binding
from tests.aws import REGION, Answers, amazon, refusal, secrets_manager

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager.client import SecretsManagerClient

FIRST = "the first signing key 4f1d0b7a9c3e5d2f8a6b"
SECOND = "the second signing key 9c3e5d2f8a6b4f1d0b7a"
THIRD = "the third signing key 2f8a6b4f1d0b7a9c3e5d"
PASSWORD = 'a password with " and @ and /'


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretsManagerClient]:
    """Secrets Manager with nothing in it, and an environment like a function's."""
    for name in ("JWT_SECRET_KEY", "DATABASE_URL", "REDIS_URL", "ENCRYPTION_KEY", "DB_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ENVIRONMENT", "cloud")
    with amazon(monkeypatch):
        yield secrets_manager()


def named(
    monkeypatch: pytest.MonkeyPatch, manager: SecretsManagerClient, variable: str, value: str | dict[str, Any]
) -> str:
    """A secret that a variable names; returns its ARN."""
    text = value if isinstance(value, str) else json.dumps(value)
    arn = manager.create_secret(Name=variable.lower(), SecretString=text)["ARN"]
    monkeypatch.setenv(variable, arn)
    return arn


def counted(container: Container, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The readings of a container, as they come: stage names."""
    readings: list[str] = []
    read = container._rotation._read

    def counting(arn: str, stage: str) -> secrets.Version | None:
        readings.append(stage)
        return read(arn, stage)

    monkeypatch.setattr(container._rotation, "_read", counting)
    return readings


def signed(container: Container) -> str:
    return container.tokens.sign(uuid4(), "ada@example.com", Role.TRADER, uuid4())


def key_id(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


async def test_a_start_reads_every_secret_that_the_environment_names(
    manager: SecretsManagerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    named(monkeypatch, manager, "DB_SECRET_ARN", {"username": "fullon_app", "password": PASSWORD, "host": "ignored"})
    named(monkeypatch, manager, "REDIS_SECRET_ARN", {"username": "cache", "password": "cache-password"})
    named(monkeypatch, manager, "JWT_SECRET_ARN", FIRST)
    named(monkeypatch, manager, "ENCRYPTION_SECRET_ARN", "sealing")
    named(monkeypatch, manager, "ORIGIN_SECRET_ARN", "proof")
    named(monkeypatch, manager, "ADMIN_SECRET_ARN", "first password")
    monkeypatch.setenv("DB_HOST", "db.example")
    monkeypatch.setenv("REDIS_SSL", "true")
    monkeypatch.setenv("REDIS_HOST", "cache.example")

    settings = Settings.load()

    assert (
        settings.platform_dsn()
        == "postgresql://fullon_app:a%20password%20with%20%22%20and%20%40%20and%20%2F@db.example:5432/fullon"
    )
    assert settings.valkey_url() == "rediss://cache:cache-password@cache.example:6379/0"
    assert settings.jwt_secret_key.get_secret_value() == FIRST
    found = (settings.encryption_key, settings.origin_secret, settings.admin_password)
    assert [value and value.get_secret_value() for value in found] == ["sealing", "proof", "first password"]
    shown = repr(settings)
    assert not any(text in shown for text in (FIRST, "cache-password", "sealing", "proof", "first password"))


async def test_what_the_former_encryption_key_sealed_still_opens(
    manager: SecretsManagerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = named(monkeypatch, manager, "ENCRYPTION_SECRET_ARN", FIRST)
    binding = Binding(uuid4(), uuid4())
    sealed = await Container(Settings.load()).seals.seal(binding, b"keys")

    manager.put_secret_value(SecretId=arn, SecretString=SECOND)
    settings = Settings.load()

    assert settings.encryption_key is not None
    assert settings.encryption_key.get_secret_value() == SECOND
    assert await Container(settings).seals.open(binding, sealed) == b"keys"
    assert FIRST not in repr(settings)


def test_without_arns_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JWT_SECRET_KEY", FIRST)
    monkeypatch.setenv("ENVIRONMENT", "cloud")

    def refuses(*_: object) -> None:
        raise AssertionError("nobody may ask")

    monkeypatch.setattr(SecretsManager, "_connect", refuses)
    assert Settings.load().jwt_secret_key.get_secret_value() == FIRST


def test_a_secret_that_is_missing_ends_the_start_with_a_sentence(
    manager: SecretsManagerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JWT_SECRET_ARN", f"arn:aws:secretsmanager:{REGION}:123456789012:secret:none-AbCdEf")

    with pytest.raises(Invalid) as caught:
        Settings.load()

    assert caught.value.detail == (
        "The settings are not usable: A secret cannot be read at present (ResourceNotFoundException)."
    )


def test_a_login_that_is_none_and_a_key_that_is_weak_end_the_start(
    manager: SecretsManagerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    named(monkeypatch, manager, "DB_SECRET_ARN", "just a text")
    with pytest.raises(Invalid, match="The secret of DB_SECRET_ARN is not a login"):
        Settings.load()
    monkeypatch.delenv("DB_SECRET_ARN")

    named(monkeypatch, manager, "JWT_SECRET_ARN", "short")
    with pytest.raises(Invalid, match="too weak") as caught:
        Settings.load()
    assert "short" not in caught.value.detail


def test_throttling_is_waited_out_and_a_refusal_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    value = {"SecretString": "it", "VersionId": "v" * 32, "CreatedDate": 1_700_000_000}
    outcomes: list[tuple[object, int]] = []
    for statuses in ([refusal("ThrottlingException"), (200, value)], [refusal("AccessDeniedException")]):
        source = SecretsManager(REGION)
        source._client = source._connect()
        answers = Answers(statuses)
        answers.attach(source._client, "secrets-manager")
        try:
            found = source("arn", secrets.CURRENT)
            outcomes.append((found and found.value, len(answers.requests)))
        except secrets.SecretUnreadable as error:
            outcomes.append((error.facts["aws_code"], len(answers.requests)))

    assert outcomes == [("it", 2), ("AccessDeniedException", 1)]


async def test_after_a_rotation_old_tokens_stay_good_and_new_ones_name_the_new_key(
    manager: SecretsManagerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = named(monkeypatch, manager, "JWT_SECRET_ARN", FIRST)
    clock = ManualClock(datetime.now(UTC))
    container = Container(Settings.load(), clock)
    before = signed(container)

    manager.put_secret_value(SecretId=arn, SecretString=SECOND)
    clock.advance(KEY_AGE_SECONDS - 1)
    await container.current_tokens()
    not_yet = signed(container)
    clock.advance(1)
    tokens = await container.current_tokens()
    after = signed(container)

    assert key_id(before) == key_id(not_yet) != key_id(after)
    assert [tokens.read(token).mail for token in (before, not_yet, after)] == ["ada@example.com"] * 3


async def test_a_token_of_a_newer_key_is_understood_at_once(
    manager: SecretsManagerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = named(monkeypatch, manager, "JWT_SECRET_ARN", FIRST)
    clock = ManualClock(datetime.now(UTC))
    authorizer = Container(Settings.load(), clock)
    clock.advance(READ_AGAIN_SECONDS)
    manager.put_secret_value(SecretId=arn, SecretString=SECOND)
    token = signed(Container(Settings.load(), clock))

    tokens = await authorizer.current_tokens(token)

    assert tokens.read(token).mail == "ada@example.com"


async def test_tokens_of_the_old_key_end_with_its_last_honest_one(
    manager: SecretsManagerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = named(monkeypatch, manager, "JWT_SECRET_ARN", FIRST)
    clock = ManualClock(datetime.now(UTC))
    thief = Container(Settings.load(), clock)  # who never learns of the rotation
    container = Container(Settings.load(), clock)
    manager.put_secret_value(SecretId=arn, SecretString=SECOND)
    await container.renew_secrets(0)

    clock.advance(timedelta(minutes=container.settings.jwt_expiration_minutes).total_seconds())
    within = await container.current_tokens()
    within.read(signed(thief))
    clock.advance(2 * KEY_AGE_SECONDS + 60)
    beyond = await container.current_tokens()

    with pytest.raises(InvalidCredential):
        beyond.read(signed(thief))


async def test_the_key_before_the_last_is_refused(
    manager: SecretsManagerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = named(monkeypatch, manager, "JWT_SECRET_ARN", FIRST)
    clock = ManualClock(datetime.now(UTC))
    container = Container(Settings.load(), clock)
    first = signed(container)
    for value in (SECOND, THIRD):
        manager.put_secret_value(SecretId=arn, SecretString=value)
    await container.renew_secrets(0)

    with pytest.raises(InvalidCredential):
        container.tokens.read(first)


async def test_nonsense_keys_do_not_make_a_stampede(
    manager: SecretsManagerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    named(monkeypatch, manager, "JWT_SECRET_ARN", FIRST)
    clock = ManualClock(datetime.now(UTC))
    container = Container(Settings.load(), clock)
    readings = counted(container, monkeypatch)
    strange = jwt.encode({"sub": "x"}, THIRD, algorithm="HS256", headers={"kid": "strange"})
    clock.advance(READ_AGAIN_SECONDS)

    for _ in range(50):
        tokens = await container.current_tokens(strange)
        with pytest.raises(InvalidCredential):
            tokens.read(strange)
    await container.current_tokens("no token at all")

    assert readings.count(secrets.CURRENT) == 1


async def test_while_the_secrets_cannot_be_read_the_known_keys_go_on(
    manager: SecretsManagerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = named(monkeypatch, manager, "JWT_SECRET_ARN", FIRST)
    clock = ManualClock(datetime.now(UTC))
    container = Container(Settings.load(), clock)
    token = signed(container)
    manager.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
    clock.advance(KEY_AGE_SECONDS + 1)

    tokens = await container.current_tokens()

    assert tokens.read(token).mail == "ada@example.com"
