"""An entry of the trail and its hash.

The hash is SHA-256 over the canonical JSON (sorted keys, no spaces) of the entry and the hash of the one before, so
that changing, removing or reordering an entry shows from there on. Entries cut off at the very end do not show: who
needs that keeps the last hash elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fullon.kernel.clock import to_milliseconds

GENESIS = bytes(32)


@dataclass(frozen=True, slots=True)
class Entry:
    """Who did what to which thing, and when.

    Attributes:
        actor: user id, or the name of a daemon.
        action: a verb of the domain, for example ``service.start``.
        subject: what it was done to.
        details: JSON-compatible facts; never a secret.
    """

    sequence: int
    at: datetime
    actor: str
    action: str
    subject: str
    details: Mapping[str, Any]
    previous_hash: bytes
    hash: bytes


def digest(
    sequence: int, at: datetime, actor: str, action: str, subject: str, details: Mapping[str, Any], previous: bytes
) -> bytes:
    """The hash of an entry that follows one with the hash ``previous``."""
    body = {
        "sequence": sequence,
        "at": to_milliseconds(at),
        "actor": actor,
        "action": action,
        "subject": subject,
        "details": details,
        "previous": previous.hex(),
    }
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode()).digest()
