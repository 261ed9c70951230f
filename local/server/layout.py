"""Where an installation on a server has its parts, and which parts it has."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

from local.home import REPOSITORY


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One installation.

    Attributes:
        code: the checkout; the services read it and write nothing there.
        python: of the virtual environment with ``requirements/local.txt``.
        account: that the services run as.
        host: that the API listens on; the machine itself, for the reverse proxy.
        workers: processes of the API.
        postgres: the embedded PostgreSQL runs here; otherwise DATABASE_URL names one.
        valkey: the embedded Valkey runs here; otherwise REDIS_URL names one.
        demo: the paper venue runs here, with demo users and symbols.
        paper_options: more arguments of the paper venue.
    """

    code: Path = REPOSITORY
    python: Path = field(default_factory=lambda: Path(sys.executable))
    account: str = "fullon"
    units: Path = Path("/etc/systemd/system")
    configuration: Path = Path("/etc/fullon")
    state: Path = Path("/var/lib/fullon")
    logs: Path = Path("/var/log/fullon")
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 2
    postgres_port: int = 5433
    valkey_port: int = 6380
    ecs_port: int = 8790
    paper_port: int = 8791
    postgres: bool = True
    valkey: bool = True
    demo: bool = False
    paper_options: tuple[str, ...] = ()

    @property
    def environment_file(self) -> Path:
        """Settings and secrets of every service, for root's eyes and systemd's."""
        return self.configuration / "fullon.env"
