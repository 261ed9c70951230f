"""Callers of an app in process: an HTTP client whose requests carry what the authorizer would have passed on."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2
from fastapi import FastAPI

from fullon.identity.model import ROLE_SCOPES, Identity, Kind, Role, Scope
from fullon.runtime.container import Container
from fullon.runtime.http import ASGIApp


def identity(
    role: Role = Role.TRADER, *, kind: Kind = Kind.JWT, scopes: frozenset[Scope] | None = None, **changes: Any
) -> Identity:
    """Somebody with `role` and a credential that allows what the role does, for an hour."""
    values: dict[str, Any] = {
        "user_id": uuid4(),
        "mail": f"{role.value}@example.com",
        "session": uuid4(),
        "expires_at": datetime.now(UTC) + timedelta(hours=1),
        **changes,
    }
    return Identity(role=role, kind=kind, scopes=ROLE_SCOPES[role] if scopes is None else scopes, **values)


async def stored_identity(container: Container, role: Role = Role.TRADER, **changes: Any) -> Identity:
    """Somebody whose user and session are in the database, so that the application confirms them."""
    caller = identity(role, **changes)
    now = datetime.now(UTC)
    async with container.transaction() as connection:
        await connection.execute(
            "INSERT INTO users (uid, mail, password_hash, role, created_at, updated_at)"
            " VALUES ($1, $2, '-', $3, $4, $4)",
            caller.user_id,
            f"{caller.user_id}@example.com",
            role.value,
            now,
        )
        await connection.execute(
            "INSERT INTO sessions (sid, uid, created_at, expires_at) VALUES ($1, $2, $3, $4)",
            caller.session,
            caller.user_id,
            now,
            caller.expires_at,
        )
    return caller


async def stored_key(container: Container, *scopes: Scope, role: Role = Role.TRADER, **changes: Any) -> Identity:
    """Somebody with an API key that allows only this."""
    owner = await stored_identity(container, role, **changes)
    caller = replace(owner, kind=Kind.API_KEY, session=uuid4(), scopes=frozenset(scopes))
    async with container.transaction() as connection:
        await connection.execute(
            "INSERT INTO api_keys (id, uid, prefix, hash, name, scopes, created_at)"
            " VALUES ($1, $2, $3, '-', 'test', $4, now())",
            caller.session,
            caller.user_id,
            caller.session.hex,
            sorted(scopes),
        )
    return caller


def client(app: FastAPI, caller: Identity | None = None, **options: Any) -> httpx2.AsyncClient:
    """A client of `app`; without a caller its requests are anonymous."""
    transport = httpx2.ASGITransport(as_behind_gateway(app, caller))
    return httpx2.AsyncClient(transport=transport, base_url="http://fullon.test", **options)


def as_behind_gateway(app: FastAPI, caller: Identity | None) -> ASGIApp:
    """`app` with the event that the gateway hands over: the source address, and the authorizer's context if any."""
    context: dict[str, Any] = {"http": {"sourceIp": "127.0.0.1"}}
    if caller is not None:
        context["authorizer"] = {"lambda": caller.to_context()}

    async def wrapped(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "aws.event": {"requestContext": context}}, receive, send)

    return wrapped
