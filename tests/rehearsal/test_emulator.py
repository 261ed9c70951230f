"""Where the emulator is looked for, and its environment."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from local.errors import MachineProblem
from local.ports import free_port
from local.rehearsal import ministack
from local.rehearsal.emulator import Emulator, connect, look_up, wants_localstack


@pytest.fixture(autouse=True)
def _no_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "LOCALSTACK_HOST", "USE_SSL"):
        monkeypatch.delenv(name, raising=False)


def test_localstack_is_used_when_its_token_is_set() -> None:
    assert wants_localstack({"LOCALSTACK_AUTH_TOKEN": "ls-1"})
    assert not wants_localstack({"LOCALSTACK_AUTH_TOKEN": " "})
    assert not wants_localstack({})


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({}, "http://localhost:4566"),
        ({"LOCALSTACK_HOST": "127.0.0.1:4577"}, "http://127.0.0.1:4577"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:4588/", "LOCALSTACK_HOST": "localhost:1"}, "http://127.0.0.1:4588"),
    ],
)
def test_the_endpoint_is_the_one_that_localstack_client_finds(
    variables: dict[str, str], found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert look_up() == found


@pytest.mark.parametrize("address", ["http://emulator.example:4566", "ftp://127.0.0.1", "nonsense"])
def test_an_address_that_is_not_of_this_machine_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)

    with pytest.raises(MachineProblem):
        look_up()


async def test_an_emulator_that_does_not_answer_is_said_with_what_to_do() -> None:
    with pytest.raises(MachineProblem, match="No emulator answers") as problem:
        await connect(f"http://127.0.0.1:{free_port()}")

    assert "unset LOCALSTACK_AUTH_TOKEN" in problem.value.next_step


async def test_a_running_emulator_says_what_it_is(emulator: Emulator) -> None:
    assert (await connect(emulator.endpoint)).name == "MiniStack 1.5.33"


def test_the_environment_is_made_once_and_again_when_the_requirements_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[list[str]] = []
    original = subprocess.run

    def counting(command: list[str], **options: object) -> object:
        if "venv" in command:
            runs.append(command)
        return original(command, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "run", counting)
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("")

    first = ministack.ensure_environment(tmp_path / "cache", requirements)
    ministack.ensure_environment(tmp_path / "cache", requirements)
    requirements.write_text("# changed\n")
    ministack.ensure_environment(tmp_path / "cache", requirements)

    assert first.exists()
    assert len(runs) == 2


def test_requirements_that_cannot_be_installed_are_said_in_a_sentence(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("no-hash-at-all==1.0\n")

    with pytest.raises(MachineProblem, match="MiniStack's environment cannot be made"):
        ministack.ensure_environment(tmp_path / "cache", requirements)


def test_functions_are_unpacked_in_memory_only_where_there_is_plenty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ministack, "MEMORY", tmp_path)
    monkeypatch.setattr(ministack, "NEEDED_BYTES", 1)
    plenty = ministack.scratch_folder(tmp_path / "home", "abc")
    monkeypatch.setattr(ministack, "NEEDED_BYTES", 2**62)
    little = ministack.scratch_folder(tmp_path / "home", "abc")
    monkeypatch.setattr(ministack, "MEMORY", tmp_path / "absent")
    none = ministack.scratch_folder(tmp_path / "home", "abc")

    assert plenty == tmp_path / "fullon-rehearsal-abc"
    assert little == none == tmp_path / "home" / "ministack"
