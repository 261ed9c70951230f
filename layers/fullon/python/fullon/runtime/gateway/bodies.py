"""Reads request bodies no further than a function could be given."""

from collections.abc import Iterable

from fullon.runtime.gateway.parts import Receive

_DRAIN_LIMIT = 64 * 1024 * 1024
"""Bytes of a refused body that are still read and dropped, so that its sender gets to see the refusal."""


class BodyTooLarge(Exception):
    """The body is over the limit."""


class ClientGone(Exception):
    """The client hung up before its body was complete."""


async def read_body(receive: Receive, headers: Iterable[tuple[bytes, bytes]], limit: int) -> bytes:
    """Read a whole body of at most ``limit`` bytes; raises ``BodyTooLarge`` or ``ClientGone``."""
    declared, waits = _announced(headers)
    if declared > limit:
        if not waits and declared <= _DRAIN_LIMIT:
            await _drain(receive, _DRAIN_LIMIT)
        raise BodyTooLarge
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            chunks.clear()
            if message.get("more_body"):
                await _drain(receive, _DRAIN_LIMIT - size)
            raise BodyTooLarge
        if not message.get("more_body"):
            return b"".join((*chunks, chunk)) if chunks else chunk
        chunks.append(chunk)


async def _drain(receive: Receive, limit: int) -> None:
    while limit > 0:
        message = await receive()
        if not message.get("more_body"):
            return
        limit -= len(message["body"])


def _announced(headers: Iterable[tuple[bytes, bytes]]) -> tuple[int, bool]:
    """The declared length (0 when there is none), and whether the client waits for leave to send."""
    length, waits = 0, False
    for name, value in headers:
        if name == b"content-length" and value.isdigit():
            length = int(value)
        elif name == b"expect":
            waits = value.lower() == b"100-continue"
    return length, waits
