"""Modules of the platform that functions can come to by their imports: what the layer holds of it.

Half of the platform runs in daemons alone, and size is cold start.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tools.packaging import contents
from tools.packaging.probe import imports


def reachable(sources: Path, start: Iterable[Path]) -> set[Path]:
    """The sources below a folder that some files import: at once, later, and by one another.

    Imports that are guarded by ``except ImportError`` do not count: who guards one can do without.

    Args:
        sources: the folder that holds top-level packages.
        start: files to begin with.
    """
    pending, read = list(start), set[Path]()
    while pending:
        file = pending.pop()
        if file in read:
            continue
        read.add(file)
        for name, _ in imports(file):
            pending += _modules(sources, name)
    return {path for path in read if sources in path.parents}


def python_files(folder: Path) -> list[Path]:
    """The sources below a folder in a fixed order."""
    return [path for path in contents.files(folder) if path.suffix == ".py"]


def _modules(sources: Path, name: str) -> list[Path]:
    """The files of a module and of the packages it is in; none of those that are not below ``sources``."""
    parts = name.split(".")
    found = []
    for count in range(1, len(parts) + 1):
        module = sources.joinpath(*parts[:count])
        files = (module / "__init__.py", module.with_suffix(".py"))
        found += [file for file in files if file.is_file()][:1]
    return found
