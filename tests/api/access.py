"""Who may do what: one row for each operation. docs/access.md is printed from it, test_access_matrix.py tries it all.

Callers: nobody (*anonymous*); another trader (*foreign*) and somebody with the role viewer, who own nothing of what the
request names; the *owner*, a trader; a read-only API key of the owner; an *admin*, who does not own it either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

Outcome: TypeAlias = "int | None"
CALLERS = ("anonymous", "foreign", "viewer", "owner", "read_key", "admin")
OK: Outcome = None


@dataclass(frozen=True)
class Rule:
    """What comes of a valid request, by caller; :data:`OK` is the operation's own success."""

    meaning: str
    anonymous: Outcome
    foreign: Outcome
    viewer: Outcome
    owner: Outcome
    read_key: Outcome
    admin: Outcome

    def of(self, caller: str) -> Outcome:
        """The outcome for one of :data:`CALLERS`."""
        outcome: Outcome = getattr(self, caller)
        return outcome


RULES = {
    "public": Rule("Anybody.", OK, OK, OK, OK, OK, OK),
    "read": Rule("Anybody who is known; what comes is common to all or the caller's own.", 401, OK, OK, OK, OK, OK),
    "login": Rule("Anybody who logged in with a password; no API key.", 401, OK, OK, OK, 403, OK),
    "profile": Rule("Anybody who is known, but no read-only key.", 401, OK, OK, OK, 403, OK),
    "make": Rule("Whoever may trade; what is made is the caller's own.", 401, OK, 403, OK, 403, OK),
    "own": Rule("The owner; for others there is no such thing, admins included.", 401, 404, 404, OK, OK, 404),
    "own, trade": Rule("The owner, if the credential may trade.", 401, 404, 403, OK, 403, 404),
    "own, login": Rule("The owner, logged in with a password.", 401, 404, 404, OK, 403, 404),
    "own or admin": Rule("The user whom the request names, and admins.", 401, 403, 403, OK, OK, OK),
    "own page or admin": Rule(
        "The user whose page it is, and admins; for others there is no such page.", 401, 404, 404, OK, OK, OK
    ),
    "admin": Rule("Admins.", 401, 403, 403, 403, 403, OK),
}

ACCESS = {
    "GET /": "public",
    "POST /api/v1/auth/login": "public",
    "POST /api/v1/auth/logout": "login",
    "POST /api/v1/auth/password": "login",
    "POST /api/v1/auth/refresh": "public",
    "POST /api/v1/auth/register": "public",
    "GET /api/v1/auth/verify": "read",
    "POST /api/v1/auth/ws-ticket": "read",
    "GET /api/v1/cache/accounts/{user_id}/balances": "own page or admin",
    "GET /api/v1/cache/accounts/{user_id}/positions": "own page or admin",
    "GET /api/v1/cache/bots/blocks": "read",
    "GET /api/v1/cache/bots/{bot_id}/status": "own",
    "GET /api/v1/cache/ohlcv/{exchange}/{symbol}/{timeframe}": "read",
    "GET /api/v1/cache/orders/queue/size": "read",
    "GET /api/v1/cache/orders/{order_id}/status": "own",
    "GET /api/v1/cache/processes/health": "admin",
    "GET /api/v1/cache/processes/status": "admin",
    "GET /api/v1/cache/tickers/{exchange}": "read",
    "GET /api/v1/cache/tickers/{exchange}/{symbol}": "read",
    "GET /api/v1/cache/trades/queue/status": "read",
    "GET /api/v1/ohlcv/candles/{exchange}/{symbol}/{timeframe}": "read",
    "GET /api/v1/ohlcv/candles/{exchange}/{symbol}/{timeframe}/range": "read",
    "GET /api/v1/ohlcv/exchanges": "read",
    "GET /api/v1/ohlcv/exchanges/{exchange}/info": "read",
    "GET /api/v1/ohlcv/exchanges/{exchange}/status": "read",
    "GET /api/v1/ohlcv/exchanges/{exchange}/symbols": "read",
    "GET /api/v1/ohlcv/exchanges/{exchange}/symbols/{symbol}/info": "read",
    "GET /api/v1/ohlcv/exchanges/{exchange}/validate": "read",
    "GET /api/v1/ohlcv/export/{exchange}/{symbol}/{timeframe}": "read",
    "GET /api/v1/ohlcv/pairs": "read",
    "GET /api/v1/ohlcv/symbols/search": "read",
    "GET /api/v1/ohlcv/timeseries/{exchange}/{symbol}/ohlcv": "read",
    "GET /api/v1/ohlcv/trades/{exchange}/{symbol}": "read",
    "GET /api/v1/ohlcv/trades/{exchange}/{symbol}/range": "read",
    "GET /api/v1/orm/api_keys": "admin",
    "POST /api/v1/orm/api_keys": "admin",
    "POST /api/v1/orm/api_keys/me": "login",
    "GET /api/v1/orm/api_keys/me": "read",
    "GET /api/v1/orm/api_keys/{key_id}": "own",
    "PATCH /api/v1/orm/api_keys/{key_id}": "own, login",
    "DELETE /api/v1/orm/api_keys/{key_id}": "own, login",
    "PATCH /api/v1/orm/api_keys/{key_id}/activate": "own, login",
    "PATCH /api/v1/orm/api_keys/{key_id}/deactivate": "own, login",
    "POST /api/v1/orm/api_keys/{key_id}/rotate": "own, login",
    "GET /api/v1/orm/audit": "admin",
    "GET /api/v1/orm/audit/verify": "admin",
    "POST /api/v1/orm/bots": "make",
    "GET /api/v1/orm/bots": "read",
    "GET /api/v1/orm/bots/by-user": "own or admin",
    "GET /api/v1/orm/bots/{bot_id}": "own",
    "PATCH /api/v1/orm/bots/{bot_id}": "own, trade",
    "PUT /api/v1/orm/bots/{bot_id}": "own, trade",
    "DELETE /api/v1/orm/bots/{bot_id}": "own, trade",
    "GET /api/v1/orm/bots/{bot_id}/actions": "own",
    "GET /api/v1/orm/bots/{bot_id}/details": "own",
    "GET /api/v1/orm/bots/{bot_id}/exchanges": "own",
    "POST /api/v1/orm/bots/{bot_id}/exchanges": "own, trade",
    "DELETE /api/v1/orm/bots/{bot_id}/exchanges": "own, trade",
    "GET /api/v1/orm/bots/{bot_id}/feeds": "own",
    "POST /api/v1/orm/bots/{bot_id}/feeds": "own, trade",
    "PUT /api/v1/orm/bots/{bot_id}/feeds": "own, trade",
    "DELETE /api/v1/orm/bots/{bot_id}/feeds": "own, trade",
    "GET /api/v1/orm/bots/{bot_id}/last-log": "own",
    "GET /api/v1/orm/bots/{bot_id}/simulations": "own",
    "POST /api/v1/orm/bots/{bot_id}/simulations": "own, trade",
    "GET /api/v1/orm/bots/{bot_id}/stats": "own",
    "GET /api/v1/orm/bots/{bot_id}/strategies": "own",
    "GET /api/v1/orm/exchanges/catalog": "read",
    "GET /api/v1/orm/exchanges/catalog-id": "read",
    "PATCH /api/v1/orm/exchanges/catalog/{cat_ex_id}": "admin",
    "GET /api/v1/orm/exchanges/catalog/{cat_ex_id}/params": "read",
    "GET /api/v1/orm/exchanges/catalog/{cat_ex_id}/symbols": "read",
    "GET /api/v1/orm/exchanges/id-by-name": "own",
    "GET /api/v1/orm/exchanges/user-exchanges": "read",
    "POST /api/v1/orm/exchanges/user-exchanges": "make",
    "GET /api/v1/orm/exchanges/user-exchanges/{ex_id}": "own",
    "PATCH /api/v1/orm/exchanges/user-exchanges/{ex_id}": "own, trade",
    "DELETE /api/v1/orm/exchanges/user-exchanges/{ex_id}": "own, trade",
    "POST /api/v1/orm/exchanges/user-exchanges/{ex_id}/validate": "own, trade",
    "POST /api/v1/orm/orders": "own, trade",
    "GET /api/v1/orm/orders/by-bot": "own",
    "GET /api/v1/orm/orders/by-symbol": "read",
    "GET /api/v1/orm/orders/history": "read",
    "GET /api/v1/orm/orders/open": "read",
    "GET /api/v1/orm/orders/stats": "read",
    "GET /api/v1/orm/orders/{order_id}": "own",
    "DELETE /api/v1/orm/orders/{order_id}": "own, trade",
    "PATCH /api/v1/orm/orders/{order_id}/status": "own, trade",
    "PUT /api/v1/orm/orders/{order_id}/status": "own, trade",
    "GET /api/v1/orm/strategies/bot-strategies": "own",
    "POST /api/v1/orm/strategies/bot-strategies": "own, trade",
    "GET /api/v1/orm/strategies/bot-strategies/{str_id}": "own",
    "PUT /api/v1/orm/strategies/bot-strategies/{str_id}": "own, trade",
    "DELETE /api/v1/orm/strategies/bot-strategies/{str_id}": "own, trade",
    "PATCH /api/v1/orm/strategies/bot-strategies/{str_id}/params": "own, trade",
    "GET /api/v1/orm/strategies/catalog": "read",
    "POST /api/v1/orm/strategies/catalog": "admin",
    "GET /api/v1/orm/strategies/catalog-id": "read",
    "GET /api/v1/orm/strategies/catalog/{cat_str_id}": "read",
    "DELETE /api/v1/orm/strategies/catalog/{cat_str_id}": "admin",
    "GET /api/v1/orm/strategies/catalog/{cat_str_id}/params": "read",
    "GET /api/v1/orm/strategies/user-strategies": "read",
    "POST /api/v1/orm/symbols": "admin",
    "GET /api/v1/orm/symbols/by-exchange": "read",
    "GET /api/v1/orm/symbols/decimals": "read",
    "GET /api/v1/orm/symbols/search": "read",
    "POST /api/v1/orm/symbols/sync": "admin",
    "PATCH /api/v1/orm/symbols/{symbol_id}": "admin",
    "GET /api/v1/orm/trades/bot": "own",
    "POST /api/v1/orm/trades/bot": "own, trade",
    "GET /api/v1/orm/trades/by-bot": "read",
    "GET /api/v1/orm/trades/by-symbol": "read",
    "POST /api/v1/orm/trades/dry": "own, trade",
    "GET /api/v1/orm/trades/history": "read",
    "GET /api/v1/orm/trades/live": "read",
    "POST /api/v1/orm/trades/live": "own, trade",
    "GET /api/v1/orm/trades/performance": "read",
    "GET /api/v1/orm/trades/stats": "read",
    "GET /api/v1/orm/trades/stats/overall": "read",
    "GET /api/v1/orm/trades/summary": "read",
    "GET /api/v1/orm/trades/symbol-performance": "read",
    "PATCH /api/v1/orm/trades/{trade_id}": "own, trade",
    "DELETE /api/v1/orm/trades/{trade_id}": "own, trade",
    "GET /api/v1/orm/users": "admin",
    "POST /api/v1/orm/users": "admin",
    "GET /api/v1/orm/users/by-email/{mail}": "admin",
    "GET /api/v1/orm/users/me": "read",
    "PATCH /api/v1/orm/users/me": "profile",
    "GET /api/v1/orm/users/search": "admin",
    "GET /api/v1/orm/users/{uid}": "admin",
    "PATCH /api/v1/orm/users/{uid}": "admin",
    "PUT /api/v1/orm/users/{uid}": "admin",
    "DELETE /api/v1/orm/users/{uid}": "admin",
    "GET /api/v1/orm/views/bot-dashboard/{user_id}": "own page or admin",
    "GET /api/v1/orm/views/performance-metrics": "read",
    "GET /api/v1/orm/views/portfolio-stats": "read",
    "GET /api/v1/orm/views/risk-metrics": "read",
    "GET /api/v1/orm/views/trading-overview": "read",
    "GET /api/v1/orm/views/user-summary": "read",
    "GET /api/v1/services": "admin",
    "POST /api/v1/services/{name}/restart": "admin",
    "POST /api/v1/services/{name}/start": "admin",
    "GET /api/v1/services/{name}/status": "admin",
    "POST /api/v1/services/{name}/stop": "admin",
    "GET /asyncapi.json": "public",
    "GET /docs": "public",
    "GET /docs/assets/{name}": "public",
    "GET /docs/problems": "public",
    "GET /docs/problems/{code}": "public",
    "GET /docs/websocket": "public",
    "GET /health": "public",
    "GET /health/deep": "admin",
    "GET /health/ready": "public",
    "GET /health/services": "admin",
    "GET /openapi.json": "public",
    "GET /redoc": "public",
}

#: Where a valid request does not end in success in the world of the test, and why.
ELSEWHERE: dict[str, tuple[int, str]] = {
    "POST /api/v1/auth/refresh": (401, "the token of the example is none"),
    "POST /api/v1/auth/register": (403, "registration is closed unless ENABLE_REGISTRATION is set"),
    "GET /api/v1/cache/ohlcv/{exchange}/{symbol}/{timeframe}": (404, "no collector runs"),
    "GET /api/v1/cache/tickers/{exchange}": (404, "no collector runs"),
    "GET /api/v1/cache/tickers/{exchange}/{symbol}": (404, "no collector runs"),
    "GET /api/v1/cache/trades/queue/status": (404, "no collector runs"),
    "POST /api/v1/services/{name}/restart": (400, "the service does not run"),
    "POST /api/v1/services/{name}/stop": (400, "the service does not run"),
    "POST /api/v1/orm/exchanges/user-exchanges/{ex_id}/validate": (503, "the exchange cannot be reached"),
    "POST /api/v1/orm/symbols/sync": (503, "the exchange cannot be reached"),
}

#: Changes that are on no audit trail: they begin or renew a session, which the table of sessions shows.
NOT_ON_THE_TRAIL = {"POST /api/v1/auth/login", "POST /api/v1/auth/refresh", "POST /api/v1/auth/ws-ticket"}

#: Bodies that ignore fields they do not know, as forms of OAuth clients carry some; nothing comes of these.
IGNORES_FIELDS = {"POST /api/v1/auth/login", "POST /api/v1/auth/refresh"}


def page() -> str:
    """The table as a Markdown page."""
    lines = [
        "# Who may do what",
        "",
        "Printed from `tests/api/access.py` by `python -m tools.documents`. `tests/api/test_access_matrix.py` tries",
        "each operation as each of these callers, and fails for one that has no row here.",
        "",
        "- **anonymous**: no credential. **foreign**: another trader. **viewer**: the role viewer. **owner**: the",
        "  trader whose bot, key or account the request names. **read-only key**: an API key of the owner with the",
        "  scope `read`. **admin**: an admin who does not own it.",
        "- A number is the status of the refusal, ✓ the operation's success. What is somebody else's answers 404",
        "  exactly as what does not exist.",
        "- A body that names another `uid`, a `role`, an `owner` or a `balance` is refused with 422; only admins name",
        "  users, where the operation is about users or their keys.",
        "- Every change of somebody who is known leaves one entry on the audit trail, but for tickets of the socket.",
        "  Those who are refused change nothing.",
        "",
        "| operation | rule | anonymous | foreign | viewer | owner | read-only key | admin |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for operation, name in ACCESS.items():
        outcomes = (RULES[name].of(caller) for caller in CALLERS)
        cells = " | ".join("✓" if outcome is OK else str(outcome) for outcome in outcomes)
        lines.append(f"| `{operation}` | {name} | {cells} |")
    lines += ["", "| rule | who |", "|---|---|", *(f"| {name} | {rule.meaning} |" for name, rule in RULES.items())]
    return "\n".join(lines) + "\n"
