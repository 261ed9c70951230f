"""What is dear to build is built once for all tests of this folder; they run in one process of a parallel run."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packaging.image import Builder, Stage, send_context
from tools.packaging import ARM64, Artefacts, Target, build
from tools.packaging.requirements import ROOT
from tools.packaging.targets import find_python


@pytest.fixture(scope="session")
def local_artefacts(tmp_path_factory: pytest.TempPathFactory) -> Artefacts:
    """Everything for this machine's Python."""
    return build(Target.local(), tmp_path_factory.mktemp("artefacts") / "local")


@pytest.fixture(scope="session")
def arm_artefacts(tmp_path_factory: pytest.TempPathFactory) -> Artefacts:
    """Everything as it is deployed."""
    return build(ARM64, tmp_path_factory.mktemp("artefacts") / "arm64")


DOCKERFILE = ROOT / "daemons" / "Dockerfile"


@pytest.fixture(scope="session")
def base_image() -> Iterator[Path]:
    """A fresh environment of the Python that the Dockerfile names, if that is here; images are built beside it."""
    named = find_python(ARM64.python)
    base = named.path if named else Path(sys.base_prefix, "bin", f"python{sys.version_info[0]}.{sys.version_info[1]}")
    with tempfile.TemporaryDirectory(prefix="fullon-image-") as directory:
        Path(directory).chmod(0o755)
        python = Path(directory, "python")
        subprocess.run([base, "-m", "venv", python], check=True, capture_output=True)
        yield python / "bin" / "python"


@pytest.fixture(scope="session")
def image(base_image: Path) -> Stage:
    """The image of the daemons: what is built when no stage is named, from no more than CDK sends."""
    folder = base_image.parents[2] / "daemons"
    send_context(ROOT, ROOT / ".dockerignore", folder / "context")
    builder = Builder(DOCKERFILE, folder / "context", folder, base_image)
    assert builder.default == "daemon"
    return builder.stage(builder.default)


@pytest.fixture(scope="session")
def server_image(base_image: Path) -> Stage:
    """The image of the server without API Gateway."""
    folder = base_image.parents[2] / "server"
    send_context(ROOT, DOCKERFILE.with_name("Dockerfile.dockerignore"), folder / "context")
    return Builder(DOCKERFILE, folder / "context", folder, base_image).stage("server")
