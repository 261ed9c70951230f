"""The command against a platform that answers over real HTTP: session, refresh, refusals, exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from local.ports import free_port

Answer = tuple[int, dict[str, object]]


@dataclass
class Platform:
    """What the stand-in was asked, and what it answers by "METHOD path"."""

    url: str
    answers: dict[str, Callable[[dict[str, str], dict[str, object]], Answer]] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)


@pytest.fixture
def platform() -> Iterator[Platform]:
    platform = Platform("")

    class Handler(BaseHTTPRequestHandler):
        def respond(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"{}")
            key = f"{self.command} {self.path}"
            platform.asked.append((key, self.headers.get("authorization")))
            status, answer = platform.answers[key](dict(self.headers), body)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("x-request-id", "r-42")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = respond  # noqa: N815

        def log_message(self, *arguments: object) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    platform.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield platform
    server.shutdown()
    server.server_close()


def fullon(
    home: Path, *arguments: str, url: str = "", given: str | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FULLON_")}
    return subprocess.run(
        [sys.executable, "-m", "local.cli.main", *arguments],
        env={**kept, "FULLON_HOME": str(home), "NO_COLOR": "1", **({"FULLON_URL": url} if url else {}), **environment},
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def pair(access: str, expires_in: int = 3600) -> dict[str, object]:
    return {"access_token": access, "refresh_token": f"refresh-{access}", "expires_in": expires_in}


GATEWAYS: dict[str, dict[str, object]] = {
    "amazon": {"message": "Forbidden"},
    "ours": {"status": 403, "detail": "The token or API key is not valid, or has ended.", "code": "credential_refused"},
}


@pytest.mark.parametrize("gateway", GATEWAYS)
def test_a_token_that_the_gateway_refuses_is_renewed_once(tmp_path: Path, platform: Platform, gateway: str) -> None:
    refusal = GATEWAYS[gateway]
    platform.answers["POST /api/v1/auth/login"] = lambda headers, body: (200, pair("old"))
    platform.answers["POST /api/v1/auth/refresh"] = lambda headers, body: (200, pair("new"))
    platform.answers["GET /api/v1/services"] = lambda headers, body: (
        (200, {"items": []}) if platform.asked[-1][1] == "Bearer new" else (403, refusal)
    )
    fullon(tmp_path, "login", "--mail", "a@b", "--password-stdin", url=platform.url, given="p\n")

    done = fullon(tmp_path, "services", "list", "--json", url=platform.url)

    assert (done.returncode, json.loads(done.stdout)) == (0, {"items": []})
    assert [key for key, _ in platform.asked].count("POST /api/v1/auth/refresh") == 1


def test_somebody_who_may_not_is_told_so_and_nothing_is_renewed(tmp_path: Path, platform: Platform) -> None:
    refusal: dict[str, object] = {"status": 403, "detail": "Only admins may do this.", "code": "role_not_allowed"}
    platform.answers["POST /api/v1/auth/login"] = lambda headers, body: (200, pair("old"))
    platform.answers["GET /api/v1/services"] = lambda headers, body: (403, refusal)
    fullon(tmp_path, "login", "--mail", "a@b", "--password-stdin", url=platform.url, given="p\n")

    done = fullon(tmp_path, "services", "list", url=platform.url)

    assert done.returncode == 4
    assert "Only admins may do this." in done.stderr
    assert all("refresh" not in key for key, _ in platform.asked)


def test_a_log_in_keeps_its_tokens_where_only_the_owner_reads_them(tmp_path: Path, platform: Platform) -> None:
    platform.answers["POST /api/v1/auth/login"] = lambda headers, body: (200, pair(f"{body['password']}"))

    done = fullon(tmp_path, "login", "--mail", "a@b", "--password-stdin", url=platform.url, given="secret\n")

    session = tmp_path / "cli-session.json"
    assert done.returncode == 0, done.stderr
    assert session.stat().st_mode & 0o777 == 0o600
    assert json.loads(session.read_text())["access_token"] == "secret"
    assert done.stdout == ""
    assert "secret" not in done.stderr


def test_a_refused_log_in_is_exit_code_4_with_the_request_id(tmp_path: Path, platform: Platform) -> None:
    refusal: dict[str, object] = {"status": 401, "detail": "Mail or password is wrong.", "code": "bad_credentials"}
    platform.answers["POST /api/v1/auth/login"] = lambda headers, body: (401, refusal)

    done = fullon(tmp_path, "login", url=platform.url, FULLON_ADMIN_PASSWORD="wrong")

    assert done.returncode == 4
    assert done.stderr.startswith("✗ Mail or password is wrong.")
    assert "(request r-42)" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_session_about_to_end_is_renewed_before_the_call(tmp_path: Path, platform: Platform) -> None:
    platform.answers["POST /api/v1/auth/login"] = lambda headers, body: (200, pair("old", expires_in=5))
    platform.answers["POST /api/v1/auth/refresh"] = lambda headers, body: (
        (200, pair("new")) if body["refresh_token"] == "refresh-old" else (401, {})
    )
    platform.answers["GET /api/v1/services"] = lambda headers, body: (200, {"items": []})
    fullon(tmp_path, "login", url=platform.url, FULLON_ADMIN_PASSWORD="x")

    done = fullon(tmp_path, "services", "list", "--json", url=platform.url)

    assert json.loads(done.stdout) == {"items": []}
    assert platform.asked[-1] == ("GET /api/v1/services", "Bearer new")


def test_a_revoked_session_is_said_and_how_to_go_on(tmp_path: Path, platform: Platform) -> None:
    platform.answers["POST /api/v1/auth/login"] = lambda headers, body: (200, pair("old"))
    platform.answers["GET /api/v1/services"] = lambda headers, body: (401, {"detail": "Revoked."})
    platform.answers["POST /api/v1/auth/refresh"] = lambda headers, body: (401, {"detail": "Revoked."})
    fullon(tmp_path, "login", url=platform.url, FULLON_ADMIN_PASSWORD="x")

    done = fullon(tmp_path, "services", "list", url=platform.url)

    assert done.returncode == 4
    assert "Your session has ended. Log in with `fullon login`." in done.stderr


def test_a_conflict_is_exit_code_1_with_the_platforms_sentence(tmp_path: Path, platform: Platform) -> None:
    platform.answers["POST /api/v1/auth/login"] = lambda headers, body: (200, pair("token"))
    platform.answers["POST /api/v1/services/ticker/start"] = lambda headers, body: (
        400,
        {"detail": "The service ticker runs already."},
    )
    fullon(tmp_path, "login", url=platform.url, FULLON_ADMIN_PASSWORD="x")

    done = fullon(tmp_path, "services", "start", "ticker", url=platform.url)

    assert done.returncode == 1
    assert "The service ticker runs already." in done.stderr


def test_nobody_there_is_exit_code_3_and_names_the_way_to_start(tmp_path: Path) -> None:
    port = str(free_port())

    asked = [
        fullon(tmp_path, "status", FULLON_PORT=port),
        fullon(tmp_path, "login", FULLON_PORT=port, FULLON_ADMIN_PASSWORD="x"),
        fullon(tmp_path, "seed", FULLON_PORT=port),
    ]

    assert [done.returncode for done in asked] == [3, 3, 3]
    assert all("fullon up" in done.stderr and "Traceback" not in done.stderr for done in asked)


def test_a_call_without_a_log_in_is_exit_code_4(tmp_path: Path) -> None:
    done = fullon(tmp_path, "services", "list", url="http://127.0.0.1:9")

    assert done.returncode == 4
    assert "fullon login" in done.stderr


def test_a_typing_error_is_exit_code_2_with_a_suggestion(tmp_path: Path) -> None:
    done = fullon(tmp_path, "statsu")

    assert done.returncode == 2
    assert "status" in done.stderr


def test_without_a_terminal_no_password_is_asked_for(tmp_path: Path) -> None:
    done = fullon(tmp_path, "login", given="")

    assert done.returncode == 4
    assert "--password-stdin" in done.stderr


@pytest.mark.parametrize("command", [["--help"], ["up", "--help"], ["ws", "tail", "--help"], ["services", "--help"]])
def test_every_level_explains_itself(tmp_path: Path, command: list[str]) -> None:
    done = fullon(tmp_path, *command)

    assert done.returncode == 0
    assert "Usage" in done.stdout


def test_help_does_not_import_what_the_commands_need(tmp_path: Path) -> None:
    script = (
        "import sys, local.cli.main\n"
        "print([name for name in ('httpx2', 'asyncpg', 'websockets', 'psutil') if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_the_doctor_finds_this_machine_sound_and_says_json(tmp_path: Path) -> None:
    done = fullon(tmp_path, "doctor", "--json", FULLON_PORT=str(free_port()))

    findings = {finding["name"]: finding["status"] for finding in json.loads(done.stdout)}
    assert done.returncode == 0, done.stdout
    assert {"Python", "Packages", "PostgreSQL", "Valkey", "Port", "Home", "Disk", "Memory", "Lock"} <= set(findings)


def test_the_doctor_says_what_is_broken_and_ends_with_1(tmp_path: Path, platform: Platform) -> None:
    port = platform.url.rsplit(":", 1)[1]

    done = fullon(tmp_path, "doctor", FULLON_PORT=port)

    assert done.returncode == 1
    assert f"{port} is taken" in done.stdout
    assert "set FULLON_PORT" in done.stdout


def test_ctrl_c_while_the_command_is_still_being_loaded_shows_no_stack(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("import time\nprint('loading', flush=True)\ntime.sleep(60)\n")
    command = Path(sys.executable).with_name("fullon")

    loading = subprocess.Popen(
        [command, "version"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert loading.stdout is not None
        assert loading.stdout.readline() == "loading\n"
        loading.send_signal(signal.SIGINT)
        _, said = loading.communicate(timeout=30)
    finally:
        loading.kill()

    assert (loading.returncode, said) == (-signal.SIGINT, "")
