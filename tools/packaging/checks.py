"""What must hold for an artefact before it is deployed: its size, its processor, and that its parts do not overlap.

Each check gives sentences; none of them means that the artefact is in order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from fullon.runtime.manifest import Function, Manifest
from tools.packaging import contents
from tools.packaging.parts import FUNCTIONS, Artefacts

MEGABYTE = 1024 * 1024
#: Megabytes of each part unpacked, with byte code: what was measured and about a tenth more. A part that outgrows its
#: budget is looked at before the number is raised, because size is cold start.
BUDGETS: Mapping[str, float] = {
    "dependencies": 56,
    "parquet": 74,
    "pages": 3,
    "migrations": 34,
    "fullon": 2,
    FUNCTIONS: 3,
}
#: Quotas of Lambda: bytes of a function with its layers, unpacked; layers of a function.
UNPACKED_LIMIT = 262_144_000
LAYERS_LIMIT = 5
#: Newest glibc that Amazon Linux 2023 offers.
GLIBC = (2, 34)

_ELF_MACHINES = {"aarch64": 0xB7, "x86_64": 0x3E}
_ELF_NAMES = {number: name for name, number in _ELF_MACHINES.items()}
_GLIBC_VERSION = re.compile(rb"GLIBC_2\.(\d{1,3})\b")


def problems(artefacts: Artefacts, manifest: Manifest) -> list[str]:
    """All that is wrong with an artefact without running it."""
    return [
        *over_budget(artefacts),
        *wrong_binaries(artefacts),
        *(problem for function in manifest.functions for problem in wrongly_put_together(artefacts, function)),
    ]


def over_budget(artefacts: Artefacts, budgets: Mapping[str, float] = BUDGETS) -> Iterator[str]:
    """Parts that are larger than planned."""
    for name, folder in artefacts.parts.items():
        megabytes = contents.size(folder) / MEGABYTE
        if name not in budgets:
            yield f"{name} has no size budget; it has {megabytes:.1f} MB."
        elif megabytes > budgets[name]:
            largest = ", ".join(f"{path} {size / MEGABYTE:.1f}" for path, size in _largest(folder))
            yield f"{name} has {megabytes:.1f} MB, its budget is {budgets[name]:g} MB; largest: {largest}."


def wrong_binaries(artefacts: Artefacts) -> Iterator[str]:
    """Compiled modules that the target cannot load: another processor, another Python, a newer glibc."""
    if artefacts.target.machine not in _ELF_MACHINES or "manylinux" not in artefacts.target.platform:
        return
    python = "cpython-" + artefacts.target.python.replace(".", "")
    for path in (path for folder in artefacts.parts.values() for path in contents.files(folder)):
        content = path.read_bytes() if ".so" in path.suffixes else path.open("rb").read(20)
        if content[:4] != b"\x7fELF":
            if path.suffix == ".so":
                yield f"{path} is no ELF file."
            continue
        machine = _ELF_NAMES.get(int.from_bytes(content[18:20], "little"), "another processor")
        if machine != artefacts.target.machine:
            yield f"{path} is for {machine}, not {artefacts.target.machine}."
        tag = re.search(r"\.(cpython-\d+)", path.name)
        if tag is not None and tag[1] != python:
            yield f"{path} is for {tag[1]}, not {python}."
        newest = max((int(minor) for minor in _GLIBC_VERSION.findall(content)), default=0)
        if (2, newest) > GLIBC:
            yield f"{path} wants glibc 2.{newest}; the runtime has {GLIBC[0]}.{GLIBC[1]}."


def wrongly_put_together(artefacts: Artefacts, function: Function) -> Iterator[str]:
    """Layers of a function that do not exist, are too many or too large, or hide each other's files."""
    for name in function.layers:
        if name not in artefacts.layers:
            yield f"{function.name} wants the layer {name}, which nothing builds."
    if len(function.layers) > LAYERS_LIMIT:
        yield f"{function.name} has {len(function.layers)} layers; Lambda takes {LAYERS_LIMIT}."
    folders = {name: artefacts.layers[name] for name in function.layers if name in artefacts.layers}
    total = sum(contents.size(folder) for folder in [*folders.values(), artefacts.functions])
    if total > UNPACKED_LIMIT:
        yield f"{function.name} has {total / MEGABYTE:.0f} MB with its layers; Lambda takes 250 MB."
    owner: dict[Path, str] = {}
    for name, folder in folders.items():
        for path in contents.files(folder):
            inside = path.relative_to(folder)
            if inside in owner:
                yield f"{function.name}: {inside} is in the layers {owner[inside]} and {name}."
            owner[inside] = name


def _largest(folder: Path) -> list[tuple[str, int]]:
    """The three largest packages of a layer, or entries of another folder."""
    inside = folder / "python" if (folder / "python").is_dir() else folder
    sizes = [(path.name, contents.size(path) if path.is_dir() else path.stat().st_size) for path in inside.iterdir()]
    return sorted(sizes, key=lambda each: each[1], reverse=True)[:3]
