"""Lambda entry of the reconciler."""

from __future__ import annotations

from fullon.runtime import aws_lambda
from fullon.runtime.container import Container
from functions.reconcile.app import create

handler = aws_lambda.plain_handler(create(Container(aws_lambda.start("reconcile"))))
