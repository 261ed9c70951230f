"""The parts of what is deployed: each built once per content and target, then taken from ``.cache/packaging``."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tools.bootstrap import uv_environment
from tools.packaging import contents, requirements
from tools.packaging.reachable import python_files, reachable
from tools.packaging.requirements import LAYERS, ROOT
from tools.packaging.targets import Interpreter, PackagingFailed, Target, find_python, find_uv

PRODUCT = "fullon"
FUNCTIONS = "functions"
CACHE = ROOT / ".cache" / "packaging"
#: Where Lambda puts them; byte code remembers it, though Python corrects it when it loads from elsewhere.
LAYER_ROOT, CODE_ROOT = "/opt", "/var/task"
_KEPT = 3
_MARKER = "packaging.json"


@dataclass(frozen=True)
class Artefacts:
    """What was built.

    Attributes:
        layers: name in the manifest → folder that holds ``python/``.
        functions: the one code folder of all functions; it holds the package ``functions`` with the manifest.
        compiled: whether there is byte code; without it each cold start compiles its imports (1.5 s instead of 0.5 s).
    """

    target: Target
    layers: Mapping[str, Path]
    functions: Path
    compiled: bool

    @property
    def parts(self) -> Mapping[str, Path]:
        """All layers, and the code folder under its name."""
        return {**self.layers, FUNCTIONS: self.functions}


def part_names() -> tuple[str, ...]:
    """The layers and the code folder, in the order they are built."""
    return (*LAYERS, PRODUCT, FUNCTIONS)


def build(target: Target, out: Path, *, strict: bool = False) -> Artefacts:
    """Build everything into ``out``: ``layers/NAME/python`` and ``functions``.

    Args:
        strict: fail where no Python of the target's version is found, rather than ship without byte code.

    Raises:
        PackagingFailed: something is lacking, a package has no wheel for the target, or ``out`` holds something else.
    """
    _claim(out)
    layers = {name: out / "layers" / name for name in (*LAYERS, PRODUCT)}
    for name, folder in layers.items():
        build_part(name, target, folder, strict=strict)
    build_part(FUNCTIONS, target, out / FUNCTIONS, strict=strict)
    return Artefacts(target, layers, out / FUNCTIONS, compiled=find_python(target.python) is not None)


def build_part(name: str, target: Target, folder: Path, *, strict: bool = False) -> None:
    """Build one layer or the code folder, or take it from the cache; ``folder`` then holds just that.

    Raises:
        PackagingFailed: as :func:`build`; also for a name that is no part.
    """
    interpreter = find_python(target.python)
    if interpreter is None:
        missing = f"No Python {target.python} was found (PATH, pyenv, uv), so {name} has no byte code"
        if strict:
            raise PackagingFailed(f"{missing}. Install one, or build without --strict.")
        print(f"warning: {missing}: cold starts will take about a second longer.", file=sys.stderr)
    kept = _kept(name, target, interpreter)
    if folder.exists():
        shutil.rmtree(folder)
    shutil.copytree(kept, folder)


def fingerprint(name: str, target: Target) -> str:
    """A hash over all that a part depends on; costs no building. Not the hash of the content, but as telling.

    Sources count for our own parts, pinned hashes for dependency layers; for all of them the target, the form of its
    byte code (or that there is none) and the code that builds.

    Raises:
        PackagingFailed: there is no part of that name.
    """
    interpreter = find_python(target.python)
    total = hashlib.sha256()
    compiler = interpreter.magic if interpreter else "none"
    contents.add(total, f"{name} {target.platform} {target.python} {compiler}", _own_code().encode())
    if name in LAYERS:
        contents.add(total, LAYERS[name], requirements.of_layer(name).encode())
    else:
        contents.add(total, name, contents.source_digest(_sources(name)).encode())
    if name == PRODUCT:
        contents.add(total, FUNCTIONS, contents.source_digest(_sources(FUNCTIONS)).encode())  # they choose its modules
    return total.hexdigest()


def _kept(name: str, target: Target, interpreter: Interpreter | None) -> Path:
    """The part in the cache, where it is made if need be."""
    builds = CACHE / f"{name}-{target.platform}-{target.python}"
    builds.mkdir(parents=True, exist_ok=True)
    while not (kept := builds / fingerprint(name, target)).is_dir():
        with tempfile.TemporaryDirectory(dir=CACHE, prefix="building-") as directory:
            made = Path(directory) / "part"
            _make(name, target, made, interpreter)
            contents.settle(made)
            if fingerprint(name, target) != kept.name:
                continue  # a source was edited meanwhile
            try:
                made.rename(kept)
            except OSError:
                if not kept.is_dir():  # else another process was faster with the same content
                    raise
    os.utime(kept)  # settling has dated it 1980, and the oldest is what is forgotten
    _forget_old(builds)
    return kept


def _make(name: str, target: Target, folder: Path, interpreter: Interpreter | None) -> None:
    if name == FUNCTIONS:
        contents.copy_sources(_sources(name), folder / FUNCTIONS)
        compiled_as = (folder, CODE_ROOT)
    else:
        packages = folder / "python"
        packages.mkdir(parents=True)
        if name in LAYERS:
            _install(name, target, packages)
            contents.trim(packages)
        else:
            wanted = reachable(_sources(name), python_files(_sources(FUNCTIONS)))
            contents.copy_sources(_sources(name), packages, wanted)
        compiled_as = (folder, LAYER_ROOT)
    if interpreter is not None:
        _compile(interpreter, *compiled_as)


def _sources(name: str) -> Path:
    folders = {PRODUCT: ROOT / "layers" / PRODUCT / "python", FUNCTIONS: ROOT / FUNCTIONS}
    if name not in folders:
        raise PackagingFailed(f"There is no layer {name!r}; there are {', '.join(part_names())}.")
    return folders[name]


def _install(layer: str, target: Target, into: Path) -> None:
    """The wheels of a layer for the target, each checked by its hash; a package without one is an error."""
    pinned = into.with_name("requirements.txt")
    pinned.write_text(requirements.of_layer(layer), encoding="utf-8")
    command = [
        str(find_uv()), "pip", "install", "--quiet", "--target", str(into), "--python-platform", target.platform,
        "--python-version", target.python, "--only-binary", ":all:", "--no-deps", "--require-hashes",
        "--link-mode", "copy", "-r", str(pinned),
    ]  # fmt: skip
    installed = subprocess.run(command, env=uv_environment(), capture_output=True, text=True, check=False)
    pinned.unlink()
    if installed.returncode != 0:
        raise PackagingFailed(f"The layer {layer} cannot be built for {target.platform}: {installed.stderr.strip()}")


def _compile(interpreter: Interpreter, folder: Path, runs_at: str) -> None:
    """Byte code that is never checked against its source: neither can change where it runs, and /opt is read-only."""
    command = [
        str(interpreter.path), "-s", "-S", "-m", "compileall", "-q", "-f", "-j", "1",
        "--invalidation-mode", "unchecked-hash", "-s", str(folder), "-p", runs_at, str(folder),
    ]  # fmt: skip
    # A fixed seed and one worker: constants and interned names come out in the same order each time.
    done = subprocess.run(command, env={"PYTHONHASHSEED": "0"}, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PackagingFailed(f"{folder} cannot be compiled: {(done.stdout + done.stderr).strip()}")


def _claim(out: Path) -> None:
    """Take a folder for artefacts; never one that holds something else, such as the sources."""
    marker = out / _MARKER
    if out.is_dir() and any(out.iterdir()) and not marker.is_file():
        raise PackagingFailed(f"{out} is not empty and was not made by this command; name another folder.")
    out.mkdir(parents=True, exist_ok=True)
    marker.write_text(json.dumps({"made by": "python -m tools.packaging"}) + "\n", encoding="utf-8")


def _forget_old(folder: Path) -> None:
    """Keep the newest few builds of a part."""
    builds = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in builds[_KEPT:]:
        shutil.rmtree(path, ignore_errors=True)


@cache
def _own_code() -> str:
    """Of the modules that decide what is in a part; the checks of it do not."""
    total = hashlib.sha256()
    for name in ("contents", "parts", "probe", "reachable", "requirements", "targets"):
        contents.add(total, name, Path(__file__).with_name(f"{name}.py").read_bytes())
    return total.hexdigest()
