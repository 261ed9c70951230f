"""What the gateway is told when it starts; every limit that AWS fixes is a field, so that tests can see it work."""

from dataclasses import dataclass, field
from pathlib import Path

from fullon.runtime.schedules import FIRST_AFTER_SECONDS

ACCOUNT_ID = "000000000000"
"""The account of the local platform, in ARNs and events."""


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """Addresses, folders and limits. Times are seconds, sizes bytes.

    ``home`` is the platform's data folder (logs go to ``home/logs``), ``task_root`` the folder that functions
    are imported from. ``management_port`` is the internal listener of ``@connections``; 0 takes a free port.
    """

    home: Path
    task_root: Path
    host: str = "127.0.0.1"
    port: int = 8000
    management_port: int = 0
    region: str = "us-east-1"
    account_id: str = ACCOUNT_ID
    api_id: str = "fullonlocal"
    websocket_api_id: str = "fullonsocket"
    cors_origins: tuple[str, ...] = ()
    statics: Path | None = None
    """Folder served under /app, when it exists: the dashboard."""
    shared_code: tuple[Path, ...] = ()
    """Folders whose change replaces the processes of all functions."""
    reload: bool = True
    maximum_concurrency: int = 4
    idle_expiry: float = 900.0
    identity_ttl: float | None = None
    """Overrides the authorizer's ``identity_ttl`` of the manifest."""
    websocket_idle_timeout: float = 600.0
    websocket_maximum_age: float = 7200.0
    websocket_message_limit: int = 128 * 1024
    """Of a message in either direction; longer ones from a client close the connection with 1009."""
    websocket_buffer_limit: int = 256 * 1024
    """Unsent bytes kept for a client that does not read; beyond it, a push is refused with 429."""
    schedules_after: float = FIRST_AFTER_SECONDS
    """Seconds from the start to the first run of scheduled functions."""
    traces_per_second: int = 0
    """How many of the requests that come without a word about it are traced."""
    environment: dict[str, str] = field(default_factory=dict, repr=False)
    """Environment that function processes inherit, before the Lambda variables are added; holds secrets."""
