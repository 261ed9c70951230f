"""The venue's file: everything of the trading side, so that a venue started again goes on where it was.

SQLite with a write-ahead log: a step is one transaction, so after a kill at any moment a step is there whole or not at
all (a machine that loses power may lose the last ones: ``synchronous`` is ``NORMAL``). Balances and commissions are
decimal text; prices and quantities whole ticks and steps.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Callable
from decimal import Decimal
from operator import attrgetter
from pathlib import Path
from typing import Any

from local.errors import StoreProblem
from local.paper.trading.accounts import Account, Balance, Key
from local.paper.trading.orders import OPEN, Fill, Order, OrderType, Side, Status, TimeInForce
from local.paper.trading.state import OpenOrders, State, Step

SCHEMA = """
CREATE TABLE IF NOT EXISTS accounts (id INTEGER PRIMARY KEY, maker TEXT, taker TEXT, created INTEGER) STRICT;
CREATE TABLE IF NOT EXISTS keys (
    key TEXT PRIMARY KEY, secret TEXT, account INTEGER REFERENCES accounts, can_read INTEGER, can_trade INTEGER,
    can_withdraw INTEGER, enabled INTEGER, created INTEGER) STRICT;
CREATE TABLE IF NOT EXISTS balances (
    account INTEGER, asset TEXT, free TEXT, locked TEXT, PRIMARY KEY (account, asset)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS transfers (account INTEGER, asset TEXT, amount TEXT, time INTEGER) STRICT;
CREATE TABLE IF NOT EXISTS orders (
    id INTEGER PRIMARY KEY, account INTEGER, symbol TEXT, client_id TEXT, side TEXT, type TEXT, time_in_force TEXT,
    price INTEGER, quantity INTEGER, quote_quantity INTEGER, stop_price INTEGER, iceberg INTEGER, prevention TEXT,
    time INTEGER, update_time INTEGER, after INTEGER, status TEXT, executed INTEGER, amount INTEGER, working INTEGER,
    working_time INTEGER, held INTEGER) STRICT;
CREATE INDEX IF NOT EXISTS orders_of_account ON orders (account, symbol, id);
CREATE INDEX IF NOT EXISTS orders_by_client_id ON orders (account, symbol, client_id);
CREATE INDEX IF NOT EXISTS open_orders ON orders (status) WHERE status IN ('NEW', 'PARTIALLY_FILLED');
CREATE TABLE IF NOT EXISTS fills (
    id INTEGER PRIMARY KEY, order_id INTEGER, account INTEGER, symbol TEXT, side TEXT, price INTEGER,
    quantity INTEGER, commission TEXT, commission_asset TEXT, time INTEGER, maker INTEGER) STRICT;
CREATE INDEX IF NOT EXISTS fills_of_account ON fills (account, symbol, id);
CREATE INDEX IF NOT EXISTS fills_of_order ON fills (order_id);
CREATE TABLE IF NOT EXISTS cursors (symbol TEXT PRIMARY KEY, trade INTEGER) STRICT;
CREATE TABLE IF NOT EXISTS listen_keys (key TEXT PRIMARY KEY, account INTEGER, until INTEGER) STRICT;
"""
_ORDER = tuple(Order.__dataclass_fields__)
_FILL = tuple(Fill.__dataclass_fields__)
_order_values, _fill_values = attrgetter(*_ORDER), attrgetter(*_FILL)
_KINDS: dict[str, Callable[[Any], Any]] = {
    "side": Side,
    "type": OrderType,
    "time_in_force": TimeInForce,
    "status": Status,
    "working": bool,
    "held": bool,
}
_PUT_ORDER = "INSERT OR REPLACE INTO orders VALUES (" + ", ".join("?" * len(_ORDER)) + ")"  # noqa: S608 - own text
_PUT_FILL = "INSERT INTO fills VALUES (" + ", ".join("?" * len(_FILL)) + ")"  # noqa: S608 - own text


class Records:
    """The file.

    Args:
        path: where it is, made with mode 0600; None for one in memory that ends with the process.

    Raises:
        StoreProblem: another venue has it, or it cannot be used.
    """

    def __init__(self, path: Path | None) -> None:
        self._lock = _lock(path) if path is not None else None
        try:
            self._database = sqlite3.connect(path or ":memory:", isolation_level=None)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.executescript(SCHEMA)
        except sqlite3.Error as error:
            raise StoreProblem(f"The paper venue's file {path} cannot be used: {error}.") from error

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()
        if self._lock is not None:
            os.close(self._lock)

    def load(self) -> State:
        """Everything in force."""
        rows = self._database.execute
        state = State()
        for identity, maker, taker, created in rows("SELECT * FROM accounts"):
            state.accounts[identity] = Account(identity, Decimal(maker), Decimal(taker), created)
        for key, secret, account, read, trade, withdraw, enabled, created in rows("SELECT * FROM keys"):
            allowed = bool(read), bool(trade), bool(withdraw)
            state.keys[key] = Key(key, secret, account, *allowed, enabled=bool(enabled), created=created)
        for account, asset, free, locked in rows("SELECT * FROM balances"):
            state.balances.setdefault(account, {})[asset] = Balance(Decimal(free), Decimal(locked))
        state.open = OpenOrders(self._orders("status IN (?, ?) ORDER BY id", *sorted(OPEN)))
        state.cursors = dict(rows("SELECT symbol, trade FROM cursors"))
        state.last_order = rows("SELECT coalesce(max(id), 0) FROM orders").fetchone()[0]
        state.last_fill = rows("SELECT coalesce(max(id), 0) FROM fills").fetchone()[0]
        return state

    def save(self, step: Step) -> None:
        """Write a step whole; raises StoreProblem, and nothing of it is written, where it cannot."""
        write, write_all = self._database.execute, self._database.executemany
        try:
            write("BEGIN IMMEDIATE")
            for each in step.accounts:
                row = (each.id, str(each.maker), str(each.taker), each.created)
                write("INSERT OR REPLACE INTO accounts VALUES (?, ?, ?, ?)", row)
            for key in step.keys:
                values = (key.key, key.secret, key.account, key.read, key.trade, key.withdraw, key.enabled, key.created)
                write("INSERT OR REPLACE INTO keys VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
            for transfer in step.transfers:
                moved = (transfer.account, transfer.asset, format(transfer.amount, "f"), transfer.time)
                write("INSERT INTO transfers VALUES (?, ?, ?, ?)", moved)
            write_all(_PUT_ORDER, map(_order_values, step.orders.values()))
            write_all(_PUT_FILL, map(_fill_row, step.fills))
            write_all(
                "INSERT OR REPLACE INTO balances VALUES (?, ?, ?, ?)",
                [(*owner, format(each.free, "f"), format(each.locked, "f")) for owner, each in step.balances.items()],
            )
            write_all("INSERT OR REPLACE INTO cursors VALUES (?, ?)", step.cursors.items())
            write("COMMIT")
        except sqlite3.Error as error:
            if self._database.in_transaction:
                write("ROLLBACK")
            raise StoreProblem(f"The paper venue's file cannot be written: {error}.") from error

    def order(self, account: int, symbol: str, order_id: int) -> Order | None:
        """An order of an account, open or ended."""
        found = self._orders("account = ? AND symbol = ? AND id = ?", account, symbol, order_id)
        return found[0] if found else None

    def orders_named(self, account: int, symbol: str, client_id: str) -> list[Order]:
        """Those with a client order id, oldest first."""
        return self._orders("account = ? AND symbol = ? AND client_id = ? ORDER BY id", account, symbol, client_id)

    def orders(
        self, account: int, symbol: str, limit: int, *, first: int | None = None, start: int | None = None, end: int
    ) -> list[Order]:
        """Orders by id: the oldest from an id or a time on, else the newest; none from after ``end``."""
        condition = "account = ? AND symbol = ? AND time <= ?"
        if first is not None:
            return self._orders(f"{condition} AND id >= ? ORDER BY id LIMIT ?", account, symbol, end, first, limit)
        if start is not None:
            return self._orders(f"{condition} AND time >= ? ORDER BY id LIMIT ?", account, symbol, end, start, limit)
        return self._orders(f"{condition} ORDER BY id DESC LIMIT ?", account, symbol, end, limit)[::-1]

    def fills_of(self, order_id: int) -> list[Fill]:
        """What an order got, oldest first."""
        return self._fills("order_id = ? ORDER BY id", order_id)

    def fills(
        self, account: int, symbol: str, limit: int, *, first: int | None = None, start: int | None = None, end: int
    ) -> list[Fill]:
        """Fills by id: the oldest from an id or a time on, else the newest; none from after ``end``."""
        condition = "account = ? AND symbol = ? AND time <= ?"
        if first is not None:
            return self._fills(f"{condition} AND id >= ? ORDER BY id LIMIT ?", account, symbol, end, first, limit)
        if start is not None:
            return self._fills(f"{condition} AND time >= ? ORDER BY id LIMIT ?", account, symbol, end, start, limit)
        return self._fills(f"{condition} ORDER BY id DESC LIMIT ?", account, symbol, end, limit)[::-1]

    def listen_keys(self) -> list[tuple[str, int, int]]:
        """Key, account and until when it is valid."""
        return self._database.execute("SELECT key, account, until FROM listen_keys").fetchall()

    def put_listen_key(self, key: str, account: int, until: int) -> None:
        self._database.execute("INSERT OR REPLACE INTO listen_keys VALUES (?, ?, ?)", (key, account, until))

    def drop_listen_key(self, key: str) -> None:
        self._database.execute("DELETE FROM listen_keys WHERE key = ?", (key,))

    def _orders(self, condition: str, *values: object) -> list[Order]:
        rows = self._database.execute(f"SELECT * FROM orders WHERE {condition}", values)  # noqa: S608 - own text
        return [_order(row) for row in rows]

    def _fills(self, condition: str, *values: object) -> list[Fill]:
        rows = self._database.execute(f"SELECT * FROM fills WHERE {condition}", values)  # noqa: S608 - own text
        return [_fill(row) for row in rows]


def _order(row: tuple[Any, ...]) -> Order:
    fields: dict[str, Any] = dict(zip(_ORDER, row, strict=True))
    for name, kind in _KINDS.items():
        fields[name] = kind(fields[name])
    return Order(**fields)


def _fill(row: tuple[Any, ...]) -> Fill:
    fields: dict[str, Any] = dict(zip(_FILL, row, strict=True))
    fields |= {
        "side": Side(fields["side"]),
        "commission": Decimal(fields["commission"]),
        "maker": bool(fields["maker"]),
    }
    return Fill(**fields)


def _fill_row(fill: Fill) -> tuple[object, ...]:
    values = dict(zip(_FILL, _fill_values(fill), strict=True))
    return tuple((values | {"commission": format(fill.commission, "f")}).values())


def _lock(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StoreProblem(f"Another paper venue has {path}.", "Stop it first, or name another file.") from error
    except OSError as error:
        raise StoreProblem(f"The paper venue's file {path} cannot be used: {error.strerror}.") from error
    return descriptor
