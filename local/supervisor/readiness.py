"""When a server serves: small waits on loopback without an HTTP library."""

from __future__ import annotations

import asyncio

from local.errors import MachineProblem

PAUSE_SECONDS = 0.02


async def wait_for_port(port: int) -> None:
    """Return when something accepts connections; waits as long as it is let."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(PAUSE_SECONDS)
        else:
            writer.close()
            return


async def wait_for_ok(port: int, path: str, deadline_seconds: float) -> None:
    """Return when GET answers 200.

    Raises:
        MachineProblem: it did not within the deadline; the sentence carries the last answer.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + deadline_seconds
    last = "no answer"
    while loop.time() < deadline:
        try:
            status, body = await asyncio.wait_for(get(port, path), max(0.1, deadline - loop.time()))
        except (OSError, ValueError, asyncio.IncompleteReadError, TimeoutError):
            await asyncio.sleep(PAUSE_SECONDS)
            continue
        if status == 200:
            return
        last = f"{status} {body[:200]}"
        await asyncio.sleep(PAUSE_SECONDS * 4)
    raise MachineProblem(
        f"The platform did not become ready within {deadline_seconds:.0f} s; GET {path}: {last}.",
        "`fullon logs` shows why.",
    )


async def get(port: int, path: str) -> tuple[int, str]:
    """Status and body of one GET; ValueError for what is not HTTP."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    finally:
        writer.close()
    return int(head.split(b" ", 2)[1]) if head.startswith(b"HTTP/1.") else _refuse(head), body.decode(errors="replace")


def _refuse(head: bytes) -> int:
    raise ValueError(f"not HTTP: {head[:40]!r}")
