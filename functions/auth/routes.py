"""Logging in and out. The first three routes are public; the others have passed the authorizer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from fullon.identity import passwords, sessions, tickets, users
from fullon.identity.errors import MailTaken, RefreshTokenReused, RegistrationClosed
from fullon.identity.login import Login
from fullon.identity.model import NEVER, Identity, Origin, Role
from fullon.identity.sessions import Sessions, TokenPair
from fullon.identity.throttle import PER_ACCOUNT_AND_ADDRESS, WINDOW, Throttle
from fullon.runtime.audited import act
from fullon.runtime.container import Container
from fullon.runtime.http import Caller, Stores, add_headers, current_identity, require_login, source_address
from fullon.runtime.problems import responses
from functions.auth.schemas import (
    IdentityAnswer,
    LoginRequest,
    LogoutAnswer,
    PasswordAnswer,
    PasswordChange,
    RefreshRequest,
    Registration,
    RegistrationAnswer,
    TicketAnswer,
    TokenAnswer,
    form_or_json,
    read_form_or_json,
)

if TYPE_CHECKING:
    from fullon.identity.store import Connection


async def _present_keys(stores: Stores) -> None:
    """What is signed here is signed with the key of the present, which may have been rotated."""
    await stores.current_tokens()


router = APIRouter(prefix="/api/v1/auth", dependencies=[Depends(_present_keys)])

_NO_STORE = {"Cache-Control": "no-store"}


@router.post(
    "/login",
    operation_id="login",
    summary="Log in with a mail address and a password",
    description="Slowed down after failures, per account and per address; RateLimit headers say how many are left.",
    openapi_extra=form_or_json(LoginRequest),
    responses=responses(401, 413, 415, 429),
)
async def login(request: Request, response: Response, stores: Stores) -> TokenAnswer:
    body = await read_form_or_json(request, LoginRequest)
    origin = _origin(request)
    door = _login(stores)
    attempt = await door.attempt(body.mail, origin)
    _say_remaining(request, attempt.remaining)
    pair = await door.open(attempt, body.mail, body.password.get_secret_value(), origin)
    _say_remaining(request, PER_ACCOUNT_AND_ADDRESS)
    response.headers.update(_NO_STORE)
    return _answer(stores, pair)


@router.post(
    "/refresh",
    operation_id="refresh_session",
    summary="Exchange a refresh token for a new pair",
    description="Each is good once. One that is shown a second time ends its session, without a grace period.",
    openapi_extra=form_or_json(RefreshRequest),
    responses=responses(401, 413, 415),
)
async def refresh(request: Request, response: Response, stores: Stores) -> TokenAnswer:
    body = await read_form_or_json(request, RefreshRequest)
    async with stores.transaction() as connection:
        renewal = await _sessions(stores).renew(connection, body.refresh_token.get_secret_value())
    await stores.principals.announce(renewal.change)
    if renewal.pair is None:
        raise RefreshTokenReused
    response.headers.update(_NO_STORE)
    return _answer(stores, renewal.pair)


@router.post(
    "/register",
    operation_id="register",
    summary="Make an account for oneself",
    description="Only where ENABLE_REGISTRATION is set. The role is trader.",
    status_code=201,
    responses=responses(403, 409, 429),
)
async def register(body: Registration, request: Request, stores: Stores) -> RegistrationAnswer:
    if not stores.settings.enable_registration:
        raise RegistrationClosed
    mail = users.canonical_mail(body.mail)
    origin = _origin(request)
    attempt = await _login(stores).attempt(f"registration from {origin.address}", origin)
    _say_remaining(request, attempt.remaining)
    if mail == stores.settings.admin_mail.lower():
        raise MailTaken
    password_hash = await passwords.hash_password(body.password.get_secret_value())
    async with act(stores, None, "register") as doing:
        user = await users.create(
            doing.connection,
            stores.clock,
            mail=mail,
            password_hash=password_hash,
            role=Role.TRADER,
            name=body.name,
            lastname=body.lastname,
        )
        doing.actor, doing.subject = str(user.uid), f"user {user.uid}"
    return RegistrationAnswer(uid=user.uid, mail=user.mail, name=user.name, lastname=user.lastname, role=user.role)


@router.post(
    "/logout",
    operation_id="logout",
    summary="End this session, at once and for good",
    description="Its tokens are refused from now on and its live sockets are closed.",
    responses=responses(401, 403),
)
async def logout(caller: Annotated[Identity, Depends(require_login("Logging out"))], stores: Stores) -> LogoutAnswer:
    async with act(stores, caller, "logout", f"session {caller.session}") as doing:
        change = await sessions.revoke(doing.connection, stores.clock, [caller.session], "logged out")
    await stores.principals.announce(change)
    return LogoutAnswer(session=caller.session, ended=bool(change.ended))


@router.get(
    "/verify",
    operation_id="verify",
    summary="Who the credential belongs to, and whether it is good",
    responses=responses(401),
)
async def verify(caller: Annotated[Identity, Depends(current_identity)], stores: Stores) -> IdentityAnswer:
    async with stores.connection() as connection:
        user = await users.get(connection, caller.user_id)
    return IdentityAnswer(
        user_id=user.uid,
        mail=user.mail,
        role=user.role,
        is_active=user.active,
        expires_at=caller.expires_at if caller.expires_at < NEVER else None,
        kind=caller.kind,
        scopes=sorted(caller.scopes),
    )


@router.post(
    "/password",
    operation_id="change_password",
    summary="Change one's own password",
    description="Ends every other session of the user; API keys stay.",
    responses=responses(401, 403, 429),
)
async def change_password(
    body: PasswordChange,
    request: Request,
    caller: Annotated[Identity, Depends(require_login("Changing the password"))],
    stores: Stores,
) -> PasswordAnswer:
    @asynccontextmanager
    async def on_the_trail() -> AsyncIterator[Connection]:
        async with act(stores, caller, "change_password", f"user {caller.user_id}") as doing:
            yield doing.connection

    change = await _login(stores).change_password(
        caller.user_id,
        caller.mail,
        caller.session,
        body.old.get_secret_value(),
        body.new.get_secret_value(),
        _origin(request),
        on_the_trail,
    )
    await stores.principals.announce(change)
    return PasswordAnswer(sessions_ended=len(change.ended))


@router.post(
    "/ws-ticket",
    operation_id="create_ws_ticket",
    summary="A ticket for the WebSocket",
    description="Good once and for 30 seconds, for clients that cannot send a header when they connect.",
    status_code=201,
    responses=responses(401, 403),
)
async def create_ws_ticket(caller: Caller, response: Response, stores: Stores) -> TicketAnswer:
    async with stores.transaction() as connection:
        ticket = await tickets.issue(connection, stores.clock, caller)
    response.headers.update(_NO_STORE)
    return TicketAnswer(ticket=ticket, expires_in=int(tickets.LIFETIME.total_seconds()))


def _sessions(stores: Container) -> Sessions:
    return Sessions(stores.tokens, stores.clock, timedelta(days=stores.settings.refresh_expiration_days))


def _login(stores: Container) -> Login:
    settings = stores.settings
    secrets = (settings.jwt_private_key, settings.jwt_secret_key)
    secret = next((secret.get_secret_value() for secret in secrets if secret), "")
    return Login(stores.connection, Throttle(secret, stores.clock), _sessions(stores), stores.clock)


def _answer(stores: Container, pair: TokenPair) -> TokenAnswer:
    return TokenAnswer(
        access_token=pair.access_token,
        expires_in=int(stores.tokens.lifetime.total_seconds()),
        refresh_token=pair.refresh_token,
        refresh_expires_in=stores.settings.refresh_expiration_days * 86_400,
    )


def _say_remaining(request: Request, remaining: int) -> None:
    add_headers(
        request,
        RateLimit_Limit=str(PER_ACCOUNT_AND_ADDRESS),
        RateLimit_Remaining=str(max(0, remaining)),
        RateLimit_Reset=str(int(WINDOW.total_seconds())),
    )


def _origin(request: Request) -> Origin:
    return Origin(source_address(request), request.headers.get("user-agent", ""))
