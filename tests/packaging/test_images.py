"""The images, carried out here by the commands of the Dockerfile."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

from fullon.runtime import manifest
from local.ports import free_port
from tests.conftest import Databases
from tests.packaging.containers import healthcheck, running, settings_for, until
from tests.packaging.image import Stage, instructions
from tools.packaging.requirements import ROOT

pytestmark = [pytest.mark.xdist_group("packaging"), pytest.mark.timeout(600)]

DOCKERFILE = ROOT / "daemons" / "Dockerfile"


@pytest.mark.parametrize("name", [daemon.name for daemon in manifest.load().daemons])
def test_every_daemon_runs_from_the_image_and_its_health_follows_its_work(
    name: str, image: Stage, platform_database: str, candles_database: str, valkey_url: str
) -> None:
    command = manifest.load().daemon(name).command
    beat = Path(image.variables()["HEARTBEAT_FILE"])
    beat.unlink(missing_ok=True)
    before = image.contents()

    with running(image, command, settings_for(platform_database, candles_database, valkey_url)) as process:
        not_yet = healthcheck(image)
        until(lambda: healthcheck(image).returncode == 0, process, "healthy")
        os.kill(process.pid, signal.SIGSTOP)
        said = json.loads(beat.read_text())
        beat.write_text(json.dumps(said | {"heartbeat": said["heartbeat"] - 20_000}))
        stuck = healthcheck(image)
        os.kill(process.pid, signal.SIGCONT)
        until(lambda: healthcheck(image).returncode == 0, process, "healthy again")
        process.send_signal(signal.SIGTERM)
        exit_code = process.wait(30)
        ended = healthcheck(image)

    assert said["name"] == name
    assert not_yet.returncode == 1
    assert stuck.returncode == 1
    assert "silent" in stuck.stdout
    assert exit_code == 0
    assert ended.returncode == 1
    assert "stopped as asked" in ended.stdout
    assert image.contents() == before, "nothing but the volume was written to"


def test_a_follower_that_waits_for_the_lease_is_healthy(
    image: Stage, platform_database: str, candles_database: str, valkey_url: str
) -> None:
    command = manifest.load().daemon("ticker").command
    beat = Path(image.variables()["HEARTBEAT_FILE"])
    settings = settings_for(platform_database, candles_database, valkey_url)
    follower_file = beat.with_name("follower.json")
    beat.unlink(missing_ok=True)  # of a daemon that another test ran: it would say "leading" too early

    with running(image, command, settings) as leader:
        until(lambda: beat.is_file() and "lease" not in beat.read_text(), leader, "leading")
        with running(image, command, settings | {"HEARTBEAT_FILE": str(follower_file)}) as follower:
            until(follower_file.is_file, follower, "waiting")
            waiting = json.loads(follower_file.read_text())
            verdict = subprocess.run(
                image.arguments(image.health), env=image.variables() | {"HEARTBEAT_FILE": str(follower_file)},
                capture_output=True, text=True, timeout=30, check=False,
            )  # fmt: skip

    assert waiting["message"] == "waiting for the lease"
    assert verdict.returncode == 0


def test_a_container_without_a_command_names_the_daemons_and_ends(image: Stage) -> None:
    ended = subprocess.run(
        image.arguments(image.command), env=image.variables(), cwd=image.inside("."),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert ended.returncode == 2
    assert all(f"python -m daemons.{daemon.name}" in ended.stdout for daemon in manifest.load().daemons)


def test_the_image_holds_what_daemons_need_and_nothing_else(image: Stage) -> None:
    held = {path.relative_to(image.root).as_posix() for path in image.root.rglob("*") if path.is_file()}
    ours = {path for path in held if path.startswith("srv/fullon/") and "__pycache__" not in path}

    assert "srv/fullon/functions/manifest.toml" in ours
    assert not [path for path in ours if path.startswith("srv/fullon/functions/") and path.count("/") > 3]
    assert not [path for path in held if path.endswith((".env", ".pem", "Dockerfile")) and "srv/" in path]
    assert not [path for path in held if path.startswith(("opt/packages/pip/", "opt/packages/bin/"))]


def test_every_module_of_the_image_has_byte_code(image: Stage) -> None:
    without = [
        path
        for path in image.inside("/srv/fullon").rglob("*.py")
        if not list((path.parent / "__pycache__").glob(f"{path.stem}.cpython-*.pyc"))
    ]

    assert without == []


def test_the_image_runs_as_a_numbered_user_and_is_asked_for_its_health(image: Stage) -> None:
    user, group = image.user.split(":")

    assert (int(user), int(group)) == (10001, 10001)
    assert image.health == ("python", "-m", "fullon.runtime.healthcheck")
    assert {option.split("=")[0] for option in image.health_options} >= {"--interval", "--timeout", "--start-period"}
    assert image.variables()["HEARTBEAT_FILE"].startswith(str(image.inside(image.volumes[0])))


def test_every_command_of_the_image_is_in_exec_form_and_no_secret_is_built_in() -> None:
    listed = list(instructions(DOCKERFILE))
    executed = [arguments.rpartition("CMD ")[2] for keyword, arguments in listed if keyword in {"CMD", "HEALTHCHECK"}]
    given = [arguments for keyword, arguments in listed if keyword in {"ARG", "ENV"}]

    assert all(isinstance(json.loads(command), list) for command in executed)
    assert not [text for text in given if re.search(r"SECRET|PASSWORD|TOKEN|KEY|DATABASE_URL|REDIS_URL", text, re.I)]
    assert "ADD" not in dict(listed)


def test_the_server_s_image_migrates_and_serves_the_whole_api(
    server_image: Stage, databases: Databases, valkey_url: str
) -> None:
    image, port = server_image, free_port()
    platform, candles = databases.clone("template0"), databases.clone("template0")
    settings = settings_for(platform, candles, valkey_url)
    here = {"8000": str(port), "0.0.0.0": "127.0.0.1"}
    command = tuple(here.get(word, word) for word in image.command)
    health = tuple(word.replace(":8000/", f":{port}/") for word in image.health)

    first = settings | {"ADMIN_PASSWORD": secrets.token_urlsafe(24)}
    with running(image, ("python", "-m", "functions.migrate.handler"), first) as migration:
        migrated = migration.wait(60)
    with running(image, command, settings) as server:
        until(lambda: healthcheck(replace(image, health=health)).returncode == 0, server, "healthy")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=30) as answer:
            ready = answer.status
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/openapi.json", timeout=30) as answer:
            paths = json.load(answer)["paths"]
        server.send_signal(signal.SIGTERM)
        exit_code = server.wait(30)
    for address in (platform, candles):
        databases.drop(address)

    assert migrated == 0
    assert ready == 200
    assert "/api/v1/auth/login" in paths
    assert exit_code in {0, -signal.SIGTERM}
    assert healthcheck(replace(image, health=health)).returncode != 0
