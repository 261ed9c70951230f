"""``python -m local.ecs``: the ECS endpoint of the local platform."""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
from pathlib import Path

from fullon.kernel.clock import SystemClock
from fullon.runtime import logging
from local.ecs.backoff import Backoff
from local.ecs.logfile import LARGEST_BYTES
from local.ecs.server import Options, listen, serve
from local.ecs.state import StateInUse


def main() -> int:
    """Read the arguments, serve, and end with a sentence when that is not possible."""
    parser = argparse.ArgumentParser(prog="python -m local.ecs", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at")
    parser.add_argument("--port", type=int, required=True, help="port of the API")
    parser.add_argument("--state", type=Path, required=True, help="directory of the state; made if absent")
    parser.add_argument("--log-dir", type=Path, required=True, help="daemons write to LOG_DIR/daemons/NAME.log")
    parser.add_argument("--log-bytes", type=int, default=LARGEST_BYTES, help="size at which a log is put aside")
    parser.add_argument("--first-delay", type=float, default=Backoff.first, help="seconds before the second restart")
    arguments = parser.parse_args()
    environment = dict(os.environ)
    logging.configure("ecs", environment.get("LOG_LEVEL", "INFO"), environment.get("LOG_FORMAT", "json"))
    options = Options(
        port=arguments.port,
        host=arguments.host,
        state=arguments.state,
        logs=arguments.log_dir,
        environment=environment,
        region=environment.get("AWS_REGION", "us-east-1"),
        log_bytes=arguments.log_bytes,
        backoff=Backoff(first=arguments.first_delay),
    )
    try:
        with listen(options.host, options.port) as listener:
            asyncio.run(serve(options, listener, SystemClock(), random.Random()))  # noqa: S311 - jitter
    except StateInUse as error:
        return _fail(f"Another ECS endpoint works with {error}.")
    except KeyError as error:
        return _fail(f"The environment variable {error.args[0]} is not set.")
    except OSError as error:
        place = error.filename or f"{options.host}:{options.port}"
        return _fail(f"The ECS endpoint cannot use {place}: {error.strerror}.")
    return 0


def _fail(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
