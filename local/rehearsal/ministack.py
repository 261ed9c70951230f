"""MiniStack: its own virtual environment, and how it is started.

It pins another botocore than ours and runs Python functions in its own interpreter, so it is kept apart: made by uv
from a hashed requirements file when it is first needed, and again when that file changes.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from local.errors import MachineProblem
from local.home import REPOSITORY
from local.rehearsal.emulator import ACCOUNT, REGION, SECRET
from local.supervisor.child import Command, Part
from local.supervisor.readiness import wait_for_port
from tools import bootstrap

DIRECTORY = REPOSITORY / ".cache" / "rehearsal"
REQUIREMENTS = REPOSITORY / "requirements" / "ministack.txt"
PREFERRED_PORT = 4566
MEMORY = Path("/dev/shm")  # noqa: S108 - looked at before it is used
NEEDED_BYTES = 6 * 1024**3
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "UV_CACHE_DIR")
"""Everything in the emulator's environment reaches every function; so nothing else of ours does."""


def ensure_environment(directory: Path = DIRECTORY, requirements: Path = REQUIREMENTS) -> Path:
    """The interpreter of MiniStack's virtual environment, made if it is not there or not of this requirements file.

    Raises:
        MachineProblem: it cannot be made; the sentence carries the installer's last line.
    """
    environment = directory / "venv"
    interpreter = environment / "bin" / "python"
    stamp = environment / "fullon-setup"
    wanted = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if interpreter.exists() and stamp.is_file() and stamp.read_text() == wanted:
            return interpreter
        uv = str(Path(sys.executable).parent / "uv")
        _run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(environment)])
        install = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--require-hashes"]
        _run([*install, "--python", str(interpreter), "-r", str(requirements)])
        stamp.write_text(wanted)
    return interpreter


def scratch_folder(home: Path, instance: str) -> Path:
    """Where MiniStack unpacks functions: in memory where there is plenty, else in the home.

    Each process of a function gets code and layers of its own, thousands of files that nobody reads twice.
    """
    try:
        found = os.statvfs(MEMORY)
    except OSError:
        return home / "ministack"
    is_usable = os.access(MEMORY, os.W_OK) and not found.f_flag & os.ST_NOEXEC  # layers hold compiled modules
    if not is_usable or found.f_bavail * found.f_frsize < NEEDED_BYTES:
        return home / "ministack"
    return MEMORY / f"fullon-rehearsal-{instance}"


def ministack_part(interpreter: Path, port: int, folder: Path, inherited: Mapping[str, str]) -> Part:
    """MiniStack on loopback, with its files in `folder` and without Docker, persistence or outside credentials.

    Its Lambda workers are children of the same session, so they end with it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    environment = {name: inherited[name] for name in PASSED_ON if name in inherited} | {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "MINISTACK_REGION": REGION,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "LAMBDA_EXECUTOR": "local",
        "DOCKER_HOST": f"unix://{folder}/no-docker.sock",
        "TMPDIR": str(folder),
        "S3_DATA_DIR": str(folder / "s3"),
        "STATE_DIR": str(folder / "state"),
        "LOG_LEVEL": "INFO",
        "PYTHONUNBUFFERED": "1",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }
    command = Command([str(interpreter), "-m", "ministack"], environment, folder)
    return Part("ministack", "MiniStack", port, lambda: command, partial(wait_for_port, port))


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, env=bootstrap.uv_environment(), capture_output=True, text=True, check=False)
    except OSError as error:
        raise MachineProblem("uv is not installed here.", "Run `make setup-dev`.") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        raise MachineProblem(f"MiniStack's environment cannot be made: {said[-1].strip()}")
