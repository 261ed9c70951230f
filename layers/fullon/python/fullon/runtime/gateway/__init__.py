"""What API Gateway does, for platforms that have none: routes, events, authorizer, WebSocket API, refusals.

The local gateway calls the functions through the Lambda Runtime API with it, :mod:`fullon.runtime.asgi` in one process.
"""
