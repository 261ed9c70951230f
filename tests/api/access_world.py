"""The world that the access matrix is tried in: callers, what is the owner's, and requests made from the document."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from importlib import import_module
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

from fastapi import FastAPI

from fullon.bots import store as bots
from fullon.identity import passwords
from fullon.identity.model import Identity, Kind, Role, Scope
from fullon.orders import account_cache, ledger, order_cache, order_store
from fullon.orders.account_cache import AccountState
from fullon.orders.model import Fill, FillSource, NewOrder, OrderStatus, OrderType, Side
from fullon.orders.order_data import data_of
from fullon.runtime.container import Container
from fullon.strategies import catalogue
from fullon.venues import accounts
from fullon.venues.account import Keys
from fullon.venues.sealing import Binding
from tests.identities import PASSWORD
from tests.people import a_session, a_venue
from tools import documents

#: Enough for every order of the examples.
_FUNDS = [{"currency": currency, "free": "1000000", "used": "0", "total": "1000000"} for currency in ("USDT", "BTC")]
IDS = ("bot_id", "str_id", "ex_id", "feed_id", "sim_id", "order_id", "key_id", "trade_id")


@cache
def operations() -> dict[str, dict[str, Any]]:
    """The merged document's operations by ``METHOD /path``."""
    paths = documents.openapi()["paths"]
    return {f"{method.upper()} {path}": operation for path, item in paths.items() for method, operation in item.items()}


@cache
def schemas() -> dict[str, Any]:
    """The merged document's schemas by name."""
    found: dict[str, Any] = documents.openapi()["components"]["schemas"]
    return found


@cache
def of_functions() -> dict[str, list[str]]:
    """Operations by the function that serves them."""
    found: dict[str, list[str]] = {}
    for operation, declared in operations().items():
        found.setdefault(declared["tags"][0], []).append(operation)
    return found


def app_of(function: str, container: Container) -> FastAPI:
    """The app of a function."""
    app: FastAPI = import_module(f"functions.{function}.app").create(container)
    return app


@cache
def body_schema(operation: str) -> dict[str, Any] | None:
    """The schema of an operation's JSON body, None if it takes none."""
    content = operations()[operation].get("requestBody", {}).get("content", {})
    schema: dict[str, Any] | None = content.get("application/json", {}).get("schema")
    if schema and "$ref" in schema:
        schema = schemas()[schema["$ref"].rsplit("/", 1)[1]]
    return schema


@dataclass
class World:
    """Callers by name, and values by the name of a parameter or field."""

    callers: dict[str, Identity | None]
    values: dict[str, Any]
    special: dict[tuple[str, str], Any] = field(default_factory=dict)
    of_foreign: dict[str, Any] = field(default_factory=dict)

    def ids(self, caller: str) -> list[str]:
        """Ids of things of the owner, or of the same things of the foreign trader."""
        values = self.of_foreign if caller == "foreign" else self.values
        return [str(values[name]) for name in IDS]

    def value(self, operation: str, name: str) -> Any:
        """What a parameter or field of an operation is to be; None when the world has nothing of the name."""
        return self.special.get((operation, name), self.values.get(name))

    def address(self, operation: str) -> str:
        """Path and query of a valid request about what is the owner's."""
        path = operation.split(" ", 1)[1]
        query: list[str] = []
        for parameter in operations()[operation].get("parameters", ()):
            if "$ref" in parameter or not parameter.get("required"):
                continue
            value = self.value(operation, parameter["name"])
            if value is None:
                value = _example(parameter)
            assert value is not None, f"{operation}: the world has no {parameter['name']}, nor has the document"
            if parameter["in"] == "path":
                path = path.replace(f"{{{parameter['name']}}}", quote(str(value), safe="/"))
            else:
                query.append(f"{parameter['name']}={quote(str(value))}")
        return path + ("?" + "&".join(query) if query else "")

    def body(self, operation: str) -> Any:
        """The document's example with the world's values in it; None for operations without a body."""
        schema = body_schema(operation)
        if schema is None:
            return None
        return self._filled(operation, json.loads(json.dumps(schema["examples"][0])))

    def _filled(self, operation: str, example: Any) -> Any:
        if isinstance(example, list):
            return [self._filled(operation, each) for each in example]
        if not isinstance(example, dict):
            return example
        filled = {}
        for name, given in example.items():
            value = self.value(operation, name)
            filled[name] = self._filled(operation, given) if value is None or name == "name" else value
            if name == "name" and (operation, name) in self.special:
                filled[name] = value
        return filled


async def a_world(container: Container) -> World:
    """New callers, and an owner who has two of everything."""
    password_hash = await _password_hash()
    async with container.transaction() as connection:
        if not await connection.fetchval("SELECT count(*) FROM symbols"):
            await a_venue(connection, "paper", "BTC/USDT", "ETH/USDT")
            await catalogue.put_builtin(connection)
        await connection.execute(
            "UPDATE symbols SET active = true, tick_size = 0.01, step_size = 0.00001 WHERE symbol = 'BTC/USDT'"
        )
        people = {name: await a_session(connection, role) for name, role in _ROLES.items()}
        uids = [person.user_id for person in people.values()]
        await connection.execute("UPDATE users SET password_hash = $1 WHERE uid = ANY($2)", password_hash, uids)
        first = await _belongings(container, connection, people["owner"])
        await _belongings(container, connection, people["owner"])
        of_foreign = await _belongings(container, connection, people["foreign"])
        await _belongings(container, connection, people["viewer"])
        read_key = await _key(connection, people["owner"].user_id)
        row = await connection.fetchrow(
            "SELECT symbol_id, cat_ex_id, (SELECT min(cat_str_id) FROM cat_strategies WHERE name = 'rsi_long') AS"
            " cat_str_id FROM symbols WHERE symbol = 'BTC/USDT'"
        )
        mine = await connection.fetchval(
            "INSERT INTO cat_strategies (name) VALUES ($1) RETURNING cat_str_id", f"mine_{uuid4().hex[:12]}"
        )
        known = data_of(await order_store.get(connection, people["owner"].user_id, first["order_id"]))
    others = [each.user_id for name, each in people.items() if name != "owner"]
    await order_cache.keep(
        container.valkey, [known, *({**known, "uid": str(uid), "order_id": str(uuid4())} for uid in others)]
    )
    assert row is not None
    owner = people["owner"]
    await account_cache.put(
        container.valkey, AccountState(first["ex_id"], owner.user_id, _FUNDS, [], container.clock.now()), changed=()
    )
    values = {
        **first,
        **dict(row),
        "uid": owner.user_id,
        "user_id": owner.user_id,
        "exchange": "paper",
        "exchange_name": "paper",
        "symbol": "BTC/USDT",
        "timeframe": "1h",
        "start_time": "2026-08-17T00:00:00Z",
        "code": "not_found",
        "old": PASSWORD,
    }
    values = {name: str(value) if isinstance(value, UUID) else value for name, value in values.items()}
    new_mail = f"{uuid4().hex}@example.test"
    special: dict[tuple[str, str], Any] = {
        ("GET /docs/assets/{name}", "name"): "pages.css",
        ("POST /api/v1/auth/login", "mail"): owner.mail,
        ("GET /api/v1/orm/exchanges/id-by-name", "name"): f"account {first['mark']}",
        ("GET /api/v1/orm/users/by-email/{mail}", "mail"): owner.mail,
        ("POST /api/v1/orm/api_keys/me", "scopes"): ["read"],
        ("PATCH /api/v1/orm/strategies/bot-strategies/{str_id}/params", "parameters"): {"kind": "sma"},
        ("POST /api/v1/services/{name}/restart", "name"): "ohlcv",
        ("POST /api/v1/services/{name}/stop", "name"): "streamer",
        ("POST /api/v1/orm/users", "mail"): new_mail,
        ("PUT /api/v1/orm/users/{uid}", "mail"): new_mail,
        ("POST /api/v1/orm/symbols", "symbol"): f"X{uuid4().hex[:8].upper()}/USDT",
        ("DELETE /api/v1/orm/strategies/catalog/{cat_str_id}", "cat_str_id"): mine,
        ("POST /api/v1/orm/strategies/catalog", "name"): f"mine_{uuid4().hex[:12]}",
    }
    return World({"anonymous": None, **people, "read_key": read_key}, values, special, of_foreign)


_ROLES = {"foreign": Role.TRADER, "viewer": Role.VIEWER, "owner": Role.TRADER, "admin": Role.ADMIN}


async def _belongings(container: Container, connection: Any, owner: Identity) -> dict[str, Any]:
    """An account, a bot that trades on it with strategy and feed, a log line, a simulation, a fill, an order, a key."""
    uid, mark = owner.user_id, uuid4().hex[:12]
    str_id, feed_id, sim_id, trade_id = (uuid4() for _ in range(4))
    binding = Binding(uid, uuid4())
    ex_id = binding.ex_id
    await accounts.add(
        connection,
        container.clock,
        binding,
        await container.seals.seal(binding, Keys(f"key-{mark}", f"secret-{mark}").to_bytes()),
        cat_ex_id=await connection.fetchval("SELECT cat_ex_id FROM cat_exchanges WHERE name = 'paper'"),
        name=f"account {mark}",
        key_hint="abcd",
    )
    bot = await bots.add(
        connection, container.clock, uid, name=f"bot {mark}", active=False, dry_run=True, note=f"note {mark}"
    )
    await bots.add_exchange(connection, container.clock, uid, bot.bot_id, ex_id)
    await connection.execute(
        "INSERT INTO strategies (str_id, uid, bot_id, cat_str_id, name, created_at, updated_at)"
        " SELECT $1, $2, $3, cat_str_id, $4, now(), now() FROM cat_strategies WHERE name = 'crossover'",
        str_id,
        uid,
        bot.bot_id,
        f"strategy {mark}",
    )
    await connection.execute(
        "INSERT INTO feeds (feed_id, uid, str_id, symbol_id, ex_id, period, compression, position)"
        " SELECT $1, $2, $3, min(symbol_id), $4, 'minutes', 1, 0 FROM symbols",
        feed_id,
        uid,
        str_id,
        ex_id,
    )
    for number in range(2):
        await connection.execute(
            "INSERT INTO bot_log (uid, bot_id, at, level, action, message) VALUES ($1, $2, now(), 'info', 'test', $3)",
            uid,
            bot.bot_id,
            f"line {mark} {number}",
        )
        await connection.execute(
            "INSERT INTO simulations (sim_id, uid, bot_id, created_at, window_from, window_until, settings, result)"
            " VALUES ($1, $2, $3, now(), now() - interval '1 day', now(), '{}', '{}')",
            uuid4() if number else sim_id,
            uid,
            bot.bot_id,
        )
    await ledger.record(connection, container.clock.now(), [await _fill(connection, container, binding, trade_id)])
    order = await order_store.add(connection, container.clock, await _canceled(connection, binding, bot.bot_id))
    key = await _key(connection, uid)
    return {
        "mark": mark,
        "trade_id": trade_id,
        "ex_id": ex_id,
        "bot_id": bot.bot_id,
        "str_id": str_id,
        "feed_id": feed_id,
        "sim_id": sim_id,
        "order_id": order.order_id,
        "key_id": key.session,
    }


async def _canceled(connection: Any, binding: Binding, bot_id: UUID) -> NewOrder:
    """An order that has ended, so that its account may be removed; canceling it again is no error."""
    return NewOrder(
        uid=binding.uid,
        ex_id=binding.ex_id,
        bot_id=bot_id,
        symbol_id=await connection.fetchval("SELECT symbol_id FROM symbols WHERE symbol = 'BTC/USDT'"),
        symbol="BTC/USDT",
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        volume=Decimal(1),
        price=Decimal(100),
        status=OrderStatus.CANCELED,
    )


async def _fill(connection: Any, container: Container, binding: Binding, fill_id: UUID) -> Fill:
    """One that was entered by hand."""
    return Fill(
        fill_id=fill_id,
        uid=binding.uid,
        ex_id=binding.ex_id,
        order_id=None,
        bot_id=None,
        symbol_id=await connection.fetchval("SELECT symbol_id FROM symbols WHERE symbol = 'BTC/USDT'"),
        symbol="BTC/USDT",
        side=Side.BUY,
        source=FillSource.MANUAL,
        venue_trade_id=f"manual:{fill_id}",
        venue_order_id=None,
        price=Decimal(100),
        volume=Decimal(1),
        fee=Decimal(0),
        fee_currency="USDT",
        fee_quote=None,
        maker=None,
        at=container.clock.now(),
    )


async def _key(connection: Any, uid: UUID) -> Identity:
    """An API key of a user that may only read."""
    owner = await a_session(connection, uid=uid)
    key_id = uuid4()
    await connection.execute(
        "INSERT INTO api_keys (id, uid, prefix, hash, name, scopes, created_at)"
        " VALUES ($1, $2, $3, '-', 'test', '{read}', now())",
        key_id,
        uid,
        key_id.hex,
    )
    return Identity(uid, owner.mail, owner.role, Kind.API_KEY, key_id, frozenset({Scope.READ}), owner.expires_at)


_hashes: list[str] = []


async def _password_hash() -> str:
    """Worked out once: it takes long on purpose."""
    if not _hashes:
        _hashes.append(await passwords.hash_password(PASSWORD))
    return _hashes[0]


def _example(parameter: dict[str, Any]) -> Any:
    schema = parameter["schema"]
    examples = (
        schema.get("examples") or parameter.get("examples") or [parameter.get("example"), *schema.get("enum", ())]
    )
    return next((each for each in examples if each is not None), None)
