"""`fullon seed`, `fullon demo-data` and `fullon version`."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from local.cli.errors import CommandFailed
from local.cli.output import print_json, say
from local.cli.platform import process_environment, this_home
from local.home import REPOSITORY, environment_of
from local.supervisor.environment import FOR_THE_SEED

UNREACHABLE = "unreachable"
RETRY_SECONDS = 3600.0


def seed() -> None:
    """Run the seed against the running platform; it keeps what is there."""
    merged = environment_of(REPOSITORY, os.environ)
    given = {name: value for name in FOR_THE_SEED if (value := merged.get(name))}
    home = this_home()
    environment = {**process_environment(home), **given, "FULLON_PAPER_ACCOUNT": str(home.paper_account)}
    finished = subprocess.run(
        [sys.executable, "-m", "local.seed"],
        cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = (finished.stdout + finished.stderr).strip().splitlines()
    if finished.returncode != 0:
        raise CommandFailed(
            f"The seed failed: {said[-1] if said else 'no reason given'}", "`fullon status` shows what runs."
        )
    say("Seeded.")


def version(*, as_json: bool) -> None:
    """The version of the platform and of Python."""
    import platform
    from importlib import metadata

    try:
        installed = metadata.version("fullon")
    except metadata.PackageNotFoundError:
        installed = "not installed"
    if as_json:
        print_json({"fullon": installed, "python": platform.python_version()})
    else:
        print(f"fullon {installed} (Python {platform.python_version()})")


def fetch(*, if_missing: bool, as_json: bool) -> None:
    """Fetch the recorded market data; where it cannot be had, say what the paper venue replays instead.

    With `if_missing` this is a step of another command: nothing is said when the data is there, a network that was not
    there lately is not tried again for an hour, and a failure is not one of the command.
    """
    from fullon.kernel.errors import FullonError
    from local import demo_data

    directory = demo_data.DEFAULT_DIRECTORY
    if if_missing and ((directory / demo_data.FILE_NAME).is_file() or _failed_lately(directory)):
        return
    say("· Fetching the recorded market data (0.9 MB)…")
    try:
        path = demo_data.fetch()
    except FullonError as error:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / UNREACHABLE).touch()
        sentence = f"The recorded market data is not there: {error.detail}"
        if not if_missing:
            raise CommandFailed(sentence, "The paper venue replays a synthetic series instead.") from error
        say(f"· {sentence} The paper venue replays a synthetic series instead.")
        return
    (directory / UNREACHABLE).unlink(missing_ok=True)
    if as_json:
        print_json({"path": str(path)})
    else:
        say(f"✓ {path}")


def _failed_lately(directory: Path) -> bool:
    marker = directory / UNREACHABLE
    return marker.exists() and time.time() - marker.stat().st_mtime < RETRY_SECONDS
