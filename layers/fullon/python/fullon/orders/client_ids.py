"""What a venue knows an order by. Pure.

The id follows from the order and the attempt, so whoever takes over after a crash finds at the venue what was sent
before, and an attempt that was given up is never taken for the next one.
"""

from __future__ import annotations

from hashlib import sha256
from uuid import UUID


def client_order_id(uid: UUID, ex_id: UUID, order_id: UUID, attempt: int) -> str:
    """The first 32 hex digits of SHA-256 over owner, account, order and attempt; venues take 36 characters."""
    return sha256(f"{uid}:{ex_id}:{order_id}:{attempt}".encode()).hexdigest()[:32]
