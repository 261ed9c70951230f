"""``python -m local.server``: install Fullon as services of this server."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from local.errors import MachineProblem
from local.server.install import Installed, install, write_files
from local.server.layout import Layout


def main() -> int:
    """Read the arguments, install, and say what there is now."""
    parser = argparse.ArgumentParser(
        prog="python -m local.server",
        description="Installs Fullon as systemd services of this server and starts them; run it as root, and again "
        "after an upgrade. DATABASE_URL and REDIS_URL in the environment name stores that run elsewhere; without "
        "them the embedded ones become services too.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    defaults = Layout()
    parser.add_argument("--demo", action="store_true", help="with the paper venue, demo users and symbols")
    parser.add_argument("--account", default=defaults.account, help="that the services run as; made if absent")
    parser.add_argument("--port", type=int, default=defaults.port, help="of the API on 127.0.0.1")
    parser.add_argument("--workers", type=int, default=defaults.workers, help="processes of the API")
    parser.add_argument("--root", type=Path, default=None, help="write the files below this folder, and do no more")
    arguments = parser.parse_args()
    layout = Layout(account=arguments.account, port=arguments.port, workers=arguments.workers, demo=arguments.demo)
    try:
        if arguments.root is None:
            _report(install(layout, os.environ))
        else:
            _report(write_files(layout, os.environ, arguments.root.absolute()))
    except MachineProblem as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


def _report(installed: Installed) -> None:
    for path in installed.files:
        print(f"wrote {path}")
    layout = installed.layout
    print(f"API: http://{layout.host}:{layout.port}; put a reverse proxy with TLS in front of it (docs/server.md).")
    if installed.first_login is not None:
        mail, password = installed.first_login
        print(f"Log in: {mail}, password {password} (also in {layout.environment_file} until you remove it there)")


if __name__ == "__main__":
    sys.exit(main())
