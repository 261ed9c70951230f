"""What the person asked for, read once from the environment and `.env`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from local.errors import MachineProblem

DEFAULT_PORT = 8000


@dataclass(frozen=True)
class Options:
    """Validated wishes; `None` means: ours."""

    port: int
    paper_speed: float
    paper_control: bool
    admin_mail: str
    candles_database: str
    database_url: str | None = field(repr=False)
    redis_url: str | None = field(repr=False)
    auto_start: tuple[str, ...] | None

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Options:
        """Read FULLON_* and the addresses of servers that are already there.

        Raises:
            MachineProblem: a value that cannot be used; the sentence names the variable.
        """
        auto_start = environment.get("SERVICES_TO_AUTO_START")
        return cls(
            port=_port(environment.get("FULLON_PORT") or str(DEFAULT_PORT)),
            paper_speed=_speed(environment.get("FULLON_PAPER_SPEED") or "1"),
            paper_control=environment.get("FULLON_PAPER_CONTROL", "") in {"1", "true"},
            admin_mail=environment.get("ADMIN_MAIL") or "admin@fullon",
            candles_database=environment.get("DB_OHLCV_NAME") or "fullon_ohlcv",
            database_url=_address(environment, "DATABASE_URL", {"postgresql", "postgres"}, path=True),
            redis_url=_address(environment, "REDIS_URL", {"redis", "rediss", "valkey", "valkeys"}, path=False),
            auto_start=None if auto_start is None else _names(auto_start),
        )


def _names(text: str) -> tuple[str, ...]:
    """A list with commas; empty, or ``none``, for nothing."""
    return () if text.strip() == "none" else tuple(filter(None, map(str.strip, text.split(","))))


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65_535:
        raise MachineProblem(f"FULLON_PORT is {text!r}; it must be a number from 1 to 65535.")
    return int(text)


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 1 <= speed <= 100_000:
        raise MachineProblem(f"FULLON_PAPER_SPEED is {text!r}; it must be a number from 1 (real time) to 100000.")
    return speed


def _address(environment: Mapping[str, str], name: str, schemes: set[str], *, path: bool) -> str | None:
    value = environment.get(name)
    if not value:
        return None
    try:
        parts = urlsplit(value)
        usable = parts.scheme in schemes and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or (path and not parts.path.strip("/")):
        example = "postgresql://user:password@host:5432/fullon" if path else "redis://host:6379/0"
        raise MachineProblem(f"{name} is not an address like {example}.")
    return value
