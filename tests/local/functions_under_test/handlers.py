"""Plain handlers, each doing one thing that a function may do to its caller."""

import os
import subprocess
import sys
import time
from typing import Any

_calls = 0


def echo(event: Any, context: Any) -> Any:
    """Answer with the event itself, as an HTTP response when it came from the HTTP API."""
    global _calls
    _calls += 1
    return {
        "event": event,
        "calls": _calls,
        "pid": os.getpid(),
        "context": {
            "aws_request_id": context.aws_request_id,
            "function_name": context.function_name,
            "memory_limit_in_mb": context.memory_limit_in_mb,
            "invoked_function_arn": context.invoked_function_arn,
            "remaining_ms": context.get_remaining_time_in_millis(),
            "trace_id": os.environ.get("_X_AMZN_TRACE_ID"),
        },
    }


def variables(event: Any, context: Any) -> Any:
    """Answer with the process environment."""
    return dict(os.environ)


def respond(event: Any, context: Any) -> Any:
    """Answer with what the request's body says, parsed: any response a function could give."""
    import base64
    import json

    body = event.get("body") or "null"
    return json.loads(base64.b64decode(body) if event["isBase64Encoded"] else body)


def fail(event: Any, context: Any) -> Any:
    """Raise; the message must never reach the caller."""
    raise ValueError("the secret of the house")


def crash(event: Any, context: Any) -> Any:
    """End the process in the middle of the work."""
    os._exit(7)


def sleep(event: Any, context: Any) -> Any:
    """Work for the asked number of seconds."""
    time.sleep(float(event.get("seconds", 60)))
    return {"pid": os.getpid()}


def stubborn(event: Any, context: Any) -> Any:
    """Ignore every polite request to end, and have a child that does the same."""
    import signal

    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    return {"pid": os.getpid(), "child": child.pid}


def abandon(event: Any, context: Any) -> Any:
    """Leave a child behind, say which, and end without an answer."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    print(f"child {child.pid}", flush=True)
    os._exit(7)


def large(event: Any, context: Any) -> Any:
    """Answer with so many bytes."""
    return "x" * int(event["size"])


def unserialisable(event: Any, context: Any) -> Any:
    """Answer with what is not JSON."""
    return {"this": {1, 2, 3}}


def talk(event: Any, context: Any) -> Any:
    """Print in all the ways that functions do."""
    print("a plain line")
    print('{"event": "structured", "level": "warning", "answer": 42}')
    print('{"event": "own id", "request_id": "the-clients-own"}')
    print("from stderr", file=sys.stderr)
    return None


def remember(event: Any, context: Any) -> Any:
    """Write the event to the file that the environment names."""
    import json
    from pathlib import Path

    Path(os.environ["TOLD"]).write_text(json.dumps(event))
