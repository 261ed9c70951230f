"""`fullon keys`: the master key that seals the keys of exchange accounts."""

from __future__ import annotations

import json
import subprocess
import sys

from local.cli.errors import CommandFailed
from local.cli.output import print_json, say
from local.cli.platform import process_environment, this_home
from local.home import REPOSITORY


def rotate(*, as_json: bool) -> None:
    """Wrap every data key with the present master key; raises CommandFailed when some cannot be opened."""
    finished = subprocess.run(
        [sys.executable, "-m", "local.rotate_keys"],
        cwd=REPOSITORY, env=process_environment(this_home()), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if finished.returncode != 0:
        said = (finished.stdout + finished.stderr).strip().splitlines()
        raise CommandFailed(
            f"The keys were not rotated: {said[-1] if said else 'no reason given'}",
            "`fullon status` shows what runs; what was done stays done, so it can be repeated.",
        )
    done = json.loads(finished.stdout.splitlines()[-1])
    if as_json:
        print_json(done)
    else:
        say(f"✓ {done['rewrapped']} accounts under the present master key, {done['kept']} were already.")
    if done["failed"]:
        raise CommandFailed(
            f"{len(done['failed'])} accounts cannot be opened: {', '.join(done['failed'])}.",
            "Put the former key into ENCRYPTION_PREVIOUS_KEYS, or let their owners enter their keys anew.",
        )
