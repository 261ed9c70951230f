"""The set-up: what makes it do something, what it tells uv, what it removes from the environment."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from local.home import REPOSITORY


@pytest.fixture
def bootstrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module over a checkout of its own, with an installer that only notes what it was asked."""
    specification = importlib.util.spec_from_file_location("bootstrap", REPOSITORY / "tools" / "bootstrap.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    (tmp_path / "requirements").mkdir()
    for name in ("local", "dev"):
        (tmp_path / "requirements" / f"{name}.txt").write_text(f"{name}==1\n")
    (tmp_path / "pyproject.toml").write_text("[project]\n[tool.ruff]\nline-length = 1\n")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(module, "PYTHON", tmp_path / ".venv" / "bin" / "python")
    monkeypatch.setattr(module, "STAMP", tmp_path / ".venv" / "stamp.json")
    monkeypatch.setattr(module, "CACHE", tmp_path / ".cache")
    module.done = []  # type: ignore[attr-defined]
    monkeypatch.setattr(module, "install", lambda arguments: module.done.append(arguments[-1]))
    monkeypatch.setattr(
        module, "compile_tree", lambda *, packages: module.done.append("all byte code") if packages else None
    )

    def create() -> None:
        module.done.append("environment")
        (tmp_path / ".venv" / "bin").mkdir(parents=True, exist_ok=True)
        (tmp_path / ".venv" / "bin" / "python").touch()
        (tmp_path / ".venv" / "pyvenv.cfg").write_text("version = {}.{}.0\n".format(*sys.version_info[:2]))
        module.write_stamp({"state": "made"})

    monkeypatch.setattr(module, "create_environment", create)
    return module


def test_the_first_run_makes_and_installs_and_the_second_has_nothing_to_do(
    bootstrap: ModuleType, tmp_path: Path
) -> None:
    bootstrap.set_up("local")
    first = list(bootstrap.done)
    bootstrap.done.clear()

    bootstrap.set_up("local")

    assert first == ["environment", str(tmp_path / "requirements" / "local.txt"), str(tmp_path)]
    assert bootstrap.done == []


def test_what_serves_development_serves_running_too(bootstrap: ModuleType) -> None:
    bootstrap.set_up("dev")
    bootstrap.done.clear()

    bootstrap.set_up("local")

    assert bootstrap.done == []


def test_changed_requirements_are_installed_into_the_same_environment(bootstrap: ModuleType, tmp_path: Path) -> None:
    bootstrap.set_up("local")
    bootstrap.done.clear()
    (tmp_path / "requirements" / "local.txt").write_text("local==2\n")

    bootstrap.set_up("local")

    assert bootstrap.done == [str(tmp_path / "requirements" / "local.txt"), str(tmp_path)]


def test_settings_of_the_checkers_change_nothing(bootstrap: ModuleType, tmp_path: Path) -> None:
    bootstrap.set_up("local")
    bootstrap.done.clear()
    (tmp_path / "pyproject.toml").write_text("[project]\n[tool.ruff]\nline-length = 2\n")

    bootstrap.set_up("local")

    assert bootstrap.done == []


@pytest.mark.parametrize("left", [{"state": "building"}, None])
def test_an_environment_whose_making_was_cut_off_is_made_again(
    bootstrap: ModuleType, tmp_path: Path, left: dict[str, str] | None
) -> None:
    bootstrap.set_up("local")
    bootstrap.done.clear()
    if left is None:
        (tmp_path / ".venv" / "pyvenv.cfg").unlink()
    else:
        (tmp_path / ".venv" / "stamp.json").write_text(json.dumps(left))

    bootstrap.set_up("local")

    assert bootstrap.done[0] == "environment"


def test_an_install_that_was_cut_off_goes_on(bootstrap: ModuleType, tmp_path: Path) -> None:
    bootstrap.set_up("local")
    bootstrap.done.clear()
    (tmp_path / ".venv" / "stamp.json").write_text(json.dumps({"state": "installing"}))

    bootstrap.set_up("local")

    assert bootstrap.done == [str(tmp_path / "requirements" / "local.txt"), str(tmp_path), "all byte code"]


def test_pips_own_settings_are_passed_on_to_uv(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_FIND_LINKS", "SSL_CERT_FILE", "UV_HTTP_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    settings = {
        "index-url": ["https://mirror.example"],
        "extra-index-url": ["https://a.example", "https://b.example"],
        "find-links": ["/wheels", "/more"],
        "cert": ["/ca.pem"],
        "timeout": ["60"],
    }
    monkeypatch.setattr(bootstrap, "_pip_settings", settings)

    environment = bootstrap.uv_environment()

    assert environment["UV_DEFAULT_INDEX"] == "https://mirror.example"
    assert environment["UV_INDEX"] == "https://a.example https://b.example"
    assert environment["UV_FIND_LINKS"] == "/wheels,/more"
    assert environment["SSL_CERT_FILE"] == "/ca.pem"
    assert environment["UV_HTTP_TIMEOUT"] == "60"
    assert "PYTHONDONTWRITEBYTECODE" not in environment


def test_what_uv_was_told_itself_is_not_overridden(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_INDEX_URL", "https://mine.example")
    monkeypatch.delenv("UV_DEFAULT_INDEX", raising=False)
    monkeypatch.setattr(bootstrap, "_pip_settings", {"index-url": ["https://pips.example"]})

    environment = bootstrap.uv_environment()

    assert "UV_DEFAULT_INDEX" not in environment


def test_uv_is_pinned_with_hashes_in_the_requirements() -> None:
    text = (REPOSITORY / "requirements" / "dev.txt").read_text()

    assert "\nuv==" in text
    assert "--hash=sha256:" in text.split("\nuv==")[1].split("\n\n")[0]
    for file in (REPOSITORY / "requirements").glob("*.txt"):
        assert "://" not in file.read_text(), f"{file.name} names an address"
