"""An embedded Valkey: append-only file synced every second, loopback, password.

The configuration is a file, because a password on the command line is visible to every account of the machine.
SIGTERM stops it after the log is written; after SIGKILL at most the last second of a cache is missing.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from local.errors import StoreProblem
from local.stores.locate import valkey_program

CONFIGURATION = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir {data}
appendonly {appendonly}
appendfsync everysec
save ""
databases 16
maxmemory-policy noeviction
notify-keyspace-events ""
tcp-keepalive 60
timeout 0
logfile ""
loglevel notice
daemonize no
"""
CLUSTER_CONFIGURATION = """\
cluster-enabled yes
cluster-port {port}
cluster-config-file nodes.conf
cluster-node-timeout 2000
"""
SLOTS = 16_384


@dataclass(frozen=True)
class Valkey:
    """One embedded server; `port` on 127.0.0.1."""

    data: Path
    port: int
    password: str = field(repr=False)
    persistent: bool = True
    bus_port: int | None = None
    """With it the server is a cluster of one node, as serverless Valkey shows itself to its clients; the node gets its
    slots by `claim_slots`. Nodes would talk to each other at this port."""

    @property
    def url(self) -> str:
        """The address as redis-py and the settings take it."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    @property
    def configuration(self) -> Path:
        return self.data / "valkey.conf"

    def initialise(self) -> None:
        """Create the data directory and write the configuration; cheap, done before each start."""
        self.data.mkdir(parents=True, mode=0o700, exist_ok=True)
        if '"' in str(self.data):
            raise StoreProblem(f"Valkey cannot use a directory with a quotation mark: {self.data}")
        text = CONFIGURATION.format(
            port=self.port,
            password=self.password,
            data=f'"{self.data.absolute()}"',
            appendonly="yes" if self.persistent else "no",
        )
        if self.bus_port is not None:
            text += CLUSTER_CONFIGURATION.format(port=self.bus_port)
        replacement = self.configuration.with_suffix(".new")
        descriptor = os.open(replacement, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as handle:
            handle.write(text)
        replacement.replace(self.configuration)

    def command(self) -> list[str]:
        """The foreground server."""
        return [str(valkey_program()), str(self.configuration.absolute())]

    def environment(self) -> dict[str, str]:
        """The server needs nothing of the caller's environment."""
        return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}

    def forget(self) -> None:
        """Drop everything stored; what it holds can be rebuilt from PostgreSQL and the venues."""
        shutil.rmtree(self.data, ignore_errors=True)

    async def wait_until_ready(self, deadline_seconds: float = 60.0) -> None:
        """Return when PING is answered; raises StoreProblem after the deadline."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + deadline_seconds
        while not await self._answers():
            if loop.time() > deadline:
                raise StoreProblem(f"Valkey does not answer on port {self.port}.")
            await asyncio.sleep(0.02)

    async def claim_slots(self, deadline_seconds: float = 20.0) -> None:
        """Give the only node of a cluster all slots; returns when it serves them.

        Raises:
            StoreProblem: it does not within the deadline.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + deadline_seconds
        await self._ask(f"CLUSTER ADDSLOTSRANGE 0 {SLOTS - 1}")
        while b"cluster_state:ok" not in await self._ask("CLUSTER INFO"):
            if loop.time() > deadline:
                raise StoreProblem(f"Valkey on port {self.port} does not serve its slots.")
            await asyncio.sleep(0.05)

    async def _ask(self, command: str) -> bytes:
        """What a command answers, as it comes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(f"AUTH {self.password}\r\n{command}\r\nQUIT\r\n".encode())
            return await asyncio.wait_for(reader.read(), 2)
        finally:
            writer.close()

    async def _answers(self) -> bool:
        """One PING by hand: the client library costs 90 ms of import that the supervisor does not need."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        try:
            writer.write(f"AUTH {self.password}\r\nPING\r\n".encode())
            answers = [await asyncio.wait_for(reader.readline(), 2) for _ in range(2)]
        except (OSError, TimeoutError):
            return False
        finally:
            writer.close()
        if answers[0].startswith(b"-"):
            raise StoreProblem(f"The Valkey on port {self.port} has another password.")
        return answers[1].startswith(b"+PONG")
