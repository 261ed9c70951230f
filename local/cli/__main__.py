"""``python -m local.cli``: the command, ended by Ctrl-C without a stack even while it is still being imported."""

from __future__ import annotations

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)

if __name__ == "__main__":
    from local.cli.main import main

    signal.signal(signal.SIGINT, signal.default_int_handler)
    main()
