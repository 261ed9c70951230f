"""Lambda entry of the orm function."""

from __future__ import annotations

from fullon.runtime import aws_lambda
from fullon.runtime.container import Container
from functions.orm.app import create

settings = aws_lambda.start("orm")
handler = aws_lambda.http_handler(create(Container(settings)))
