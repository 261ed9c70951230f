"""Access tokens: signed JSON Web Tokens (RFC 7519) that say who, in which session, until when.

The algorithm is pinned to the configured one, so neither ``none`` nor a public key used as an HMAC secret (RFC 8725
§3.1) passes. The header's ``kid`` chooses the key; keys before the present one stay accepted until their tokens have
run out. A change of algorithm needs no such overlap: clients renew with their refresh tokens, which are opaque.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import jwt

from fullon.identity.errors import InvalidCredential
from fullon.identity.model import ROLE_SCOPES, Identity, Kind, Role
from fullon.kernel.clock import Clock, from_milliseconds
from fullon.kernel.errors import Invalid
from fullon.kernel.ids import new_id

Algorithm = Literal["HS256", "EdDSA", "RS256"]

#: Nothing we sign comes near it.
LONGEST_TOKEN = 4096
_CLAIMS = ["sub", "mail", "role", "sid", "jti", "iss", "aud", "iat", "exp"]


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """What tokens are signed and verified with.

    Attributes:
        signing: the shared secret (HS256) or the private key in PEM; empty where tokens are only verified.
        verifying: key id → secret or public key, parsed: the present one and those before it.
        key_id: of the present key.
    """

    algorithm: Algorithm
    key_id: str
    signing: str = field(repr=False)
    verifying: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(
        cls,
        algorithm: Algorithm,
        key_id: str,
        *,
        secret: str = "",
        private_key: str = "",
        public_key: str = "",
        previous: Mapping[str, str] | None = None,
    ) -> SigningKeys:
        """Keys as settings give them.

        Args:
            secret: shared secret, for HS256.
            private_key: PEM, for the other algorithms; its public half is derived when none is given.
            previous: key id → secret or public key of the keys before, still accepted.

        Raises:
            Invalid: what the algorithm needs is missing or is not such a key; the sentence names the setting only.
        """
        if algorithm == "HS256":
            if not secret:
                raise Invalid("JWT_SECRET_KEY is not set.", code="settings")
            present = signing = secret
        else:
            signing = _pem(private_key)
            present = _pem(public_key) or _public_half(signing)
        verifying = {**{name: _pem(key) for name, key in (previous or {}).items()}, key_id: present}
        return cls(
            algorithm, key_id, signing, {name: _prepare(algorithm, name, key) for name, key in verifying.items()}
        )


class Tokens:
    """Makes and reads access tokens.

    Args:
        lifetime: how long a token is good.
        issuer, audience: claims written and demanded.
    """

    def __init__(
        self, keys: SigningKeys, clock: Clock, *, lifetime: timedelta, issuer: str = "fullon", audience: str
    ) -> None:
        self._keys = keys
        self._clock = clock
        self._issuer = issuer
        self._audience = audience
        self.lifetime = lifetime

    def require_signing(self) -> None:
        """Fail at the start of a process that is to log people in, rather than at the first login.

        Raises:
            Invalid: there is no key to sign with.
        """
        if not self._keys.signing:
            raise Invalid("JWT_PRIVATE_KEY is not set, so nobody can log in.", code="settings")

    def sign(self, user_id: UUID, mail: str, role: Role, session: UUID) -> str:
        """An access token for a user in a session.

        Raises:
            Invalid: this process has no key to sign with.
        """
        self.require_signing()
        now = int(self._clock.now().timestamp())
        claims = {
            "sub": str(user_id),
            "mail": mail,
            "role": role.value,
            "sid": str(session),
            "jti": str(new_id()),
            "iss": self._issuer,
            "aud": self._audience,
            "iat": now,
            "exp": now + int(self.lifetime.total_seconds()),
        }
        return jwt.encode(
            claims, self._keys.signing, algorithm=self._keys.algorithm, headers={"kid": self._keys.key_id}
        )

    def knows_key_of(self, token: str) -> bool:
        """Whether the key that a token names is known here; also true of what is no token at all."""
        try:
            return jwt.get_unverified_header(token[:LONGEST_TOKEN]).get("kid") in self._keys.verifying
        except jwt.InvalidTokenError:
            return True

    def read(self, token: str) -> Identity:
        """The identity a token speaks of. Whether its session still stands is another question.

        Raises:
            InvalidCredential: not signed by us, changed, for somebody else, incomplete, or over.
        """
        try:
            claims = self._claims(token)
            identity = Identity(
                user_id=UUID(claims["sub"]),
                mail=str(claims["mail"]),
                role=Role(claims["role"]),
                kind=Kind.JWT,
                session=UUID(claims["sid"]),
                scopes=ROLE_SCOPES[Role(claims["role"])],
                expires_at=_moment(claims["exp"]),
            )
        except (jwt.InvalidTokenError, KeyError, ValueError, TypeError, AttributeError, OverflowError):
            raise InvalidCredential("token") from None
        if identity.expires_at <= self._clock.now():
            raise InvalidCredential("token")
        return identity

    def _claims(self, token: str) -> dict[str, Any]:
        if len(token) > LONGEST_TOKEN:
            raise jwt.DecodeError("too long")
        header = jwt.get_unverified_header(token)
        if header.get("alg") != self._keys.algorithm:
            raise jwt.InvalidAlgorithmError("another algorithm")
        # Its end is judged by our clock in read(); the library knows only the machine's.
        return jwt.decode(
            token,
            self._keys.verifying[header["kid"]],
            algorithms=[self._keys.algorithm],
            audience=self._audience,
            issuer=self._issuer,
            options={"require": _CLAIMS, "verify_exp": False, "verify_iat": False, "verify_nbf": False},
        )


def _moment(seconds: object) -> datetime:
    if not isinstance(seconds, int) or isinstance(seconds, bool):
        raise TypeError("not epoch seconds")
    return from_milliseconds(seconds * 1000)


def _prepare(algorithm: Algorithm, name: str, key: str) -> Any:
    library = jwt.get_algorithm_by_name(algorithm)
    try:
        prepared = library.prepare_key(key)
    except (ValueError, TypeError, jwt.InvalidKeyError) as error:
        raise Invalid(f"The JWT key {name!r} is not a key for {algorithm}.", code="settings") from error
    if algorithm == "RS256" and (weakness := library.check_key_length(prepared)):
        raise Invalid(f"The JWT key {name!r} is too short. {weakness}", code="settings")
    return prepared


def _pem(text: str) -> str:
    return text.replace("\\n", "\n").strip()


def _public_half(private_key: str) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    try:
        key = load_pem_private_key(private_key.encode(), None)
    except (ValueError, TypeError) as error:
        raise Invalid("JWT_PRIVATE_KEY or JWT_PUBLIC_KEY must be set, in PEM.", code="settings") from error
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
