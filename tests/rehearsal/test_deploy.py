"""Assemblies and their deployment: order, archives, parameters, and why a stack failed."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest

from local.errors import MachineProblem
from local.rehearsal.assembly import forget_others, pack, packed, read
from local.rehearsal.deploy import Deployer, DeploymentFailed
from local.rehearsal.emulator import Emulator
from tests.rehearsal import tiny
from tests.rehearsal.conftest import Installed

EMPTY: dict[str, Any] = {"Resources": {}}


def bucket(name: str) -> dict[str, Any]:
    return {"Resources": {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name}}}}


def test_a_stack_comes_after_those_it_needs(tmp_path: Path) -> None:
    folder = tiny.assembly(tmp_path, {"C": (EMPTY, ["B", "A"]), "B": (EMPTY, ["A"]), "A": (EMPTY, [])})

    assert [stack.identifier for stack in read(folder)] == ["A", "B", "C"]


def test_stacks_that_need_each_other_are_refused_by_name(tmp_path: Path) -> None:
    folder = tiny.assembly(tmp_path, {"A": (EMPTY, ["B"]), "B": (EMPTY, ["A"])})

    with pytest.raises(MachineProblem, match="tiny-a, tiny-b"):
        read(folder)


def test_a_folder_without_an_assembly_is_said(tmp_path: Path) -> None:
    with pytest.raises(MachineProblem, match="no cloud assembly"):
        read(tmp_path)


def test_the_same_content_gives_the_same_archive(tmp_path: Path) -> None:
    for number in ("1", "2"):
        (tmp_path / number / "inner").mkdir(parents=True)
        (tmp_path / number / "inner" / "run.sh").write_text("true\n")
        (tmp_path / number / "inner" / "run.sh").chmod(0o755)
        (tmp_path / number / "a.py").write_text("x = 1\n")
        pack(tmp_path / number, tmp_path / f"{number}.zip")

    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "1.zip") as archive:
        assert archive.namelist() == ["a.py", "inner/run.sh"]
        assert archive.getinfo("inner/run.sh").external_attr >> 16 & 0o777 == 0o755


def test_an_asset_is_packed_once_and_forgotten_with_its_assembly(tmp_path: Path) -> None:
    folder = tiny.assembly(tmp_path, {"A": (EMPTY, [])})
    (folder / "asset.old").mkdir()
    (folder / "asset.old.packed.zip").write_bytes(b"")
    stacks = read(folder)
    [code] = [asset for asset in stacks[0].assets if asset.packaging == "zip"]

    first = packed(code)
    made = first.stat().st_mtime_ns
    again = packed(code)
    forget_others(folder, stacks)

    assert (again, again.stat().st_mtime_ns) == (first, made)
    assert sorted(path.name for path in folder.glob("asset.*")) == ["asset.code", "asset.code.packed.zip"]


def test_a_deployment_gives_outputs_resources_and_their_types(installed: Installed) -> None:
    base, apis = installed.stacks["Base"], installed.stacks["Apis"]

    assert base.outputs["Greeting"] == "hello"
    assert set(apis.of_type("AWS::ApiGatewayV2::Api")) == {"Api", "Sockets"}
    assert apis.resources["Api"] == apis.outputs["Api"]


async def test_a_parameter_that_nobody_gives_is_named_before_anything_is_made(
    emulator: Emulator, tmp_path: Path
) -> None:
    template = {"Parameters": {"Wanted": {"Type": "String"}, "Known": {"Type": "String", "Default": "x"}}, **EMPTY}
    [stack] = read(tiny.assembly(tmp_path / "assembly", {"Wants": (template, [])}))

    with pytest.raises(MachineProblem, match="tiny-wants needs values for Wanted,"):
        await Deployer(emulator).deploy(stack)


async def test_a_stack_that_fails_says_which_resource_and_why(emulator: Emulator, tmp_path: Path) -> None:
    properties = {"Type": "String", "Value": {"Fn::GetAtt": ["Network", "NoSuchThing"]}}
    network = {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}}
    template = {"Resources": {"Network": network, "Odd": {"Type": "AWS::SSM::Parameter", "Properties": properties}}}
    [stack] = read(tiny.assembly(tmp_path / "assembly", {"Fails": (template, [])}))

    with pytest.raises(DeploymentFailed, match=r"tiny-fails ended as \w+: .*Odd"):
        await Deployer(emulator).deploy(stack)


async def test_a_template_that_is_refused_is_said_with_the_reason(emulator: Emulator, tmp_path: Path) -> None:
    template = {"Resources": {"Odd": {"Type": "AWS::Nothing::Such", "Properties": {}}}}
    [stack] = read(tiny.assembly(tmp_path / "assembly", {"Refused": (template, [])}))

    with pytest.raises(DeploymentFailed, match=r"tiny-refused was refused: .*AWS::Nothing::Such"):
        await Deployer(emulator).deploy(stack)


async def test_removed_stacks_are_gone_and_can_be_deployed_again(emulator: Emulator, tmp_path: Path) -> None:
    [stack] = read(tiny.assembly(tmp_path, {"Removed": (bucket("removed"), [])}))
    deployer = Deployer(emulator)

    for _ in range(2):
        await deployer.remove(["tiny-never-there", stack.name])
        await deployer.deploy(stack)

    await deployer.remove([stack.name])
    assert "removed" not in {one["Name"] for one in emulator.client("s3").list_buckets()["Buckets"]}
