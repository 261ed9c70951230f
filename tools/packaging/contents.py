"""Files of an artefact: which are taken, which are left out, and the same bytes from the same input every time."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

#: Sources of compiled modules, type stubs and build inputs: never imported.
UNUSED_SUFFIXES = frozenset({".pyi", ".pyx", ".pxd", ".pxi", ".c", ".cc", ".cpp", ".h", ".hpp", ".a", ".pyc"})
#: Of the records of an installed package, entry points, version and licence are read or owed; the rest is the
#: installer's, and RECORD would name files that are not here any more.
UNUSED_RECORDS = frozenset(
    {"RECORD", "INSTALLER", "REQUESTED", "WHEEL", "direct_url.json", "uv_cache.json", "top_level.txt"}
)
#: Folders of a package, by path, that only its own tests, type checkers or command line use.
UNUSED_FOLDERS = frozenset({"bin", "asyncpg/_testbase", "_duckdb-stubs", "sqlalchemy/testing", "alembic/testing"})
#: No zip archive knows an earlier time.
EPOCH = 315_532_800


def files(folder: Path) -> Iterator[Path]:
    """Every file below a folder in one fixed order, without byte code and editors' leavings."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix != ".pyc" and path.name != ".DS_Store" and "__pycache__" not in path.parts:
            yield path


def copy_sources(source: Path, into: Path, only: Collection[Path] | None = None) -> None:
    """Copy a folder of our own as it stands, or of it ``only`` some files."""
    for path in files(source) if only is None else sorted(only):
        to = into / path.relative_to(source)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, to)


def trim(folder: Path) -> None:
    """Take out of installed packages what no import and no licence needs."""
    (folder / ".lock").unlink(missing_ok=True)  # uv's own
    for path in sorted(folder.rglob("*"), reverse=True):
        inside = path.relative_to(folder)
        if path.is_dir() and not path.is_symlink():
            if inside.as_posix() in UNUSED_FOLDERS or path.name == "__pycache__":
                shutil.rmtree(path)
            elif not any(path.iterdir()):
                path.rmdir()
        elif path.suffix in UNUSED_SUFFIXES or (
            inside.parts[0].endswith(".dist-info") and path.name in UNUSED_RECORDS and len(inside.parts) == 2
        ):
            path.unlink()


def settle(folder: Path) -> None:
    """Give every file and folder fixed modes and one time, so that archives of the same content are the same."""
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (EPOCH, EPOCH))


def digest(folder: Path) -> str:
    """SHA-256 over the names and contents of all files, byte code included."""
    total = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        add(total, path.relative_to(folder).as_posix(), path.read_bytes())
    return total.hexdigest()


def source_digest(folder: Path) -> str:
    """SHA-256 over the names and contents of the files that :func:`copy_sources` takes."""
    total = hashlib.sha256()
    for path in files(folder):
        add(total, path.relative_to(folder).as_posix(), path.read_bytes())
    return total.hexdigest()


def add(total: hashlib._Hash, name: str, content: bytes) -> None:
    """Put a name and its content into a hash such that no two different lists make the same one."""
    total.update(f"{len(name)}:{name}:{len(content)}:".encode())
    total.update(content)


def size(folder: Path) -> int:
    """Bytes of all files, as Lambda counts an unpacked artefact."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
