"""Requests and answers about exchange accounts. Keys come in and never go out."""

from __future__ import annotations

from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic.config import JsonDict

from fullon.runtime.fields import Line, Moment
from fullon.venues.account import Account, Examination, Keys, Permissions
from functions.orm.bot_schemas import ACCOUNT_ID, OwnedRequest, Request

LARGEST_ID = 2**31

AccountName = Annotated[Line, Field(min_length=1, max_length=60, examples=["main"])]
VenueNumber = Annotated[int, Field(ge=1, lt=LARGEST_ID, examples=[1])]

_SHORTEST_KEY = 8


def _one_line(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value().strip()
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("must be one word of printable ASCII characters")
    if len(text) < _SHORTEST_KEY:
        raise ValueError(f"must have at least {_SHORTEST_KEY} characters")
    return SecretStr(text)


def _text(secret: SecretStr) -> SecretStr:
    """Some secrets are PEM documents, whose line ends travel as ``\\n`` where a form has one line."""
    text = secret.get_secret_value().strip().replace("\\n", "\n")
    if not text.isascii() or not text.replace("\n", "").replace("\r", "").isprintable():
        raise ValueError("must be printable ASCII characters")
    if len(text) < _SHORTEST_KEY:
        raise ValueError(f"must have at least {_SHORTEST_KEY} characters")
    return SecretStr(text)


def _phrase(secret: SecretStr) -> SecretStr:
    if not secret.get_secret_value().isprintable():
        raise ValueError("must be printable characters")
    return secret


_KEY: JsonDict = {"writeOnly": True, "examples": ["vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zv"]}
_SECRET: JsonDict = {"writeOnly": True, "examples": ["NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP"]}
ApiKey = Annotated[SecretStr, Field(max_length=512, json_schema_extra=_KEY), AfterValidator(_one_line)]
ApiSecret = Annotated[SecretStr, Field(max_length=8192, json_schema_extra=_SECRET), AfterValidator(_text)]
Passphrase = Annotated[
    SecretStr,
    Field(min_length=1, max_length=256, json_schema_extra={"writeOnly": True}),
    AfterValidator(_phrase),
]
IsTest = Annotated[
    bool,
    Field(
        validation_alias=AliasChoices("test", "is_testnet"),
        description="At the exchange's test network; `is_testnet` is the same.",
    ),
]

_ACCOUNT: JsonDict = {
    "ex_id": ACCOUNT_ID,
    "uid": "0199f1c2-8a52-7c5e-b6f5-1c5b0f8b1a11",
    "cat_ex_id": 1,
    "exchange": "paper",
    "name": "main",
    "test": False,
    "active": True,
    "allow_withdraw_keys": False,
    "key_hint": "E2zv",
    "validated_at": "2026-08-17T00:00:00Z",
    "permissions": {"read": True, "trade": True, "withdraw": False},
    "problem": None,
    "created_at": "2026-08-17T00:00:00Z",
    "updated_at": "2026-08-17T00:00:00Z",
}
_NEW: JsonDict = {
    "cat_ex_id": 1,
    "name": "main",
    "api_key": "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zv",
    "api_secret": "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP",
}
_VALIDATION: JsonDict = {
    "ex_id": ACCOUNT_ID,
    "exchange": "paper",
    "validated_at": "2026-08-17T00:00:00Z",
    "permissions": {"read": True, "trade": True, "withdraw": False},
    "balances": 4,
    "clock_offset_ms": 12,
    "warnings": [],
}


class PermissionsAnswer(BaseModel):
    """What the exchange says the key may do; null where it does not say."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"examples": [{"read": True, "trade": True, "withdraw": False}]}
    )

    read: bool | None
    trade: bool | None
    withdraw: bool | None

    @classmethod
    def of(cls, permissions: Permissions) -> Self:
        """The answer for ``permissions``."""
        return cls.model_validate(permissions)


class AccountAnswer(BaseModel):
    """An exchange account; of its keys only the last four characters of the public one."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_ACCOUNT]})

    ex_id: UUID
    uid: UUID
    cat_ex_id: int
    exchange: str = Field(description="Name of the exchange in the catalogue.")
    name: str
    test: bool
    active: bool = Field(description="It is watched, and orders may go there.")
    allow_withdraw_keys: bool
    key_hint: str = Field(description="The last characters of the API key.")
    validated_at: Moment | None = Field(description="When the exchange was last asked about these keys.")
    permissions: PermissionsAnswer | None
    problem: str | None = Field(description="Why the keys cannot be used; null when nothing is known against them.")
    created_at: Moment
    updated_at: Moment

    @classmethod
    def of(cls, account: Account) -> Self:
        """The answer for ``account``."""
        return cls.model_validate(account)


class NewAccount(OwnedRequest):
    """An account at an exchange, with the keys that were made there."""

    model_config = ConfigDict(json_schema_extra={"examples": [_NEW]})

    cat_ex_id: VenueNumber
    name: AccountName
    api_key: ApiKey
    api_secret: ApiSecret
    passphrase: Passphrase | None = Field(default=None, description="Where the exchange has one.")
    test: IsTest = False
    active: bool = True
    allow_withdraw_keys: bool = Field(
        default=False, description="Accept keys that can take money out. No bot needs that."
    )

    def keys(self) -> Keys:
        """What is to be sealed."""
        return _keys(self.api_key, self.api_secret, self.passphrase)


class AccountChange(Request):
    """What may be changed about an account; fields that are left out stay. New keys come whole."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "savings", "active": False}]})

    name: AccountName = "-"
    active: bool = True
    test: IsTest = False
    allow_withdraw_keys: bool = False
    api_key: ApiKey | None = None
    api_secret: ApiSecret | None = None
    passphrase: Passphrase | None = None

    @model_validator(mode="after")
    def _whole_keys(self) -> Self:
        given = self.model_fields_set & {"api_key", "api_secret", "passphrase"}
        if given and (self.api_key is None or self.api_secret is None):
            raise ValueError("new keys need api_key and api_secret, and the passphrase where there is one")
        return self

    def values(self) -> dict[str, Any]:
        """Columns to change."""
        return self.model_dump(exclude_unset=True, exclude={"api_key", "api_secret", "passphrase"})

    def keys(self) -> Keys | None:
        """New keys to be sealed, if there are any."""
        if self.api_key is None or self.api_secret is None:
            return None
        return _keys(self.api_key, self.api_secret, self.passphrase)


class AccountIdAnswer(BaseModel):
    """The id of an account."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"ex_id": ACCOUNT_ID, "name": "main", "cat_ex_id": 1, "exchange": "paper"}]}
    )

    ex_id: UUID
    name: str
    cat_ex_id: int
    exchange: str


class ValidationAnswer(BaseModel):
    """What the exchange answered to the keys of an account."""

    model_config = ConfigDict(json_schema_extra={"examples": [_VALIDATION]})

    ex_id: UUID
    exchange: str
    validated_at: Moment
    permissions: PermissionsAnswer
    balances: int = Field(description="How many currencies there is something of.")
    clock_offset_ms: int = Field(description="The exchange's clock less ours.")
    warnings: list[str] = Field(description="What its owner should know although the keys can be used.")

    @classmethod
    def of(cls, account: Account, found: Examination, warnings: list[str]) -> Self:
        """The answer for what was found."""
        assert account.validated_at is not None
        return cls(
            ex_id=account.ex_id,
            exchange=account.exchange,
            validated_at=account.validated_at,
            permissions=PermissionsAnswer.of(found.permissions),
            balances=found.balances,
            clock_offset_ms=found.clock_offset_ms,
            warnings=warnings,
        )


def _keys(api_key: SecretStr, api_secret: SecretStr, passphrase: SecretStr | None) -> Keys:
    return Keys(
        api_key.get_secret_value(),
        api_secret.get_secret_value(),
        None if passphrase is None else passphrase.get_secret_value(),
    )
