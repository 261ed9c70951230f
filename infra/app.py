"""The app: all stacks of one profile. ``python -m infra.app --profile small`` writes them to ``cdk.out``.

Templates alone need nothing but this checkout. With ``--bundle`` the functions' artefacts are built with them, for
which uv fetches wheels it has not seen yet; without, CloudFormation refuses the templates. The CDK command says it by
``cdk deploy --all -c profile=small -c bundle=true``.
"""

from __future__ import annotations

import argparse
import json
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
        bundle: build the functions' artefacts; without, the templates cannot be deployed (tests, checks).
        outdir: where ``synth()`` writes; None lets the CDK command say, or takes ``cdk.out``.
    """
    app = cdk.App(
        outdir=outdir,
        analytics_reporting=False,
        default_stack_synthesizer=cdk.DefaultStackSynthesizer(generate_bootstrap_version_rule=not profile.emulated),
        context={VALIDATE: True},
        post_cli_context={SKIP_BUNDLING: ["**"] if bundle else []},
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
    """Synthesise one profile; what the CDK command was given as context counts as options."""
    context = json.loads(os.environ.get("CDK_CONTEXT_JSON") or "{}")
    parser = argparse.ArgumentParser(prog="python -m infra.app", description="Synthesise one profile.")
    parser.add_argument("--profile", choices=sorted(PROFILES), default=context.get("profile", "small"))
    parser.add_argument("--out", metavar="FOLDER", help="for the templates; cdk.out, or where the cdk command says")
    parser.add_argument(
        "--bundle",
        action="store_true",
        default=str(context.get("bundle", "")).lower() == "true",
        help="build the functions' artefacts too, as a deployment needs",
    )
    options = parser.parse_args()
    if options.profile not in PROFILES:  # one from the context is not checked by the parser
        parser.error(f"there is no profile {options.profile!r}; there are {', '.join(sorted(PROFILES))}")
    build(PROFILES[options.profile], bundle=options.bundle, outdir=options.out).synth()


if __name__ == "__main__":
    main()
