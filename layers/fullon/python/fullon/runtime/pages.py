"""Lists in pages: ``limit`` and an opaque ``cursor`` in, ``{items, next_cursor}`` out."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeAlias, TypeVar
from uuid import UUID

import orjson
from fastapi import Query
from pydantic import BaseModel, Field

from fullon.kernel.errors import Invalid

Item = TypeVar("Item")
Record = TypeVar("Record")
Key: TypeAlias = str | int | UUID

Limit = Annotated[int, Query(ge=1, le=1000, description="How many items at most.", examples=[50])]
Cursor = Annotated[str | None, Query(description="The next_cursor of the page before.", examples=["WyIyMDI2Il0"])]


class Page(BaseModel, Generic[Item]):
    """Part of a list, in a stable order."""

    items: list[Item]
    next_cursor: str | None = Field(default=None, description="Ask for the next page with it; null on the last.")


def page_of(
    found: Sequence[Record], limit: int, show: Callable[[Record], Item], key: Callable[[Record], Key | tuple[Key, ...]]
) -> Page[Item]:
    """The page that a list was asked for.

    Args:
        found: the records in their order, one more than ``limit`` where another page follows.
        show: makes a record an item of the answer.
        key: what the list is ordered by, so that the next page goes on after the last record of this one.
    """
    shown = found[:limit]
    following = None
    if len(found) > limit:
        last = key(shown[-1])
        following = encode_cursor(*last) if isinstance(last, tuple) else encode_cursor(last)
    return Page(items=[show(record) for record in shown], next_cursor=following)


def encode_cursor(*key: Key) -> str:
    """The sort key of a page's last item, as an opaque word."""
    # The driver's UUIDs are of a class of its own, which orjson does not know.
    return base64.urlsafe_b64encode(orjson.dumps(key, default=str)).decode().rstrip("=")


def decode_cursor(cursor: str, length: int) -> list[str | int]:
    """The sort key that :func:`encode_cursor` wrote.

    Raises:
        Invalid: it is not a cursor of this list.
    """
    try:
        key = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error):
        key = None
    if not isinstance(key, list) or len(key) != length or not all(isinstance(part, str | int) for part in key):
        raise Invalid("The cursor is not one of this list.", fields={"cursor": "not a cursor of this list"})
    return key


def decode_id_cursor(cursor: str | None) -> UUID | None:
    """The id that a page of a list ordered by id begins after; None for the first page.

    Raises:
        Invalid: it is not a cursor of such a list.
    """
    if cursor is None:
        return None
    try:
        return UUID(str(decode_cursor(cursor, 1)[0]))
    except ValueError as error:
        raise Invalid("The cursor is not one of this list.", fields={"cursor": "not a cursor of this list"}) from error
