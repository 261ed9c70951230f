"""The package stands alone: built as a wheel, imported with nothing of the platform beside it."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_its_wheel_holds_it_typed_and_works_without_the_platform(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT / "client", capture_output=True, check=True,
    )  # fmt: skip
    [wheel] = tmp_path.glob("fullon_client-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    code = (
        "import sys\n"
        f"sys.path[:0] = [{str(wheel)!r}]\n"
        "import fullon_client\n"
        "fullon_client.Client('http://127.0.0.1:9').close()\n"
        "ours = {'fullon', 'functions', 'daemons', 'local', 'pydantic', 'fastapi'}\n"
        "print(fullon_client.__file__, sorted(ours & set(sys.modules)))"
    )

    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )

    assert "fullon_client/py.typed" in names
    assert done.stdout.split(maxsplit=1) == [f"{wheel}/fullon_client/__init__.py", "[]\n"]
