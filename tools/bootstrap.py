"""Makes the virtual environment and installs the hashed requirements: `python tools/bootstrap.py local|dev`.

Standard library only, because it runs before anything is installed. A stamp in the environment names what is
installed, by the hash of the requirement files, so that a second run has nothing to do. An environment whose making
was cut off is made again.

The installer is uv (pinned and hashed in the requirements, ten times as fast), with pip's own settings passed on to
it; where uv cannot reach what pip can, pip does it. Everything is compiled to byte code: without it each cold start
of a function would compile its imports anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "fullon-setup.json"
CACHE = ROOT / ".cache"
#: dev.txt holds everything of local.txt at the same versions, so it serves for both.
KINDS = ("local", "dev")
SOURCES = ("layers", "client", "functions", "daemons", "local")
#: What pip may be told by its own files and uv must be told by the environment.
PIP_TO_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
    "trusted-host": "UV_INSECURE_HOST",
}
PIP_TIMEOUT = "timeout"
COMMA_SEPARATED = {"UV_FIND_LINKS"}


class SetupFailed(Exception):
    """One sentence that says what is wrong and what to do."""


def main(arguments: list[str]) -> int:
    """Bring the environment up to date; returns the exit code."""
    if len(arguments) != 1 or arguments[0] not in KINDS:
        print(f"usage: bootstrap.py {'|'.join(KINDS)}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that children are ended with us
    try:
        CACHE.mkdir(exist_ok=True)
        with (CACHE / "setup.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            set_up(arguments[0])
    except SetupFailed as problem:
        print(f"✗ {problem}", file=sys.stderr)
        return 1
    except PermissionError as problem:
        print(f"✗ {problem.filename} cannot be written by this account.", file=sys.stderr)
        return 1
    except OSError as problem:
        print(f"✗ The environment cannot be set up: {problem.strerror} ({problem.filename}).", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\n✗ Interrupted; the next run goes on.", file=sys.stderr)
        return 130
    return 0


def set_up(kind: str) -> None:
    """Nothing if the stamp says so; else environment, requirements, the tree itself and its byte code."""
    wanted = {name: digest_of(name) for name in KINDS}
    stamp = read_stamp()
    if is_sound() and (stamp.get(kind) == wanted[kind] or stamp.get("dev") == wanted["dev"]):
        return
    if stamp.get("state") == "building" or not is_sound():
        create_environment()
    was_cut_off = stamp.get("state") == "installing"
    write_stamp({**read_stamp(), "state": "installing"})
    requirements = ROOT / "requirements" / f"{kind}.txt"
    count = len(re.findall(r"^[A-Za-z0-9]", requirements.read_text(), re.MULTILINE))
    with Step(f"Installing {count} pinned packages"):
        install(["--require-hashes", "-r", str(requirements)])
    with Step("Installing the platform itself"):
        install(["--no-deps", "--no-build-isolation", "-e", str(ROOT)])
        compile_tree(packages=was_cut_off)
    write_stamp({"state": "ready", kind: wanted[kind], **({"local": wanted["local"]} if kind == "dev" else {})})


def digest_of(kind: str) -> str:
    """What an installed environment depends on."""
    digest = hashlib.sha256(f"{sys.version_info[:2]} {ROOT}".encode())
    for path in (ROOT / "requirements" / f"{kind}.txt", ROOT / "pyproject.toml"):
        content = path.read_bytes()
        if path.suffix == ".toml":
            content = content.split(b"[tool.ruff]")[0]  # settings of the checkers do not change what is installed
        digest.update(content)
    return digest.hexdigest()


def is_sound() -> bool:
    """Whether there is an environment of this very Python."""
    configuration = VENV / "pyvenv.cfg"
    if not PYTHON.exists() or not configuration.is_file():
        return False
    version = ".".join(map(str, sys.version_info[:2])) + "."
    return bool(re.search(rf"^version(_info)? = {re.escape(version)}", configuration.read_text(), re.MULTILINE))


def create_environment() -> None:
    """A new virtual environment with pip and uv."""
    with Step("Making the virtual environment"):
        require_ensurepip()
        remove_environment()
        VENV.mkdir()
        write_stamp({"state": "building"})
        run([sys.executable, "-m", "venv", str(VENV)], "The virtual environment could not be made")
        install_uv()
        write_stamp({"state": "made"})


def remove_environment() -> None:
    """Take the old one away; what an earlier, killed run started may still be writing there for a moment."""
    for _ in range(50):
        shutil.rmtree(VENV, ignore_errors=True)
        if not VENV.exists():
            return
        time.sleep(0.2)
    raise SetupFailed(f"{VENV} cannot be removed; something else is writing there.")


def require_ensurepip() -> None:
    """Debian keeps it in a package of its own."""
    probe = [sys.executable, "-c", "import ensurepip, venv"]
    if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
        return
    version = ".".join(map(str, sys.version_info[:2]))
    if os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = {"DEBIAN_FRONTEND": "noninteractive", **os.environ}
        subprocess.run(["apt-get", "update", "-qq"], env=quiet, capture_output=True, check=False)
        for package in ("python3-venv", f"python{version}-venv"):
            subprocess.run(["apt-get", "install", "-y", "-qq", package], env=quiet, capture_output=True, check=False)
            if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
                return
    raise SetupFailed(
        f"Python's venv module is missing. Install it: sudo apt-get install python3-venv (or python{version}-venv)."
    )


def install_uv() -> None:
    """The pinned uv, by pip; without it pip does the rest."""
    pinned = re.search(r"^uv==.*?(?=^\S|\Z)", (ROOT / "requirements" / "dev.txt").read_text(), re.MULTILINE | re.DOTALL)
    if pinned is None:
        return
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "uv.txt"
        file.write_text(pinned.group())
        subprocess.run(
            [str(PYTHON), "-m", "pip", "install", "-q", "--require-hashes", "--no-deps", "-r", str(file)],
            env=environment(), capture_output=True, check=False,
        )  # fmt: skip


def install(arguments: list[str]) -> None:
    """Install with uv, else with pip.

    Raises:
        SetupFailed: neither could; their reasons are on standard error.
    """
    uv = VENV / "bin" / "uv"
    if uv.exists():
        command = [str(uv), "pip", "install", "--quiet", "--compile-bytecode", "--python", str(PYTHON), *arguments]
        finished = subprocess.run(command, cwd=ROOT, env=uv_environment(), capture_output=True, text=True, check=False)
        if finished.returncode == 0:
            return
        reason = finished.stderr.strip().splitlines() or ["no reason given"]
        print(f"\n  uv could not install ({reason[0].strip()}); trying pip.", file=sys.stderr)
    run(
        [str(PYTHON), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-input", *arguments],
        "The packages could not be installed",
    )


def compile_tree(*, packages: bool) -> None:
    """Byte code of the platform's own sources, and of packages whose installation was cut off before theirs.

    A read-only tree simply stays without.
    """
    folders = [str(ROOT / name) for name in SOURCES]
    if packages:
        folders += [str(path) for path in VENV.glob("lib/python*/site-packages")]
    subprocess.run(
        [str(PYTHON), "-m", "compileall", "-q", "-j", "0", *folders],
        cwd=ROOT, env=environment(), capture_output=True, check=False,
    )  # fmt: skip


def environment() -> dict[str, str]:
    """Ours without what would keep byte code from being written or mix in another environment."""
    dropped = {"PYTHONDONTWRITEBYTECODE", "PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__"}
    return {name: value for name, value in os.environ.items() if name not in dropped}


def uv_environment() -> dict[str, str]:
    """The environment for uv: pip's own settings in uv's words, unless uv has been told itself."""
    chosen = environment()
    for option, variable in PIP_TO_UV.items():
        values = pip_setting(option)
        if values and variable not in chosen and not (option == "index-url" and "UV_INDEX_URL" in chosen):
            chosen[variable] = ("," if variable in COMMA_SEPARATED else " ").join(values)
    if pip_setting("no-index"):
        chosen.setdefault("UV_NO_INDEX", "1")
    if timeout := pip_setting(PIP_TIMEOUT):
        chosen.setdefault("UV_HTTP_TIMEOUT", timeout[0])
    # pip takes the best version of all indexes; with every hash pinned no index can slip in another file.
    chosen.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    home = Path(chosen.get("HOME") or "/nonexistent")
    if "UV_CACHE_DIR" not in chosen and not os.access(home, os.W_OK):
        chosen["UV_CACHE_DIR"] = str(CACHE / "uv")
    return chosen


def pip_setting(option: str) -> list[str]:
    """What pip's files and PIP_* variables say about an option, as pip itself reads them."""
    if not _pip_settings:
        listed = subprocess.run(
            [str(PYTHON), "-m", "pip", "config", "list"], env=environment(), capture_output=True, text=True, check=False
        ).stdout
        _pip_settings[""] = []
        for line in listed.splitlines():
            name, _, value = line.partition("=")
            scope, _, key = name.partition(".")
            if scope in {"global", "install", ":env:"}:
                _pip_settings[key] = value.strip("'\"").replace("\\n", " ").split()
    return _pip_settings.get(option, [])


_pip_settings: dict[str, list[str]] = {}


def run(command: list[str], failure: str) -> None:
    """Run a command; raises SetupFailed with its last line when it fails."""
    finished = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        said = (finished.stderr or finished.stdout).strip()
        print(said, file=sys.stderr)
        raise SetupFailed(f"{failure}: {said.splitlines()[-1] if said else 'no reason given'}")


def read_stamp() -> dict[str, str]:
    try:
        stamp = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def write_stamp(stamp: dict[str, str]) -> None:
    STAMP.write_text(json.dumps(stamp))


class Step:
    """One line when it begins, on a terminal with the seconds it has taken so far, and its time when it ends."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._over = threading.Event()
        self._counter = threading.Thread(target=self._count, daemon=True)

    def __enter__(self) -> None:
        self._began = time.perf_counter()
        print(f"· {self._title}…", file=sys.stderr, end="" if sys.stderr.isatty() else "\n", flush=True)
        if sys.stderr.isatty():
            self._counter.start()

    def __exit__(self, kind: object, *rest: object) -> None:
        self._over.set()
        if self._counter.is_alive():
            self._counter.join()
        start = "\r" if sys.stderr.isatty() else ""
        if kind is None:
            seconds = time.perf_counter() - self._began
            print(f"{start}✓ {self._title} {seconds:.1f} s   ", file=sys.stderr, flush=True)
        elif start:
            print(file=sys.stderr)

    def _count(self) -> None:
        while not self._over.wait(1):
            seconds = time.perf_counter() - self._began
            print(f"\r· {self._title}… {seconds:.0f} s", file=sys.stderr, end="", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
