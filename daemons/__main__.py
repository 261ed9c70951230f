"""``python -m daemons``: says which daemons there are; each is started by its own command."""

from __future__ import annotations

import sys

from fullon.runtime import manifest


def main() -> int:
    """List the daemons of the manifest; nothing is started, so the exit code is that of a wrong call."""
    for daemon in manifest.load().daemons:
        sys.stdout.write(f"{' '.join(daemon.command)}  # {daemon.description}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
