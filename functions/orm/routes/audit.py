"""The audit trail: who did what, and the proof that nothing of it was changed. For admins alone."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query

from fullon.audit import service, store
from fullon.kernel.clock import parse_time
from fullon.kernel.errors import Invalid
from fullon.runtime.http import AdminCaller, Stores
from fullon.runtime.pages import Cursor, Limit, Page, decode_cursor, page_of
from fullon.runtime.problems import responses
from functions.orm.audit_schemas import EntryAnswer, VerificationAnswer

router = APIRouter(prefix="/api/v1/orm/audit")

_TEXT = r"^[^\x00]*$"
_LARGEST = 2**63 - 1
When = Annotated[str | None, Query(description="RFC 3339 or epoch milliseconds.", examples=["2026-08-17T00:00:00Z"])]


@router.get(
    "",
    operation_id="list_audit_entries",
    summary="Entries of the audit trail, newest first",
    responses=responses(401, 403),
)
async def list_audit_entries(
    caller: AdminCaller,
    stores: Stores,
    actor: Annotated[
        str | None, Query(max_length=200, pattern=_TEXT, description="A user's id, or the name of a daemon.")
    ] = None,
    action: Annotated[
        str | None, Query(max_length=100, pattern=_TEXT, description="Such as create_bot: the operation's id.")
    ] = None,
    subject: Annotated[
        str | None, Query(max_length=500, pattern=_TEXT, description="A kind, or a kind and an id: `bot 0199…`.")
    ] = None,
    start_time: When = None,
    end_time: When = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[EntryAnswer]:
    async with stores.connection() as connection:
        found = await store.search(
            connection,
            actor=actor,
            action=action,
            subject=subject,
            since=_moment(start_time, "start_time"),
            until=_moment(end_time, "end_time"),
            before=_before(cursor),
            limit=limit + 1,
        )
    return page_of(found, limit, EntryAnswer.of, lambda entry: entry.sequence)


@router.get(
    "/verify",
    operation_id="verify_audit_trail",
    summary="Walk the whole audit trail and name the first bad entry",
    description="With number and hash of an entry that was noted earlier, entries cut off from the end are missed too.",
    responses=responses(401, 403),
)
async def verify_audit_trail(
    caller: AdminCaller,
    stores: Stores,
    kept_sequence: Annotated[int | None, Query(ge=1, le=_LARGEST, description="Number of a noted entry.")] = None,
    kept_head: Annotated[
        str | None, Query(pattern=r"^[0-9a-fA-F]{64}$", description="Its hash; both or neither.")
    ] = None,
) -> VerificationAnswer:
    if (kept_sequence is None) != (kept_head is None):
        raise Invalid("Give the number and the hash of an entry, or neither.", fields={"kept_head": "both or neither"})
    noted = (kept_sequence, bytes.fromhex(kept_head)) if kept_sequence is not None and kept_head is not None else None
    async with stores.connection() as connection:
        return VerificationAnswer.of(await service.verify(connection, kept_head=noted))


def _moment(text: str | None, field: str) -> datetime | None:
    return None if text is None else parse_time(text, field)


def _before(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    (sequence,) = decode_cursor(cursor, 1)
    if not isinstance(sequence, int) or not 0 <= sequence <= _LARGEST:
        raise Invalid("The cursor is not one of this list.", fields={"cursor": "not a cursor of this list"})
    return sequence
