"""Users, sessions and API keys."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from fullon_client.models.schema import record


@record("IdentityAnswer")
class Identity:
    """Who the caller is."""

    user_id: UUID
    mail: str
    role: str
    is_active: bool
    expires_at: datetime | None
    kind: str
    scopes: tuple[str, ...]


@record("TicketAnswer")
class Ticket:
    """A way to open one WebSocket."""

    ticket: str
    expires_in: int


@record("UserAnswer")
class User:
    """A user."""

    uid: UUID
    mail: str
    name: str
    lastname: str
    phone: str
    id_num: str
    role: str
    active: bool
    manager_uid: UUID | None
    note: str
    created_at: datetime
    updated_at: datetime


@record("KeyAnswer")
class ApiKey:
    """An API key, without its secret."""

    id: UUID
    uid: UUID
    prefix: str
    name: str
    description: str
    scopes: tuple[str, ...]
    is_active: bool
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


@record("NewKeyAnswer")
class NewApiKey:
    """A key that was just made; its secret is shown here and never again."""

    id: UUID
    uid: UUID
    prefix: str
    name: str
    description: str
    scopes: tuple[str, ...]
    is_active: bool
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    key: str


@record("EntryAnswer")
class AuditEntry:
    """An entry of the trail."""

    sequence: int
    at: datetime
    actor: str
    action: str
    subject: str
    details: Mapping[str, Any]
    previous_hash: str
    hash: str


@record("BadEntry")
class BadEntry:
    """The first entry that does not fit."""

    sequence: int
    reason: str


@record("VerificationAnswer")
class AuditVerification:
    """What a walk over the whole trail found."""

    intact: bool
    entries: int
    head: str
    first_bad: BadEntry | None
