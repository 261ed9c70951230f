"""Master keys: one from the settings, or one that never leaves AWS KMS. See :mod:`fullon.venues.sealing`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Protocol

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from fullon.venues.errors import MasterKeyUnavailable, SealBroken
from fullon.venues.sealing import Binding, Seals, Wrapped, decrypt, encrypt

#: In the encryption context of every call; a policy of the key can ask for it.
PURPOSE = "fullon:account:v1:data-key"

LOCAL, KMS = "local:", "kms:"
_BROKEN = {"InvalidCiphertextException", "IncorrectKeyException", "ValidationException"}


class LocalKey:
    """A master key derived from a secret of the settings (HKDF-SHA256, RFC 5869).

    Its id is a fingerprint by a derivation of its own, from which neither secret nor key can be found.

    Args:
        secret: 32 random bytes or more, as text.
    """

    def __init__(self, secret: str) -> None:
        self._key = _derived(secret, b"fullon:accounts:master:v1", 32)
        self.key_id = LOCAL + _derived(secret, b"fullon:accounts:fingerprint:v1", 8).hex()

    async def wrap(self, data_key: bytes, binding: Binding) -> Wrapped:
        return Wrapped(self.key_id, encrypt(self._key, data_key, binding.of_data_key()))

    async def unwrap(self, wrapped: Wrapped, binding: Binding) -> bytes:
        return decrypt(self._key, wrapped.data_key, binding.of_data_key())

    def opens(self, key_id: str) -> bool:
        return key_id == self.key_id


class KmsClient(Protocol):
    """What is used of boto3's client."""

    def encrypt(self, *, KeyId: str, Plaintext: bytes, EncryptionContext: dict[str, str]) -> Any:  # noqa: N803
        """Encrypt up to 4 KB under a key."""

    def decrypt(self, *, KeyId: str, CiphertextBlob: bytes, EncryptionContext: dict[str, str]) -> Any:  # noqa: N803
        """Decrypt, if the context is the same."""


class KmsKey:
    """A master key in AWS KMS, by boto3, which is imported at the first use and called in a thread.

    The account and its owner are the encryption context, so they stand in CloudTrail beside each use.

    Args:
        key_id: ARN, id or alias of the key that wraps; others of this service are opened by their own address.
    """

    def __init__(self, key_id: str, region: str) -> None:
        self._key_id = key_id
        self._region = region
        self._client: KmsClient | None = None

    async def wrap(self, data_key: bytes, binding: Binding) -> Wrapped:
        answer = await self._call(
            "encrypt", KeyId=self._key_id, Plaintext=data_key, EncryptionContext=_context(binding)
        )
        return Wrapped(KMS + answer["KeyId"], bytes(answer["CiphertextBlob"]))

    async def unwrap(self, wrapped: Wrapped, binding: Binding) -> bytes:
        answer = await self._call(
            "decrypt",
            KeyId=wrapped.key_id.removeprefix(KMS),
            CiphertextBlob=wrapped.data_key,
            EncryptionContext=_context(binding),
        )
        return bytes(answer["Plaintext"])

    def opens(self, key_id: str) -> bool:
        return key_id.startswith(KMS)

    async def _call(self, method: str, **arguments: Any) -> Any:
        return await asyncio.to_thread(self._ask, method, arguments)

    def _ask(self, method: str, arguments: dict[str, Any]) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            if self._client is None:
                self._client = self._connect()
            return getattr(self._client, method)(**arguments)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if method == "decrypt" and code in _BROKEN:
                raise SealBroken from error
            raise MasterKeyUnavailable(aws_code=code) from error
        except BotoCoreError as error:
            raise MasterKeyUnavailable from error

    def _connect(self) -> KmsClient:
        import boto3
        from botocore.config import Config

        config = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})
        session: Any = boto3.session.Session(region_name=self._region)
        client: KmsClient = session.client("kms", config=config)
        return client


def seals(secret: str | None, previous: Iterable[str], kms_key_id: str | None, region: str) -> Seals | None:
    """What the settings allow; KMS wraps where it is named, and local keys then open what they wrapped before.

    Returns:
        None when they name no master key.
    """
    local = [LocalKey(each) for each in (secret, *previous) if each]
    if kms_key_id:
        return Seals(KmsKey(kms_key_id, region), local)
    # Those of KMS still open while keys are brought back from there.
    return Seals(local[0], [*local[1:], KmsKey("", region)]) if secret else None


def _context(binding: Binding) -> dict[str, str]:
    return {"purpose": PURPOSE, "uid": str(binding.uid), "ex_id": str(binding.ex_id)}


def _derived(secret: str, purpose: bytes, length: int) -> bytes:
    return HKDF(SHA256(), length, salt=None, info=purpose).derive(secret.encode())
