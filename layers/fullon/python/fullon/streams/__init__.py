"""WebSocket connections, their subscriptions, and the fan-out of changes to them."""
