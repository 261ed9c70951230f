"""Lambda entry of the WebSocket routes."""

from __future__ import annotations

from fullon.runtime import aws_lambda
from fullon.runtime.container import Container
from functions.websocket.app import create

handler = aws_lambda.plain_handler(create(Container(aws_lambda.start("websocket"))))
