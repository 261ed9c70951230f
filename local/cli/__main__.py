"""``fullon`` and ``python -m local.cli``: the command, ended by Ctrl-C without a stack also while it is loaded."""

from __future__ import annotations

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)


def run() -> None:
    """Import the command and run it; ends the process with its exit code."""
    from local.cli.main import main

    signal.signal(signal.SIGINT, signal.default_int_handler)
    main()


if __name__ == "__main__":
    run()
