"""Access tokens: only ours, unchanged, for us, and in time."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from fullon.identity.errors import InvalidCredential
from fullon.identity.model import Kind, Role, Scope
from fullon.identity.tokens import Algorithm, SigningKeys, Tokens
from fullon.kernel.clock import ManualClock
from fullon.kernel.errors import Invalid

SECRET = "a secret of more than forty-eight bytes, so that HS384 likes it too"
NOON = datetime(2026, 8, 17, 12, tzinfo=UTC)
UID, SID = uuid4(), uuid4()


def pem(key: PrivateKeyTypes) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public(key: PrivateKeyTypes) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


RSA_KEY = rsa.generate_private_key(65537, 2048)
ED_KEY = ed25519.Ed25519PrivateKey.generate()


def keys(algorithm: Algorithm = "HS256", **changes: Any) -> SigningKeys:
    given: dict[str, Any] = {
        "HS256": {"secret": SECRET},
        "RS256": {"private_key": pem(RSA_KEY)},
        "EdDSA": {"private_key": pem(ED_KEY)},
    }[algorithm]
    return SigningKeys.of(algorithm, changes.pop("key_id", "1"), **{**given, **changes})


def tokens(signing: SigningKeys | None = None, clock: ManualClock | None = None, **changes: Any) -> Tokens:
    options = {"lifetime": timedelta(hours=1), "issuer": "fullon", "audience": "fullon-api", **changes}
    return Tokens(signing or keys(), clock or ManualClock(NOON), **options)


def signed(**changes: Any) -> str:
    """A token by our secret with other claims or headers than ours."""
    now = int(NOON.timestamp())
    claims = {
        "sub": str(UID),
        "mail": "a@example.com",
        "role": "trader",
        "sid": str(SID),
        "jti": str(uuid4()),
        "iss": "fullon",
        "aud": "fullon-api",
        "iat": now,
        "exp": now + 60,
    }
    headers = changes.pop("headers", {"kid": "1"})
    algorithm, secret = changes.pop("algorithm", "HS256"), changes.pop("secret", SECRET)
    claims = {name: value for name, value in {**claims, **changes}.items() if value is not ...}
    return jwt.encode(claims, secret, algorithm=algorithm, headers=headers)


@pytest.mark.parametrize("algorithm", ["HS256", "RS256", "EdDSA"])
def test_a_token_says_who_in_which_session_until_when(algorithm: Algorithm) -> None:
    maker = tokens(keys(algorithm))

    identity = maker.read(maker.sign(UID, "a@example.com", Role.TRADER, SID))

    assert (identity.user_id, identity.session, identity.mail) == (UID, SID, "a@example.com")
    assert (identity.kind, identity.role) == (Kind.JWT, Role.TRADER)
    assert identity.scopes == {Scope.READ, Scope.TRADE}
    assert identity.expires_at == NOON + timedelta(hours=1)


def test_a_token_carries_exactly_the_documented_claims_and_its_key_id() -> None:
    token = tokens().sign(UID, "a@example.com", Role.ADMIN, SID)

    claims = jwt.decode(token, options={"verify_signature": False})

    assert claims.keys() == {"sub", "mail", "role", "sid", "jti", "iss", "aud", "iat", "exp"}
    assert jwt.get_unverified_header(token)["kid"] == "1"


def test_a_token_ends_to_the_second() -> None:
    clock = ManualClock(NOON)
    maker = tokens(clock=clock)
    token = maker.sign(UID, "a@example.com", Role.TRADER, SID)

    clock.advance(3599)
    maker.read(token)
    clock.advance(1)

    with pytest.raises(InvalidCredential):
        maker.read(token)


@pytest.mark.parametrize(
    "changes",
    [
        {"secret": "another secret of more than thirty-two bytes"},
        {"secret": "", "algorithm": "none"},
        {"algorithm": "HS384"},
        {"headers": {}},
        {"headers": {"kid": "2"}},
        {"iss": "somebody"},
        {"aud": "something"},
        {"exp": int(NOON.timestamp())},
        {"exp": "2999-01-01"},
        {"exp": True},
        {"exp": 10**30},
        {"sub": "nobody"},
        {"sid": 5},
        {"role": "emperor"},
        *({name: ...} for name in ("sub", "mail", "role", "sid", "jti", "iss", "aud", "iat", "exp")),
    ],
    ids=str,
)
def test_any_other_token_is_refused(changes: dict[str, Any]) -> None:
    tokens().read(signed())
    other = signed(**changes)

    with pytest.raises(InvalidCredential):
        tokens().read(other)


@pytest.mark.parametrize("text", ["", ".", "..", "a.b.c", "not a token", "é.é.é", "\ud800", "a" * 5000])
def test_garbage_is_refused(text: str) -> None:
    with pytest.raises(InvalidCredential):
        tokens().read(text)


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_changed_byte_anywhere_is_noticed(part: int) -> None:
    parts = tokens().sign(UID, "a@example.com", Role.TRADER, SID).split(".")
    middle = len(parts[part]) // 2
    letter = "A" if parts[part][middle] != "A" else "B"
    parts[part] = parts[part][:middle] + letter + parts[part][middle + 1 :]

    with pytest.raises(InvalidCredential):
        tokens().read(".".join(parts))


def test_a_public_key_is_not_taken_for_a_shared_secret() -> None:
    def encode(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    claims = jwt.decode(signed(), options={"verify_signature": False})
    body = f"{encode({'alg': 'HS256', 'typ': 'JWT', 'kid': '1'})}.{encode(claims)}"
    signature = hmac.new(public(RSA_KEY).encode(), body.encode(), hashlib.sha256).digest()
    forged = f"{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"

    with pytest.raises(InvalidCredential):
        tokens(keys("RS256")).read(forged)


def test_after_a_rotation_tokens_of_the_previous_key_still_pass() -> None:
    before = tokens().sign(UID, "a@example.com", Role.TRADER, SID)
    new_secret = "another secret of more than thirty-two bytes"

    rotated = tokens(keys(secret=new_secret, key_id="2", previous={"1": SECRET}))
    forgotten = tokens(keys(secret=new_secret, key_id="2"))

    assert rotated.read(before).session == SID
    assert rotated.read(rotated.sign(UID, "a@example.com", Role.TRADER, SID)).session == SID
    with pytest.raises(InvalidCredential):
        forgotten.read(before)


def test_a_verifier_needs_only_the_public_key_and_cannot_sign() -> None:
    verifier = tokens(SigningKeys.of("EdDSA", "1", public_key=public(ED_KEY).replace("\n", "\\n")))

    assert verifier.read(tokens(keys("EdDSA")).sign(UID, "a@example.com", Role.TRADER, SID)).user_id == UID
    with pytest.raises(Invalid):
        verifier.require_signing()


@pytest.mark.parametrize(
    ("algorithm", "given"),
    [
        ("HS256", {}),
        ("RS256", {}),
        ("EdDSA", {"private_key": "nonsense"}),
        ("RS256", {"public_key": public(ED_KEY)}),
        ("EdDSA", {"public_key": public(RSA_KEY)}),
        ("RS256", {"private_key": pem(rsa.generate_private_key(65537, 1024))}),
        ("HS256", {"secret": public(RSA_KEY)}),
    ],
)
def test_keys_that_do_not_fit_the_algorithm_are_refused_without_being_shown(
    algorithm: Algorithm, given: dict[str, Any]
) -> None:
    with pytest.raises(Invalid) as refusal:
        SigningKeys.of(algorithm, "1", **given)

    assert all(value not in refusal.value.detail for value in given.values())


def test_keys_do_not_show_in_their_representation() -> None:
    assert SECRET not in repr(keys())
