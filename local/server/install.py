"""Puts an installation on a server: account, environment, unit files, and everything started.

It may be run again at any time, after an upgrade for example: the environment keeps its values, unit files are written
anew, and services whose code or unit changed are started again.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from local.errors import MachineProblem
from local.server import environment
from local.server.layout import Layout
from local.server.units import TARGET, unit_files
from local.stores.account import Account, can_walk

SOURCES = ("layers", "functions", "daemons", "local")


@dataclass(frozen=True)
class Installed:
    """What an installation did.

    Attributes:
        files: that were written, the environment included.
        first_login: address and password of the administrator, when they were made just now.
    """

    layout: Layout
    files: tuple[Path, ...]
    first_login: tuple[str, str] | None


def write_files(layout: Layout, given: Mapping[str, str], root: Path = Path("/")) -> Installed:
    """Write environment and unit files; nothing is started and no account is made.

    Args:
        given: the installer's environment; DATABASE_URL and REDIS_URL name stores that run elsewhere.
        root: of the system that is written; another one than this, such as an image that is being made.

    Raises:
        MachineProblem: a file cannot be written.
    """
    file, units = _below(root, layout.environment_file), _below(root, layout.units)
    try:
        present = environment.read(file.read_text()) if file.exists() else {}
        layout = _with_stores(layout, present, given)
        variables = environment.complete(present, layout, given)
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        _write_secret(file, environment.write(variables))
        units.mkdir(parents=True, exist_ok=True)
        written = [file]
        for name, text in unit_files(layout).items():
            path = units / name
            path.write_text(text)
            written.append(path)
    except OSError as error:
        raise MachineProblem(f"{error.filename} cannot be written: {error.strerror}.", "Run it as root.") from error
    first = None if present else (variables["ADMIN_MAIL"], variables[environment.FIRST_PASSWORD])
    return Installed(layout, tuple(written), first)


def install(layout: Layout, given: Mapping[str, str]) -> Installed:
    """Write the files, make the account if it is missing, and start everything now and at every boot.

    Raises:
        MachineProblem: this is not a server with systemd, not root's doing, or the account cannot read the code.
    """
    if os.geteuid() != 0:
        raise MachineProblem("Only root can install services.", "Run it with sudo.")
    if not Path("/run/systemd/system").is_dir():
        raise MachineProblem("systemd does not run on this machine.", "docs/server.md says what to do without it.")
    _require_readable(layout, _account(layout.account))
    installed = write_files(layout, given)
    subprocess.run(  # the services may not write byte code, and would compile their imports at every start
        [layout.python, "-m", "compileall", "-q", *(layout.code / name for name in SOURCES)], check=False
    )
    systemctl("daemon-reload")
    systemctl("enable", TARGET)
    systemctl("restart", TARGET)
    return installed


def systemctl(*arguments: str) -> None:
    """Tell systemd; raises MachineProblem with its last line."""
    program = shutil.which("systemctl") or "/usr/bin/systemctl"
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        raise MachineProblem(f"systemctl {' '.join(arguments)} failed: {said[-1]}")


def _below(root: Path, path: Path) -> Path:
    return root / path.relative_to("/")


def _with_stores(layout: Layout, present: Mapping[str, str], given: Mapping[str, str]) -> Layout:
    """Which stores run here was decided by the first installation, or is by what it is given."""
    if environment.STORES in present:
        here = present[environment.STORES].split(",")
        return replace(layout, postgres="postgres" in here, valkey="valkey" in here)
    return replace(
        layout,
        postgres=layout.postgres and not given.get("DATABASE_URL"),
        valkey=layout.valkey and not given.get("REDIS_URL"),
    )


def _write_secret(path: Path, text: str) -> None:
    building = path.with_name(path.name + ".new")
    building.unlink(missing_ok=True)
    descriptor = os.open(building, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IWUSR)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    building.replace(path)


def _account(name: str) -> Account:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        program = shutil.which("useradd") or "/usr/sbin/useradd"
        arguments = ["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
        done = subprocess.run(
            [program, *arguments, "--shell", "/usr/sbin/nologin", name], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise MachineProblem(f"The account {name} cannot be made: {done.stderr.strip()}") from None
        entry = pwd.getpwnam(name)
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _require_readable(layout: Layout, account: Account) -> None:
    hidden = [Path("/home"), Path("/root"), Path("/run/user")]  # ProtectHome= of systemd.exec(5)
    for path in (layout.code / "local" / "__init__.py", layout.python.resolve()):
        if any(path.is_relative_to(folder) for folder in hidden) or not can_walk(path, account):
            raise MachineProblem(
                f"The account {account.name} cannot read {path}.",
                "Put the checkout where every account may read it, such as /opt/fullon, and set it up there.",
            )
