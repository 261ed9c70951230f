"""What CDK wrote: the stacks in the order in which they can be deployed, and the files they refer to.

Source: the cloud assembly's `manifest.json` and each stack's `*.assets.json` ("Cloud assemblies", AWS CDK developer
guide; schema in the package cdk-assets-schema).
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from local.errors import MachineProblem

ARCHIVE = ".packed.zip"
EARLIEST = (1980, 1, 1, 0, 0, 0)
"""Of every entry of an archive: the same content gives the same bytes."""


@dataclass(frozen=True)
class Asset:
    """A file that a stack refers to, with the place in S3 where it looks for it.

    Attributes:
        source: the file, or the folder to be zipped.
        packaging: `file` or `zip`.
        bucket, key: the place; the bucket's name may hold `${AWS::AccountId}` and `${AWS::Region}`.
    """

    source: Path
    packaging: Literal["file", "zip"]
    bucket: str
    key: str


@dataclass(frozen=True)
class Stack:
    """One stack of an assembly.

    Attributes:
        identifier: its name in the assembly.
        name: its name in CloudFormation.
        template: file of the template.
        assets: files it refers to, its template among them.
        images: names of container images that a real deployment would build.
        needs: identifiers of the stacks that must be there before.
    """

    identifier: str
    name: str
    template: Path
    assets: tuple[Asset, ...]
    images: tuple[str, ...]
    needs: frozenset[str]

    def document(self) -> dict[str, Any]:
        """The template."""
        document: dict[str, Any] = json.loads(self.template.read_text(encoding="utf-8"))
        return document


def read(folder: Path) -> list[Stack]:
    """The stacks of an assembly, each after those it needs.

    Raises:
        MachineProblem: there is no assembly, or its stacks need each other in a circle.
    """
    try:
        found = list(_stacks(folder))
    except FileNotFoundError as error:
        raise MachineProblem(f"There is no cloud assembly in {folder}.", "Synthesise first.") from error
    ordered: list[Stack] = []
    identifiers = {stack.identifier for stack in found}
    while len(ordered) < len(found):
        there = {stack.identifier for stack in ordered}
        ready = [stack for stack in found if stack not in ordered and (stack.needs & identifiers) <= there]
        if not ready:
            left = ", ".join(stack.name for stack in found if stack not in ordered)
            raise MachineProblem(f"The stacks {left} need each other.")
        ordered += ready
    return ordered


def forget_others(folder: Path, stacks: Iterable[Stack]) -> None:
    """Remove the assets of earlier syntheses from an assembly's folder."""
    needed = {asset.source.name for stack in stacks for asset in stack.assets}
    for path in folder.glob("asset.*"):
        if path.name.removesuffix(ARCHIVE) in needed or path.name in needed:
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _stacks(folder: Path) -> Iterator[Stack]:
    artifacts: Mapping[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["artifacts"]
    for identifier, artifact in artifacts.items():
        properties = artifact.get("properties", {})
        if artifact["type"] == "cdk:cloud-assembly":
            yield from _stacks(folder / properties["directoryName"])
        elif artifact["type"] == "aws:cloudformation:stack":
            needs = set(artifact.get("dependencies", []))
            files = [name for name in needs if artifacts[name]["type"] == "cdk:asset-manifest"]
            lists = [_listed(folder / artifacts[name]["properties"]["file"]) for name in files]
            yield Stack(
                identifier=identifier,
                name=properties.get("stackName", identifier),
                template=folder / properties["templateFile"],
                assets=tuple(asset for listed in lists for asset in _assets(folder, listed)),
                images=tuple(name for listed in lists for name in listed.get("dockerImages", {})),
                needs=frozenset(name for name in needs if artifacts[name]["type"] == "aws:cloudformation:stack"),
            )


def _listed(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def _assets(folder: Path, listed: Mapping[str, Any]) -> Iterator[Asset]:
    for entry in listed.get("files", {}).values():
        source = entry["source"]
        for destination in entry["destinations"].values():
            yield Asset(
                source=folder / source["path"],
                packaging=source.get("packaging", "file"),
                bucket=destination["bucketName"],
                key=destination["objectKey"],
            )


def packed(asset: Asset) -> Path:
    """The file to upload: the asset's own, or its folder as an archive beside it, made once (its name is a hash)."""
    if asset.packaging == "file":
        return asset.source
    archive = asset.source.with_name(asset.source.name + ARCHIVE)
    if not archive.exists():
        building = archive.with_name(f"{archive.name}.{os.getpid()}")
        pack(asset.source, building)
        building.replace(archive)
    return archive


def pack(folder: Path, archive: Path) -> None:
    """Zip a folder; stored, not compressed: it travels over loopback and is unpacked for every function's process."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED, strict_timestamps=False) as made:
        for path in sorted(folder.rglob("*")):
            if path.is_dir():
                continue
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), EARLIEST)
            entry.external_attr = (path.stat().st_mode & 0xFFFF) << 16
            made.writestr(entry, path.read_bytes())
