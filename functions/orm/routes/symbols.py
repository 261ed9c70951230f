"""Symbols of the catalogue: found by anybody, entered and changed by admins, refreshed from the exchange itself."""

from __future__ import annotations

import logging
from typing import Annotated

from fastapi import APIRouter, Path, Query

from fullon.kernel.errors import Invalid, Unavailable
from fullon.market import candles_store
from fullon.runtime.audited import act
from fullon.runtime.container import Container
from fullon.runtime.http import AdminCaller, Caller, Stores
from fullon.runtime.pages import Cursor, Limit, Page, decode_cursor, page_of
from fullon.runtime.problems import responses
from fullon.venues import cache, store
from fullon.venues.errors import UnknownSymbol
from fullon.venues.model import Symbol
from functions.orm import exchange_answers
from functions.orm.venue_schemas import DecimalsAnswer, NewSymbol, SymbolAnswer, SymbolChange, SyncAnswer

_log = logging.getLogger("fullon.orm")
router = APIRouter(prefix="/api/v1/orm/symbols")

IsActive = Annotated[bool | None, Query(description="Only those that are, or are not.")]
#: Numbers of records are PostgreSQL integers.
LARGEST_ID = 2**31
ExchangeId = Annotated[
    int, Query(ge=1, lt=LARGEST_ID, description="Number of the exchange in the catalogue.", examples=[1])
]


@router.get(
    "/by-exchange",
    operation_id="list_symbols_by_exchange",
    summary="The symbols of an exchange, by name",
    responses=responses(401, 403, 404),
)
async def list_symbols_by_exchange(
    cat_ex_id: ExchangeId,
    caller: Caller,
    stores: Stores,
    active: IsActive = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[SymbolAnswer]:
    return await page_of_symbols(stores, cat_ex_id, active, limit, cursor)


@router.get(
    "/search",
    operation_id="search_symbols",
    summary="Symbols whose name contains a text",
    responses=responses(401, 403),
)
async def search_symbols(
    q: Annotated[str, Query(min_length=1, max_length=64, pattern=r"^[^\x00]*$", examples=["btc"])],
    caller: Caller,
    stores: Stores,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[SymbolAnswer]:
    async with stores.connection() as connection:
        found = await store.search_symbols(connection, q, after=_read_cursor(cursor), limit=limit + 1)
    return _page(found, limit)


@router.get(
    "/decimals",
    operation_id="get_symbol_decimals",
    summary="How exact prices and quantities of a symbol are, at each exchange that has it",
    responses=responses(401, 403, 404),
)
async def get_symbol_decimals(
    symbol: Annotated[str, Query(min_length=1, max_length=64, pattern=r"^[^\x00]*$", examples=["BTC/USDT"])],
    caller: Caller,
    stores: Stores,
) -> Page[DecimalsAnswer]:
    async with stores.connection() as connection:
        found = await store.symbols_named(connection, symbol)
    if not found:
        raise UnknownSymbol
    return Page(items=[DecimalsAnswer.of(each) for each in found])


@router.post(
    "",
    operation_id="create_symbol",
    summary="Enter a symbol of an exchange",
    status_code=201,
    responses=responses(401, 403, 404, 409),
)
async def create_symbol(body: NewSymbol, caller: AdminCaller, stores: Stores) -> SymbolAnswer:
    async with act(stores, caller, "create_symbol", cat_ex_id=body.cat_ex_id) as doing:
        symbol = await store.add_symbol(doing.connection, body.cat_ex_id, body.values())
        doing.subject = f"symbol {symbol.symbol_id}"
    await _announce(stores, [symbol])
    return SymbolAnswer.of(symbol)


@router.patch(
    "/{symbol_id}",
    operation_id="change_symbol",
    summary="Change a symbol",
    description="Collectors follow within seconds: an activated symbol is loaded and streamed, a switched-off one not.",
    responses=responses(401, 403, 404, 409),
)
async def change_symbol(
    symbol_id: Annotated[int, Path(ge=1, lt=LARGEST_ID)], body: SymbolChange, caller: AdminCaller, stores: Stores
) -> SymbolAnswer:
    values = body.values()
    async with act(stores, caller, "change_symbol", f"symbol {symbol_id}", fields=sorted(values)) as doing:
        symbol = await store.change_symbol(doing.connection, symbol_id, values)
    await _announce(stores, [symbol])
    return SymbolAnswer.of(symbol)


@router.post(
    "/sync",
    operation_id="sync_symbols",
    summary="Refresh an exchange's symbols from the exchange",
    description="Precision and rules follow the exchange. New symbols are added inactive, delisted ones switched off.",
    responses=responses(401, 403, 404, 429, 504),
)
async def sync_symbols(cat_ex_id: ExchangeId, caller: AdminCaller, stores: Stores) -> SyncAnswer:
    async with stores.connection() as connection:
        venue = await store.venue(connection, cat_ex_id)
    markets = await exchange_answers.markets(stores, venue)
    async with act(stores, caller, "sync_symbols", f"exchange {cat_ex_id}", listed=len(markets)) as doing:
        changes = await store.put_markets(doing.connection, cat_ex_id, markets)
        collected = await store.symbols_of(doing.connection, cat_ex_id, active=True)
    await _announce(stores, collected)
    return SyncAnswer(
        exchange=venue.name,
        listed=len(markets),
        added=changes.added,
        changed=changes.changed,
        deactivated=changes.deactivated,
    )


async def page_of_symbols(
    stores: Container, cat_ex_id: int, active: bool | None, limit: int, cursor: str | None
) -> Page[SymbolAnswer]:
    """A page of an exchange's symbols; also the exchanges routes answer with it."""
    after, _ = _read_cursor(cursor)
    async with stores.connection() as connection:
        await store.venue(connection, cat_ex_id)
        found = await store.symbols_of(connection, cat_ex_id, active=active, after=after, limit=limit + 1)
    return _page(found, limit)


def _page(found: list[Symbol], limit: int) -> Page[SymbolAnswer]:
    return page_of(found, limit, SymbolAnswer.of, lambda symbol: (symbol.symbol, symbol.symbol_id))


def _read_cursor(cursor: str | None) -> tuple[str, int]:
    """Name and number of the symbol that the page before ended with."""
    if cursor is None:
        return "", 0
    match decode_cursor(cursor, 2):
        case [str(name), int(number)] if "\x00" not in name and 0 <= number < LARGEST_ID:
            return name, number
    raise Invalid("The cursor is not one of this list.", fields={"cursor": "not a cursor of this list"})


async def _announce(stores: Container, symbols: list[Symbol]) -> None:
    """After the commit: the candle database learns the names, and collectors look at once."""
    try:
        async with stores.candle_transaction() as connection:
            await candles_store.put_series(connection, symbols)
    except Unavailable as error:
        _log.warning("series not registered; the collector will", extra={"cause": repr(error.__cause__)})
    await cache.ring(stores.valkey)
