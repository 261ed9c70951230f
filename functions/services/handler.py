"""Lambda entry of the services function."""

from __future__ import annotations

from fullon.runtime import aws_lambda
from fullon.runtime.container import Container
from functions.services.app import create

settings = aws_lambda.start("services")
handler = aws_lambda.http_handler(create(Container(settings)))
