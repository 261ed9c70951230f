"""The environment of an installation's services: made once, with random secrets; what is there is never changed."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping

from local.credentials import password
from local.server.layout import Layout

STORES = "FULLON_STORES"
"""Which stores this machine runs itself, so that a second installation knows."""
FIRST_PASSWORD = "ADMIN_PASSWORD"  # noqa: S105 - a variable's name
HEAD = "# Settings and secrets of Fullon's services; changes hold after `systemctl restart fullon.target`.\n"


def read(text: str) -> dict[str, str]:
    """The variables of an environment file (``NAME=value`` lines, as systemd reads them unquoted)."""
    lines = (line.strip() for line in text.splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith(("#", ";")))
    return {name.strip(): value.strip().strip("\"'") for name, _, value in pairs}


def write(variables: Mapping[str, str]) -> str:
    """An environment file of variables; none of ours needs quotes."""
    return HEAD + "".join(f"{name}={value}\n" for name, value in variables.items())


def complete(present: Mapping[str, str], layout: Layout, given: Mapping[str, str]) -> dict[str, str]:
    """What is there, and what is missing.

    Args:
        present: variables of the file that is there, if any.
        given: the installer's own environment; it may name a database, a Valkey and the administrator's address.
    """
    stores = [name for name, runs in (("postgres", layout.postgres), ("valkey", layout.valkey)) if runs]
    made = {
        "ENVIRONMENT": "cloud",
        STORES: ",".join(stores),
        "DATABASE_URL": given.get("DATABASE_URL")
        or f"postgresql://fullon:{secrets.token_urlsafe(24)}@127.0.0.1:{layout.postgres_port}/fullon",
        "REDIS_URL": given.get("REDIS_URL") or f"redis://:{secrets.token_urlsafe(24)}@127.0.0.1:{layout.valkey_port}/0",
        "JWT_SECRET_KEY": secrets.token_urlsafe(48),
        "ENCRYPTION_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
        "ADMIN_MAIL": given.get("ADMIN_MAIL") or "admin@fullon",
        FIRST_PASSWORD: given.get(FIRST_PASSWORD) or password(),
        "AWS_ACCESS_KEY_ID": "SERVER" + secrets.token_hex(8).upper(),
        "AWS_SECRET_ACCESS_KEY": secrets.token_urlsafe(30),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_ECS": f"http://127.0.0.1:{layout.ecs_port}",
        "MANAGEMENT_HOST": "127.0.0.1",
        "FORWARDED_ALLOW_IPS": "127.0.0.1",
        "DASHBOARD": str(layout.code / "web" / "dist"),
        "LOG_FORMAT": "json",
        "PYTHONUNBUFFERED": "1",
    }
    if layout.demo:
        made["EXCHANGE_URL_PAPER"] = f"http://127.0.0.1:{layout.paper_port}"
    return made | dict(present)
