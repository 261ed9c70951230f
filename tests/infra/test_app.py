"""The app as a command: nothing but this checkout is needed, and stacks use only those before them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.settings import PROFILES

pytestmark = pytest.mark.xdist_group("infra")

ROOT = Path(__file__).resolve().parents[2]
ORDER = ["Network", "Data", "Schema", "Realtime", "Daemons", "Api", "Web", "Observability"]


@pytest.fixture(scope="module")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the command writes where there is no account, no network, no git, no Docker and no Node on the path."""
    home, out = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("assembly")
    nowhere = "http://127.0.0.1:9"
    environment = {
        "PATH": str(home),
        "HOME": str(home),
        "HTTP_PROXY": nowhere,
        "HTTPS_PROXY": nowhere,
        "AWS_EC2_METADATA_DISABLED": "true",
        "TMPDIR": os.environ.get("TMPDIR", "/tmp"),
    }
    done = subprocess.run(
        [sys.executable, "-m", "infra.app", "--profile", "small", "--out", str(out)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "end of life" not in done.stderr.lower()
    return out


def stacks(assembly: Path) -> dict[str, list[str]]:
    """Each stack with those that it needs."""
    artefacts = json.loads((assembly / "manifest.json").read_text())["artifacts"]
    ours = {name: one for name, one in artefacts.items() if one["type"] == "aws:cloudformation:stack"}
    return {name: [need for need in one.get("dependencies", []) if need in ours] for name, one in ours.items()}


def test_all_stacks_are_written(assembly: Path) -> None:
    assert set(stacks(assembly)) == set(ORDER)


def test_a_stack_needs_only_those_before_it(assembly: Path) -> None:
    for name, needs in stacks(assembly).items():
        assert all(ORDER.index(need) < ORDER.index(name) for need in needs), name


def test_whatever_runs_code_waits_for_the_schema(assembly: Path) -> None:
    for name in ("Realtime", "Daemons", "Api"):
        assert "Schema" in stacks(assembly)[name]


def test_the_validator_of_cdk_found_nothing(assembly: Path) -> None:
    report = json.loads((assembly / "validation-report.json").read_text())

    assert all(plugin["conclusion"] == "success" for plugin in report["pluginReports"])


def test_names_in_the_account_are_the_profiles_own(assembly: Path) -> None:
    artefacts = json.loads((assembly / "manifest.json").read_text())["artifacts"]
    names = [one["properties"]["stackName"] for one in artefacts.values() if one["type"] == "aws:cloudformation:stack"]

    assert sorted(names) == sorted(f"{PROFILES['small'].prefix}-{name.lower()}" for name in ORDER)


def test_the_cdk_commands_context_chooses_as_options_do(tmp_path: Path) -> None:
    context = {"profile": "huge"}
    done = subprocess.run(
        [sys.executable, "-m", "infra.app", "--out", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "CDK_CONTEXT_JSON": json.dumps(context)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert "no profile 'huge'" in done.stderr


def test_an_unknown_profile_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "infra.app", "--profile", "huge"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert "huge" in done.stderr
