"""The list of functions and daemons: what it holds, and which mistakes it names."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from fullon.runtime import manifest
from fullon.runtime.manifest import ManifestError, PublicRoute

SMALL = """
[prefix]
api = "/api/v1"

[[function]]
name = "auth"
kind = "http"
handler = "functions.auth.handler.handler"
description = "Log in"
memory = 512
timeout = 29
network = ["data"]
routes = ["/auth/{proxy+}", "/users/{id}"]
public = ["POST /auth/login"]

[[daemon]]
name = "ticker"
command = ["python", "-m", "daemons.ticker"]
description = "Tickers"
cpu = 256
memory = 512
desired = 0
stop_timeout = 30
"""


def document(**changes: Any) -> dict[str, Any]:
    """The small manifest with changes to its function."""
    parsed = tomllib.loads(SMALL)
    parsed["function"][0] |= changes
    return parsed


def test_a_manifest_is_read_into_typed_values() -> None:
    read = manifest.parse(document())

    assert read.api_prefix == "/api/v1"
    function = read.function("auth")
    assert function.module == "functions.auth.handler"
    assert function.routes == ("/auth/{proxy+}", "/users/{id}")
    assert function.public == (PublicRoute("POST", "/auth/login"),)
    assert function.network == ("data",)
    assert function.layers == ("dependencies", "fullon")
    assert read.daemon("ticker").command == ("python", "-m", "daemons.ticker")
    assert read.authorizer is None
    assert read.websocket is None


def test_the_product_s_own_manifest_is_sound() -> None:
    read = manifest.load()

    assert read.authorizer is not None
    assert read.websocket is not None
    assert {"$connect", "$disconnect", "$default"} <= set(read.websocket.websocket_routes)
    assert {function.name for function in read.of_kind("http")} >= {"auth", "orm", "health"}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": "Auth"}, "`name` must be lower-case"),
        ({"name": ""}, "`name` must be a text that is not empty"),
        ({"kind": "lambda"}, "`kind` must be one of http, authorizer, websocket, task, schedule"),
        ({"handler": "handler"}, "`handler` must be module.function"),
        ({"memory": 100}, "`memory` must be a whole number from 128 to 10240"),
        ({"memory": "512"}, "`memory` must be a whole number"),
        ({"memory": True}, "`memory` must be a whole number"),
        ({"timeout": 31}, "`timeout` must be a whole number from 1 to 30"),
        ({"network": ["internet"]}, "`network` knows only data, control, connections, not internet"),
        ({"network": "data"}, "`network` must be a list of texts"),
        ({"secrets": ["everything"]}, "`secrets` knows only jwt, encryption, admin, not everything"),
        ({"routes": ["auth"]}, "`routes` has 'auth'"),
        ({"routes": ["/auth/{proxy+}/x"]}, "`routes` has '/auth/{proxy+}/x'"),
        ({"routes": ["/a", "/a"]}, "`routes` names something twice"),
        ({"routes": []}, "`routes` belongs to functions of kind http"),
        ({"kind": "task"}, "`routes` belongs to functions of kind http"),
        ({"public": ["LOGIN /auth/login"]}, "`public` has 'LOGIN /auth/login'"),
        ({"websocket_routes": ["$connect"]}, "`websocket_routes` belongs to functions of kind websocket"),
        ({"schedule": "rate(1 minute)"}, "`schedule` belongs to functions of kind schedule"),
        ({"concurrency": 0}, "`concurrency` must be a whole number from 1 to 1000"),
        ({"identity_ttl": 3_601}, "`identity_ttl` must be a whole number from 0 to 3600"),
        ({"memmory": 512}, "`memmory` is not a known key"),
    ],
)
def test_a_mistake_is_one_sentence_with_the_place(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ManifestError) as caught:
        manifest.parse(document(**changes))

    assert sentence in caught.value.detail
    assert caught.value.detail.startswith("function ")


def scheduled(schedule: str | None) -> dict[str, Any]:
    changed = document(kind="schedule", routes=[], public=[])
    if schedule is not None:
        changed["function"][0]["schedule"] = schedule
    return changed


@pytest.mark.parametrize(
    ("schedule", "seconds"), [("rate(1 minute)", 60), ("rate(5 minutes)", 300), ("rate(6 hours)", 21_600)]
)
def test_a_scheduled_function_says_how_often_it_runs(schedule: str, seconds: int) -> None:
    function = manifest.parse(scheduled(schedule)).function("auth")

    assert (function.schedule, function.interval_seconds) == (schedule, seconds)


@pytest.mark.parametrize("schedule", [None, "rate(1 minutes)", "rate(5 minute)", "rate(0 minutes)", "cron(0 * ? * *)"])
def test_a_schedule_that_the_event_bus_would_refuse_is_named(schedule: str | None) -> None:
    with pytest.raises(ManifestError, match="`schedule` "):
        manifest.parse(scheduled(schedule))


def test_a_missing_key_is_named() -> None:
    broken = document()
    del broken["function"][0]["description"]

    with pytest.raises(ManifestError, match="function 'auth': `description` is missing"):
        manifest.parse(broken)


def test_names_and_routes_belong_to_one_function() -> None:
    twice = document()
    twice["function"].append(dict(twice["function"][0]))
    with pytest.raises(ManifestError, match="The name 'auth' is used twice"):
        manifest.parse(twice)

    twice["function"][1]["name"] = "other"
    with pytest.raises(ManifestError, match=r"The route 'ANY /auth/\{proxy\+\}' is claimed by 'auth' and 'other'"):
        manifest.parse(twice)


def test_there_is_one_authorizer() -> None:
    several = document()
    for name in ("first", "second"):
        authorizer = {**several["function"][0], "name": name, "kind": "authorizer", "routes": [], "public": []}
        several["function"].append(authorizer)

    with pytest.raises(ManifestError, match="one function of kind authorizer"):
        manifest.parse(several)


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("[prefix")

    with pytest.raises(ManifestError, match=r"bad\.toml: not valid TOML"):
        manifest.load(tmp_path / "bad.toml")
    with pytest.raises(ManifestError, match=r"none\.toml: cannot be read"):
        manifest.load(tmp_path / "none.toml")
