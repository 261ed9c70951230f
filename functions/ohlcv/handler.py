"""Lambda entry of the ohlcv function."""

from __future__ import annotations

from fullon.runtime import aws_lambda
from fullon.runtime.container import Container
from functions.ohlcv.app import create

settings = aws_lambda.start("ohlcv")
handler = aws_lambda.http_handler(create(Container(settings)))
