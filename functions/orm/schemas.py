"""Requests and answers about users and API keys."""

from __future__ import annotations

from typing import Annotated, Self
from uuid import UUID

from pydantic import AliasChoices, AwareDatetime, BaseModel, ConfigDict, Field, SecretStr
from pydantic.config import JsonDict

from fullon.identity.api_keys import NewKey
from fullon.identity.model import ApiKey, Role, Scope, User
from fullon.runtime.fields import Line, Moment, Text

Mail = Annotated[str, Field(min_length=3, max_length=254, examples=["trader@example.com"])]
Password = Annotated[SecretStr, Field(max_length=1024, examples=["correct horse battery staple"])]
Scopes = Annotated[frozenset[Scope], Field(min_length=1, examples=[["read", "trade"]])]
KeyName = Annotated[Line, Field(min_length=1, examples=["grid bot on the server"])]

_UID = "0199f1c2-8a52-7c5e-b6f5-1c5b0f8b1a11"
_PROFILE: JsonDict = {"name": "Ada", "lastname": "Lovelace", "phone": "+44 20 7946 0018", "id_num": "", "note": ""}
_USER: JsonDict = {
    "uid": _UID,
    "mail": "trader@example.com",
    **_PROFILE,
    "role": "trader",
    "active": True,
    "manager_uid": None,
    "created_at": "2026-08-17T00:00:00Z",
    "updated_at": "2026-08-17T00:00:00Z",
}
_KEY: JsonDict = {
    "id": "0199f1c2-9b11-7d42-9d3f-0a2b4c6d8e0f",
    "uid": _UID,
    "prefix": "4f1c09ab33e2",
    "name": "grid bot on the server",
    "description": "",
    "scopes": ["read", "trade"],
    "is_active": True,
    "created_at": "2026-08-17T00:00:00Z",
    "expires_at": None,
    "last_used_at": None,
}


class _Request(BaseModel):
    """Unknown fields are refused by name, so nobody believes to have changed what cannot be changed there."""

    model_config = ConfigDict(extra="forbid")


class UserAnswer(BaseModel):
    """A user."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_USER]})

    uid: UUID
    mail: str
    name: str
    lastname: str
    phone: str
    id_num: str
    role: Role
    active: bool
    manager_uid: UUID | None
    note: str
    created_at: Moment
    updated_at: Moment

    @classmethod
    def of(cls, user: User) -> Self:
        """The answer for ``user``."""
        return cls.model_validate(user)


class ProfileChange(_Request):
    """What users may change about themselves."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Ada", "phone": "+44 20 7946 0018"}]})

    name: Line = ""
    lastname: Line = ""
    phone: Line = ""
    id_num: Line = ""
    note: Text = ""
    uid: UUID | None = Field(
        default=None,
        validation_alias=AliasChoices("uid", "user_id"),
        description="Accepted when it is the caller's own; never needed.",
    )


class NewUser(_Request):
    """A user as an admin enters one."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"mail": "trader@example.com", "password": "correct horse battery staple", "role": "trader"}]
        }
    )

    mail: Mail
    password: Password
    name: Line = ""
    lastname: Line = ""
    phone: Line = ""
    id_num: Line = ""
    note: Text = ""
    role: Role = Role.TRADER
    active: bool = True
    manager_uid: UUID | None = None


class UserChange(_Request):
    """What admins may change about a user; fields that are left out stay."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"active": False}]})

    mail: Mail = "-@-"
    password: Password = Field(default=SecretStr(""), description="A new one ends every session of the user.")
    name: Line = ""
    lastname: Line = ""
    phone: Line = ""
    id_num: Line = ""
    note: Text = ""
    role: Role = Role.TRADER
    active: bool = True
    manager_uid: UUID | None = None


class UserReplacement(UserChange):
    """All of a user's record, as an admin writes it anew."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"mail": "trader@example.com", "role": "trader", **_PROFILE}]}
    )

    mail: Mail
    role: Role


class KeyAnswer(BaseModel):
    """An API key, without its secret."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_KEY]})

    id: UUID
    uid: UUID
    prefix: str = Field(description="The part between fo_ and the secret: tells keys apart.")
    name: str
    description: str
    scopes: list[Scope]
    is_active: bool
    created_at: Moment
    expires_at: Moment | None
    last_used_at: Moment | None = Field(description="To the minute.")

    @classmethod
    def of(cls, record: ApiKey) -> Self:
        """The answer for ``record``."""
        fields = {name: getattr(record, name) for name in cls.model_fields if name not in {"scopes", "key"}}
        return cls(**fields, scopes=sorted(record.scopes))


class NewKeyAnswer(KeyAnswer):
    """A key that was just made; its secret is shown here and never again."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{**_KEY, "key": "fo_4f1c09ab33e2_EXAMPLE-ONLY-43-random-characters"}]}
    )

    key: str = Field(description="Send it as X-API-Key, or as a bearer token.")

    @classmethod
    def made(cls, new: NewKey) -> NewKeyAnswer:
        """The answer for a new key."""
        return cls(**KeyAnswer.of(new.record).model_dump(), key=new.key)


class OwnKey(_Request):
    """A key for oneself."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "grid bot on the server", "scopes": ["read", "trade"]}]}
    )

    name: KeyName
    description: Text = ""
    scopes: Scopes = frozenset({Scope.READ})
    expires_at: AwareDatetime | None = Field(default=None, examples=["2027-01-01T00:00:00Z"])
    uid: UUID | None = Field(
        default=None,
        validation_alias=AliasChoices("uid", "user_id"),
        description="Accepted when it is the caller's own; never needed.",
    )


class KeyForUser(OwnKey):
    """A key that an admin makes for a user."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"uid": _UID, "name": "grid bot on the server", "scopes": ["read", "trade"]}]}
    )

    uid: UUID = Field(validation_alias=AliasChoices("uid", "user_id"))


class KeyChange(_Request):
    """What owners may change about a key; fields that are left out stay."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "grid bot, new server"}]})

    name: KeyName = "-"
    description: Text = ""
    scopes: Scopes = frozenset({Scope.READ})
    expires_at: AwareDatetime | None = None
    is_active: bool = True
