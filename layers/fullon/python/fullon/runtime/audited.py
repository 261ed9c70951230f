"""Transactions that leave a line on the audit trail: every mutating operation runs in one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fullon.audit import service
from fullon.audit.model import Detail
from fullon.identity.model import Identity
from fullon.runtime import idempotency
from fullon.runtime.container import Container

if TYPE_CHECKING:
    from fullon.identity.store import Connection


@dataclass(slots=True)
class Act:
    """What is being done, completed while it is done.

    Attributes:
        connection: the transaction that all of it happens in.
        subject: what is changed: kind and id.
        actor: who does it: a user id. To be set in the block where nobody is logged in yet.
        details: what the trail is to say beside it; names of fields rather than values, and never a secret.
    """

    connection: Connection
    subject: str = ""
    actor: str = ""
    details: dict[str, Detail] = field(default_factory=dict)


@asynccontextmanager
async def act(
    container: Container, caller: Identity | None, action: str, subject: str = "", **details: Detail
) -> AsyncIterator[Act]:
    """One transaction on the platform database whose last statement is the entry on the trail.

    Either both are committed or neither is. Nothing outside the database is waited for inside, because writers of the
    trail stand in line. A call that has an Idempotency-Key is marked as done in it too.

    Args:
        caller: None where nobody is logged in yet.
        action: what is done, as a verb and a noun: ``create_user``, the operation's id.

    Raises:
        Unavailable: the server cannot be reached.
    """
    async with container.transaction() as connection:
        done = Act(connection, subject, details=dict(details))
        if caller is not None:
            done.actor = str(caller.user_id)
            done.details.update(credential=caller.kind.value, session=str(caller.session))
        yield done
        await idempotency.take_effect(connection)
        await service.append(
            connection,
            at=container.clock.now(),
            actor=done.actor,
            action=action,
            subject=done.subject,
            details=done.details,
        )
