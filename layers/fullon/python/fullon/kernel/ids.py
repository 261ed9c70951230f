"""Identifiers: time-ordered UUIDs for records, random tokens for secrets."""

from __future__ import annotations

import os
import secrets
import time
from uuid import UUID


def new_id() -> UUID:
    """A UUID version 7 (RFC 9562 §5.7): 48 bits of epoch milliseconds, then 74 random bits, so keys sort by age."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & 0xFFFF_FFFF_FFFF) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def new_token(size: int = 32) -> str:
    """A URL-safe secret of ``size`` random bytes."""
    return secrets.token_urlsafe(size)
