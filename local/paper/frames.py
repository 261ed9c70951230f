"""WebSocket frames of a server, RFC 6455 section 5.2: unmasked, unfragmented, ready to be written.

A message is framed once and the same bytes go to every subscriber, many of them in one write. That is why the streams
write frames to the transport themselves rather than handing each message to the server library: 25,000 messages a
second otherwise cost more than a core.
"""

from __future__ import annotations

_TEXT, _CLOSE, _PING, _PONG = 0x81, 0x88, 0x89, 0x8A


def text(payload: bytes) -> bytes:
    """A text message."""
    size = len(payload)
    if size < 126:
        return bytes((_TEXT, size)) + payload
    if size < 65_536:
        return bytes((_TEXT, 126)) + size.to_bytes(2, "big") + payload
    return bytes((_TEXT, 127)) + size.to_bytes(8, "big") + payload


def ping(payload: bytes) -> bytes:
    """A ping; at most 125 bytes."""
    return bytes((_PING, len(payload))) + payload


def pong(payload: bytes) -> bytes:
    """The answer to a ping."""
    return bytes((_PONG, len(payload))) + payload


def close(code: int, reason: str = "") -> bytes:
    """The end of the connection with its reason."""
    payload = code.to_bytes(2, "big") + reason.encode()
    return bytes((_CLOSE, len(payload))) + payload
