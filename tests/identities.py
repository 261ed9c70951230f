"""Builders of users who can log in, and of what a process has when a store is gone."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr

from fullon.identity import passwords, users
from fullon.identity.model import Role
from fullon.kernel.clock import Clock
from fullon.runtime.container import Container
from fullon.runtime.settings import Settings
from local.ports import free_port

PASSWORD = "correct horse battery staple"


@pytest.fixture
def candles_database(platform_database: str) -> str:
    """Nothing about identity touches candles: imported, this spares each test the copy of a second database."""
    return platform_database


@dataclass(frozen=True)
class Person:
    """A user with :data:`PASSWORD`."""

    uid: UUID
    mail: str


async def person(container: Container, role: Role = Role.TRADER, *, active: bool = True, mail: str = "") -> Person:
    """Enter a user."""
    address = mail or f"{uuid4().hex[:12]}@example.com"
    password_hash = await passwords.hash_password(PASSWORD)
    async with container.transaction() as connection:
        user = await users.create(
            connection, container.clock, mail=address, password_hash=password_hash, role=role, active=active
        )
    return Person(user.uid, user.mail)


def without_valkey(settings: Settings, clock: Clock | None = None) -> Container:
    """A process whose Valkey is down."""
    lost = SecretStr(f"redis://127.0.0.1:{free_port()}/0")
    return Container(settings.model_copy(update={"redis_url": lost}), clock)


def without_postgres(settings: Settings, clock: Clock | None = None) -> Container:
    """A process whose PostgreSQL is down."""
    lost = SecretStr(f"postgresql://fullon:x@127.0.0.1:{free_port()}/fullon")
    return Container(settings.model_copy(update={"database_url": lost}), clock)


def without_stores(settings: Settings) -> Container:
    """A process that has lost both."""
    return without_valkey(without_postgres(settings).settings)
