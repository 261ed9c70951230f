"""The caller's API keys."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from fullon_client.calls import Call, Page, given, nothing, one, page
from fullon_client.models.people import ApiKey, NewApiKey

PATH = "/api/v1/orm/api_keys"
ONE = f"{PATH}/{{key_id}}"


def create(
    name: str,
    scopes: Sequence[str] | None = None,
    *,
    description: str | None = None,
    expires_at: datetime | None = None,
) -> Call[NewApiKey]:
    """A new key, shown this once.

    When its answer is lost, a repetition is answered with a :class:`Conflict` (``idempotency_shown_once``): the key was
    made and nobody has seen it, so rotate or delete it.
    """
    body = given(name=name, scopes=scopes, description=description, expires_at=expires_at)
    return one(NewApiKey, "create_my_key", "POST", f"{PATH}/me", body=body)


def every(*, is_active: bool | None = None, limit: int | None = None) -> Call[Page[ApiKey]]:
    """The caller's keys."""
    return page(ApiKey, "list_my_keys", f"{PATH}/me", parameters={"is_active": is_active, "limit": limit})


def get(key_id: UUID) -> Call[ApiKey]:
    """One key."""
    return one(ApiKey, "get_key", "GET", ONE, places={"key_id": key_id})


def activate(key_id: UUID) -> Call[ApiKey]:
    """Switch a key on."""
    return one(ApiKey, "activate_key", "PATCH", f"{ONE}/activate", places={"key_id": key_id})


def deactivate(key_id: UUID) -> Call[ApiKey]:
    """Switch a key off; it is refused at once."""
    return one(ApiKey, "deactivate_key", "PATCH", f"{ONE}/deactivate", places={"key_id": key_id})


def rotate(key_id: UUID) -> Call[NewApiKey]:
    """Another secret for a key, shown this once; the old one is refused at once."""
    return one(NewApiKey, "rotate_key", "POST", f"{ONE}/rotate", places={"key_id": key_id})


def delete(key_id: UUID) -> Call[None]:
    """Remove a key."""
    return nothing("delete_key", "DELETE", ONE, places={"key_id": key_id})
