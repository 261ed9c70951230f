"""Profiles: what an installation costs and survives, as frozen, validated values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Architecture = Literal["arm64", "x86_64"]
#: How private functions reach the internet over IPv4. AWS itself they reach over IPv6, which costs nothing.
Nat = Literal["none", "gateway"]

LOG_DAYS = frozenset({1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731})
"""The retentions CloudWatch Logs knows, as far as they make sense here."""

_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
_ACCOUNT = re.compile(r"\d{12}")
_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_DOMAIN = re.compile(r"([a-z0-9-]+\.)+[a-z]{2,}")
_CERTIFICATE = re.compile(r"arn:aws:acm:us-east-1:\d{12}:certificate/[0-9a-f-]+")


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One kind of installation.

    Attributes:
        name: ``local``, ``small`` or ``medium``; part of the name of everything that has one.
        region: where everything lives.
        account: AWS account number; empty for the one whose credentials deploy.
        zones: the availability zones of the network, at least two, written out: no look-up at synthesis.
        architecture: of functions and daemons.
        python: version of the functions' runtime, for which their artefacts are built.
        nat: a NAT gateway for the functions' private subnets, or none.
        aurora_minimum: Aurora capacity units when idle; 0 lets the cluster pause.
        aurora_maximum: Aurora capacity units at most.
        aurora_pause_minutes: idle time until a pause; counts only with a minimum of 0.
        replicas: Aurora readers in other zones.
        backup_days: how long automatic backups are kept.
        snapshot: name or ARN of a cluster snapshot that the databases are made from, and must go on being named then:
            another value, or none, makes another cluster. The one before is retained.
        log_days: how long logs are kept.
        valkey_maximum_gb: bound of the serverless cache's data.
        request_rate, request_burst: throttle of each API's stage, requests a second.
        kms: a key of AWS KMS wraps what seals exchange accounts, in place of the secret ``encryption``, which goes on
            opening what it sealed before.
        admin_mail: the first administrator, made by the first deployment; the password is a generated secret.
        budget_usd: monthly budget; 0 for none.
        alarm_mail: who hears alarms and the budget; empty for nobody.
        start: daemons that a fresh installation runs; none by default, as one that runs keeps Aurora awake.
        domain: own domain of the CloudFront distribution; empty for CloudFront's own.
        certificate_arn: certificate of the domain, in us-east-1 as CloudFront wants it.
        image: repository and tag of the daemons' image (``name:tag`` in ECR of the account); empty builds it at deploy.
        insights: Container Insights of the cluster, and metrics of each route; both are paid for by the metric.
        flow_logs: log of the network's connections.
        retain: databases, secrets and audit records outlive their stack, and stacks refuse to be deleted.
        emulated: only resource types that the local emulator has.
        secrets_revision: raise it after a secret was changed by hand, so that a deployment takes it over everywhere.
    """

    name: Literal["local", "small", "medium"]
    region: str
    zones: tuple[str, ...]
    account: str = ""
    architecture: Architecture = "arm64"
    python: Literal["3.13", "3.14"] = "3.13"
    nat: Nat = "none"
    aurora_minimum: float = 0
    aurora_maximum: float = 2
    aurora_pause_minutes: int = 10
    replicas: int = 0
    backup_days: int = 7
    snapshot: str = ""
    log_days: int = 30
    valkey_maximum_gb: int = 1
    request_rate: int = 100
    request_burst: int = 200
    kms: bool = False
    admin_mail: str = "admin@fullon.example"
    budget_usd: int = 60
    alarm_mail: str = ""
    start: tuple[str, ...] = ()
    domain: str = ""
    certificate_arn: str = ""
    image: str = ""
    insights: bool = False
    flow_logs: bool = True
    retain: bool = True
    emulated: bool = False
    secrets_revision: int = 1

    def __post_init__(self) -> None:
        problems = [text for bad, text in self._checks() if bad]
        if problems:
            raise ValueError(f"profile {self.name}: {'; '.join(problems)}")

    @property
    def prefix(self) -> str:
        """Begins the name of everything that has one, so that two profiles can share an account."""
        return f"fullon-{self.name}"

    @property
    def cluster_name(self) -> str:
        """Of the ECS cluster of the daemons; known before it is made, so roles need no reference to it."""
        return self.prefix

    @property
    def platform(self) -> str:
        """The artefacts' platform as pip and uv call it."""
        return {"arm64": "aarch64-manylinux_2_28", "x86_64": "x86_64-manylinux_2_28"}[self.architecture]

    def _checks(self) -> tuple[tuple[bool, str], ...]:
        return (
            (not _REGION.fullmatch(self.region), f"region {self.region!r} is not a region's name"),
            (bool(self.account) and not _ACCOUNT.fullmatch(self.account), "account must be twelve digits"),
            (len(set(self.zones)) < 2, "zones must name two different zones at least"),
            (len(set(self.zones)) != len(self.zones), "zones must name no zone twice"),
            (
                any(not re.fullmatch(re.escape(self.region) + "[a-z]", zone) for zone in self.zones),
                "zones must be of the region",
            ),
            (not 0 <= self.aurora_minimum <= self.aurora_maximum, "aurora_minimum must be 0 to aurora_maximum"),
            (self.aurora_maximum < 1 or self.aurora_maximum > 256, "aurora_maximum must be 1 to 256"),
            (
                any(unit * 2 != int(unit * 2) for unit in (self.aurora_minimum, self.aurora_maximum)),
                "Aurora counts capacity in halves",
            ),
            (not 5 <= self.aurora_pause_minutes <= 1440, "aurora_pause_minutes must be 5 to 1440"),
            (not 0 <= self.replicas <= len(self.zones) - 1, "replicas must leave the writer a zone of its own"),
            (not 1 <= self.backup_days <= 35, "backup_days must be 1 to 35"),
            (self.log_days not in LOG_DAYS, f"log_days must be one of {sorted(LOG_DAYS)}"),
            (not 1 <= self.valkey_maximum_gb <= 5000, "valkey_maximum_gb must be 1 to 5000"),
            (
                not 0 < self.request_rate <= self.request_burst,
                "request_rate must be above 0 and request_burst not less",
            ),
            (not _MAIL.fullmatch(self.admin_mail), "admin_mail is not an address"),
            (self.budget_usd < 0, "budget_usd cannot be negative"),
            (bool(self.alarm_mail) and not _MAIL.fullmatch(self.alarm_mail), "alarm_mail is not an address"),
            (bool(self.domain) != bool(self.certificate_arn), "domain and certificate_arn go together"),
            (bool(self.domain) and not _DOMAIN.fullmatch(self.domain), "domain is not a domain's name"),
            (
                bool(self.certificate_arn) and not _CERTIFICATE.fullmatch(self.certificate_arn),
                "certificate_arn must be of a certificate in us-east-1",
            ),
            (self.emulated and self.retain, "an emulated installation retains nothing"),
            (self.secrets_revision < 1, "secrets_revision must be 1 or more"),
        )


LOCAL = Profile(
    name="local",
    region="us-east-1",
    zones=("us-east-1a", "us-east-1b"),
    architecture="x86_64",
    aurora_maximum=1,
    log_days=1,
    backup_days=1,
    request_rate=10_000,
    request_burst=10_000,
    admin_mail="admin@fullon.local",
    start=("streamer",),
    budget_usd=0,
    flow_logs=False,
    retain=False,
    emulated=True,
)
SMALL = Profile(name="small", region="us-east-1", zones=("us-east-1a", "us-east-1b"))
MEDIUM = Profile(
    name="medium",
    region="us-east-1",
    zones=("us-east-1a", "us-east-1b", "us-east-1c"),
    aurora_minimum=0.5,
    aurora_maximum=8,
    replicas=1,
    backup_days=30,
    log_days=90,
    valkey_maximum_gb=5,
    request_rate=1000,
    request_burst=2000,
    kms=True,
    budget_usd=600,
    start=("streamer",),
    insights=True,
)
PROFILES: Mapping[str, Profile] = MappingProxyType({profile.name: profile for profile in (LOCAL, SMALL, MEDIUM)})
