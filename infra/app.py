"""The app: all stacks of one profile. ``python -m infra.app --profile small`` writes them to ``cdk.out``."""

from __future__ import annotations

import argparse
import os

import aws_cdk as cdk

from fullon.runtime import manifest as manifests
from infra.settings import PROFILES, Profile
from infra.stacks.api import Api
from infra.stacks.daemons import Daemons
from infra.stacks.data import Data
from infra.stacks.network import Network
from infra.stacks.observability import Observability
from infra.stacks.realtime import Realtime
from infra.stacks.schema import Schema
from infra.stacks.web import Web

SKIP_BUNDLING = "aws:cdk:bundling-stacks"
#: Findings of CDK's own validator end the synthesis instead of being printed.
VALIDATE = "@aws-cdk/core:validateAgainstDefaultRules"


def build(profile: Profile, *, bundle: bool = True, outdir: str | None = None) -> cdk.App:
    """All stacks of an installation, not yet synthesised.

    Args:
        bundle: build the functions' artefacts; without, their folders are empty (tests).
        outdir: where ``synth()`` writes; None lets the CDK command say, or takes ``cdk.out``.
    """
    app = cdk.App(
        outdir=outdir,
        analytics_reporting=False,
        default_stack_synthesizer=cdk.DefaultStackSynthesizer(generate_bootstrap_version_rule=not profile.emulated),
        context={VALIDATE: True},
        post_cli_context=None if bundle else {SKIP_BUNDLING: []},
    )
    manifest = manifests.load()
    network = Network(app, "Network", profile=profile)
    data = Data(app, "Data", profile=profile, network=network)
    schema = Schema(app, "Schema", profile=profile, manifest=manifest, network=network, data=data)
    realtime = Realtime(app, "Realtime", profile=profile, manifest=manifest, network=network, data=data)
    daemons = Daemons(app, "Daemons", profile=profile, manifest=manifest, network=network, data=data, realtime=realtime)
    api = Api(app, "Api", profile=profile, manifest=manifest, network=network, data=data, realtime=realtime)
    web = Web(app, "Web", profile=profile, manifest=manifest, data=data, realtime=realtime, api=api)
    Observability(
        app,
        "Observability",
        profile=profile,
        manifest=manifest,
        data=data,
        schema=schema,
        realtime=realtime,
        daemons=daemons,
        api=api,
        web=web,
    )
    for user in (realtime, daemons, api):
        user.add_stack_dependency(schema)
    return app


def main() -> None:
    """Synthesise one profile."""
    parser = argparse.ArgumentParser(prog="python -m infra.app", description=__doc__)
    parser.add_argument("--profile", choices=sorted(PROFILES), default=os.environ.get("FULLON_PROFILE", "small"))
    parser.add_argument(
        "--out", metavar="FOLDER", help="where the templates go; cdk.out, or where the cdk command says"
    )
    parser.add_argument("--no-bundle", action="store_true", help="templates only, without the functions' artefacts")
    options = parser.parse_args()
    build(PROFILES[options.profile], bundle=not options.no_bundle, outdir=options.out).synth()


if __name__ == "__main__":
    main()
