"""Run all: every script on one platform, and a table of how they went.

--only NAME,NAME chooses some. The exit code is 1 when one of them met a surprise; its output is shown.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from examples.platform_of_its_own import NotStarted
from examples.stage import Stage, arguments, chosen_stage, show
from fullon_client import ClientError

SCRIPTS = (
    "start_server",
    "health",
    "login",
    "authenticated_request",
    "api_key",
    "swagger_docs",
    "orm_tour",
    "exchange_catalogue",
    "symbols",
    "strategy_management",
    "bot_management",
    "order_management",
    "trade_analytics",
    "dashboard_views",
    "service_control",
    "ohlcv_queries",
    "cache_websocket",
    "daemon_control",
    "ohlcv_resume",
    "load_test",
)
SECONDS_EACH = 700.0
ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Result:
    """How a script went."""

    name: str
    code: int
    seconds: float
    said: str

    @property
    def checks(self) -> int:
        """How many things it found as they should be."""
        return self.said.count("✓")


def run(name: str, stage: Stage) -> Result:
    """Run a script in a process of its own."""
    began = time.monotonic()
    environment = {**os.environ, "FULLON_ADMIN_PASSWORD": stage.password}
    if stage.trader_password is not None:
        environment["FULLON_TRADER_PASSWORD"] = stage.trader_password
    try:
        done = subprocess.run(
            [sys.executable, "-m", f"examples.{name}", "--url", stage.url, "--mail", stage.mail],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS_EACH,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Result(name, -1, time.monotonic() - began, f"It did not end within {SECONDS_EACH:.0f} s.")
    return Result(name, done.returncode, time.monotonic() - began, done.stdout)


def main() -> int:
    """Run them one after the other; returns the exit code."""
    parser = arguments((__doc__ or "").strip())
    parser.add_argument("--only", metavar="NAME,NAME", default=",".join(SCRIPTS), help="these scripts")
    options = parser.parse_args()
    chosen = [name for name in options.only.split(",") if name]
    if unknown := sorted(set(chosen) - set(SCRIPTS)):
        parser.error(f"there is no script {', '.join(unknown)}; there are {', '.join(SCRIPTS)}")
    results: list[Result] = []
    try:
        with chosen_stage(options) as stage:
            with stage.client() as admin:
                stage.start_collectors(admin)  # history comes in while the first scripts run
            for name in chosen:
                result = run(name, stage)
                results.append(result)
                print(f"{'✓' if result.code == 0 else '✗'} {name} {result.seconds:.1f} s", flush=True)
                if result.code != 0:
                    print(result.said, flush=True)
    except (NotStarted, ClientError) as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1
    print()
    show(
        ["script", "result", "checks", "seconds"],
        [
            [one.name, "ok" if one.code == 0 else f"exit {one.code}", one.checks, f"{one.seconds:.1f}"]
            for one in results
        ],
    )
    failed = [one.name for one in results if one.code != 0]
    seconds = sum(one.seconds for one in results)
    print(f"\n{len(results) - len(failed)} of {len(results)} as they should be, {seconds:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
