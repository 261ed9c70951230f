"""Log in and out; the clients call these themselves."""

from __future__ import annotations

from typing import Any

from fullon_client.calls import Call, nothing, one, raw
from fullon_client.models.people import Identity, Ticket


def log_in(mail: str, password: str) -> Call[Any]:
    """Open a session."""
    body = {"mail": mail, "password": password}
    return raw("POST", "/api/v1/auth/login", operation="login", body=body, repetition="never", is_public=True)


def renew(refresh_token: str) -> Call[Any]:
    """A new pair of tokens; a refresh token serves once."""
    body = {"refresh_token": refresh_token}
    return raw(
        "POST", "/api/v1/auth/refresh", operation="refresh_session", body=body, repetition="never", is_public=True
    )


def log_out() -> Call[None]:
    """End the session."""
    return nothing("logout", "POST", "/api/v1/auth/logout")


def verify() -> Call[Identity]:
    """Who the platform takes the caller for."""
    return one(Identity, "verify", "GET", "/api/v1/auth/verify")


def ticket() -> Call[Ticket]:
    """A ticket for one WebSocket connection; one too many does no harm."""
    return one(Ticket, "create_ws_ticket", "POST", "/api/v1/auth/ws-ticket", repetition="harmless")


def change_password(old: str, new: str) -> Call[None]:
    """Set another password; ends all other sessions."""
    return nothing("change_password", "POST", "/api/v1/auth/password", body={"old": old, "new": new})
