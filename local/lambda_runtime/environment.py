"""How the process of an execution environment is started: its command, its variables, its tie to this process."""

import ctypes
import importlib.util
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from fullon.runtime.manifest import Function

_PR_SET_PDEATHSIG = 1
_OWN_VARIABLES = ("PYTHONDONTWRITEBYTECODE",)
"""Taken out of what a function inherits: without byte code every cold start compiles its imports again."""


def has_native_client() -> bool:
    """Whether the runtime client that Lambda itself uses is installed (it has wheels for Linux only)."""
    return all(importlib.util.find_spec(name) is not None for name in ("awslambdaric", "runtime_client"))


def command(handler: str, *, native: bool) -> list[str]:
    """Arguments that start a runtime client with ``handler``."""
    client = "awslambdaric" if native else "local.lambda_runtime.python_client"
    return [sys.executable, "-m", client, handler]


def function_arn(function: Function, region: str, account_id: str) -> str:
    """The name that the function is invoked by."""
    return f"arn:aws:lambda:{region}:{account_id}:function:{function.name}"


def variables(
    function: Function, inherited: Mapping[str, str], *, task_root: Path, region: str, port: int, stream: str
) -> dict[str, str]:
    """The environment of the process: what the gateway was given, then what Lambda defines.

    ``port`` is the environment's Runtime API listener, ``stream`` the name of its log stream.
    """
    environment = {name: value for name, value in inherited.items() if name not in _OWN_VARIABLES}
    environment.setdefault("AWS_REGION", region)
    environment.setdefault("AWS_DEFAULT_REGION", environment["AWS_REGION"])
    environment |= {
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": stream,
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}",
        "LAMBDA_TASK_ROOT": str(task_root),
        "TZ": ":UTC",
        "_HANDLER": function.handler,
    }
    return environment


def tie_to_parent() -> Callable[[], None] | None:
    """What the child runs before its program, so that the kernel ends it when this process is killed.

    The runtime client ends by itself when its Runtime API disappears, but only once it asks for the next event;
    a handler that is busy, or stuck, would stay. Linux only: elsewhere None, and the client's own end remains.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def die_with_parent() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

    return die_with_parent
