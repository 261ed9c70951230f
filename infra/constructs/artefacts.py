"""What the functions run: one code folder and the layers, built by ``tools.packaging`` when the app is synthesised.

The hash of an asset is that of its sources, so one that did not change is not built and not uploaded again. Without
bundling nothing is built, and the templates refuse to be deployed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsii
from aws_cdk import AssetHashType, BundlingOptions, CfnRule, CfnRuleAssertion, DockerImage, Fn, ILocalBundling, Stack
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.settings import Profile
from tools.packaging import Target, build_part, fingerprint

FUNCTIONS = "functions"
#: Stands in for an asset that was not built.
NOTHING = Path(__file__).with_name("nothing")


@jsii.implements(ILocalBundling)
class _Build:
    """Builds one part straight into CDK's folder; Docker is never asked."""

    def __init__(self, part: str, target: Target) -> None:
        self._part = part
        self._target = target

    def try_bundle(self, output_dir: str, *_options: Any, **_more: Any) -> bool:
        """The signature that CDK's documentation shows for Python is not the one that is called."""
        build_part(self._part, self._target, Path(output_dir), strict=False)
        return True


class Artefacts(Construct):
    """Code and layers of the functions of one stack.

    A layer of its own for each stack: a version that another stack imports could never be replaced.

    Attributes:
        code: of every function.
    """

    def __init__(self, scope: Construct, id: str, *, profile: Profile) -> None:  # noqa: A002 - CDK's name
        super().__init__(scope, id)
        self._profile = profile
        # The emulator runs functions in the interpreter that it runs in itself, which is this one's like.
        self._target = Target.local() if profile.emulated else Target(profile.platform, profile.python)
        self._layers: dict[str, lambda_.LayerVersion] = {}
        self._bundled = Stack.of(self).bundling_required
        self.code = self._part(FUNCTIONS)
        if not self._bundled:
            refuse_deployment(self)

    def layer(self, name: str) -> lambda_.LayerVersion:
        """The layer of that name in the manifest."""
        if name not in self._layers:
            self._layers[name] = lambda_.LayerVersion(
                self,
                name,
                layer_version_name=f"{self._profile.prefix}-{name}",
                description=f"Fullon: {name}",
                code=self._part(name),
                compatible_runtimes=[runtime(self._profile)],
                compatible_architectures=[architecture(self._profile)],
            )
        return self._layers[name]

    def _part(self, name: str) -> lambda_.Code:
        if not self._bundled:
            return lambda_.Code.from_asset(
                str(NOTHING), asset_hash=f"not-built-{name}", asset_hash_type=AssetHashType.CUSTOM
            )
        return lambda_.Code.from_asset(
            str(NOTHING),
            asset_hash=fingerprint(name, self._target),
            asset_hash_type=AssetHashType.CUSTOM,
            bundling=BundlingOptions(image=DockerImage.from_registry("not-used"), local=_Build(name, self._target)),
        )


def runtime(profile: Profile) -> lambda_.Runtime:
    """Of the Python that the artefacts are built for."""
    return {"3.13": lambda_.Runtime.PYTHON_3_13, "3.14": lambda_.Runtime.PYTHON_3_14}[profile.python]


def architecture(profile: Profile) -> lambda_.Architecture:
    """As CDK calls the profile's."""
    return lambda_.Architecture.ARM_64 if profile.architecture == "arm64" else lambda_.Architecture.X86_64


def refuse_deployment(scope: Construct) -> None:
    """Functions without code would be put in place without a word; CloudFormation checks this rule before it begins."""
    CfnRule(
        scope,
        "Refuse",
        assertions=[
            CfnRuleAssertion(
                assert_=Fn.condition_equals("artefacts", "built"),
                assert_description="Synthesised without the functions' artefacts; `make deploy` builds them.",
            )
        ],
    )
