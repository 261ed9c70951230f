"""An entry of the trail and the hash that binds it to the one before. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeAlias
from uuid import UUID

GENESIS = bytes(32)
"""What the first entry names as the hash before it."""

Detail: TypeAlias = (
    "str | int | bool | Decimal | float | datetime | UUID | Sequence[Detail] | Mapping[str, Detail] | None"
)
Plain: TypeAlias = "str | int | bool | list[Plain] | dict[str, Plain] | None"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry.

    Attributes:
        sequence: 1, 2, 3 … without a gap.
        actor: who did it: a user id, or the name of a daemon.
        action: what, as ``noun.verb``.
        subject: to what.
        details: further facts; only what JSON stores exactly.
    """

    sequence: int
    at: datetime
    actor: str
    action: str
    subject: str
    details: Mapping[str, Plain]
    previous_hash: bytes
    hash: bytes = b""

    def computed_hash(self) -> bytes:
        """SHA-256 over the canonical JSON of every field, the hash of the entry before included."""
        fields = [
            self.sequence,
            self.at.astimezone(UTC).isoformat(timespec="microseconds"),
            self.actor,
            self.action,
            self.subject,
            self.details,
            self.previous_hash.hex(),
        ]
        return hashlib.sha256(canonical(fields).encode()).digest()


@dataclass(frozen=True, slots=True)
class Fault:
    """The first entry that does not fit."""

    sequence: int
    reason: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What a walk over the trail found. ``head`` can be kept elsewhere: it proves later that nothing was cut off."""

    entries: int
    head: bytes
    fault: Fault | None

    @property
    def is_intact(self) -> bool:
        return self.fault is None


def canonical(value: object) -> str:
    """JSON with sorted keys and no room for choice."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def plain_text(text: str) -> str:
    """Text that PostgreSQL can hold: no NUL, no half of a surrogate pair."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def plain(value: Detail) -> Plain:
    """A detail as what JSON in the database keeps exactly: numbers with a fraction become text, times RFC 3339."""
    match value:
        case None | bool() | int():
            return value
        case str():
            return plain_text(value)
        case Decimal():
            return format(value, "f")
        case float():
            return repr(value)
        case datetime():
            return value.astimezone(UTC).isoformat()
        case UUID():
            return str(value)
        case Mapping():
            return {plain_text(name): plain(item) for name, item in value.items()}
        case Sequence():
            return [plain(item) for item in value]


def check(entry: Entry, sequence: int, previous_hash: bytes) -> Fault | None:
    """Why ``entry`` cannot be number ``sequence`` after ``previous_hash``; None if it can."""
    if entry.sequence != sequence:
        return Fault(sequence, f"entry {sequence} is missing")
    if entry.previous_hash != previous_hash:
        return Fault(sequence, f"entry {sequence} does not follow the one before")
    if entry.hash != entry.computed_hash():
        return Fault(sequence, f"entry {sequence} was changed")
    return None
