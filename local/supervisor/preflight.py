"""What can be known to be wrong before anything is started."""

from __future__ import annotations

from local.errors import MachineProblem
from local.ports import is_free


def require_free(port: int) -> None:
    """Raises MachineProblem, naming who listens where that can be seen, when the public port is taken."""
    if is_free(port):
        return
    holder = listener_on(port)
    raise MachineProblem(
        f"Port {port} is taken{f' by {holder}' if holder else ''}.",
        f"Stop that, or choose another: FULLON_PORT={port + 1 if port < 65_535 else 8001}.",
    )


def listener_on(port: int) -> str | None:
    """Who listens on a TCP port, as "name (process 123)", or None where this account cannot see it."""
    import psutil

    try:
        connections = psutil.net_connections(kind="tcp")
    except (psutil.Error, OSError):
        return None
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
            if connection.pid is None:
                return None
            try:
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
            except psutil.Error:
                return f"process {connection.pid}"
    return None
