"""Runs in a fresh interpreter without site-packages: imports a function's artefact as Lambda would, and looks around.

Standard library only, and of any Python that is a target. Called with a JSON object as the one argument: ``handler``,
``path`` (folders to import from), ``own`` (packages of the product) and ``provided`` (what the runtime has). Prints a
JSON object: ``seconds`` of processor time, ``modules``, and lists of what is wrong.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any


def main() -> None:
    """Import, look, print."""
    wanted = json.loads(sys.argv[1])
    before = set(sys.modules)
    sys.path[:0] = wanted["path"]
    module, _, name = wanted["handler"].rpartition(".")
    began = time.process_time()
    callable_handler = callable(getattr(importlib.import_module(module), name))
    seconds = time.process_time() - began
    loaded = {each: sys.modules[each] for each in sorted(set(sys.modules) - before)}
    print(
        json.dumps(
            {
                "seconds": seconds,
                "modules": len(loaded),
                "callable": callable_handler,
                "foreign": foreign(loaded, wanted["path"]),
                "without_byte_code": without_byte_code(loaded, wanted["path"]),
                "missing_later": missing_later(loaded, wanted),
            }
        )
    )


def foreign(loaded: dict[str, ModuleType], path: list[str]) -> list[str]:
    """Modules that came neither from the artefact nor from Python's own library."""
    own = tuple(str(Path(folder).resolve()) for folder in [*path, *sys.path])
    files = {name: getattr(module, "__file__", None) for name, module in loaded.items()}
    return [
        f"{name} ({file})" for name, file in files.items() if file and not str(Path(file).resolve()).startswith(own)
    ]


def without_byte_code(loaded: dict[str, ModuleType], path: list[str]) -> list[str]:
    """Modules of the artefact that were compiled just now, as they would be at each cold start."""
    return [
        name
        for name, module in loaded.items()
        if (file := getattr(module, "__file__", None))
        and file.endswith(".py")
        and any(Path(folder) in Path(file).parents for folder in path)
        and not Path(importlib.util.cache_from_source(file)).is_file()
    ]


def missing_later(loaded: dict[str, ModuleType], wanted: dict[str, Any]) -> list[str]:
    """What the product's modules import only when a request comes, or in modules they load then, and is not there."""
    folder = Path(str(loaded[wanted["handler"].rpartition(".")[0]].__file__)).parent
    to_read = [*folder.rglob("*.py"), *(source(name) for name in loaded if is_own(name, wanted))]
    read: set[Path] = set()
    missing: set[str] = set()
    while to_read:
        file = to_read.pop()
        if file is None or file in read:
            continue
        read.add(file)
        for name, sure in imports(file):
            if name.split(".")[0] in wanted["provided"]:
                continue
            if not is_there(name):
                if not sure:
                    continue  # a name of the module before, and no module
                missing.add(f"{name} (in {file.name})")
            elif is_own(name, wanted):
                to_read.append(source(name))
    return sorted(missing)


def is_own(name: str, wanted: dict[str, Any]) -> bool:
    """Whether a module is the product's."""
    return name.split(".")[0] in wanted["own"]


def is_there(name: str) -> bool:
    """Whether a module is loaded or can be found; it is not executed, only its parents are."""
    if name in sys.modules:
        return True
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError, AttributeError):
        return False


def source(name: str) -> Path | None:
    """The source of a module that is there."""
    found = getattr(sys.modules.get(name), "__file__", None)
    if found is None and (spec := importlib.util.find_spec(name)) is not None:
        found = spec.origin
    return Path(found) if found and found.endswith(".py") else None


def imports(file: Path) -> Iterator[tuple[str, bool]]:
    """Every absolute import of a source, at its top or inside a function; not those for type checkers or guarded.

    Yields:
        A name, and whether it must be a module; ``from a import b`` gives ``a``, and ``a.b`` that may be one.
    """
    pending: list[ast.AST] = [ast.parse(file.read_bytes())]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            yield from ((alias.name, True) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module, True
            yield from ((f"{node.module}.{alias.name}", False) for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending += node.orelse
        elif isinstance(node, ast.Try) and any("ImportError" in ast.unparse(h.type) for h in node.handlers if h.type):
            continue
        else:
            pending += ast.iter_child_nodes(node)


if __name__ == "__main__":
    main()
