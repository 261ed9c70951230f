"""Validates the templates of every profile, offline: ``python -m infra.validate``; nothing found means exit code 0.

Each profile is synthesised without the functions' artefacts, in a process of its own (CDK prints at length), and then
looked at by CDK's own validator (its findings are errors), cdk-nag's packs AwsSolutions and Serverless (what is
accepted stands in :mod:`infra.nag`, with reasons), cfn-lint, and the rules of :mod:`infra.rules`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from fullon.runtime import manifest as manifests
from infra import rules
from infra.settings import PROFILES

#: cfn-lint's findings that are wanted so, with the reason.
LINT_ACCEPTED: Mapping[str, str] = {
    "W3005": "CDK writes dependencies that follow from references too; they change nothing",
    "W8003": "the templates are made without artefacts, and by this very rule refuse to be deployed so",
    "W3010": "zones are written out, so that synthesis needs no look-up (a rule of our own checks them)",
}
ACCEPTED = "accepted.json"
_LINT = "from cfnlint.runner import main; main()"
PARALLEL = 2
SYNTHESIS_SECONDS = 300


@dataclass(frozen=True)
class Verdict:
    """What was found in a profile's templates.

    Attributes:
        looked: how many templates and resources there were, and who looked.
        findings: a line each.
    """

    profile: str
    looked: str
    findings: tuple[str, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    """Validate and print."""
    parser = argparse.ArgumentParser(prog="python -m infra.validate", description="Validate the templates, offline.")
    parser.add_argument("--profile", action="append", choices=sorted(PROFILES), help="only this; may be repeated")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="keep the templates there")
    parser.add_argument("--synthesise", metavar="PROFILE", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.synthesise:
        return _synthesise(options.synthesise, options.out)
    started = perf_counter()
    names = options.profile or list(PROFILES)
    with tempfile.TemporaryDirectory(prefix="fullon-templates-") as scratch:
        folder = options.out or Path(scratch)
        with ThreadPoolExecutor(PARALLEL) as pool:
            verdicts = list(pool.map(lambda name: validate(name, folder / name), names))
    print("Rules of our own:")  # noqa: T201 - what it is for
    for rule in rules.RULES:
        print(f"  {(rule.__doc__ or '').strip()}")  # noqa: T201
    for verdict in verdicts:
        print(f"{verdict.profile}: {verdict.looked}")  # noqa: T201
        for finding in verdict.findings:
            print(f"  {finding}")  # noqa: T201
    count = sum(len(verdict.findings) for verdict in verdicts)
    outcome = f"{count} findings" if count else "nothing found"
    print(f"Templates: {outcome} in {perf_counter() - started:.0f} s.")  # noqa: T201
    return 1 if count else 0


def validate(name: str, folder: Path) -> Verdict:
    """Synthesise a profile into ``folder`` and let everybody look at it."""
    folder.mkdir(parents=True, exist_ok=True)
    child = subprocess.run(  # noqa: S603 - this interpreter and this module
        [sys.executable, "-m", "infra.validate", "--synthesise", name, "--out", str(folder)],
        capture_output=True,
        text=True,
        timeout=SYNTHESIS_SECONDS,
        check=False,
    )
    report = folder / "validation-report.json"
    if not (folder / "manifest.json").is_file() or not report.is_file():
        last = "\n    ".join(child.stderr.strip().splitlines()[-15:])
        return Verdict(name, "not synthesised", (f"It cannot be synthesised:\n    {last}",))
    document = json.loads(report.read_text(encoding="utf-8"))
    deployment = rules.Deployment.read(folder, PROFILES[name], manifests.load())
    findings = [
        *_of_report(document),
        *_unused(document, folder),
        *_of_lint(folder),
        *(str(finding) for finding in rules.check(deployment)),
    ]
    if child.returncode and not findings:
        findings.append(f"Its synthesis ended with {child.returncode}: {child.stderr.strip()[-500:]}")
    accepted = sum(len(plugin.get("suppressedViolations", ())) for plugin in document["pluginReports"])
    looked = (
        f"{len(deployment.templates)} templates, {sum(1 for _ in deployment.resources())} resources; checked by"
        f" {', '.join(plugin['pluginName'] for plugin in document['pluginReports'])} ({accepted} kinds accepted with a"
        f" reason), cfn-lint, {len(rules.RULES)} rules of our own"
    )
    return Verdict(name, looked, tuple(findings))


def _synthesise(name: str, folder: Path) -> int:
    """In a process of its own: CDK's process prints what its validator finds, which the report holds too."""
    from infra import app, nag

    made = app.build(PROFILES[name], bundle=False, outdir=str(folder))
    accepted = nag.install(made, PROFILES[name], manifests.load())
    (folder / ACCEPTED).write_text(json.dumps([[each.rule, each.path] for each in accepted]), encoding="utf-8")
    try:
        made.synth()
    except RuntimeError as error:  # what jsii makes of CDK's "Validation failed"
        if "Validation failed" not in str(error):
            raise
        return 1
    return 0


def _of_report(document: Mapping[str, Any]) -> Iterator[str]:
    """Findings of CDK's validator and of cdk-nag."""
    for plugin in document["pluginReports"]:
        for violation in plugin.get("violations", ()):
            for construct in violation["violatingConstructs"]:
                path, sentence = construct.get("constructPath") or "?", _first_sentence(violation["description"])
                yield f"{path}: {sentence} [{plugin['pluginName']}::{violation['ruleName']}]"


def _unused(document: Mapping[str, Any], folder: Path) -> Iterator[str]:
    """What is accepted and found no more: the reason would cover what comes later."""
    used = {
        (violation.get("acknowledgedId"), violation.get("acknowledgedAt"))
        for plugin in document["pluginReports"]
        for violation in plugin.get("suppressedViolations", ())
    }
    for rule, path in json.loads((folder / ACCEPTED).read_text(encoding="utf-8")):
        if (rule, path) not in used:
            yield f"{path}: it is accepted in infra/nag.py and not found any more. [{rule}]"


def _first_sentence(text: str) -> str:
    return text.split(". ")[0].rstrip(".") + "."


def _of_lint(folder: Path) -> Iterator[str]:
    templates = sorted(str(path) for path in folder.glob("*.template.json"))
    child = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-c", _LINT, "--format", "json", "--ignore-checks", *LINT_ACCEPTED, "--", *templates],
        capture_output=True,
        text=True,
        timeout=SYNTHESIS_SECONDS,
        check=False,
    )
    try:
        matches = json.loads(child.stdout or "[]")
    except ValueError:
        matches = None
    if matches is None or (child.returncode and not matches):
        yield f"cfn-lint ended with {child.returncode}: {child.stderr.strip()[-500:]}"
        return
    for match in matches:
        place = "/".join(str(part) for part in match["Location"]["Path"] or ())
        stack = Path(match["Filename"]).name.removesuffix(".template.json")
        yield f"{stack}/{place}: {match['Message']} [cfn-lint::{match['Rule']['Id']}]"


if __name__ == "__main__":
    sys.exit(main())
