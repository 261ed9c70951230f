"""``python -m tools.packaging --target arm64|local [--out dist] [--check] [--strict]``."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from fullon.runtime import manifest
from tools.packaging import ARM64, Artefacts, PackagingFailed, Target, build, contents
from tools.packaging.checks import BUDGETS, MEGABYTE, problems
from tools.packaging.imports import try_imports


def main() -> int:
    """Build, print the sizes, check if asked; the exit code is 1 when something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tools.packaging", description=__doc__)
    parser.add_argument(
        "--target", choices=("arm64", "local"), default="arm64", help="Lambda, or this machine's Python"
    )
    parser.add_argument("--out", type=Path, default=Path("dist"), help="folder to write to (default: dist)")
    parser.add_argument("--check", action="store_true", help="check sizes and binaries, and import every function")
    parser.add_argument("--strict", action="store_true", help="fail where byte code cannot be made")
    chosen = parser.parse_args()
    target = ARM64 if chosen.target == "arm64" else Target.local()
    try:
        began = time.perf_counter()
        artefacts = build(target, chosen.out, strict=chosen.strict)
        print(f"{target.platform}, Python {target.python}: {chosen.out} in {time.perf_counter() - began:.1f} s")
        for name, folder in artefacts.parts.items():
            print(f"  {name:14} {contents.size(folder) / MEGABYTE:6.1f} MB of {BUDGETS.get(name, 0):g}")
        found = check(artefacts) if chosen.check else []
    except PackagingFailed as problem:
        found = [str(problem)]
    for sentence in found:
        print(f"✗ {sentence}", file=sys.stderr)
    return 1 if found else 0


def check(artefacts: Artefacts) -> list[str]:
    """Everything that can be found out here; what is for another processor is imported as its twin for this one."""
    listed = manifest.load()
    found = problems(artefacts, listed)
    target = artefacts.target
    if target.runs_here:
        return found + _imported(artefacts, listed)
    if not target.twin().runs_here:
        print(f"  No Python {target.python} here, so no function was imported.")
        return found
    with tempfile.TemporaryDirectory(prefix="fullon-twin-") as directory:
        print(f"  Imports of the same packages for {target.twin().platform}:")
        return found + _imported(build(target.twin(), Path(directory)), listed)


def _imported(artefacts: Artefacts, listed: manifest.Manifest) -> list[str]:
    found = []
    for each in try_imports(artefacts, listed):
        print(f"  {each.function:14} {each.seconds * 1000:6.0f} ms, {each.modules} modules")
        found += [f"{each.function}: {problem}." for problem in each.problems]
    return found


if __name__ == "__main__":
    sys.exit(main())
