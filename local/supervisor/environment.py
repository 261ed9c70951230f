"""The environment of the platform's processes: settings, and no secret that is not theirs."""

from __future__ import annotations

import json
from collections.abc import Mapping

from local.credentials import Credentials
from local.home import Home
from local.supervisor.options import Options

MARK = "FULLON_INSTANCE"
"""Names the home on every process of it, children's children included."""
PART = "FULLON_PART"
"""Names the supervised process that a process descends from."""

TRACES_PER_SECOND = "5"
"""Whatever is done by hand is traced, and a load of thousands a second is not slowed down."""
METRICS_SECONDS = "10"

REGION = "us-east-1"
CLUSTER = "fullon"

#: Passwords of the first users, for the seed alone.
FOR_THE_SEED = ("FULLON_ADMIN_PASSWORD", "FULLON_TRADER_PASSWORD")
#: Without byte code every cold start would compile its imports anew.
WITHHELD = {*FOR_THE_SEED, "PYTHONDONTWRITEBYTECODE", "PYTHONHOME", "PYTHONSTARTUP"}
PROXIES = {"http_proxy", "https_proxy", "all_proxy"}


def observed(environment: Mapping[str, str], home: Home) -> dict[str, str]:
    """The same environment, with a place for spans and metrics often enough to look at; what it says itself wins."""
    defaults = {
        "TRACES_FILE": str(home.spans),
        "TRACES_PER_SECOND": TRACES_PER_SECOND,
        "METRICS_SECONDS": METRICS_SECONDS,
    }
    return {**defaults, **environment}


def children_environment(
    inherited: Mapping[str, str],
    credentials: Credentials,
    options: Options,
    ports: Mapping[str, int],
    *,
    database_url: str,
    redis_url: str,
) -> dict[str, str]:
    """What every function, daemon and server of ours gets.

    The inherited environment passes through, so that any setting can be given by the shell or `.env`; real AWS
    credentials and profiles do not: every AWS call of the platform goes to its own endpoints.
    """
    environment = {
        name: value for name, value in inherited.items() if name not in WITHHELD and not name.startswith("AWS_")
    }
    ours = {
        MARK: credentials.instance,
        "ENVIRONMENT": "local",
        "DATABASE_URL": database_url,
        "DB_OHLCV_NAME": options.candles_database,
        "REDIS_URL": redis_url,
        "ADMIN_MAIL": options.admin_mail,
        "AWS_ENDPOINT_URL_ECS": f"http://127.0.0.1:{ports['ecs']}",
        "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": f"http://127.0.0.1:{ports['management']}",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": credentials.aws_access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.aws_secret_access_key,
        "AWS_EC2_METADATA_DISABLED": "true",
        "ECS_CLUSTER": CLUSTER,
        "EXCHANGE_URL_PAPER": f"http://127.0.0.1:{ports['paper']}",
        "PYTHONUNBUFFERED": "1",
    }
    defaults = {
        "JWT_SECRET_KEY": credentials.jwt_secret_key,
        "ENCRYPTION_KEY": credentials.encryption_key,
        "LOG_FORMAT": "json",
        "LOG_LEVEL": "INFO",
    }
    if "ENCRYPTION_KEY" in environment or "KMS_KEY_ID" in environment:
        # What this home sealed before stays open; `fullon keys rotate` brings it under the new key.
        defaults["ENCRYPTION_PREVIOUS_KEYS"] = json.dumps({"home": credentials.encryption_key})
    for name, value in defaults.items():
        environment.setdefault(name, value)
    if options.auto_start is not None:
        ours["SERVICES_TO_AUTO_START"] = ",".join(options.auto_start) or "none"
    environment.update(ours)
    if any(name.lower() in PROXIES for name in environment):
        bypassed = environment.get("NO_PROXY") or environment.get("no_proxy") or ""
        environment["NO_PROXY"] = environment["no_proxy"] = ",".join(filter(None, (bypassed, "127.0.0.1,localhost")))
    return environment
