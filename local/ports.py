"""Free ports on loopback.

The internal listeners of a home keep their numbers from start to start where they can, so that a client that a
developer pointed at the database still finds it. New numbers come from below the kernel's range for outgoing
connections, so that none of those takes the port of a child while it is being restarted.
"""

from __future__ import annotations

import errno
import random
import socket
from collections.abc import Mapping, Sequence
from contextlib import closing

from local.errors import MachineProblem

LOWEST, HIGHEST = 20_000, 32_000
ATTEMPTS = 200


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen there now; raises MachineProblem where the account may not."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError as error:
            raise MachineProblem(
                f"Port {port} needs more rights than this account has.",
                "Choose one from 1024 up with FULLON_PORT.",
            ) from error
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EADDRNOTAVAIL}:
                return False
            raise
    return True


def free_port(taken: frozenset[int] = frozenset()) -> int:
    """A port nobody listens on now and that is not in `taken`."""
    generator = random.SystemRandom()
    for _ in range(ATTEMPTS):
        port = generator.randrange(LOWEST, HIGHEST)
        if port not in taken and is_free(port):
            return port
    raise MachineProblem(f"No free port was found between {LOWEST} and {HIGHEST}.")


def choose_ports(names: Sequence[str], previous: Mapping[str, object], reserved: int) -> dict[str, int]:
    """A distinct free port for each name, never `reserved`: the previous one where it is still free."""
    chosen: dict[str, int] = {}
    for name in names:
        taken = frozenset({reserved, *chosen.values()})
        kept = previous.get(name)
        if isinstance(kept, int) and LOWEST <= kept < HIGHEST and kept not in taken and is_free(kept):
            chosen[name] = kept
        else:
            chosen[name] = free_port(taken)
    return chosen
