"""Answers about the audit trail."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from fullon.audit.model import Entry, Verification
from fullon.runtime.fields import Moment

_ENTRY: JsonDict = {
    "sequence": 42,
    "at": "2026-08-17T00:00:00Z",
    "actor": "0199f1c2-8a52-7c5e-b6f5-1c5b0f8b1a11",
    "action": "create_bot",
    "subject": "bot 0199f1c2-a1b2-7c3d-8e4f-5a6b7c8d9e0f",
    "details": {"dry_run": True, "credential": "jwt", "session": "0199f1c2-9b11-7d42-9d3f-0a2b4c6d8e0f"},
    "previous_hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "hash": "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
}
_VERIFICATION: JsonDict = {
    "intact": True,
    "entries": 42,
    "head": "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
    "first_bad": None,
}


class EntryAnswer(BaseModel):
    """An entry of the trail."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ENTRY]})

    sequence: int = Field(description="1, 2, 3 … without a gap.")
    at: Moment
    actor: str = Field(description="A user's id, or the name of a daemon.")
    action: str
    subject: str
    details: dict[str, Any]
    previous_hash: str = Field(description="Of the entry before; zeros before the first.")
    hash: str = Field(description="SHA-256 over all of the above.")

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """The answer for ``entry``."""
        return cls(
            sequence=entry.sequence,
            at=entry.at,
            actor=entry.actor,
            action=entry.action,
            subject=entry.subject,
            details=dict(entry.details),
            previous_hash=entry.previous_hash.hex(),
            hash=entry.hash.hex(),
        )


class BadEntry(BaseModel):
    """The first entry that does not fit."""

    sequence: int
    reason: str


class VerificationAnswer(BaseModel):
    """What a walk over the whole trail found."""

    model_config = ConfigDict(json_schema_extra={"examples": [_VERIFICATION]})

    intact: bool
    entries: int = Field(description="Good ones, from the first on.")
    head: str = Field(
        description="Hash of the last good one. Kept elsewhere, it proves later that nothing was cut off."
    )
    first_bad: BadEntry | None

    @classmethod
    def of(cls, found: Verification) -> Self:
        """The answer for ``found``."""
        fault = found.fault
        return cls(
            intact=found.is_intact,
            entries=found.entries,
            head=found.head.hex(),
            first_bad=BadEntry(sequence=fault.sequence, reason=fault.reason) if fault else None,
        )
