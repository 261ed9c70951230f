"""A runtime client in plain Python, for machines without wheels of the real one (macOS).

``python -m local.lambda_runtime.python_client module.function`` does what ``python -m awslambdaric`` does: load the
handler, then ask for an event, call the handler, report its answer or its exception, again and again. It ends when
the Runtime API is gone.
"""

import contextlib
import http.client
import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

_PREFIX = "/2018-06-01/runtime/"


class Context:
    """What a handler gets as its second argument; the fields that Lambda documents."""

    def __init__(self, headers: http.client.HTTPMessage) -> None:
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.invoked_function_arn = headers["Lambda-Runtime-Invoked-Function-Arn"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.client_context = None
        self.identity = None
        self._deadline_ms = int(headers["Lambda-Runtime-Deadline-Ms"])

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the environment is killed."""
        return max(0, self._deadline_ms - int(time.time() * 1000))


def main(handler_name: str, address: str) -> None:
    """Serve events from the Runtime API at ``address`` until it hangs up."""
    connection = http.client.HTTPConnection(address)
    try:
        handler = _load(handler_name)
    except Exception as error:  # noqa: BLE001 - whatever an import raises is reported as the init error
        _report(connection, "init/error", error)
        sys.exit(1)
    with contextlib.suppress(ConnectionError, http.client.HTTPException):
        while True:
            _serve_one(connection, handler)


def _load(handler_name: str) -> Callable[[Any, Context], Any]:
    module_name, _, function_name = handler_name.rpartition(".")
    handler: Callable[[Any, Context], Any] = getattr(importlib.import_module(module_name), function_name)
    return handler


def _serve_one(connection: http.client.HTTPConnection, handler: Callable[[Any, Context], Any]) -> None:
    connection.request("GET", _PREFIX + "invocation/next")
    response = connection.getresponse()
    body = response.read()
    context = Context(response.headers)
    os.environ["_X_AMZN_TRACE_ID"] = response.headers["Lambda-Runtime-Trace-Id"] or ""
    try:
        answer = json.dumps(handler(json.loads(body), context), ensure_ascii=False).encode()
    except Exception as error:  # noqa: BLE001 - whatever a handler raises is the invocation's error
        _report(connection, f"invocation/{context.aws_request_id}/error", error)
        return
    _post(connection, f"invocation/{context.aws_request_id}/response", answer)


def _report(connection: http.client.HTTPConnection, path: str, error: BaseException) -> None:
    lines = traceback.format_exception(error)
    print("[ERROR] " + "".join(lines).replace("\n", "\r"), flush=True)
    error_type = type(error).__name__
    document = {"errorMessage": str(error), "errorType": error_type, "stackTrace": lines}
    _post(connection, path, json.dumps(document).encode(), {"Lambda-Runtime-Function-Error-Type": error_type})


def _post(
    connection: http.client.HTTPConnection, path: str, body: bytes, headers: dict[str, str] | None = None
) -> None:
    connection.request("POST", _PREFIX + path, body, {"Content-Type": "application/json", **(headers or {})})
    connection.getresponse().read()


if __name__ == "__main__":
    main(sys.argv[1], os.environ["AWS_LAMBDA_RUNTIME_API"])
