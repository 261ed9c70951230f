"""The rules of packaging that need no package: requirements, trimming, hashes, budgets."""

from __future__ import annotations

from pathlib import Path

import pytest

from fullon.runtime.manifest import Function
from tools.packaging import Artefacts, PackagingFailed, Target, contents, requirements
from tools.packaging.checks import over_budget, wrongly_put_together
from tools.packaging.targets import find_python

TARGET = Target("aarch64-manylinux_2_28", "3.13")


def written(root: Path, **files: str) -> Path:
    (root / "requirements").mkdir()
    for name, text in files.items():
        (root / "requirements" / f"{name}.txt").write_text(text)
    return root


def artefacts(root: Path, **sizes: int) -> Artefacts:
    """Parts of that many bytes."""
    for name, size in sizes.items():
        (root / name).mkdir()
        (root / name / "content").write_bytes(bytes(size))
    layers = {name: root / name for name in sizes if name != "functions"}
    return Artefacts(TARGET, layers, root / "functions", compiled=True)


def test_a_layer_holds_only_what_the_foundation_does_not(tmp_path: Path) -> None:
    root = written(
        tmp_path,
        functions="typing_extensions==4.1 \\\n    --hash=sha256:aa\nboto3==1.0 \\\n    --hash=sha256:bb\n",
        parquet="duckdb==2.0 ; sys_platform == 'linux' \\\n    --hash=sha256:cc \\\n    --hash=sha256:dd\n"
        "typing-extensions==4.1 \\\n    --hash=sha256:aa\n",
    )

    assert requirements.of_layer("parquet", root) == (
        "duckdb==2.0 ; sys_platform == 'linux' \\\n    --hash=sha256:cc \\\n    --hash=sha256:dd\n"
    )
    assert "boto3" not in requirements.of_layer("dependencies", root)


def test_two_versions_of_one_package_are_refused(tmp_path: Path) -> None:
    root = written(tmp_path, functions="redis==8.1\n    --hash=sha256:aa\n", parquet="redis==8.2\n")

    with pytest.raises(PackagingFailed, match=r"pins redis 8\.2, requirements/functions\.txt pins 8\.1"):
        requirements.of_layer("parquet", root)


def test_a_package_that_is_not_pinned_is_refused(tmp_path: Path) -> None:
    root = written(tmp_path, functions="redis>=8\n")

    with pytest.raises(PackagingFailed, match="not pinned"):
        requirements.of_layer("dependencies", root)


def test_every_layer_s_requirements_are_pinned_and_hashed() -> None:
    for layer in requirements.LAYERS:
        packages = requirements.read(requirements.ROOT / "requirements" / requirements.LAYERS[layer])
        assert packages
        assert all("--hash=sha256:" in lines for lines in packages.values()), layer


def test_trimming_takes_what_is_never_imported_and_keeps_what_is_read_or_owed(tmp_path: Path) -> None:
    kept = [
        "orjson/__init__.py", "orjson/orjson.so", "orjson/py.typed", "orjson-1.dist-info/METADATA",
        "orjson-1.dist-info/entry_points.txt", "orjson-1.dist-info/licenses/LICENSE", "orjson/bin/tool.py",
        "orjson/RECORD",
    ]  # fmt: skip
    gone = [
        ".lock", "bin/tool", "orjson/__init__.pyi", "orjson/fast.pyx", "orjson/fast.c", "orjson-1.dist-info/RECORD",
        "orjson-1.dist-info/INSTALLER", "asyncpg/_testbase/cluster.py", "orjson/__pycache__/__init__.cpython-313.pyc",
    ]  # fmt: skip
    for name in kept + gone:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")

    contents.trim(tmp_path)

    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()) == sorted(
        kept
    )
    assert not (tmp_path / "asyncpg").exists(), "an empty folder would be a namespace package"


def test_the_digest_follows_names_and_contents_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one")
    before = contents.digest(tmp_path), contents.source_digest(tmp_path)

    (tmp_path / "a").touch()
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.pyc").write_text("byte code")
    assert contents.source_digest(tmp_path) == before[1]
    assert contents.digest(tmp_path) != before[0]

    (tmp_path / "a").rename(tmp_path / "b")
    assert contents.source_digest(tmp_path) != before[1]


def test_a_part_over_its_budget_is_named_with_what_is_large_in_it(tmp_path: Path) -> None:
    built = artefacts(tmp_path, fullon=3_000_000, functions=10, extra=10)

    found = list(over_budget(built, {"fullon": 2.5, "functions": 1}))

    assert found[0] == "fullon has 2.9 MB, its budget is 2.5 MB; largest: content 2.9."
    assert found[1] == "extra has no size budget; it has 0.0 MB."


def test_a_function_of_more_than_lambda_takes_is_named(tmp_path: Path) -> None:
    built = artefacts(tmp_path, dependencies=200_000_000, functions=62_144_001)
    function = Function("auth", "http", "functions.auth.handler.handler", "", 512, 29, layers=("dependencies", "other"))

    found = list(wrongly_put_together(built, function))

    assert found == [
        "auth wants the layer other, which nothing builds.",
        "auth has 250 MB with its layers; Lambda takes 250 MB.",
    ]


def test_the_running_interpreter_is_found_and_an_unknown_version_is_not() -> None:
    own = find_python(Target.local().python)

    assert own is not None
    assert own.magic.startswith("cpython-3")
    assert find_python("3.99") is None
