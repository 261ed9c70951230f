"""Lambda entry of the WebSocket routes."""

from __future__ import annotations

from fullon.runtime import aws_lambda
from fullon.runtime.container import Container
from functions.websocket.routes import Routes

handler = aws_lambda.plain_handler(Routes(Container(aws_lambda.start("websocket"))).answer)
