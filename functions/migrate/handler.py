"""Lambda entry and command line of the migrations: ``python -m functions.migrate.handler``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from fullon.kernel.errors import Invalid
from fullon.runtime import aws_lambda
from fullon.runtime.settings import Settings
from functions.migrate.migrations import upgrade


async def answer(event: Mapping[str, Any]) -> dict[str, str | None]:
    """Migrate the databases of the settings."""
    del event
    settings = Settings.load()
    return await upgrade(settings.platform_dsn(), settings.candles_dsn())


def main() -> None:
    """Migrate and print the revisions as JSON."""
    try:
        aws_lambda.start("migrate")
        print(json.dumps(asyncio.run(answer({}))))  # noqa: T201 - the command's answer
    except Invalid as error:
        raise SystemExit(error.detail) from None


if __name__ == "__main__":
    main()
else:
    aws_lambda.start("migrate")
    handler = aws_lambda.plain_handler(answer)
