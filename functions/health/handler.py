"""Lambda entry of the health function."""

from __future__ import annotations

from fullon.runtime import aws_lambda
from fullon.runtime.container import Container
from functions.health.app import create

settings = aws_lambda.start("health")
handler = aws_lambda.http_handler(create(Container(settings)))
