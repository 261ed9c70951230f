"""Roles, scopes and the identity that travels from the authorizer to every handler."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID

from fullon.kernel.clock import from_milliseconds, to_milliseconds


class Role(StrEnum):
    """What a user is on this installation."""

    ADMIN = "admin"
    TRADER = "trader"
    VIEWER = "viewer"


class Scope(StrEnum):
    """What a credential may do; enforced on every route and channel."""

    READ = "read"
    TRADE = "trade"
    ADMIN = "admin"


class Kind(StrEnum):
    """What the caller showed."""

    JWT = "jwt"
    API_KEY = "api_key"


ROLE_SCOPES: Mapping[Role, frozenset[Scope]] = {
    Role.ADMIN: frozenset({Scope.READ, Scope.TRADE, Scope.ADMIN}),
    Role.TRADER: frozenset({Scope.READ, Scope.TRADE}),
    Role.VIEWER: frozenset({Scope.READ}),
}


#: When a credential without an end of its own ends.
NEVER = datetime(9999, 12, 31, tzinfo=UTC)


def allowed(role: Role, granted: frozenset[Scope]) -> frozenset[Scope]:
    """What a credential with ``granted`` scopes may do in the hands of a user with ``role``."""
    return granted & ROLE_SCOPES[role]


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller that the authorizer has let in.

    Attributes:
        session: the session id of a token, or the id of an API key.
        scopes: what the credential allows, already cut down to what the role allows.
        expires_at: when the credential ends by itself.
    """

    user_id: UUID
    mail: str
    role: Role
    kind: Kind
    session: UUID
    scopes: frozenset[Scope]
    expires_at: datetime

    @property
    def is_admin(self) -> bool:
        """An admin, with a credential that may act as one."""
        return self.role is Role.ADMIN and Scope.ADMIN in self.scopes

    def to_context(self) -> dict[str, str]:
        """The flat strings an API Gateway authorizer may pass on."""
        return {
            "user_id": str(self.user_id),
            "mail": self.mail,
            "role": self.role.value,
            "kind": self.kind.value,
            "session": str(self.session),
            "scopes": " ".join(sorted(scope.value for scope in self.scopes)),
            "expires_at": str(to_milliseconds(self.expires_at) // 1000),
        }

    @classmethod
    def from_context(cls, context: Mapping[str, object]) -> Identity:
        """Read what :meth:`to_context` wrote.

        Raises:
            KeyError, ValueError: it is not such a context; the caller is to be refused.
        """
        return cls(
            user_id=UUID(str(context["user_id"])),
            mail=str(context["mail"]),
            role=Role(str(context["role"])),
            kind=Kind(str(context["kind"])),
            session=UUID(str(context["session"])),
            scopes=frozenset(Scope(part) for part in str(context["scopes"]).split()),
            expires_at=from_milliseconds(int(str(context["expires_at"])) * 1000),
        )


@dataclass(frozen=True, slots=True)
class Standing:
    """How a credential in force stands now.

    Attributes:
        scopes: what the credential allows, cut down to what the role allows.
        expires_at: the end of an API key; None where it has none, and for sessions (their tokens carry it).
    """

    user_id: UUID
    role: Role
    mail: str
    scopes: frozenset[Scope]
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StandingChange:
    """Credentials whose standing a transaction changed, to be announced once it is committed.

    Attributes:
        ended: sessions that are revoked, for good.
        changed: credentials to be looked up again: a key switched off or on, a role that is another now.
        user_id: set when the change is one of the user and concerns every credential they have.
    """

    ended: tuple[UUID, ...] = ()
    changed: tuple[tuple[Kind, UUID], ...] = ()
    user_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class User:
    """A person with an account here; the password hash is not part of it."""

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
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key as its owner sees it later: without its secret."""

    id: UUID
    uid: UUID
    prefix: str
    name: str
    description: str
    scopes: frozenset[Scope]
    is_active: bool
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a login came from."""

    address: str
    user_agent: str = ""
