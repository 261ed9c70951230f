"""Real minutes for demonstrations: 14 days of Bitstamp BTC/USD, 2026-08-17 to 2026-08-30, 20,160 bars without a gap.

They ship in the source distribution of ohlc-toolkit 3.1.2 (Apache-2.0) and are fetched with pip, which checks the
distribution against its hash before it runs anything of it; the file itself is checked again. They are not copied
into this repository: the licence would allow it, but they come from an exchange's feed.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

from fullon.kernel.errors import Corrupt
from local.errors import MachineProblem

FILE_NAME = "bitstamp_btcusd_1min_14d.csv.gz"
FILE_SHA256 = "2df16fee6df8f0b605fe86a79033c7b3b89aeed3bc75a034f3334f0bce75bac8"
REQUIREMENT = "ohlc-toolkit==3.1.2"
REQUIREMENT_SHA256 = "fc565e88f81d314064a9d306434dd67afa790dea64874bac7ad81dc0e27e9b50"
DEFAULT_DIRECTORY = Path(__file__).resolve().parent.parent / ".cache" / "market"
_COLUMNS = ["timestamp", "open", "high", "low", "close", "volume"]


class MinuteBar(NamedTuple):
    """One recorded minute: ``time`` in epoch seconds, the rest decimal text exactly as recorded."""

    time: int
    open: str
    high: str
    low: str
    close: str
    volume: str


def fetch(destination: Path = DEFAULT_DIRECTORY, timeout: float = 90.0) -> Path:
    """Put the recorded minutes into ``destination`` unless they are there already, and say where.

    Args:
        destination: a directory, created where it is missing.
        timeout: seconds to wait for pip.

    Raises:
        MachineProblem: pip could not get the distribution; callers go on with the synthetic series and say so.
        Corrupt: what came is not what was expected; nothing is kept.
    """
    target = destination / FILE_NAME
    if target.is_file() and _sha256(target.read_bytes()) == FILE_SHA256:
        return target
    destination.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=destination) as scratch:
        archive = _download(Path(scratch), timeout)
        content = extract(archive)
        if _sha256(content) != FILE_SHA256:
            raise Corrupt(f"{FILE_NAME} in {REQUIREMENT} is not the expected file.", sha256=_sha256(content))
        part = Path(scratch) / FILE_NAME
        part.write_bytes(content)
        part.replace(target)
    return target


def load(path: Path) -> list[MinuteBar]:
    """The bars of ``path`` (CSV with a header, gzipped or not), in the order of the file.

    Raises:
        Corrupt: not such a file; the sentence says what is wrong.
    """
    try:
        with gzip.open(path, "rt", newline="") if path.suffix == ".gz" else path.open(newline="") as stream:
            rows = csv.reader(stream)
            if next(rows, None) != _COLUMNS:
                raise Corrupt(f"{path.name} does not start with the columns {','.join(_COLUMNS)}.")
            return [MinuteBar(int(row[0]), *row[1:]) for row in rows]
    except (OSError, EOFError, UnicodeDecodeError, ValueError, TypeError, csv.Error) as error:
        raise Corrupt(f"{path.name} cannot be read as minute bars.", reason=type(error).__name__) from error


def _download(directory: Path, timeout: float) -> Path:
    requirements = directory / "requirements.txt"
    requirements.write_text(f"{REQUIREMENT} --hash=sha256:{REQUIREMENT_SHA256}\n")
    # Only the named distribution comes as source: its build requirements as wheels save 40 s of compiling.
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input", "download"]
    command += ["--no-deps", "--no-binary", "ohlc-toolkit", "--require-hashes", "--retries", "1", "--timeout", "10"]
    command += ["--requirement", str(requirements), "--dest", str(directory)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MachineProblem(f"{REQUIREMENT} could not be fetched: {type(error).__name__}.") from error
    archives = list(directory.glob("*.tar.gz"))
    if done.returncode or len(archives) != 1:
        raise MachineProblem(f"{REQUIREMENT} could not be fetched: {_last_line(done.stderr)}")
    return archives[0]


def extract(archive: Path) -> bytes:
    """The recorded minutes, still compressed, out of the source distribution.

    Raises:
        Corrupt: it does not hold them.
    """
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                if member.isfile() and member.name.endswith(f"/{FILE_NAME}"):
                    stream = tar.extractfile(member)
                    assert stream is not None
                    return stream.read()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise Corrupt(f"{archive.name} cannot be unpacked.") from error
    raise Corrupt(f"{archive.name} does not hold {FILE_NAME}.")


def _last_line(text: str) -> str:
    lines = (
        [line for line in text.splitlines() if line.startswith("ERROR")] or text.splitlines() or ["pip said nothing"]
    )
    return lines[-1].removeprefix("ERROR: ")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
