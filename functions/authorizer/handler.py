"""Lambda entry of the authorizer."""

from __future__ import annotations

from fullon.runtime import aws_lambda
from fullon.runtime.container import Container
from functions.authorizer.app import create

settings = aws_lambda.start("authorizer")
container = Container(settings)
assert container.tokens is not None, "bad keys end the start, not the first request"
handler = aws_lambda.plain_handler(create(container))
