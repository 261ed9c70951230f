"""Builds what is deployed to Lambda, without Docker: dependency layers, the product layer and one code folder.

``python -m tools.packaging --target arm64`` writes them to ``dist/``; the templates call :func:`build_part` for each
asset with :func:`fingerprint` as its hash, so an asset that did not change is neither built nor uploaded again; the
rehearsal calls :func:`build` for the interpreter of this machine.
"""

from tools.packaging.parts import Artefacts, build, build_part, fingerprint, part_names
from tools.packaging.targets import ARM64, PackagingFailed, Target

__all__ = ["ARM64", "Artefacts", "PackagingFailed", "Target", "build", "build_part", "fingerprint", "part_names"]
