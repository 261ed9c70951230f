"""Stacks of profiles that are not among the three, synthesised for one test."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fullon.runtime import manifest
from infra.app import build
from infra.rules.templates import Deployment
from infra.settings import Profile


def deployed(profile: Profile, **changes: Any) -> Deployment:
    """What a profile with these changes would deploy."""
    changed = replace(profile, **changes)
    with TemporaryDirectory(prefix="fullon-templates-") as folder:
        build(changed, bundle=False, outdir=folder).synth()
        return Deployment.read(Path(folder), changed, manifest.load())


def daemons_of(profile: Profile, **changes: Any) -> list[dict[str, Any]]:
    """The containers of its daemons."""
    return [
        dict(container)
        for task in deployed(profile, **changes).resources("AWS::ECS::TaskDefinition")
        for container in task.properties["ContainerDefinitions"]
    ]
