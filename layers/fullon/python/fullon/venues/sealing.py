"""Secrets of exchange accounts, sealed so that a copy of the database is worth nothing, nor one row in another's place.

Each account has a random data key. What is secret is sealed with it (AES-256-GCM, NIST SP 800-38D, 96-bit random
nonces); the data key is wrapped by a master key that never lies in the database: :mod:`master_keys`. Both are bound to
the account and its owner as associated data, so a row that was copied to another account or user opens nothing.
Rotation of the master key wraps the data keys anew and leaves what they seal alone.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fullon.venues.errors import MasterKeyMissing, SealBroken

DATA_KEY_BYTES = 32
_NONCE_BYTES, _TAG_BYTES = 12, 16
_PREFIX = b"fullon:account:v1:"
_KEYS, _DATA_KEY = b"keys:", b"data-key:"


@dataclass(frozen=True, slots=True)
class Binding:
    """Which account of which user something is sealed for."""

    uid: UUID
    ex_id: UUID

    def of_keys(self) -> bytes:
        """Associated data of the keys themselves; ids have a fixed length, so no two bindings read the same."""
        return _PREFIX + _KEYS + self.uid.bytes + self.ex_id.bytes

    def of_data_key(self) -> bytes:
        """Associated data of the data key under a local master key."""
        return _PREFIX + _DATA_KEY + self.uid.bytes + self.ex_id.bytes


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A data key that only a master key opens.

    Attributes:
        key_id: which master key; a fingerprint or an address, nothing secret.
    """

    key_id: str
    data_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Sealed:
    """What the database holds of an account's keys: nonce, cipher text and tag, and the data key to them."""

    sealed: bytes = field(repr=False)
    wrapped: Wrapped


class MasterKey(Protocol):
    """What wraps data keys."""

    async def wrap(self, data_key: bytes, binding: Binding) -> Wrapped:
        """Wrap a data key.

        Raises:
            MasterKeyUnavailable: the master key cannot be used now.
        """

    async def unwrap(self, wrapped: Wrapped, binding: Binding) -> bytes:
        """The data key.

        Raises:
            SealBroken: it was changed, or wrapped for another account.
            MasterKeyUnavailable: the master key cannot be used now.
        """

    def opens(self, key_id: str) -> bool:
        """Whether this is the master key of that id, or the service that has it."""


class Seals:
    """Seals and opens with the master keys of this process.

    Args:
        present: wraps what is sealed from now on.
        previous: open what was wrapped before.
    """

    def __init__(self, present: MasterKey, previous: Sequence[MasterKey] = ()) -> None:
        self._present = present
        self._all = (present, *previous)

    async def seal(self, binding: Binding, secret: bytes) -> Sealed:
        """Seal ``secret`` under a new data key.

        Raises:
            MasterKeyUnavailable: the master key cannot be used now.
        """
        data_key = AESGCM.generate_key(DATA_KEY_BYTES * 8)
        sealed = encrypt(data_key, secret, binding.of_keys())
        return Sealed(sealed, await self._present.wrap(data_key, binding))

    async def open(self, binding: Binding, sealed: Sealed) -> bytes:
        """The secret, whole or not at all.

        Raises:
            SealBroken: a byte of it was changed, or it was sealed for another account.
            MasterKeyMissing: its master key is not among those of this process.
            MasterKeyUnavailable: the master key cannot be used now.
        """
        data_key = await self._unwrap(binding, sealed.wrapped)
        return decrypt(data_key, sealed.sealed, binding.of_keys())

    async def rewrap(self, binding: Binding, wrapped: Wrapped) -> Wrapped | None:
        """The same data key under the present master key; None when it is there already.

        Raises:
            SealBroken, MasterKeyMissing, MasterKeyUnavailable: as :meth:`open`.
        """
        data_key = await self._unwrap(binding, wrapped)
        new = await self._present.wrap(data_key, binding)
        return None if new.key_id == wrapped.key_id else new

    async def _unwrap(self, binding: Binding, wrapped: Wrapped) -> bytes:
        for master in self._all:
            if master.opens(wrapped.key_id):
                return await master.unwrap(wrapped, binding)
        raise MasterKeyMissing(wrapped.key_id)


def encrypt(key: bytes, secret: bytes, associated: bytes) -> bytes:
    """Nonce, cipher text and tag."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, secret, associated)


def decrypt(key: bytes, sealed: bytes, associated: bytes) -> bytes:
    """What :func:`encrypt` was given.

    Raises:
        SealBroken: key, text or associated data are not those it was encrypted with.
    """
    if len(sealed) < _NONCE_BYTES + _TAG_BYTES:
        raise SealBroken
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], associated)
    except InvalidTag as error:
        raise SealBroken from error
