"""Checks Signature Version 4: only who holds this platform's keys may run commands on this machine.

The algorithm is in the AWS IAM user guide, "Create a signed AWS API request".
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from local.ecs.errors import EcsError

ALGORITHM = "AWS4-HMAC-SHA256"
LARGEST_SKEW = timedelta(minutes=15)
_AUTHORIZATION = re.compile(
    rf"{ALGORITHM} +Credential=(?P<key>[^/,\s]+)/(?P<date>\d{{8}})/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request"
    r" *, *SignedHeaders=(?P<headers>[a-z0-9;-]+) *, *Signature=(?P<signature>[0-9a-f]{64})"
)


@dataclass(frozen=True, repr=False)
class Verifier:
    """Knows the one pair of keys that is accepted."""

    access_key_id: str
    secret_access_key: str

    def check(self, path: str, query: str, headers: Mapping[str, str], body: bytes, now: datetime) -> None:
        """Let a POST request pass.

        Args:
            path: as sent.
            headers: lower-case names.

        Raises:
            EcsError: it is not signed, or not with these keys, or not lately; status 403.
        """
        match = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
        if match is None:
            raise EcsError("MissingAuthenticationTokenException", "The request is not signed.", 403)
        if not hmac.compare_digest(match["key"].encode(), self.access_key_id.encode()):
            raise EcsError("UnrecognizedClientException", "The security token included in the request is invalid.", 403)
        moment = headers.get("x-amz-date", "")
        if not _is_recent(moment, now) or not moment.startswith(match["date"]):
            raise EcsError("InvalidSignatureException", "Signature expired or not dated.", 403)
        signed = match["headers"].split(";")
        if not {"host", "x-amz-date", "x-amz-target"} <= set(signed):
            raise EcsError("InvalidSignatureException", "Host, date and target must be signed.", 403)
        lines = [f"{name}:{' '.join(headers.get(name, '').split())}" for name in signed]
        canonical = "\n".join(
            ["POST", path, query, *lines, "", match["headers"], hashlib.sha256(body).hexdigest()],
        )
        scope = f"{match['date']}/{match['region']}/{match['service']}/aws4_request"
        to_sign = "\n".join([ALGORITHM, moment, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        expected = self._signature(match["date"], match["region"], match["service"], to_sign)
        if not hmac.compare_digest(expected, match["signature"]):
            message = "The request signature we calculated does not match the signature you provided."
            raise EcsError("InvalidSignatureException", message, 403)

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
