"""Imports each function's exact artefact in a fresh interpreter that sees nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fullon.runtime.manifest import Function, Manifest
from tools.packaging.parts import Artefacts
from tools.packaging.requirements import IN_THE_RUNTIME
from tools.packaging.targets import PackagingFailed, find_python

_PROBE = Path(__file__).with_name("probe.py")
_OWN = ("fullon", "functions")
#: What a function is given in the cloud, with nothing real in it: an import opens no connection.
_ENVIRONMENT = {
    "ENVIRONMENT": "cloud",
    "AWS_REGION": "us-east-1",
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": "http://127.0.0.1:1",
    "PATH": os.defpath,
}
_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Import:
    """How a function's import went: seconds of this machine's processor, modules loaded, and what is wrong."""

    function: str
    seconds: float
    modules: int
    problems: tuple[str, ...]


def try_imports(artefacts: Artefacts, manifest: Manifest) -> Iterator[Import]:
    """Import every function of the manifest.

    Raises:
        PackagingFailed: this machine cannot run the artefact's target.
    """
    interpreter = find_python(artefacts.target.python)
    if interpreter is None or not artefacts.target.runs_here:
        raise PackagingFailed(f"{artefacts.target.platform} with Python {artefacts.target.python} cannot run here.")
    with tempfile.TemporaryDirectory(prefix="fullon-import-") as directory:
        for number, function in enumerate(manifest.functions):
            opt = Path(directory) / str(number)
            for layer in function.layers:
                _join(artefacts.layers[layer], opt)
            yield _try_import(function, artefacts, interpreter.path, opt / "python")
            shutil.rmtree(opt)


def _try_import(function: Function, artefacts: Artefacts, python: Path, packages: Path) -> Import:
    question = {
        "handler": function.handler,
        "path": [str(artefacts.functions.resolve()), str(packages.resolve())],
        "own": _OWN,
        "provided": sorted(IN_THE_RUNTIME),
    }
    secret = {"JWT_SECRET_KEY": os.urandom(32).hex(), "ENCRYPTION_KEY": os.urandom(32).hex()}
    try:
        answer = subprocess.run(
            [str(python), "-I", "-S", "-B", str(_PROBE), json.dumps(question)],
            env=_ENVIRONMENT | secret, cwd=packages, capture_output=True, text=True, timeout=_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Import(function.name, _SECONDS, 0, (f"the import took more than {_SECONDS} s",))
    if answer.returncode != 0:
        said = answer.stderr.strip().splitlines() or ["no reason given"]
        return Import(function.name, 0, 0, (f"cannot be imported: {said[-1]}",))
    seen = json.loads(answer.stdout.splitlines()[-1])
    found = [] if seen["callable"] else [f"{function.handler} cannot be called"]
    found += [f"imports {name} later, which is not in its artefact" for name in seen["missing_later"]]
    found += [f"{name} came from outside of the artefact" for name in seen["foreign"]]
    if artefacts.compiled:
        found += [f"{name} has no byte code" for name in seen["without_byte_code"]]
    return Import(function.name, seen["seconds"], seen["modules"], tuple(found))


def _join(layer: Path, opt: Path) -> None:
    """Put a layer over those before it, as Lambda does under /opt; by hard links, which cost nothing."""

    def put(source: str, destination: str) -> str:
        try:
            os.link(source, destination)
        except OSError:  # another file system
            shutil.copyfile(source, destination)
        return destination

    shutil.copytree(layer, opt, copy_function=put, dirs_exist_ok=True)
