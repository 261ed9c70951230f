"""``python -m fullon.runtime.healthcheck``: exit code 0 when this container's daemon does its work, else 1, and why.

The daemon writes the file that HEARTBEAT_FILE names. It is read from the environment alone and without the settings
model: the check runs every half minute on a quarter of a core.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from fullon.fleet.heartbeat_file import judge
from fullon.kernel.clock import SystemClock


def main() -> int:
    """Judge the daemon of this container."""
    named = os.environ.get("HEARTBEAT_FILE")
    if not named:
        sys.stdout.write("HEARTBEAT_FILE is not set, so nothing is known about the daemon.\n")
        return 1
    verdict = judge(Path(named), SystemClock().now())
    sys.stdout.write(verdict.sentence + "\n")
    return 0 if verdict.healthy else 1


if __name__ == "__main__":
    sys.exit(main())
