"""The files of an installation on a plain server: what systemd thinks of them, and what stays secret and stays put."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from local.home import REPOSITORY
from local.server import environment
from local.server.install import SOURCES, write_files
from local.server.layout import Layout
from local.server.units import TARGET, services, unit_files


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed (Debian: systemd)")
@pytest.mark.parametrize("layout", [Layout(), Layout(demo=True, postgres=False, valkey=False)])
def test_systemd_finds_nothing_wrong_with_the_units(layout: Layout, tmp_path: Path) -> None:
    installed = write_files(layout, {}, tmp_path)
    units = [str(path) for path in installed.files if path.suffix in {".service", ".target"}]

    checked = subprocess.run(["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True)

    ours = [line for line in checked.stderr.splitlines() if "fullon" in line]
    assert (checked.returncode, ours) == (0, [])


def test_the_environment_is_for_root_alone_and_no_secret_is_in_a_unit(tmp_path: Path) -> None:
    installed = write_files(Layout(demo=True), {}, tmp_path)
    file = tmp_path / "etc/fullon/fullon.env"
    variables = environment.read(file.read_text())

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    secrets = [variables[name] for name in ("DATABASE_URL", "REDIS_URL", "JWT_SECRET_KEY", "ADMIN_PASSWORD")]
    for path in installed.files[1:]:
        text = path.read_text()
        assert "EnvironmentFile=/etc/fullon/fullon.env" in text or path.name == TARGET
        assert not any(secret in text for secret in secrets), path


def test_a_second_installation_keeps_every_value_and_what_runs_here(tmp_path: Path) -> None:
    write_files(Layout(), {"DATABASE_URL": "postgresql://fullon:pw@db.example/fullon"}, tmp_path)
    file = tmp_path / "etc/fullon/fullon.env"
    file.write_text(file.read_text() + "LOG_LEVEL=DEBUG\n")
    first = environment.read(file.read_text())

    again = write_files(Layout(), {"DATABASE_URL": "", "REDIS_URL": "redis://other.example"}, tmp_path)

    assert environment.read(file.read_text()) == first
    assert again.first_login is None
    assert not again.layout.postgres
    assert again.layout.valkey
    assert "fullon-postgres.service" not in {path.name for path in again.files}


def test_every_service_is_part_of_the_target_has_no_privilege_and_waits_for_what_it_needs() -> None:
    files = unit_files(Layout(demo=True))

    for service in services(Layout(demo=True)):
        text = files[service.unit]
        assert service.unit in files[TARGET]
        assert f"PartOf={TARGET}\n" in text
        assert "User=fullon\n" in text
        assert "CapabilityBoundingSet=\n" in text
        for needed in service.after:
            assert f"fullon-{needed}.service" in text.partition("[Service]")[0]


def test_the_command_writes_below_a_folder_and_prints_the_first_login_once(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "local.server", "--root", str(tmp_path), "--port", "8123"]

    first, second = (subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True) for _ in range(2))

    assert (first.returncode, second.returncode) == (0, 0)
    assert "admin@fullon, password" in first.stdout
    assert "password" not in second.stdout
    assert "--port 8123 " in (tmp_path / "etc/systemd/system/fullon-server.service").read_text()


def test_what_is_compiled_ahead_is_all_the_code_there_is_to_import() -> None:
    assert all((REPOSITORY / name).is_dir() for name in SOURCES)
