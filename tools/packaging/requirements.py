"""Which layers there are and which pinned, hashed packages each brings.

``dependencies`` goes to every function. The other layers hold only what it does not, so no package is in two layers
of a function and none can shadow another.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from tools.packaging.targets import PackagingFailed

ROOT = Path(__file__).resolve().parents[2]
FOUNDATION = "dependencies"
#: Layer → file in requirements/ that it is installed from.
LAYERS: Mapping[str, str] = {
    FOUNDATION: "functions.txt",
    "parquet": "parquet.txt",
    "pages": "docs.txt",
    "migrations": "migrations.txt",
}
#: The Lambda runtime brings them.
IN_THE_RUNTIME = frozenset({"boto3", "botocore", "s3transfer", "jmespath"})

_PINNED = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(\[[^\]]*\])?==(?P<version>[^\s;\\]+)")


def of_layer(layer: str, root: Path = ROOT) -> str:
    """The requirements of a layer as the text of a requirements file: pins, markers and hashes.

    Raises:
        PackagingFailed: the layer pins another version of something than ``dependencies`` does.
    """
    own = read(root / "requirements" / LAYERS[layer])
    foundation = {} if layer == FOUNDATION else read(root / "requirements" / LAYERS[FOUNDATION])
    for name in own.keys() & foundation.keys():
        if _version(own[name]) != _version(foundation[name]):
            raise PackagingFailed(
                f"requirements/{LAYERS[layer]} pins {name} {_version(own[name])}, requirements/{LAYERS[FOUNDATION]}"
                f" pins {_version(foundation[name])}; `make requirements` brings them together."
            )
    return "".join(text for name, text in sorted(own.items()) if name not in foundation.keys() | IN_THE_RUNTIME)


def read(file: Path) -> dict[str, str]:
    """Normalised name of each package of a compiled requirements file → its lines.

    Raises:
        PackagingFailed: the file is missing, or something in it is not pinned.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    except OSError as error:
        raise PackagingFailed(f"{file} cannot be read ({error.strerror}); `make requirements` writes it.") from error
    packages: dict[str, str] = {}
    name = ""
    for line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if not line[0].isspace():
            pinned = _PINNED.match(line)
            if pinned is None:
                raise PackagingFailed(f"{file.name}: {line.strip()!r} is not pinned to a version.")
            name = re.sub(r"[-_.]+", "-", pinned["name"]).lower()
        packages[name] = packages.get(name, "") + line
    return packages


def _version(lines: str) -> str:
    pinned = _PINNED.match(lines)
    assert pinned is not None, "only pinned packages are read"
    return pinned["version"]
