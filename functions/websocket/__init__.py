"""The routes of the WebSocket API."""
