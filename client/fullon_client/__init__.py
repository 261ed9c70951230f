"""A small typed client of the Fullon platform.

>>> from fullon_client import Client, bots
>>> with Client("http://127.0.0.1:8000") as client:
...     client.log_in("trader@fullon", password)
...     for bot in client.each(bots.every()):
...         print(bot.name)
"""

from fullon_client.async_client import AsyncClient
from fullon_client.calls import Call, Page
from fullon_client.client import Client
from fullon_client.errors import (
    ClientError,
    Conflict,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    NotValid,
    PlatformFailed,
    Problem,
    SessionEnded,
    TooManyRequests,
    UnexpectedAnswer,
    Unreachable,
)
from fullon_client.operations import (
    api_keys,
    auth,
    bots,
    cache,
    exchanges,
    health,
    market,
    orders,
    services,
    strategies,
    symbols,
    trades,
    users,
    views,
)
from fullon_client.retries import Retries
from fullon_client.session import Tokens
from fullon_client.streams import Event, Gap, Subscription, Topic, Value

__all__ = [
    "AsyncClient",
    "Call",
    "Client",
    "ClientError",
    "Conflict",
    "Event",
    "Gap",
    "NotAllowed",
    "NotAuthenticated",
    "NotFound",
    "NotValid",
    "Page",
    "PlatformFailed",
    "Problem",
    "Retries",
    "SessionEnded",
    "Subscription",
    "Tokens",
    "TooManyRequests",
    "Topic",
    "UnexpectedAnswer",
    "Unreachable",
    "Value",
    "api_keys",
    "auth",
    "bots",
    "cache",
    "exchanges",
    "health",
    "market",
    "orders",
    "services",
    "strategies",
    "symbols",
    "trades",
    "users",
    "views",
]
