"""Requests and answers of logging in, and the body that may be a form or JSON."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl
from uuid import UUID

import orjson
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr, StringConstraints, ValidationError
from starlette.exceptions import HTTPException

from fullon.identity.model import Kind, Role, Scope
from fullon.kernel.errors import Invalid
from fullon.runtime.fields import Line, Moment

Model = TypeVar("Model", bound=BaseModel)

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
_LARGEST_BODY = 16_384

Name = Annotated[str, StringConstraints(min_length=1, max_length=254, pattern=r"^[^\x00-\x1f\x7f]*$")]
Password = Annotated[SecretStr, Field(max_length=1024, examples=["correct horse battery staple"])]
_MAIL = "trader@example.com"
_SID = "0199f1c2-8a52-7c5e-b6f5-1c5b0f8b1a11"


class LoginRequest(BaseModel):
    """A name and a password; the name may be called ``mail``, ``email`` or ``username``."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"mail": _MAIL, "password": "correct horse battery staple"}]}
    )

    mail: Name = Field(validation_alias=AliasChoices("mail", "email", "username"))
    password: Password


class RefreshRequest(BaseModel):
    """The latest refresh token of a session."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"refresh_token": "EXAMPLE-ONLY-43-random-characters"}]})

    refresh_token: SecretStr = Field(min_length=1, max_length=512)


class TokenAnswer(BaseModel):
    """A session's tokens."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "access_token": "EXAMPLE.ONLY.TOKEN",
                    "token_type": "bearer",
                    "expires_in": 3600,
                    "refresh_token": "EXAMPLE-ONLY-43-random-characters",
                    "refresh_expires_in": 604800,
                }
            ]
        }
    )

    access_token: str = Field(description="Send it as Authorization: Bearer.")
    token_type: str = Field(default="bearer", description="Always bearer.")
    expires_in: int = Field(description="Seconds until the access token ends.")
    refresh_token: str = Field(description="Good once, for POST /api/v1/auth/refresh.")
    refresh_expires_in: int = Field(description="Seconds until the refresh token ends.")


class LogoutAnswer(BaseModel):
    """The session that ended."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"session": _SID, "ended": True}]})

    session: UUID
    ended: bool = Field(description="False when it had ended before.")


class IdentityAnswer(BaseModel):
    """Who the caller is."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "user_id": _SID,
                    "mail": _MAIL,
                    "role": "trader",
                    "is_active": True,
                    "expires_at": "2026-08-17T01:00:00Z",
                    "kind": "jwt",
                    "scopes": ["read", "trade"],
                }
            ]
        }
    )

    user_id: UUID
    mail: str
    role: Role
    is_active: bool = Field(description="Looked up in the database just now.")
    expires_at: Moment | None = Field(description="When the credential ends; null for a key without an end.")
    kind: Kind
    scopes: list[Scope]


class Registration(BaseModel):
    """An account for oneself."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "mail": _MAIL,
                    "password": "correct horse battery staple",
                    "name": "Ada",
                    "lastname": "Lovelace",
                }
            ]
        },
    )

    mail: Name
    password: Password
    name: Line = ""
    lastname: Line = ""


class RegistrationAnswer(BaseModel):
    """The new user."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"uid": _SID, "mail": _MAIL, "name": "Ada", "lastname": "Lovelace", "role": "trader"}]
        }
    )

    uid: UUID
    mail: str
    name: str
    lastname: str
    role: Role


class PasswordChange(BaseModel):
    """The present password and the one to come."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"old": "correct horse battery staple", "new": "a longer and a better passphrase"}]
        },
    )

    old: Password = Field(validation_alias=AliasChoices("old", "old_password"))
    new: Password = Field(validation_alias=AliasChoices("new", "new_password"))


class PasswordAnswer(BaseModel):
    """What the change ended."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"sessions_ended": 2}]})

    sessions_ended: int = Field(description="Other sessions of the user; this one goes on.")


class TicketAnswer(BaseModel):
    """A way to open one WebSocket."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"ticket": "EXAMPLE-ONLY-43-random-characters", "expires_in": 30}]}
    )

    ticket: str = Field(description="Connect to /ws?ticket=…, once.")
    expires_in: int = Field(description="Seconds.")


def form_or_json(model: type[BaseModel]) -> dict[str, Any]:
    """For a route's ``openapi_extra``: its body is ``model``, as JSON or as a form."""
    schema = {"schema": model.model_json_schema(ref_template="#/components/schemas/{model}")}
    return {"requestBody": {"required": True, "content": {JSON: schema, FORM: schema}}}


async def read_form_or_json(request: Request, model: type[Model]) -> Model:
    """The body as ``model``.

    Raises:
        RequestValidationError: fields are missing or wrong.
        Invalid: it cannot be read at all.
        HTTPException: 413 or 415.
    """
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind not in {JSON, FORM}:
        raise HTTPException(415)
    body = await request.body()
    if len(body) > _LARGEST_BODY:
        raise HTTPException(413)
    try:
        values = orjson.loads(body) if kind == JSON else _form(body)
    except ValueError as error:
        what = "JSON" if kind == JSON else "a form"
        raise Invalid(f"The body is not {what}.", fields={"body": f"not {what}"}) from error
    if not isinstance(values, dict):
        raise Invalid("The body is not an object.", fields={"body": "not an object"})
    try:
        return model.model_validate(values)
    except ValidationError as error:
        details = error.errors(include_input=False, include_url=False, include_context=False)
        raise RequestValidationError([{**item, "loc": ("body", *item["loc"])} for item in details]) from None


def _form(body: bytes) -> dict[str, str]:
    pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=50)
    return dict(pairs)
