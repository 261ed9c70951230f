"""Lambda entry and command line of the migrations: ``python -m functions.migrate.handler``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fullon.kernel.errors import FullonError
from fullon.runtime import aws_lambda
from fullon.runtime.settings import Settings
from functions.migrate import deployment
from functions.migrate.installation import prepare


def create(settings: Settings) -> Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]:
    """The function: migrates the databases of the settings for whoever asks; CloudFormation is answered its own way."""

    async def answer(event: Mapping[str, Any]) -> dict[str, Any]:
        if deployment.is_deployment(event):
            return await deployment.serve(event, lambda: prepare(settings))
        return dict(await prepare(settings))

    return answer


def main() -> None:
    """Migrate and print the revisions as JSON."""
    try:
        settings = aws_lambda.start("migrate")
        print(json.dumps(asyncio.run(prepare(settings))))  # noqa: T201 - the command's answer
    except FullonError as error:
        raise SystemExit(error.detail) from None


if __name__ == "__main__":
    main()
else:
    handler = aws_lambda.plain_handler(create(aws_lambda.start("migrate")))
