"""The validation of the templates: everybody looks, one clear line each, and nothing passes in silence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fullon.runtime.manifest import Manifest
from infra import validate
from infra.app import build
from infra.nag import acceptances
from infra.rules.public import PUBLIC_ROUTES
from infra.settings import PROFILES

pytestmark = pytest.mark.xdist_group("infra")


def report(**plugin: Any) -> dict[str, Any]:
    """What CDK writes about a synthesis."""
    return {"pluginReports": [{"pluginName": "AwsSolutions", "conclusion": "failure", **plugin}]}


def test_what_one_trader_would_deploy_has_nothing_to_be_found(tmp_path: Path) -> None:
    verdict = validate.validate("small", tmp_path / "small")

    assert verdict.findings == ()
    for who in ("AwsSolutions", "Serverless", "CloudFormation Validate", "cfn-lint", "rules of our own"):
        assert who in verdict.looked


def test_a_profile_that_cannot_be_synthesised_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JSII_NODE", str(tmp_path / "no-node"))

    verdict = validate.validate("small", tmp_path / "small")

    [finding] = verdict.findings
    assert "cannot be synthesised" in finding


def test_a_violation_is_a_line_with_place_sentence_and_rule() -> None:
    construct = {"constructPath": "Web/Files/Resource"}
    violation = {
        "ruleName": "AwsSolutions-S1",
        "description": "Logs are off. They should be on, and much more could be said.",
        "violatingConstructs": [construct, {"constructPath": "Web/Other/Resource"}],
    }

    lines = list(validate._of_report(report(violations=[violation])))

    assert lines[0] == "Web/Files/Resource: Logs are off. [AwsSolutions::AwsSolutions-S1]"
    assert len(lines) == 2


def test_what_is_accepted_and_not_found_any_more_is_a_finding(tmp_path: Path) -> None:
    accepted = [["AwsSolutions::AwsSolutions-S1", "Web/Files"], ["AwsSolutions::AwsSolutions-L1", "Api/auth"]]
    (tmp_path / validate.ACCEPTED).write_text(json.dumps(accepted))
    used = {"acknowledgedId": "AwsSolutions::AwsSolutions-S1", "acknowledgedAt": "Web/Files"}

    [line] = validate._unused(report(suppressedViolations=[used]), tmp_path)

    assert line.startswith("Api/auth: it is accepted")


def test_cfn_lint_looks_at_every_template(tmp_path: Path) -> None:
    for name, kind in (("One", "AWS::S3::Bucket"), ("Two", "AWS::S3::Bukket")):
        template = {"Resources": {"Files": {"Type": kind}}}
        (tmp_path / f"{name}.template.json").write_text(json.dumps(template))

    [line] = validate._of_lint(tmp_path)

    assert line.startswith("Two/Resources/Files/Type: ")
    assert line.endswith("[cfn-lint::E3006]")


def test_every_acceptance_says_why_and_names_its_pack(manifest: Manifest) -> None:
    for profile in PROFILES.values():
        accepted = acceptances(build(profile, bundle=False), profile, manifest)

        assert len({(each.path, each.rule) for each in accepted}) == len(accepted)
        for each in accepted:
            assert each.rule.startswith(("AwsSolutions::", "Serverless::"))
            assert len(each.reason.split()) > 3
            assert each.reason.endswith(".")


def test_public_routes_are_those_of_the_manifest_and_say_why(manifest: Manifest) -> None:
    public = {f"{route.method} {route.path}" for entry in manifest.functions for route in entry.public}

    assert set(PUBLIC_ROUTES) == public
    assert all(reason.endswith(".") for reason in PUBLIC_ROUTES.values())


def test_findings_fail_the_check(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    found = validate.Verdict("small", "1 template", ("Data/Files: it is public. [a rule]",))
    nothing = validate.Verdict("small", "1 template", ())
    for verdict, code in ((found, 1), (nothing, 0)):
        monkeypatch.setattr(validate, "validate", lambda _name, _folder, verdict=verdict: verdict)

        assert validate.main(["--profile", "small"]) == code

    printed = capsys.readouterr().out
    assert "  Data/Files: it is public. [a rule]" in printed
    assert "1 findings" in printed
    assert "nothing found" in printed
