"""Symbols of all exchanges."""

from __future__ import annotations

from fullon_client.calls import Call, Page, one, page
from fullon_client.models.venues import Decimals, Symbol, Sync

PATH = "/api/v1/orm/symbols"


def by_exchange(cat_ex_id: int, *, active: bool | None = None, limit: int | None = None) -> Call[Page[Symbol]]:
    """The symbols of an exchange."""
    parameters = {"cat_ex_id": cat_ex_id, "active": active, "limit": limit}
    return page(Symbol, "list_symbols_by_exchange", f"{PATH}/by-exchange", parameters=parameters)


def search(text: str, *, limit: int | None = None) -> Call[Page[Symbol]]:
    """Symbols whose name holds a text, or reads alike."""
    return page(Symbol, "search_symbols", f"{PATH}/search", parameters={"q": text, "limit": limit})


def decimals(symbol: str) -> Call[Page[Decimals]]:
    """How exactly a symbol is traded, at each exchange that has it."""
    return page(Decimals, "get_symbol_decimals", f"{PATH}/decimals", parameters={"symbol": symbol})


def sync(cat_ex_id: int) -> Call[Sync]:
    """Read the symbols of an exchange anew (admin)."""
    return one(Sync, "sync_symbols", "POST", f"{PATH}/sync", parameters={"cat_ex_id": cat_ex_id})
