"""Checks AWS Signature Version 4: who may speak to an internal listener.

Source: AWS IAM User Guide, "Create a signed AWS API request".
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

ALGORITHM = "AWS4-HMAC-SHA256"
LARGEST_SKEW = timedelta(minutes=15)
_AUTHORIZATION = re.compile(
    rf"{ALGORITHM} +Credential=(?P<key>[^/,\s]+)/(?P<date>\d{{8}})/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request"
    r" *, *SignedHeaders=(?P<headers>[a-z0-9;-]+) *, *Signature=(?P<signature>[0-9a-f]{64})"
)


class NotSigned(Exception):
    """The request is not signed with the accepted keys; ``kind`` is the error's name in AWS's protocols."""

    def __init__(self, kind: str, sentence: str) -> None:
        super().__init__(sentence)
        self.kind = kind
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Verifier:
    """Knows the one pair of keys that is accepted."""

    access_key_id: str
    secret_access_key: str = field(repr=False)

    def check(
        self,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        body: bytes,
        now: datetime,
        signed: frozenset[str] = frozenset({"host", "x-amz-date"}),
    ) -> None:
        """Let a request pass.

        Args:
            path: canonical, that is encoded once more than it was sent (all services but S3).
            headers: lower-case names.
            signed: headers that the signature must cover.

        Raises:
            NotSigned: it is not signed, or not with these keys, or not lately.
        """
        match = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
        if match is None:
            raise NotSigned("MissingAuthenticationTokenException", "The request is not signed.")
        if not hmac.compare_digest(match["key"].encode(), self.access_key_id.encode()):
            raise NotSigned("UnrecognizedClientException", "The security token included in the request is invalid.")
        moment = headers.get("x-amz-date", "")
        if not _is_recent(moment, now) or not moment.startswith(match["date"]):
            raise NotSigned("InvalidSignatureException", "Signature expired or not dated.")
        names = match["headers"].split(";")
        if not signed <= set(names):
            raise NotSigned("InvalidSignatureException", f"{', '.join(sorted(signed))} must be signed.")
        lines = [f"{name}:{' '.join(headers.get(name, '').split())}" for name in names]
        canonical = "\n".join([method, path, query, *lines, "", match["headers"], hashlib.sha256(body).hexdigest()])
        scope = f"{match['date']}/{match['region']}/{match['service']}/aws4_request"
        to_sign = "\n".join([ALGORITHM, moment, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        expected = self._signature(match["date"], match["region"], match["service"], to_sign)
        if not hmac.compare_digest(expected, match["signature"]):
            sentence = "The request signature we calculated does not match the signature you provided."
            raise NotSigned("InvalidSignatureException", sentence)

    def _signature(self, date: str, region: str, service: str, to_sign: str) -> str:
        key = f"AWS4{self.secret_access_key}".encode()
        for part in (date, region, service, "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        return hmac.digest(key, to_sign.encode(), "sha256").hex()


def _is_recent(moment: str, now: datetime) -> bool:
    try:
        signed_at = datetime.strptime(moment, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return False
    return abs(now - signed_at) <= LARGEST_SKEW
