"""JSON to records: exact, typed, and saying where it does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from fullon_client.errors import UnexpectedAnswer
from fullon_client.records import read, write

UID = "0199f1c2-8a52-7c5e-b6f5-1c5b0f8b1a11"


@dataclass(frozen=True)
class Lot:
    price: Decimal
    at: datetime


@dataclass(frozen=True)
class Book:
    uid: UUID
    lots: tuple[Lot, ...]
    facts: Mapping[str, Any]
    note: str | None
    share: float
    count: int
    later: str | None = None


WHOLE: dict[str, Any] = {
    "uid": UID,
    "lots": [{"price": "0.10000000000000000001", "at": "2026-08-17T00:00:00Z"}],
    "facts": {"a": 1},
    "note": None,
    "share": 1,
    "count": 3,
}


def test_an_answer_becomes_a_record_with_exact_decimals_and_aware_times() -> None:
    book = read(Book, WHOLE)

    assert book.uid == UUID(UID)
    assert book.lots == (Lot(Decimal("0.10000000000000000001"), datetime(2026, 8, 17, tzinfo=UTC)),)
    assert (book.note, book.share, book.later) == (None, 1.0, None)


def test_members_of_a_newer_platform_are_passed_over() -> None:
    assert read(Lot, {"price": "1", "at": 0, "colour": "red"}) == Lot(Decimal(1), datetime(1970, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"count": "3"}, "count is '3'"),
        ({"count": True}, "count is True"),
        ({"uid": "nobody"}, "uid is 'nobody'"),
        ({"lots": [{"price": 0.1, "at": 0}]}, r"lots\.0\.price is 0\.1"),
        ({"lots": [{"price": "1"}]}, r"lots\.0\.at is missing"),
        ({"lots": [{"price": "1", "at": "2026-08-17T00:00:00"}]}, r"lots\.0\.at is"),
        ({"lots": {}}, "lots is {}"),
        ({"note": 4}, "note is 4"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, Any], place: str) -> None:
    with pytest.raises(UnexpectedAnswer, match=f"not a Book: {place}"):
        read(Book, {**WHOLE, **change})


def test_an_answer_that_is_no_object_is_no_record() -> None:
    with pytest.raises(UnexpectedAnswer, match="not a Lot: it is None"):
        read(Lot, None)


def test_values_are_written_as_the_platform_reads_them() -> None:
    moment = datetime(2026, 8, 17, 2, tzinfo=timezone(timedelta(hours=2)))

    assert write({"size": Decimal("1E-8"), "ids": [UUID(UID)], "at": moment, "on": True}) == {
        "size": "0.00000001",
        "ids": [UID],
        "at": "2026-08-17T00:00:00Z",
        "on": True,
    }
