"""What an installation consists of, by the names that metrics know it by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fullon.runtime.manifest import Manifest
from infra.settings import Profile

#: CloudFront writes its metrics there, wherever the rest lives.
FRONT_REGION = "us-east-1"
OWN = "Fullon"
"""Namespace of the metrics that functions and daemons write themselves (fullon.runtime.metrics)."""
PUT_DOWN = "ServicesPutDown"
"""Metric made from the reconciler's log lines."""


@dataclass(frozen=True, kw_only=True)
class Watched:
    """Names as CloudWatch's dimensions hold them; functions by their names in the manifest.

    Attributes:
        cache: empty where there is none to watch.
        distribution: empty where CloudFront's metrics cannot be alarmed on, in another region.
    """

    profile: Profile
    manifest: Manifest
    functions: Mapping[str, str]
    api: str
    sockets: str
    socket_stage: str
    database: str
    cache: str
    distribution: str
