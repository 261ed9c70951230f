"""Lambda entry of the docs function."""

from __future__ import annotations

from fullon.runtime import aws_lambda
from fullon.runtime.container import Container
from functions.docs.app import create

settings = aws_lambda.start("docs")
handler = aws_lambda.http_handler(create(Container(settings)))
