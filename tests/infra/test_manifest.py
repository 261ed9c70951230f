"""The manifest is the one list: a domain more is an entry more, and templates follow it in everything."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fullon.runtime import manifest as manifests
from fullon.runtime.manifest import Daemon, Function, Manifest
from infra.app import build
from infra.rules import manifest as rules
from infra.rules.templates import Deployment
from infra.settings import PROFILES

pytestmark = pytest.mark.xdist_group("infra")


def test_handlers_of_the_templates_are_those_of_the_manifest(deployment: Deployment, manifest: Manifest) -> None:
    made = [
        str(each.properties["Handler"])
        for each in deployment.resources("AWS::Lambda::Function")
        if not each.name.startswith(tuple(rules.PROVIDERS))
    ]

    assert sorted(made) == sorted(entry.handler for entry in manifest.functions)


def test_permissions_of_the_manifest_are_all_granted(deployment: Deployment, manifest: Manifest) -> None:
    for entry in manifest.functions:
        [function] = [
            each
            for each in deployment.resources("AWS::Lambda::Function")
            if each.properties["Handler"] == entry.handler
        ]
        role = deployment.follow(function, function.properties["Role"])
        granted = {
            action
            for policy in deployment.resources("AWS::IAM::Policy")
            for each in policy.properties["Roles"]
            if deployment.follow(policy, each) is role
            for statement in policy.properties["PolicyDocument"]["Statement"]
            for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
        }

        assert set(entry.permissions) <= granted
        assert {action for action in granted if action.startswith("ecs:")} <= set(entry.permissions)


def test_an_entry_more_is_a_function_with_routes_and_a_daemon_more_is_a_service(
    tmp_path: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = Function(
        name="notes",
        kind="http",
        handler="functions.notes.handler.handler",
        description="Keeps notes",
        memory=512,
        timeout=10,
        network=("data",),
        routes=("/api/v1/notes/{proxy+}",),
    )
    daemon = Daemon("reader", ("python", "-m", "daemons.reader"), "Reads notes", 256, 512, 0, 30)
    grown = replace(manifest, functions=(*manifest.functions, function), daemons=(*manifest.daemons, daemon))
    monkeypatch.setattr(manifests, "load", lambda: grown)

    build(PROFILES["small"], bundle=False, outdir=str(tmp_path)).synth()
    made = Deployment.read(tmp_path, PROFILES["small"], grown)

    assert [str(finding) for rule in rules.RULES for finding in rule(made)] == []
    keys = {str(each.properties["RouteKey"]) for each in made.resources("AWS::ApiGatewayV2::Route")}
    assert "ANY /api/v1/notes/{proxy+}" in keys
    assert "reader" in {str(each.properties["ServiceName"]) for each in made.resources("AWS::ECS::Service")}
    alarms = {str(each.properties["AlarmName"]) for each in made.resources("AWS::CloudWatch::Alarm")}
    assert alarms >= {"fullon-small-notes-errors", "fullon-small-reader-memory"}


def test_what_the_manifest_lost_is_found_in_the_templates(small: Deployment, manifest: Manifest) -> None:
    shrunk = replace(
        manifest,
        functions=tuple(entry for entry in manifest.functions if entry.name != "orm"),
        daemons=tuple(entry for entry in manifest.daemons if entry.name != "ticker"),
    )

    sentences = [str(finding) for rule in rules.RULES for finding in rule(replace(small, manifest=shrunk))]

    assert any("no such function" in each for each in sentences)
    assert any("no such daemon" in each for each in sentences)
    assert any("no route 'ANY /api/v1/orm/{proxy+}'" in each for each in sentences)
