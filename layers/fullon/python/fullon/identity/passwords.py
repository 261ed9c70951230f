"""Passwords: Argon2id with OWASP's parameters (19 MiB, 2 passes, 1 lane), worked out beside the event loop.

About 17 ms each; the library's own default costs 64 MiB and 119 ms. Text is normalised (NFKC, as RFC 8265 leaves it to
the implementation for stored passwords) so that the same password typed on another keyboard is the same bytes.
"""

from __future__ import annotations

import asyncio
import unicodedata
from dataclasses import dataclass

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from fullon.kernel.errors import Invalid

SHORTEST = 8
LONGEST = 1024

#: The hash of a random password nobody knows, by the present parameters: an unknown user costs the same time.
NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$yHA7WZS4tVI7X9N2RgyBCg$4QLnmKsZwBsr7M2ee4vuyZTa57aigtwMxVgWMYDNfXg"

_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, hash_len=32, salt_len=16, type=Type.ID)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a password is right; ``better_hash`` is set when it should be stored anew by the present parameters."""

    is_right: bool
    better_hash: str | None = None


def accept(password: str, field: str = "password") -> str:
    """The password as it is hashed.

    Raises:
        Invalid: too short, too long, or not text.
    """
    if len(password) > LONGEST:
        raise Invalid(f"A password has at most {LONGEST} characters.", fields={field: "too long"})
    normal = unicodedata.normalize("NFKC", password)
    if len(normal) < SHORTEST:
        raise Invalid(f"A password has at least {SHORTEST} characters.", fields={field: "too short"})
    if not _is_text(normal):
        raise Invalid("The password is not valid text.", fields={field: "not text"})
    return normal


async def hash_password(password: str, field: str = "password") -> str:
    """The string to store for a new password.

    Raises:
        Invalid: see :func:`accept`.
    """
    return await asyncio.to_thread(_hasher.hash, accept(password, field))


async def verify(stored: str | None, password: str) -> Verdict:
    """Compare a password with what is stored; ``stored`` is None for a user that does not exist, at the same cost."""
    is_possible = len(password) <= LONGEST and _is_text(password)
    normal = unicodedata.normalize("NFKC", password) if is_possible else ""
    return await asyncio.to_thread(_verify, stored, normal, is_possible and stored is not None)


def _verify(stored: str | None, password: str, counts: bool) -> Verdict:
    try:
        _hasher.verify(stored or NOBODY, password)
    except (VerificationError, InvalidHashError):
        return Verdict(is_right=False)
    if not counts or stored is None:
        return Verdict(is_right=False)
    return Verdict(True, _hasher.hash(password) if _hasher.check_needs_rehash(stored) else None)


def _is_text(password: str) -> bool:
    try:
        password.encode()
    except UnicodeEncodeError:
        return False
    return True
