"""Lambda entry of the cache function."""

from __future__ import annotations

from fullon.runtime import aws_lambda
from fullon.runtime.container import Container
from functions.cache.app import create

settings = aws_lambda.start("cache")
handler = aws_lambda.http_handler(create(Container(settings)))
