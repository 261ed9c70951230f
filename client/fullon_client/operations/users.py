"""Users."""

from __future__ import annotations

from uuid import UUID

from fullon_client.calls import Call, Page, given, nothing, one, page
from fullon_client.models.people import User

PATH = "/api/v1/orm/users"


def me() -> Call[User]:
    """The caller."""
    return one(User, "get_me", "GET", f"{PATH}/me")


def change_me(*, name: str | None = None, lastname: str | None = None, phone: str | None = None) -> Call[User]:
    """Change the caller's profile."""
    return one(User, "change_me", "PATCH", f"{PATH}/me", body=given(name=name, lastname=lastname, phone=phone))


def every(*, active: bool | None = None, role: str | None = None, limit: int | None = None) -> Call[Page[User]]:
    """All users (admin)."""
    return page(User, "list_users", PATH, parameters={"active": active, "role": role, "limit": limit})


def search(query: str, *, limit: int | None = None) -> Call[Page[User]]:
    """Users whose mail or name holds a text (admin)."""
    return page(User, "search_users", f"{PATH}/search", parameters={"query": query, "limit": limit})


def get(uid: UUID) -> Call[User]:
    """One user (admin)."""
    return one(User, "get_user", "GET", f"{PATH}/{{uid}}", places={"uid": uid})


def by_mail(mail: str) -> Call[User]:
    """The user with this address (admin)."""
    return one(User, "get_user_by_mail", "GET", f"{PATH}/by-email/{{mail}}", places={"mail": mail})


def create(
    mail: str,
    password: str,
    *,
    name: str | None = None,
    lastname: str | None = None,
    role: str | None = None,
) -> Call[User]:
    """A new user (admin); a trader unless said otherwise."""
    body = given(mail=mail, password=password, name=name, lastname=lastname, role=role)
    return one(User, "create_user", "POST", PATH, body=body)


def change(uid: UUID, *, name: str | None = None, role: str | None = None, active: bool | None = None) -> Call[User]:
    """Change a user (admin)."""
    body = given(name=name, role=role, active=active)
    return one(User, "change_user", "PATCH", f"{PATH}/{{uid}}", places={"uid": uid}, body=body)


def delete(uid: UUID, *, purge: bool | None = None) -> Call[None]:
    """Deactivate a user (admin); with `purge` remove them and all that is theirs."""
    return nothing("delete_user", "DELETE", f"{PATH}/{{uid}}", places={"uid": uid}, parameters={"purge": purge})
