"""Lambda entry of the auth function."""

from __future__ import annotations

from fullon.runtime import aws_lambda
from fullon.runtime.container import Container
from functions.auth.app import create

settings = aws_lambda.start("auth")
container = Container(settings)
container.tokens.require_signing()
handler = aws_lambda.http_handler(create(container))
