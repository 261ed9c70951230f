"""The artefacts of the functions: as they are deployed, and as this machine can run them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fullon.runtime import manifest
from tools.packaging import (
    ARM64,
    Artefacts,
    PackagingFailed,
    Target,
    build,
    build_part,
    contents,
    fingerprint,
    part_names,
    parts,
)
from tools.packaging.checks import problems, wrong_binaries
from tools.packaging.imports import try_imports
from tools.packaging.requirements import FOUNDATION
from tools.packaging.targets import Interpreter, find_python

pytestmark = [pytest.mark.xdist_group("packaging"), pytest.mark.timeout(600)]

LISTED = manifest.load()


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that nothing was built into yet."""
    cache = tmp_path / "cache"
    cache.mkdir()
    monkeypatch.setattr(parts, "CACHE", cache)
    return cache


@pytest.fixture
def spoilt(local_artefacts: Artefacts, tmp_path: Path) -> Iterator[Artefacts]:
    """A copy to break, by links: files may be removed and added, not written to."""
    folder = tmp_path / "spoilt"
    for name, path in local_artefacts.parts.items():
        shutil.copytree(path, folder / name, copy_function=os.link)
    layers = {name: folder / name for name in local_artefacts.layers}
    yield Artefacts(local_artefacts.target, layers, folder / "functions", local_artefacts.compiled)
    shutil.rmtree(folder)


def test_what_is_deployed_keeps_its_budgets_and_holds_only_the_target_s_binaries(arm_artefacts: Artefacts) -> None:
    assert arm_artefacts.target == Target("aarch64-manylinux_2_28", "3.13")
    assert problems(arm_artefacts, LISTED) == []


def test_what_is_built_for_this_machine_keeps_its_budgets_and_holds_only_its_binaries(
    local_artefacts: Artefacts,
) -> None:
    assert problems(local_artefacts, LISTED) == []


def test_every_function_is_imported_from_nothing_but_its_artefact(local_artefacts: Artefacts) -> None:
    tried = {each.function: each.problems for each in try_imports(local_artefacts, LISTED)}

    assert tried == {function.name: () for function in LISTED.functions}


def test_every_function_is_imported_by_the_python_it_is_deployed_to(tmp_path: Path) -> None:
    twin = ARM64.twin()
    if not twin.runs_here:
        pytest.skip(f"no Python {twin.python} here")

    tried = {each.function: each.problems for each in try_imports(build(twin, tmp_path / "twin"), LISTED)}

    assert tried == {function.name: () for function in LISTED.functions}


def test_the_layer_of_the_platform_holds_nothing_that_only_daemons_run(local_artefacts: Artefacts) -> None:
    held = {path.stem for path in (local_artefacts.layers["fullon"] / "python").rglob("*.py")}

    assert {"order_store", "rpc_client", "valkey"} < held  # functions import them
    assert held & {"execution", "account_keeper", "tick_collector", "ccxt_venue", "rpc_server", "connect"} == set()


def test_every_layer_that_a_function_names_is_built_and_each_is_used(local_artefacts: Artefacts) -> None:
    named = {layer for function in LISTED.functions for layer in function.layers}

    assert named == set(local_artefacts.layers)


def test_the_pages_of_the_documentation_come_out_of_their_artefact(local_artefacts: Artefacts) -> None:
    function = LISTED.function("docs")
    path = [local_artefacts.functions, *(local_artefacts.layers[layer] / "python" for layer in function.layers)]
    call = """
import json, sys, types
sys.path[:0] = json.loads(sys.argv[1])
from functions.docs.handler import handler
def get(path):
    event = {"version": "2.0", "routeKey": f"GET {path}", "rawPath": path, "rawQueryString": "", "headers": {},
        "requestContext": {"http": {"method": "GET", "path": path, "sourceIp": "127.0.0.1", "protocol": "HTTP/1.1",
        "userAgent": ""}, "stage": "$default", "requestId": "1", "domainName": "x"}, "isBase64Encoded": False}
    return handler(event, types.SimpleNamespace(aws_request_id="1"))["statusCode"]
print(json.dumps({path: get(path) for path in ("/docs", "/openapi.json", "/docs/assets/swagger-ui-bundle.js")}))
"""
    interpreter = find_python(local_artefacts.target.python)
    assert interpreter is not None

    answered = subprocess.run(
        [interpreter.path, "-I", "-S", "-c", call, json.dumps([str(each) for each in path])],
        env={"ENVIRONMENT": "cloud", "JWT_SECRET_KEY": os.urandom(32).hex(), "PATH": os.defpath},
        cwd=local_artefacts.functions, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip

    answers = json.loads(answered.stdout.splitlines()[-1])
    assert set(answers.values()) == {200}


def test_a_package_that_is_missing_is_found_also_when_it_is_wanted_only_later(spoilt: Artefacts) -> None:
    shutil.rmtree(spoilt.layers["parquet"] / "python" / "duckdb")
    shutil.rmtree(spoilt.layers[FOUNDATION] / "python" / "argon2")

    three = replace(LISTED, functions=tuple(LISTED.function(name) for name in ("ohlcv", "auth", "websocket")))

    tried = {each.function: " ".join(each.problems) for each in try_imports(spoilt, three)}

    assert "imports duckdb" in tried["ohlcv"]
    assert "argon2" in tried["auth"]
    assert tried["websocket"] == ""


def test_a_module_without_byte_code_is_found(spoilt: Artefacts) -> None:
    shutil.rmtree(spoilt.layers["fullon"] / "python" / "fullon" / "kernel" / "__pycache__")

    tried = next(iter(try_imports(spoilt, LISTED)))

    assert "fullon.kernel.errors has no byte code" in tried.problems


def test_a_binary_of_another_processor_or_python_or_a_newer_system_is_found(spoilt: Artefacts) -> None:
    folder = spoilt.layers["fullon"] / "python"
    wrong = {"x86_64": 0xB7, "aarch64": 0x3E}[spoilt.target.machine]
    right = {"x86_64": 0x3E, "aarch64": 0xB7}[spoilt.target.machine]
    (folder / "other.so").write_bytes(b"\x7fELF" + bytes(14) + wrong.to_bytes(2, "little"))
    (folder / "old.cpython-36.so").write_bytes(b"\x7fELF" + bytes(14) + right.to_bytes(2, "little"))
    (folder / "new.so").write_bytes(b"\x7fELF" + bytes(14) + right.to_bytes(2, "little") + b"\0GLIBC_2.39\0")
    (folder / "text.so").write_text("not compiled")

    found = list(wrong_binaries(spoilt))

    assert len(found) == 4
    assert {"other.so", "old.cpython-36.so", "new.so", "text.so"} == {Path(each.split()[0]).name for each in found}


def test_a_file_that_two_layers_of_a_function_bring_is_found(spoilt: Artefacts) -> None:
    (spoilt.layers["parquet"] / "python" / "jwt").mkdir()
    (spoilt.layers["parquet"] / "python" / "jwt" / "__init__.py").write_text("")

    assert problems(spoilt, LISTED) == ["ohlcv: python/jwt/__init__.py is in the layers dependencies and parquet."]


@pytest.mark.parametrize("name", [FOUNDATION, parts.PRODUCT, parts.FUNCTIONS])
def test_the_same_input_gives_the_same_bytes(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for each in ("one", "other"):
        monkeypatch.setattr(parts, "CACHE", tmp_path / "caches" / each)
        build_part(name, ARM64, tmp_path / each)

    assert contents.digest(tmp_path / "one") == contents.digest(tmp_path / "other")
    times = {path.stat().st_mtime for path in (tmp_path / "one").rglob("*") if path.is_file()}
    assert times == {contents.EPOCH}


def test_an_unchanged_part_is_taken_from_the_cache(
    own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    really_make = parts._make

    def make(name: str, target: Target, folder: Path, interpreter: Interpreter | None) -> None:
        made.append(name)
        really_make(name, target, folder, interpreter)

    monkeypatch.setattr(parts, "_make", make)

    build_part("fullon", ARM64, tmp_path / "first")
    build_part("fullon", ARM64, tmp_path / "second")
    build_part("fullon", Target.local(), tmp_path / "other")

    assert made == ["fullon", "fullon"]
    assert contents.digest(tmp_path / "first") == contents.digest(tmp_path / "second")


def test_without_a_python_of_the_target_it_says_so_and_strict_refuses(
    own_cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nobody_has = Target("aarch64-manylinux_2_28", "3.99")

    build_part("fullon", nobody_has, tmp_path / "without")
    with pytest.raises(PackagingFailed, match=r"No Python 3\.99 was found"):
        build_part("fullon", nobody_has, tmp_path / "strict", strict=True)

    assert "No Python 3.99 was found" in capsys.readouterr().err
    assert not list((tmp_path / "without").rglob("*.pyc"))
    assert (tmp_path / "without" / "python" / "fullon" / "kernel" / "errors.py").is_file()


def test_a_package_without_a_wheel_for_the_target_is_an_error(own_cache: Path, tmp_path: Path) -> None:
    with pytest.raises(PackagingFailed, match="cannot be built for"):
        build_part(FOUNDATION, Target("i686-pc-windows-msvc", "3.13"), tmp_path / "layer")


def test_a_folder_with_something_else_in_it_is_never_taken(tmp_path: Path) -> None:
    (tmp_path / "functions").mkdir()

    with pytest.raises(PackagingFailed, match="not empty"):
        build(ARM64, tmp_path)

    assert (tmp_path / "functions").is_dir()


def test_the_fingerprint_tells_parts_and_targets_apart_and_stays_the_same() -> None:
    told = {(name, target): fingerprint(name, target) for name in part_names() for target in (ARM64, Target.local())}

    assert len(set(told.values())) == len(told)
    assert all(fingerprint(*key) == value for key, value in told.items())
    with pytest.raises(PackagingFailed, match="no layer 'nothing'"):
        fingerprint("nothing", ARM64)
