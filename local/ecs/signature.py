"""Only who holds this platform's keys may run commands on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from fullon.runtime.gateway import signature
from fullon.runtime.gateway.signature import NotSigned
from local.ecs.errors import EcsError

_SIGNED = frozenset({"host", "x-amz-date", "x-amz-target"})


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
        verifier = signature.Verifier(self.access_key_id, self.secret_access_key)
        try:
            verifier.check("POST", path, query, headers, body, now, _SIGNED)
        except NotSigned as error:
            raise EcsError(error.kind, error.sentence, 403) from error
