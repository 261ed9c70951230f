"""``python -m benchmarks [NAME …]``: run all benchmarks, or those named, one after the other."""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys

import psutil

NAMES = {
    "gateway": "a request through gateway and execution environment, against bare uvicorn and the handler in process",
    "authorizer": "a caller whom the gateway remembers, against one whom the authorizer is asked about",
    "candles": "1,000 and 10,000 candles from PostgreSQL, against an ORM endpoint",
    "load": "time series for 10, 50, 200 and 500 connections at once, against bare uvicorn",
    "fanout": "venue tick to WebSocket subscriber, ticks a second, against a plain uvicorn loop",
    "orders": "an order's intent to its venue's acknowledgement, and orders a second, against ccxt called directly",
    "dashboards": "dashboards of a user with a million fills, against playing every fill in Python",
    "cold_start": "process start to first answer of every function",
}


def main() -> None:
    """Run them, each in a process of its own."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Side by side, medians, as ratios.")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=", ".join(f"{name}: {text}" for name, text in NAMES.items())
    )
    names = parser.parse_args().names or list(NAMES)
    if unknown := [name for name in names if name not in NAMES]:
        parser.error(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(NAMES)}")
    memory = psutil.virtual_memory().total / 2**30
    print(
        f"{platform.system()} {platform.machine()}, {psutil.cpu_count()} cores, {memory:.0f} GiB,"
        f" CPython {platform.python_version()}. Ratios hold; milliseconds are this machine's, today's."
    )
    failed = []
    for name in names:
        print(f"\n== {name}: {NAMES[name]}", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode:
            failed.append(name)
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
