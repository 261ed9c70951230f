"""What the person asked for on the command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from local.rehearsal.ministack import DIRECTORY


@dataclass(frozen=True)
class Options:
    """What to do.

    Attributes:
        home: folder of everything that the rehearsal writes; removed when it ends well.
        keep: leave everything running after the tests, until Ctrl-C.
        speed: of the paper venue's time.
        assembly: templates that are there already; None synthesises them.
        tests: arguments of pytest; empty for the whole end-to-end suite.
        run_tests: whether to run tests at all.
    """

    home: Path
    keep: bool
    speed: float
    assembly: Path | None
    tests: tuple[str, ...]
    run_tests: bool


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Read the command line; exits with a message and code 2 when it makes no sense."""
    parser = argparse.ArgumentParser(
        prog="python -m local.rehearsal",
        description="Deploys the templates into a local AWS emulator and runs the end-to-end tests on the result.",
    )
    parser.add_argument("--keep", action="store_true", help="leave it running after the tests; Ctrl-C ends it")
    parser.add_argument("--no-tests", action="store_true", help="deploy only; with --keep, to look around")
    parser.add_argument("--home", type=Path, default=DIRECTORY / "home", help="folder for stores, logs and templates")
    parser.add_argument("--speed", type=float, default=60.0, help="speed of the paper venue's time (60)")
    parser.add_argument("--assembly", type=Path, help="deploy these templates instead of synthesising")
    parser.add_argument(
        "tests", nargs="*", help="arguments of pytest instead of tests/e2e; after -- if they begin with -"
    )
    chosen = parser.parse_args(arguments)
    return Options(
        home=chosen.home.absolute(),
        keep=chosen.keep,
        speed=chosen.speed,
        assembly=chosen.assembly.absolute() if chosen.assembly else None,
        tests=tuple(chosen.tests),
        run_tests=not chosen.no_tests,
    )
